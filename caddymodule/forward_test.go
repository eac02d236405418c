package caddymodule

import (
	"net/http"
	"testing"
)

// The query that is signed is put into the request only where the scheme has changed it.
func TestSigningKeepsARewrittenQuery(t *testing.T) {
	g := newGateway(t, `http:// {
		route {
			rewrite * {path}?from=gateway
			callgate nextphone `+testSecret+` {
				name NAME
				sign stripe other-secret
			}
			test_receiver
		}
	}`)
	var query string
	g.respond = func(w http.ResponseWriter, r *http.Request) error {
		query = r.URL.RawQuery
		w.WriteHeader(http.StatusOK)
		return nil
	}
	if res := g.do(lead(t, "http://gate.test/calls?x=1", `{"first_name":"Ann"}`)); res.StatusCode != 200 {
		t.Fatalf("status %d: %s", res.StatusCode, text(t, res))
	}
	if query != "from=gateway" {
		t.Errorf("handed on with the query %s", query)
	}
}
