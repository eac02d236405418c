package outbound

import (
	"slices"
	"strings"
)

// challenge is one way to sign in that a 401 or 407 offers (RFC 9110, section 11.6.1).
type challenge struct {
	scheme string            // in small letters
	params map[string]string // by names in small letters, quotes taken off
}

// challenges reads the values of WWW-Authenticate or Proxy-Authenticate. One can have several challenges, with commas
// between them as between their parameters. Parts that cannot be read are left out.
func challenges(headers []string) (all []challenge) {
	for _, h := range headers {
		var current *challenge
		for _, part := range commaParts(h) {
			name, rest := leadingToken(part)
			if name == "" {
				continue
			}
			if !strings.HasPrefix(rest, "=") { // not a parameter, so that a challenge begins
				all = append(all, challenge{scheme: strings.ToLower(name), params: map[string]string{}})
				current = &all[len(all)-1]
				name, rest = leadingToken(rest)
			}
			// "YII=" behind a scheme is a token (token68), which no scheme has that is understood here.
			value, equals := strings.CutPrefix(rest, "=")
			if name = strings.ToLower(name); current == nil || name == "" || !equals || strings.Trim(value, "= \t") == "" {
				continue
			}
			if _, twice := current.params[name]; !twice {
				current.params[name] = unquoted(strings.Trim(value, " \t"))
			}
		}
	}
	return all
}

// commaParts cuts a header at its commas, but for those in quotes.
func commaParts(h string) (parts []string) {
	start, quoted := 0, false
	for i := 0; i < len(h); i++ {
		switch {
		case quoted && h[i] == '\\':
			i++
		case h[i] == '"':
			quoted = !quoted
		case h[i] == ',' && !quoted:
			parts = append(parts, h[start:i])
			start = i + 1
		}
	}
	return append(parts, h[start:])
}

// leadingToken is the token (RFC 9110, section 5.6.2) that a text begins with, and what follows, without spaces between.
func leadingToken(s string) (token, rest string) {
	s = strings.TrimLeft(s, " \t")
	n := 0
	for n < len(s) && tokenChar(s[n]) {
		n++
	}
	return s[:n], strings.TrimLeft(s[n:], " \t")
}

// unquoted is the value of a parameter. Some servers leave the quotes out where they are needed.
func unquoted(s string) string {
	if len(s) < 2 || s[0] != '"' {
		return s
	}
	var b strings.Builder
	for i := 1; i < len(s) && s[i] != '"'; i++ {
		if s[i] == '\\' && i+1 < len(s) {
			i++
		}
		b.WriteByte(s[i])
	}
	return b.String()
}

// schemes are ways to sign in, by their names in small letters.
type schemes map[string]bool

func schemesOf(headers []string) schemes {
	s := schemes{}
	for _, c := range challenges(headers) {
		s[c.scheme] = true
	}
	return s
}

// String names those that are known, in the spelling of their documents: the rest is a stranger's text.
func (s schemes) String() string {
	var known []string
	for name, spelt := range map[string]string{
		"basic": "Basic", "digest": "Digest", "bearer": "a bearer token", "ntlm": "NTLM", "negotiate": "Negotiate (Kerberos or NTLM)",
	} {
		if s[name] {
			known = append(known, spelt)
		}
	}
	if len(known) == 0 {
		return "another way to sign in"
	}
	slices.Sort(known)
	return strings.Join(known, " or ")
}

// unauthorized is the reason of a 401, by what the receiver asks for and how the request was signed in.
func unauthorized(a *Answer) string {
	const then = "; then resume the destination"
	headers := a.Header.Values("WWW-Authenticate")
	asked := schemesOf(headers)
	switch {
	case asked[a.signed], len(asked) == 0, asked["bearer"]:
	case asked["digest"] && newDigestSession("", "", headers) == nil && !asked["basic"]:
		return "401: the receiver asks for Digest by an algorithm that is not known here (MD5, SHA-256 and SHA-512-256 are, by qop auth or auth-int): have it take one of these" + then
	case asked["digest"]:
		return "401: the receiver asks for Digest: sign in with the line digest" + then
	case asked["basic"]:
		return "401: the receiver asks for Basic: sign in with the line basic" + then
	case asked["ntlm"], asked["negotiate"]:
		return "401: the receiver asks for " + asked.String() + ", which the gateway can not do: have it take Basic or Digest for the gateway's user, or put a proxy before it that signs in" + then
	}
	return "401: the receiver refuses our credentials; correct them" + strings.Replace(then, ";", ",", 1)
}
