package caddymodule

import (
	"net/http/httptest"
	"testing"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

// TestTenantExpressionsAreWhatCaddysReplacerSays holds the short cuts to what they cut short.
func TestTenantExpressionsAreWhatCaddysReplacerSays(t *testing.T) {
	for _, expression := range []string{
		"{http.request.uri.path.0}", "{http.request.uri.path.1}", "{http.request.uri.path.2}", "{http.request.uri.path.x}",
		"{http.request.uri.path.-1}", "{http.request.header.X-Tenant}", "{http.request.header.x-tenant}", "{http.request.host}",
		"{http.request.uri.query.t}", "{http.request.header.X-Tenant}-{http.request.uri.path.0}", "x{http.request.uri.path.0}",
	} {
		for _, path := range []string{"/", "/a", "/a/", "/a/b", "//b", "/a%2Fb/c", "/a/b/c/d?t=q"} {
			for _, headers := range [][]string{nil, {"one"}, {"one", "two"}} {
				r := httptest.NewRequest("POST", "http://gate.test"+path, nil)
				if headers != nil {
					r.Header["X-Tenant"] = headers
				}
				repl := caddy.NewReplacer()
				r = caddyhttp.PrepareRequest(r, repl, httptest.NewRecorder(), new(caddyhttp.Server))
				e := compileTenantExpression(expression)
				if got, want := e.name(r), repl.ReplaceAll(expression, ""); got != want {
					t.Errorf("%s of %s with %q: %q, want %q", expression, path, headers, got, want)
				}
			}
		}
	}
}
