package commands

import (
	"fmt"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/oklog/ulid/v2"
	"github.com/spf13/cobra"

	"github.com/callgate/callgate/internal/signature"
)

// schemeFlags are the flags by which all commands choose a signature scheme.
type schemeFlags struct {
	scheme    string
	secrets   []string
	forms     []string
	tolerance time.Duration
	header    string
	prefix    string
	hmac      signature.HMACConfig
}

func (f *schemeFlags) add(cmd *cobra.Command) {
	fl := cmd.Flags()
	fl.StringVarP(&f.scheme, "scheme", "s", "", "signature scheme: "+strings.Join(schemeNames(), ", "))
	fl.StringArrayVar(&f.secrets, "secret", nil, "secret, or @FILE that holds it; can be repeated (default $CALLGATE_SECRET)")
	fl.StringSliceVar(&f.forms, "form", nil, "rendering of the body that is signed, for nextphone: raw, js, python")
	fl.StringVar(&f.header, "signature-header", "", "header of the signature, for hmac, vapi-hmac, bearer and api_key")
	fl.StringVar(&f.prefix, "prefix", "", "what stands before the signature in its header, for hmac, vapi-hmac, bearer and api_key")
	fl.StringVar(&f.hmac.Algorithm, "algorithm", "", "for hmac: sha256, sha1, sha512 (default sha256)")
	fl.StringVar(&f.hmac.Encoding, "encoding", "", "for hmac: hex, base64, base64url (default hex)")
	fl.StringVar(&f.hmac.KeyEncoding, "key-encoding", "", "for hmac: text, base64, hex (default text)")
	fl.StringVar(&f.hmac.Signed, "signed", "", "for hmac: what is signed, such as {timestamp}.{body}")
	fl.StringVar(&f.hmac.TimestampHeader, "timestamp-header", "", "for hmac: header of the signed time")
	fl.StringVar(&f.hmac.TimestampUnit, "timestamp-unit", "", "for hmac: s, ms, auto, rfc3339 (default s)")
	fl.StringVar(&f.hmac.TimestampKey, "timestamp-key", "", "for hmac: key of the time in a list such as t=1,v1=ab")
	fl.StringVar(&f.hmac.SignatureKey, "signature-key", "", "for hmac: key of the signature in such a list")
	fl.StringVar(&f.hmac.ListSeparator, "list-separator", "", "for hmac: separator of such a list (default ,)")
	fl.StringVar(&f.hmac.IDHeader, "id-header", "", "for hmac: header of the signed id")
}

func schemeNames() (names []string) {
	for _, s := range signature.Schemes() {
		names = append(names, s.Name)
	}
	return names
}

func (f *schemeFlags) config(cmd *cobra.Command) (signature.Config, error) {
	c := signature.Config{Scheme: f.scheme, Forms: f.forms, Tolerance: f.tolerance}
	var err error
	if c.Secrets, err = keyValues(cmd, f.secrets); err != nil {
		return c, err
	}
	if len(c.Secrets) == 0 {
		if s := os.Getenv("CALLGATE_SECRET"); s != "" {
			c.Secrets = []string{s}
		}
	}
	info, _ := signature.Lookup(f.scheme) // an alias takes what its scheme takes
	ownHeader := info.Name == "vapi-hmac" && (f.header != "" || f.prefix != "")
	if info.Name == "hmac" || ownHeader || f.hmac != (signature.HMACConfig{}) {
		h := f.hmac
		h.Header, h.Prefix, h.TolerancePast = f.header, f.prefix, f.tolerance
		c.HMAC, c.Tolerance = &h, 0
		return c, nil
	}
	c.Header, c.Prefix = f.header, f.prefix
	return c, nil
}

// parseHeaders reads headers as curl's -H takes them: "Name: value".
func parseHeaders(lines []string) (http.Header, error) {
	h := make(http.Header)
	for _, l := range lines {
		name, value, ok := strings.Cut(l, ":")
		if name = strings.TrimSpace(name); !ok || name == "" {
			return nil, fmt.Errorf("%q is not a header; write it as \"Name: value\"", l)
		}
		h.Add(name, strings.TrimSpace(value))
	}
	return h, nil
}

// orNew is the id, or a new one.
func orNew(id string) string {
	if id == "" {
		return "msg_" + ulid.Make().String()
	}
	return id
}

// parseNow reads a point in time: RFC 3339, or Unix seconds.
func parseNow(s string) (time.Time, error) {
	if s == "" {
		return time.Now(), nil
	}
	if t, err := time.Parse(time.RFC3339, s); err == nil {
		return t, nil
	}
	var sec int64
	if _, err := fmt.Sscanf(s+"\n", "%d\n", &sec); err != nil {
		return time.Time{}, fmt.Errorf("%q is not a time; write it as 2026-01-31T12:00:00Z or in Unix seconds", s)
	}
	return time.Unix(sec, 0), nil
}
