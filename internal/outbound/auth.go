package outbound

import (
	"context"
	"encoding/base64"
	"errors"
	"net/http"
	"net/textproto"
	"strings"
)

// Masked stands in previews for what is secret.
const Masked = "***"

// Authorizer signs requests in at a receiving system. Implementations are safe for concurrent use, and their errors
// hold no secret.
type Authorizer interface {
	// Apply sets the credentials on a request that is about to be sent, fetching a token first where one is needed.
	Apply(ctx context.Context, req *http.Request) error
	// Rejected tells that the receiver answered req, to which Apply was applied, with this status and body. It
	// returns true if that refused the credentials and they could change: Apply once more, which sets the newer ones
	// or says why there are none, and send once more.
	Rejected(ctx context.Context, req *http.Request, status int, body []byte) bool
	// Mask sets on the headers what Apply would, with Masked in place of each secret. It fetches nothing.
	Mask(h http.Header)
}

// ErrNoSecret means that a credential is empty, which is a mistake in the configuration and never meant.
var ErrNoSecret = errors.New("empty credential: set the secret that the configuration refers to")

// ErrBadHeader means that a header's name or value can not be sent.
var ErrBadHeader = errors.New("not a usable header: names are letters, digits and dashes, values are one line")

type fixed struct {
	name   string // canonical
	value  string
	masked string
}

// static are headers that never change.
type static []fixed

func (s static) Apply(_ context.Context, req *http.Request) error {
	for _, f := range s {
		req.Header[f.name] = []string{f.value}
	}
	return nil
}

func (s static) Rejected(context.Context, *http.Request, int, []byte) bool { return false }

func (s static) Mask(h http.Header) {
	for _, f := range s {
		h[f.name] = []string{f.masked}
	}
}

// APIKey sends a key in a header, such as X-API-Key.
func APIKey(header, value string) (Authorizer, error) {
	return Headers(map[string]string{header: value})
}

// Bearer sends a fixed token as RFC 6750 says.
func Bearer(token string) (Authorizer, error) {
	if token == "" {
		return nil, ErrNoSecret
	}
	return newStatic(fixed{"Authorization", "Bearer " + token, "Bearer " + Masked})
}

// Basic sends a user name and password (RFC 7617). The user must not contain a colon.
func Basic(user, password string) (Authorizer, error) {
	if user == "" && password == "" {
		return nil, ErrNoSecret
	}
	if strings.Contains(user, ":") {
		return nil, errors.New("a colon in the user name can not be sent with basic authentication")
	}
	pair := base64.StdEncoding.EncodeToString([]byte(user + ":" + password))
	return newStatic(fixed{"Authorization", "Basic " + pair, "Basic " + Masked})
}

// Headers sends fixed headers, all of them secret.
func Headers(headers map[string]string) (Authorizer, error) {
	all := make([]fixed, 0, len(headers))
	for name, value := range headers {
		if value == "" {
			return nil, ErrNoSecret
		}
		all = append(all, fixed{textproto.CanonicalMIMEHeaderKey(name), value, Masked})
	}
	return newStatic(all...)
}

func newStatic(all ...fixed) (Authorizer, error) {
	for _, f := range all {
		if !validHeader(f.name, f.value) {
			return nil, ErrBadHeader
		}
	}
	return static(all), nil
}

// validHeader reports whether a header can be sent: a token (RFC 9110, section 5.6.2) and a value without control
// characters, so that no value can begin another header.
func validHeader(name, value string) bool {
	for _, c := range []byte(name) {
		if !tokenChar(c) {
			return false
		}
	}
	for _, c := range []byte(value) {
		if c < ' ' && c != '\t' || c == 0x7f {
			return false
		}
	}
	return name != ""
}

// tokenChar reports whether a token may hold the byte (RFC 9110, section 5.6.2).
func tokenChar(c byte) bool {
	return c > ' ' && c < 0x7f && strings.IndexByte("\"(),/:;<=>?@[\\]{}", c) < 0
}
