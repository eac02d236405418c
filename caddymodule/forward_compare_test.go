package caddymodule

import (
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"testing"
	"time"
)

// twoWays runs a gateway with two sites of the same lines, that differ in how they hand on to a receiver: with reverse_proxy,
// and with forward. It gives their addresses.
func twoWays(t testing.TB, receiver, lines string) (proxy, own string) {
	t.Helper()
	proxy, own = freeAddress(t), freeAddress(t)
	const site = `http://%s {
		bind 127.0.0.1
		callgate generic {
			name NAME-%s
			remote_ip 0.0.0.0/0 ::/0
			verify none {
				unsafe
			}
			methods GET HEAD POST PUT DELETE
			%s
			%s
		}
		%s
	}
	`
	runGateway(t, `{
		auto_https off
		servers {
			trusted_proxies static 127.0.0.2/32
		}
	}
	`+fmt.Sprintf(site, ":"+port(proxy), "proxy", lines, "", "reverse_proxy "+receiver+" {\ntransport callgate\n}")+
		fmt.Sprintf(site, ":"+port(own), "own", lines, "forward "+receiver, ""))
	return proxy, own
}

func port(address string) string {
	_, p, _ := net.SplitHostPort(address)
	return p
}

func freeAddress(t testing.TB) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	return ln.Addr().String()
}

// TestForwardSendsWhatReverseProxySends has the receiver see the same requests. What differs is said with the request, as lines
// that only reverse_proxy sends.
func TestForwardSendsWhatReverseProxySends(t *testing.T) {
	rc := newRawReceiver(t, "tcp", "127.0.0.1:0")
	proxy, own := twoWays(t, rc.address, "idempotency off")
	two, large := strings.Repeat("x", 2048), strings.Repeat("large ", 100_000)
	post := func(fields, body string) string {
		return fmt.Sprintf("POST /hook/a%%2Fb?x=1&y=%%20 HTTP/1.1\nHost: hooks.example.com\n%sContent-Length: %d\n\n%s", fields, len(body), body)
	}
	const forwarded = "X-Forwarded-For: 203.0.113.9\nX-Forwarded-For: 203.0.113.10\nX-Forwarded-Proto: https\nX-Forwarded-Host: first.example\nX-Forwarded-Host: second.example\nVia: 1.0 other\n"
	for name, c := range map[string]struct {
		request, from string
		only          string
	}{
		"small":                    {request: post("User-Agent: sender/1.0\nContent-Type: application/json\n", "{}")},
		"2 KiB":                    {request: post("", two)},
		"large":                    {request: post("", large)},
		"empty":                    {request: post("", "")},
		"chunked":                  {request: "POST / HTTP/1.1\nHost: hooks.example.com\nTransfer-Encoding: chunked\n\n5\r\nhello\r\n0\r\n\r\n"},
		"chunked, empty":           {request: "POST / HTTP/1.1\nHost: hooks.example.com\nTransfer-Encoding: chunked\n\n0\r\n\r\n"},
		"GET":                      {request: "GET /a//b/../c;d?q HTTP/1.1\nHost: hooks.example.com\n\n"},
		"HEAD":                     {request: "HEAD /?? HTTP/1.1\nHost: hooks.example.com\n\n"},
		"DELETE":                   {request: "DELETE /x HTTP/1.1\nHost: hooks.example.com\n\n"},
		"PUT":                      {request: "PUT /x HTTP/1.1\nHost: hooks.example.com\nContent-Length: 3\n\nabc"},
		"absolute form":            {request: "GET http://other.example/path?q=1 HTTP/1.1\nHost: hooks.example.com\n\n"},
		"encoded path":             {request: "GET /%7Euser/%E2%82%AC/a%2fb HTTP/1.1\nHost: hooks.example.com\n\n"},
		"HTTP/1.0":                 {request: "GET /old HTTP/1.0\nHost: hooks.example.com\n\n"},
		"HTTP/1.0 without host":    {request: "GET /old HTTP/1.0\n\n"},
		"IPv6 host":                {request: "GET / HTTP/1.1\nHost: [::1]:8080\n\n"},
		"duplicates":               {request: post("X-Many: one\nx-many: two\nX-Many: three\nUser-Agent: a\nUser-Agent: b\nCookie: a=1\nCookie: b=2\n", "{}")},
		"odd values":               {request: post("X-Empty:\nX-Tab: a\tb\nX-Latin: caf\xe9\nX-Long: "+strings.Repeat("v", 4000)+"\nx-lOwEr: y\n", "{}")},
		"no user agent":            {request: post("User-Agent:\n", "{}")},
		"connection list":          {request: post("Connection: keep-alive, X-Mine, x-other\nX-Mine: 1\nX-Other: 2\nX-Third: 3\nKeep-Alive: timeout=5\n", "{}")},
		"connection lists":         {request: post("Connection: X-Mine\nConnection: close, X-Forwarded-For, Via\nX-Mine: 1\n"+forwarded, "{}"), from: "127.0.0.2"},
		"of the connection":        {request: post("Proxy-Connection: keep-alive\nProxy-Authorization: Basic eA==\nProxy-Authenticate: Basic\nAlt-Svc: h2=\":1\"\nKeep-Alive: 5\n", "{}")},
		"te":                       {request: post("TE: trailers, deflate\n", "{}"), only: "Te: trailers"},
		"te, not listed":           {request: post("TE: gzip\n", "{}")},
		"upgrade":                  {request: post("Connection: Upgrade\nUpgrade: h2c\n", "{}"), only: "Connection: Upgrade\nUpgrade: h2c"},
		"upgrade, not listed":      {request: post("Upgrade: h2c\n", "{}")},
		"expect":                   {request: post("Expect: 100-continue\n", "{}"), only: "Expect: 100-continue"},
		"incremental":              {request: post("Incremental: ?1\n", "{}")},
		"early data":               {request: post("Early-Data: 1\n", "{}")},
		"untrusted":                {request: post(forwarded, "{}")},
		"trusted":                  {request: post(forwarded, "{}"), from: "127.0.0.2"},
		"trusted, says nothing":    {request: post("", "{}"), from: "127.0.0.2"},
		"trusted, says empty":      {request: post("X-Forwarded-For:\nX-Forwarded-Proto:\nX-Forwarded-Host:\n", "{}"), from: "127.0.0.2"},
		"our own headers":          {request: post("X-Callgate-Tenant: forged\n", "{}")},
		"accepts and authorizes":   {request: post("Accept: */*\nAccept-Encoding: br\nAuthorization: Bearer x\nRange: bytes=0-1\n", "{}")},
		"a trailer is announced":   {request: "POST / HTTP/1.1\nHost: hooks.example.com\nTrailer: X-Sum\nTransfer-Encoding: chunked\n\n2\r\n{}\r\n0\r\n\r\n"},
		"idempotency key of its":   {request: post("Idempotency-Key: k1\n", "{}")},
		"content encoding, a lang": {request: post("Content-Language: de\nContent-MD5: x\n", "{}")},
	} {
		t.Run(name, func(t *testing.T) {
			if c.from == "" {
				c.from = "127.0.0.1"
			}
			wantAnswer := exchange(t, proxy, c.from, c.request)
			want := rc.next()
			gotAnswer := exchange(t, own, c.from, c.request)
			got := rc.next()
			for line := range strings.SplitSeq(c.only, "\n") {
				if line == "" {
					continue
				}
				if !strings.Contains(want, "\n"+line+"\n") {
					t.Errorf("reverse_proxy does not send %q", line)
				}
				want = strings.Replace(want, "\n"+line+"\n", "\n", 1)
			}
			if name == "a trailer is announced" { // with reverse_proxy the body is chunked for it
				want = strings.Replace(want, "\nTrailer: X-Sum", "", 1)
				want = strings.Replace(want, "Transfer-Encoding: chunked", "Content-Length: 2", 1)
				want, got = sortedLines(want), sortedLines(got)
			}
			if got != want || want == "" {
				t.Errorf("the receiver got\n%.2000s\nwant\n%.2000s", got, want)
			}
			if gotAnswer != wantAnswer {
				t.Errorf("the sender got\n%s\nwant\n%s", gotAnswer, wantAnswer)
			}
		})
	}
}

func sortedLines(s string) string {
	return strings.Join(slices.Sorted(strings.SplitSeq(s, "\n")), "\n")
}

// TestForwardAnswersWhatReverseProxyAnswers has the receiver answer in many ways. What is of unknown length has a type, since
// with reverse_proxy it depends on a race whether net/http finds one out.
func TestForwardAnswersWhatReverseProxyAnswers(t *testing.T) {
	rc := newRawReceiver(t, "tcp", "127.0.0.1:0")
	proxy, own := twoWays(t, rc.address, "idempotency off\nbreaker off\nreceiver_timeout 500ms")
	breaksOff := func(parts ...string) func(c net.Conn, head bool) bool {
		return func(c net.Conn, head bool) bool {
			for i, p := range parts {
				if i > 0 {
					time.Sleep(20 * time.Millisecond)
				}
				if _, err := io.WriteString(c, p); err != nil {
					return false
				}
			}
			return false
		}
	}
	slowly := func(parts ...string) func(c net.Conn, head bool) bool {
		write := breaksOff(parts...)
		return func(c net.Conn, head bool) bool { write(c, head); return true }
	}
	large := strings.Repeat("0123456789", 200_000)
	for name, script := range map[string]func(c net.Conn, head bool) bool{
		"200":              says("HTTP/1.1 200 OK\nContent-Type: application/json\nServer: receiver\nContent-Length: 2\n\n{}"),
		"201":              says("HTTP/1.1 201 Created\nLocation: /x\nVia: 1.1 inner\nVia: 1.1 other\nSet-Cookie: a=1\nSet-Cookie: b=2\nContent-Length: 0\n\n"),
		"204":              says("HTTP/1.1 204 No Content\nX-A: b\n\n"),
		"205":              says("HTTP/1.1 205 Reset Content\nContent-Length: 0\n\n"),
		"301":              says("HTTP/1.1 301 Moved Permanently\nLocation: https://elsewhere.example/\nContent-Length: 5\n\nmoved"),
		"304":              says("HTTP/1.1 304 Not Modified\nEtag: \"x\"\n\n"),
		"404":              says("HTTP/1.1 404 Not Found\nContent-Length: 3\n\nno\n"),
		"429":              says("HTTP/1.1 429 Too Many Requests\nRetry-After: 5\nContent-Length: 0\n\n"),
		"500":              says("HTTP/1.1 500 Internal Server Error\nContent-Length: 4\n\noops"),
		"599":              says("HTTP/1.1 599 Odd Words\nContent-Length: 0\n\n"),
		"HTTP/1.0":         says("HTTP/1.0 200 OK\nContent-Type: text/plain\nConnection: close\n\nuntil the end"),
		"connection list":  says("HTTP/1.1 200 OK\nConnection: X-Mine, keep-alive\nX-Mine: 1\nX-Other: 2\nKeep-Alive: timeout=5\nProxy-Authenticate: Basic\nUpgrade: h2c\nTe: x\nAlt-Svc: h3=\":443\"\nContent-Length: 0\n\n"),
		"closes":           says("HTTP/1.1 200 OK\nConnection: close\nContent-Length: 3\n\nbye"),
		"chunked":          says("HTTP/1.1 200 OK\nContent-Type: text/plain\nTransfer-Encoding: chunked\n\n5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n"),
		"chunked, large":   says(fmt.Sprintf("HTTP/1.1 200 OK\nContent-Type: text/plain\nTransfer-Encoding: chunked\n\n%x\r\n%s\r\n0\r\n\r\n", len(large), large)),
		"chunked, slowly":  slowly("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nTransfer-Encoding: chunked\r\n\r\n", "5\r\nhello\r\n", "6\r\n world\r\n", "0\r\n\r\n"),
		"trailers":         says("HTTP/1.1 200 OK\nContent-Type: text/plain\nTrailer: X-Sum, X-Two\nTransfer-Encoding: chunked\n\n5\r\nhello\r\n0\r\nX-Sum: 1\r\nX-Two: 2\r\n\r\n"),
		"trailers, secret": says("HTTP/1.1 200 OK\nContent-Type: text/plain\nTransfer-Encoding: chunked\n\n5\r\nhello\r\n0\r\nX-Sum: 1\r\n\r\n"),
		"large":            says(fmt.Sprintf("HTTP/1.1 200 OK\nContent-Length: %d\n\n%s", len(large), large)),
		"1xx":              says("HTTP/1.1 103 Early Hints\nLink: </x>\n\nHTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 No Content\r\nX-A: b\r\n\r\n"),
		"events":           says("HTTP/1.1 200 OK\nContent-Type: text/event-stream; charset=utf-8\nConnection: close\n\ndata: 1\n\n"),
		"slowly":           slowly("HTTP/1.1 2", "00 OK\r\nContent-Le", "ngth: 10\r\n\r\n", "01234", "56789"),
		"early end":        says("HTTP/1.1 200 OK\nConnection: close\nContent-Length: 100\n\nonly this"),
		"early end, chunk": says("HTTP/1.1 200 OK\nConnection: close\nContent-Type: text/plain\nTransfer-Encoding: chunked\n\n64\r\nonly this"),
		"nothing":          func(c net.Conn, head bool) bool { return false },
		"half a head":      breaksOff("HTTP/1.1 200 OK\r\nContent-Le"),
		"garbage":          breaksOff("this is no HTTP\r\n\r\n"),
		"bad length":       breaksOff("HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\n"),
		"two lengths":      breaksOff("HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello"),
		"status 099":       breaksOff("HTTP/1.1 099 Odd\r\nContent-Length: 0\r\n\r\n"),
		"switches":         breaksOff("HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n"),
		"never":            func(c net.Conn, head bool) bool { _, _ = c.Read(make([]byte, 1)); return false },
	} {
		t.Run(name, func(t *testing.T) {
			rc.answer(script)
			for _, request := range []string{
				"POST /hook HTTP/1.1\nHost: hooks.example.com\nContent-Length: 2\n\n{}",
				"HEAD /hook HTTP/1.1\nHost: hooks.example.com\nConnection: close\n\n",
			} {
				if request[0] == 'H' && strings.HasSuffix(name, "slowly") {
					continue // there is no body to be slow with
				}
				want := exchange(t, proxy, "127.0.0.1", request)
				if got := exchange(t, own, "127.0.0.1", request); got != want {
					t.Errorf("%.4s: the sender got\n%s\nwant\n%s", request, got, want)
				}
			}
		})
	}
}
