// Package standin holds servers that stand in for receiving systems in tests: a token server, a FHIR server, a plain
// receiver, one that asks for Digest, a forward proxy, the Transit engine of Vault, and CRMs. They refuse what the real ones refuse, as far as their documents say, and record what they were
// sent. Only tests import this package.
package standin

import (
	"io"
	"net/http"
	"testing"
)

// maxBody bounds what a stand-in reads of a request.
const maxBody = 16 << 20

func readBody(t testing.TB, r *http.Request) []byte {
	b, err := io.ReadAll(io.LimitReader(r.Body, maxBody))
	if err != nil {
		t.Logf("stand-in: the request's body ended early: %v", err)
	}
	return b
}

// Recorded is a request as a stand-in received it.
type Recorded struct {
	Method string
	// URI is path and query.
	URI    string
	Header http.Header
	Body   []byte
}

func record(r *http.Request, body []byte) Recorded {
	return Recorded{Method: r.Method, URI: r.URL.RequestURI(), Header: r.Header.Clone(), Body: body}
}
