package gateway

import (
	"net/url"
	"testing"
)

func TestPathsThatCanBeReadInTwoWays(t *testing.T) {
	for target, plain := range map[string]bool{
		"/t/acme": true, "/t/acme/": true, "/t/acme/file.txt": true, "/t/a%20b": true, "/t/caf%C3%A9": true, "/t/100%25": true,
		"/t/acme/.well-known": true, "/t/acme/...": true, "/t/acme;v=1": true,
		"/t/acme/../globex": false, "/t/acme/./x": false, "/t/acme/..": false, "/t/acme/%2e%2e/globex": false,
		"/t/acme/.%2E/globex": false, "/t/acme%2f..%2fglobex": false, "/t/acme%2Fglobex": false, "/t/acme/..;a=1/globex": false,
		"/t/acme%5c..%5cglobex": false, "/t/acme\\globex": false, "/t/acme/%252e%252e/globex": false, "/t/acme%252fglobex": false,
		"/t/acme/%25252e/x": false, "/t/acme%00": false, "/t/acme%c0%afglobex": false, "/t/acme%0a": false,
	} {
		u, err := url.ParseRequestURI(target)
		if err != nil {
			t.Fatalf("%s: %v", target, err)
		}
		if got := plainPath(u); got != plain {
			t.Errorf("%s: plain %v, want %v", target, got, plain)
		}
	}
}
