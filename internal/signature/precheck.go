package signature

import (
	"net/http"
	"time"
)

// Prechecker is a Verifier that can tell from the headers alone that a message will be refused: they are missing, not of
// the form that the scheme prescribes, or of another time. All Verifiers of this package are, but for those whose
// signature or token is in the body.
type Prechecker interface {
	// Precheck returns the error that Verify would return for any body, and nil where the body decides. It costs no more
	// than the headers are long.
	Precheck(h http.Header, now time.Time) error
}

// PrecheckMessage is Precheck for a message whose body is not there yet: the URL and the certificates can tell too.
func PrecheckMessage(v Verifier, m *Message, now time.Time) error {
	if p, ok := v.(interface {
		precheck(m *Message, now time.Time) error
	}); ok {
		return p.precheck(m, now)
	}
	return Precheck(v, m.Header, now)
}

// Precheck asks a Verifier that can tell. A stranger's body need not be waited for where it returns an error.
func Precheck(v Verifier, h http.Header, now time.Time) error {
	if p, ok := v.(Prechecker); ok {
		return p.Precheck(h, now)
	}
	return nil
}
