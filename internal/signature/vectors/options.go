package vectors

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/callgate/callgate/internal/signature"
)

// options turns the options of a case into configuration: those of signature.HMACConfig by their JSON names, those of
// Vapi's HMAC credentials by Vapi's names, and tolerance (seconds, or a text such as "5m"), forms, header and prefix.
// Options that are not known are passed over.
func (c *testCase) options(cfg *signature.Config) error {
	if len(c.Options) == 0 {
		return nil
	}
	o := c.Options
	bad := func(name string) error { return fmt.Errorf("%w: option %s cannot be read", ErrFile, name) }
	if v, ok := o["tolerance"]; ok {
		var text string
		var secs float64
		if json.Unmarshal(v, &text) == nil {
			d, err := time.ParseDuration(text)
			if err != nil {
				return bad("tolerance")
			}
			cfg.Tolerance = d
		} else if json.Unmarshal(v, &secs) == nil {
			cfg.Tolerance = time.Duration(secs * float64(time.Second))
		} else {
			return bad("tolerance")
		}
	}
	if v, ok := o["forms"]; ok && json.Unmarshal(v, &cfg.Forms) != nil {
		return bad("forms")
	}
	info, _ := signature.Lookup(cfg.Scheme)
	switch info.Name {
	case "hmac":
		return genericOptions(o, cfg)
	case "vapi", "vapi-hmac":
		return vapiOptions(o, cfg)
	}
	if v, ok := o["header"]; ok && json.Unmarshal(v, &cfg.Header) != nil {
		return bad("header")
	}
	if v, ok := o["prefix"]; ok && json.Unmarshal(v, &cfg.Prefix) != nil {
		return bad("prefix")
	}
	return nil
}

func genericOptions(o map[string]json.RawMessage, cfg *signature.Config) error {
	own := make(map[string]json.RawMessage)
	for k, v := range o {
		if k != "tolerance" && k != "forms" {
			own[k] = v
		}
	}
	b, err := json.Marshal(own)
	if err != nil {
		return err
	}
	cfg.HMAC = new(signature.HMACConfig)
	if err := json.Unmarshal(b, cfg.HMAC); err != nil {
		return fmt.Errorf("%w: options: %w", ErrFile, err)
	}
	return nil
}

// vapiOptions reads an HMAC authentication plan as Vapi's API has it, with Vapi's defaults.
func vapiOptions(o map[string]json.RawMessage, cfg *signature.Config) error {
	plan := struct {
		Algorithm         string `json:"algorithm"`
		SignatureHeader   string `json:"signatureHeader"`
		TimestampHeader   string `json:"timestampHeader"`
		SignaturePrefix   string `json:"signaturePrefix"`
		IncludeTimestamp  bool   `json:"includeTimestamp"`
		PayloadFormat     string `json:"payloadFormat"`
		MessageIDHeader   string `json:"messageIdHeader"`
		SignatureEncoding string `json:"signatureEncoding"`
		Encoding          string `json:"encoding"`
		SecretIsBase64    bool   `json:"secretIsBase64"`
	}{
		SignatureHeader: "x-signature", TimestampHeader: "x-timestamp", IncludeTimestamp: true,
		PayloadFormat: "{timestamp}.{body}",
	}
	b, err := json.Marshal(o)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(b, &plan); err != nil {
		return fmt.Errorf("%w: options: %w", ErrFile, err)
	}
	h := &signature.HMACConfig{
		Header: plan.SignatureHeader, Algorithm: plan.Algorithm, Encoding: plan.SignatureEncoding,
		Prefix: plan.SignaturePrefix, Signed: plan.PayloadFormat,
	}
	if h.Encoding == "" {
		h.Encoding = plan.Encoding
	}
	if plan.SecretIsBase64 {
		h.KeyEncoding = "base64"
	}
	// What is not signed is not looked at.
	if plan.IncludeTimestamp && strings.Contains(plan.PayloadFormat, "{timestamp}") {
		h.TimestampHeader, h.TimestampUnit = plan.TimestampHeader, "auto"
	}
	if strings.Contains(plan.PayloadFormat, "{svix-id}") {
		h.IDHeader = plan.MessageIDHeader
		if h.IDHeader == "" {
			h.IDHeader = "svix-id"
		}
	}
	cfg.HMAC = h
	return nil
}
