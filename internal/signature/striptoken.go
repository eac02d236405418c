package signature

import "net/http"

// StripToken takes the header field off that carried the static token of a message which the Verifier let in, for whoever
// gets the message next has no business with it: it is the gateway's secret, and with it anybody is the sender. Signatures
// stay, since a receiver can verify them itself, and so does a token in the body. It does nothing for Verifiers of others.
func StripToken(v Verifier, h http.Header) {
	if s, ok := v.(tokenStripper); ok {
		s.stripToken(h)
	}
}

// TakesToken reports whether messages for the Verifier carry a static token in a header field.
func TakesToken(v Verifier) bool {
	_, ok := v.(tokenStripper)
	return ok
}

type tokenStripper interface{ stripToken(http.Header) }

func (t *headerToken) stripToken(h http.Header) { delete(h, t.header) }

// stripToken leaves Authorization where another credential was verified: then it may well be meant for the receiver.
func (v *vapiScheme) stripToken(h http.Header) {
	signed := has(h, v.hmac.plain.header) || has(h, svixHeader)
	if !signed && !has(h, v.secret.header) {
		v.token.stripToken(h)
	}
	v.secret.stripToken(h)
}
