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
	// places are those of tokens, and of the hash in a JWT.
	query, path, hashClaim, hashEncoding string
}

func (f *schemeFlags) add(cmd *cobra.Command) {
	fl := cmd.Flags()
	fl.StringVarP(&f.scheme, "scheme", "s", "", "signature scheme: "+strings.Join(schemeNames(), ", "))
	fl.StringArrayVar(&f.secrets, "secret", nil, "secret, or @FILE that holds it; can be repeated (default $CALLGATE_SECRET)")
	fl.StringSliceVar(&f.forms, "form", nil, "rendering of the body that is signed, for nextphone: raw, js, python")
	fl.StringVar(&f.header, "signature-header", "", "header of the signature, for hmac, vapi-hmac, ed25519, rsa, jwt, bearer and api_key")
	fl.StringVar(&f.prefix, "prefix", "", "what stands before the signature in its header, for the same schemes")
	fl.StringVar(&f.hmac.Algorithm, "algorithm", "", "for hmac, ed25519 and rsa: sha256, sha1, sha512 (default sha256)")
	fl.StringVar(&f.hmac.Encoding, "encoding", "", "for hmac, ed25519 and rsa: hex, base64, base64url (default hex)")
	fl.StringVar(&f.hmac.KeyEncoding, "key-encoding", "", "for hmac: text, base64, hex (default text)")
	fl.StringVar(&f.hmac.Signed, "signed", "", "for hmac, ed25519 and rsa: what is signed, such as {timestamp}.{body}")
	fl.StringVar(&f.hmac.TimestampHeader, "timestamp-header", "", "for hmac, ed25519 and rsa: header of the signed time")
	fl.StringVar(&f.hmac.TimestampUnit, "timestamp-unit", "", "for hmac, ed25519 and rsa: s, ms, auto, rfc3339, iso8601, utc, http (default s)")
	fl.StringVar(&f.hmac.TimestampKey, "timestamp-key", "", "for hmac, ed25519 and rsa: key of the time in a list such as t=1,v1=ab")
	fl.StringVar(&f.hmac.SignatureKey, "signature-key", "", "for hmac, ed25519 and rsa: key of the signature in such a list")
	fl.StringVar(&f.hmac.ListSeparator, "list-separator", "", "for hmac, ed25519 and rsa: separator of such a list (default ,)")
	fl.StringVar(&f.hmac.IDHeader, "id-header", "", "for hmac, ed25519 and rsa: header of the signed id")
	fl.StringVar(&f.hmac.SignaturePath, "signature-path", "", "for hmac, ed25519 and rsa: where in the JSON body the signature is, such as signature.value")
	fl.StringVar(&f.hmac.TimestampPath, "timestamp-path", "", "for hmac, ed25519 and rsa: where in the JSON body the time is")
	fl.StringVar(&f.hmac.Padding, "padding", "", "for rsa: pkcs1v15, pss (default pkcs1v15)")
	fl.StringVar(&f.query, "query", "", "for api_key: parameter of the URL with the token, in place of a header")
	fl.StringVar(&f.path, "path", "", "for body_token: where in the JSON body the token is")
	fl.StringVar(&f.hashClaim, "hash-claim", "", "for jwt: claim with the hash of the body")
	fl.StringVar(&f.hashEncoding, "hash-encoding", "", "for jwt: hex, base64, base64url (default hex)")
}

func schemeNames() (names []string) {
	for _, s := range signature.Schemes() {
		names = append(names, s.Name)
	}
	return names
}

func (f *schemeFlags) config(cmd *cobra.Command) (signature.Config, error) {
	c := signature.Config{
		Scheme: f.scheme, Forms: f.forms, Tolerance: f.tolerance,
		Query: f.query, Path: f.path, HashClaim: f.hashClaim, HashEncoding: f.hashEncoding,
	}
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
	if info.Name == "hmac" || info.Name == "ed25519" || info.Name == "rsa" || ownHeader || f.hmac != (signature.HMACConfig{}) {
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
