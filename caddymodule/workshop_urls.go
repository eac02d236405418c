package caddymodule

import (
	"cmp"
	"fmt"
	"regexp"
	"strings"
)

// inURL finds what a URL consists of: address is one at all, userinfo what stands before its host, parameter a parameter of
// its query, and segment a part that looks like a credential, which is long, and of letters and digits, as hardly a name is.
// credential are names of parameters that are credentials.
var inURL = struct{ address, userinfo, parameter, segment, digit, letter, credential, notInNames *regexp.Regexp }{
	address:    regexp.MustCompile(`^[A-Za-z][A-Za-z0-9+.-]*://`),
	userinfo:   regexp.MustCompile(`^([A-Za-z][A-Za-z0-9+.-]*://)([^/?#@]*)@`),
	parameter:  regexp.MustCompile(`([?&])([^=&#]*)=([^&#]*)`),
	segment:    regexp.MustCompile(`/([A-Za-z0-9_~.=+-]{20,})`),
	digit:      regexp.MustCompile(`[0-9]`),
	letter:     regexp.MustCompile(`[A-Za-z]`),
	credential: regexp.MustCompile(`(?i)auth|token|secret|passw|signature|^sig$|^code$|key`),
	notInNames: regexp.MustCompile(`[^A-Z0-9_]+`),
}

// urlWithoutSecrets puts names in the place of what is written out in a URL and is, or may be, a credential: a URL is all
// that some receivers ask for.
func urlWithoutSecrets(text string) string {
	text = inURL.userinfo.ReplaceAllStringFunc(text, func(s string) string {
		m := inURL.userinfo.FindStringSubmatch(s)
		if user, password, ok := strings.Cut(m[2], ":"); ok && !strings.HasPrefix(password, "{") {
			return m[1] + user + ":{secret.URL_PASSWORD}@"
		} else if !ok && !strings.HasPrefix(user, "{") {
			return m[1] + "{secret.URL_USER}@"
		}
		return s
	})
	path, query, hasQuery := strings.Cut(text, "?")
	scheme, rest, _ := strings.Cut(path, "://")
	host, rest, hasPath := strings.Cut(rest, "/")
	if hasPath {
		n := 0
		rest = inURL.segment.ReplaceAllStringFunc("/"+rest, func(s string) string {
			if !inURL.digit.MatchString(s) || !inURL.letter.MatchString(s) {
				return s
			}
			if n++; n > 1 {
				return fmt.Sprintf("/{secret.URL_PATH_%d}", n)
			}
			return "/{secret.URL_PATH}"
		})
		path = scheme + "://" + host + rest
	}
	if !hasQuery {
		return path
	}
	return path + inURL.parameter.ReplaceAllStringFunc("?"+query, func(s string) string {
		m := inURL.parameter.FindStringSubmatch(s)
		plain := strings.Contains(m[3], "{") || m[3] == ""
		if plain || !inURL.credential.MatchString(m[2]) && !inURL.segment.MatchString("/"+m[3]) {
			return s
		}
		name := strings.Trim(inURL.notInNames.ReplaceAllString(strings.ToUpper(m[2]), "_"), "_0123456789")
		return m[1] + m[2] + "={secret." + cmp.Or(name, "URL_PARAMETER") + "}"
	})
}
