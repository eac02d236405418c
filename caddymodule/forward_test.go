package caddymodule

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/callgate/callgate/internal/signature"
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

// A receiver that knows several headers could take the sender's signature for the one that counts.
func TestTheSendersSignatureIsTakenOffWhereItIsSignedAgain(t *testing.T) {
	const secret = "whsec_c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0"
	for sign, kept := range map[string]bool{"": true, "sign standard-webhooks whsec_b3RoZXJvdGhlcm90aGVyb3RoZXJvdGhlcg==": false} {
		g := newGateway(t, `{
			callgate {
				source partner {
					verify svix
					secret `+secret+`
				}
			}
		}
		http:// {
			callgate partner {
				name NAME
				`+sign+`
			}
			test_receiver
		}`)
		r := httptest.NewRequest(http.MethodPost, "http://gate.test/calls", strings.NewReader(`{"first_name":"Ann"}`))
		r.Header.Set("Content-Type", "application/json")
		s, err := signature.NewSigner(signature.Config{Scheme: "svix", Secrets: []string{secret}})
		if err != nil {
			t.Fatal(err)
		}
		m := signature.Message{Method: r.Method, Header: r.Header, Body: []byte(`{"first_name":"Ann"}`)}
		if err := s.Sign(&m, "msg_1", time.Now()); err != nil {
			t.Fatal(err)
		}
		if res := g.do(r); res.StatusCode != 200 {
			t.Fatalf("%q: status %d: %s", sign, res.StatusCode, text(t, res))
		}
		h := g.last.Load().header
		if has := h.Get("Svix-Signature") != ""; has != kept {
			t.Errorf("%q: the receiver got the sender's signature: %v", sign, has)
		}
		if h.Get("Svix-Id") != "msg_1" || (h.Get("Webhook-Signature") == "") != kept {
			t.Errorf("%q: the receiver got %v", sign, h)
		}
	}
}
