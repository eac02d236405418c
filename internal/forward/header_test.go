package forward

import (
	"crypto/tls"
	"net/http"
	"net/http/httptest"
	"reflect"
	"testing"

	"github.com/callgate/callgate/internal/wire"
)

// TestFields has what differs with how a request came. What it says of itself is compared with reverse_proxy in caddymodule.
func TestFields(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*http.Request)
		trust  bool
		want   http.Header
	}{
		"plain": {func(*http.Request) {}, false, http.Header{
			"X-Forwarded-For": {"192.0.2.1"}, "X-Forwarded-Proto": {"http"}, "X-Forwarded-Host": {"gate.test"}, "Via": {"1.1 Caddy"}}},
		"TLS and HTTP/2": {func(r *http.Request) {
			r.TLS, r.ProtoMajor, r.ProtoMinor = &tls.ConnectionState{HandshakeComplete: true}, 2, 0
		}, false, http.Header{
			"X-Forwarded-For": {"192.0.2.1"}, "X-Forwarded-Proto": {"https"}, "X-Forwarded-Host": {"gate.test"}, "Via": {"2.0 Caddy"}}},
		"before the handshake": {func(r *http.Request) {
			r.TLS, r.ProtoMajor, r.ProtoMinor = new(tls.ConnectionState), 3, 0
			r.Header.Set("Early-Data", "0")
		}, false, http.Header{
			"X-Forwarded-For": {"192.0.2.1"}, "X-Forwarded-Proto": {"https"}, "X-Forwarded-Host": {"gate.test"}, "Via": {"3.0 Caddy"}, "Early-Data": {"1"}}},
		"a zone": {func(r *http.Request) { r.RemoteAddr = "[fe80::1%eth0]:1" }, false, http.Header{
			"X-Forwarded-For": {"fe80::1"}, "X-Forwarded-Proto": {"http"}, "X-Forwarded-Host": {"gate.test"}, "Via": {"1.1 Caddy"}}},
		"a socket": {func(r *http.Request) { r.RemoteAddr = "@"; r.Header.Set("X-Forwarded-For", "1.2.3.4") }, false, http.Header{"Via": {"1.1 Caddy"}}},
		"a trusted socket": {func(r *http.Request) { r.RemoteAddr = "@"; r.Header.Set("X-Forwarded-For", "1.2.3.4") }, true, http.Header{
			"X-Forwarded-For": {"1.2.3.4"}, "X-Forwarded-Proto": {"http"}, "X-Forwarded-Host": {"gate.test"}, "Via": {"1.1 Caddy"}}},
		"no address": {func(r *http.Request) { r.RemoteAddr = "odd"; r.Header.Set("X-Forwarded-Host", "forged") }, true, http.Header{"Via": {"1.1 Caddy"}}},
		"omitted on purpose": {func(r *http.Request) { r.Header["X-Forwarded-Host"] = nil }, false, http.Header{
			"X-Forwarded-For": {"192.0.2.1"}, "X-Forwarded-Proto": {"http"}, "Via": {"1.1 Caddy"}}},
	} {
		r := httptest.NewRequest(http.MethodPost, "http://gate.test/", nil)
		c.change(r)
		before := r.Header.Clone()
		got := make(http.Header)
		x := Exchange{Request: r, Trusted: c.trust}
		if !x.fields(func(name, value string) bool { got[name] = append(got[name], value); return true }) {
			t.Errorf("%s: not all were told", name)
		}
		if !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s:\n%v\nwant\n%v", name, got, c.want)
		}
		if !reflect.DeepEqual(r.Header, before) {
			t.Errorf("%s: the request was changed", name)
		}
		for stop := range len(got) { // whoever has heard enough is told no more
			heard := 0
			if x.fields(func(string, string) bool { heard++; return heard <= stop }) || heard != stop+1 {
				t.Errorf("%s: %d were told after %d", name, heard, stop)
			}
		}
	}
}

// What a header cannot hold does not come into a message: a value that a handler has set could begin another request.
func TestWriteRefuses(t *testing.T) {
	for name, change := range map[string]func(*http.Request){
		"a line break in a value": func(r *http.Request) { r.Header["X-A"] = []string{"a\r\nX-B: c"} },
		"a line break in a name":  func(r *http.Request) { r.Header["X-A: b\r\nX-B"] = []string{"c"} },
		"a space in the method":   func(r *http.Request) { r.Method = "GET /a HTTP/1.1\r\nX: y\r\n\r\nPOST" },
		"a space in the path":     func(r *http.Request) { r.URL.RawQuery = "x y" },
		"a line break in a host":  func(r *http.Request) { r.Host = "h\r\nX-A: b" },
	} {
		r := httptest.NewRequest(http.MethodPost, "http://gate.test/", nil)
		change(r)
		if m := new(wire.Message); (&Exchange{Request: r}).write(m, r.Host) {
			t.Errorf("%s: wrote %q", name, m.B)
		}
	}
	m := new(wire.Message)
	r := httptest.NewRequest(http.MethodPost, "http://gate.test/x?y", nil)
	r.RemoteAddr = "@"
	if !(&Exchange{Request: r, Body: []byte("body")}).write(m, "gate.test") || string(m.B) != "POST /x?y HTTP/1.1\r\nHost: gate.test\r\nContent-Length: 4\r\nVia: 1.1 Caddy\r\n\r\nbody" {
		t.Errorf("wrote %q", m.B)
	}
}

func TestHostOf(t *testing.T) {
	r := httptest.NewRequest(http.MethodPost, "http://gate.test/", nil)
	plain := New(wire.Target{Network: "tcp", Address: "h.example:8080"}, "h.example:8080", nil)
	secure := New(wire.Target{Network: "tcp", Address: "h.example:443", TLS: true, ServerName: "h.example"}, "h.example:443", nil)
	if plain.hostOf(r) != "gate.test" || secure.hostOf(r) != "h.example:443" || secure.Address() != "h.example:443" {
		t.Error(plain.hostOf(r), secure.hostOf(r))
	}
	if r.Host = ""; plain.hostOf(r) != "h.example:8080" {
		t.Error(plain.hostOf(r))
	}
}
