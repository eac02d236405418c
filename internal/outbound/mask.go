package outbound

import (
	"net/http"
	"net/url"
	"strings"
)

// MaskSecrets replaces the values of headers that hold secrets by their name: Authorization (its scheme stays),
// cookies, and whatever is called a key, token, secret, password or signature. Idempotency-Key is none of these.
func MaskSecrets(h http.Header) {
	for name, values := range h {
		if !secretName(name) {
			continue
		}
		masked := make([]string, len(values))
		for i, v := range values {
			masked[i] = Masked
			if scheme, _, found := strings.Cut(v, " "); found && strings.HasSuffix(name, "Authorization") {
				masked[i] = scheme + " " + Masked
			}
		}
		h[name] = masked
	}
}

// MaskURL replaces the values of query parameters that are called like a secret. Secrets in a path can not be told
// from other words: who knows of some masks them before.
func MaskURL(raw string) string {
	before, query, found := strings.Cut(raw, "?")
	if !found {
		return raw
	}
	query, fragment, hasFragment := strings.Cut(query, "#")
	pairs := strings.Split(query, "&")
	for i, p := range pairs {
		name, _, _ := strings.Cut(p, "=")
		if plain, err := url.QueryUnescape(name); err != nil || secretName(plain) {
			pairs[i] = name + "=" + Masked
		}
	}
	masked := before + "?" + strings.Join(pairs, "&")
	if hasFragment {
		masked += "#" + fragment
	}
	return masked
}

func secretName(name string) bool {
	name = strings.ToLower(name)
	if name == "idempotency-key" {
		return false
	}
	for _, word := range [...]string{"auth", "cookie", "key", "token", "secret", "passw", "pwd", "signature", "sig", "session", "credential"} {
		if strings.Contains(name, word) {
			return true
		}
	}
	return false
}
