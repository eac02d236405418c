package wire

import (
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/textproto"
	"reflect"
	"strings"
	"testing"
	"time"
)

// outcome is what became of one request.
type outcome struct {
	status  int
	header  http.Header
	trailer http.Header
	length  int64
	body    string
	bodyErr error // any error, or the one given
	err     error // any error, or the one given
	timeout bool  // err says so
	infos   []int // informational answers
}

var errAny = errors.New("any error")

func run(do func(*http.Request) (*http.Response, error), req *http.Request) (o outcome) {
	req = req.WithContext(httptrace.WithClientTrace(req.Context(), &httptrace.ClientTrace{
		Got1xxResponse: func(code int, _ textproto.MIMEHeader) error { o.infos = append(o.infos, code); return nil },
	}))
	res, err := do(req)
	if err != nil {
		var ne net.Error
		o.err, o.timeout = err, errors.As(err, &ne) && ne.Timeout()
		return o
	}
	b, err := io.ReadAll(res.Body)
	res.Body.Close()
	res.Header.Del("Date")
	o.status, o.header, o.length, o.body, o.bodyErr, o.trailer = res.StatusCode, res.Header, res.ContentLength, string(b), err, res.Trailer
	return o
}

// check compares what happened with what should have, errors by kind.
func (o outcome) check(t *testing.T, want outcome) {
	t.Helper()
	for _, e := range []struct {
		what      string
		got, want error
	}{{"error", o.err, want.err}, {"error of the body", o.bodyErr, want.bodyErr}} {
		switch {
		case (e.got == nil) != (e.want == nil), e.want != nil && e.want != errAny && !errors.Is(e.got, e.want):
			t.Errorf("%s is %v, want %v", e.what, e.got, e.want)
		}
	}
	o.err, o.bodyErr, want.err, want.bodyErr = nil, nil, nil, nil
	if len(o.header) == 0 && len(want.header) == 0 {
		o.header, want.header = nil, nil
	}
	if len(o.trailer) == 0 && len(want.trailer) == 0 {
		o.trailer, want.trailer = nil, nil
	}
	if !reflect.DeepEqual(o, want) {
		t.Errorf("got  %+v\nwant %+v", o, want)
	}
}

const ok = "HTTP/1.1 200 OK\nContent-Length: 2\n\nok"

func okOutcome() outcome {
	return outcome{status: 200, header: http.Header{"Content-Length": {"2"}}, length: 2, body: "ok"}
}

// TestExchangesLikeNetHTTP runs the same requests through both transports.
func TestExchangesLikeNetHTTP(t *testing.T) {
	big := strings.Repeat("v", 200<<10)
	length := http.Header{"Content-Length": {"2"}}
	for _, tc := range []struct {
		name     string
		script   func(*peer)
		method   string // POST
		body     string
		header   http.Header
		options  options
		times    int // how many requests, one after the other; the last one counts
		want     outcome
		conns    int32 // connections in all; 0 to leave it
		requests int32 // requests in all that reached the server; 0 to leave it
	}{
		{name: "a length", script: again(ok), body: "{}", times: 3, want: okOutcome(), conns: 1, requests: 3},
		{
			name: "chunks", script: again("HTTP/1.1 200 OK\nTransfer-Encoding: chunked\n\n3\nabc\n2;x=y\nde\n0\n\n"), times: 2,
			want: outcome{status: 200, length: -1, body: "abcde"}, conns: 1,
		},
		{
			name:   "trailers",
			script: again("HTTP/1.1 200 OK\nTransfer-Encoding: chunked\nTrailer: X-Sum\n\n3\nabc\n0\nX-Sum: 7\nX-More: 8\n\n"), times: 2,
			want: outcome{status: 200, length: -1, body: "abc", trailer: http.Header{"X-Sum": {"7"}, "X-More": {"8"}}}, conns: 1,
		},
		{
			name: "no length, until the end", script: func(p *peer) { p.request(); p.say("HTTP/1.1 200 OK\n\nabc") }, times: 2,
			want: outcome{status: 200, length: -1, body: "abc"}, conns: 2,
		},
		{
			name: "HTTP/1.0 ends", script: func(p *peer) { p.request(); p.say("HTTP/1.0 200 OK\nContent-Length: 2\n\nok"); p.ended() },
			times: 2, want: okOutcome(), conns: 2,
		},
		{
			name: "HTTP/1.0 kept", script: again("HTTP/1.0 200 OK\nConnection: keep-alive\nContent-Length: 2\n\nok"), times: 2,
			want: outcome{status: 200, header: http.Header{"Content-Length": {"2"}, "Connection": {"keep-alive"}}, length: 2, body: "ok"}, conns: 1,
		},
		{
			name: "HEAD", method: "HEAD", script: again("HTTP/1.1 200 OK\nContent-Length: 12345\n\n"), times: 2,
			want: outcome{status: 200, header: http.Header{"Content-Length": {"12345"}}, length: 12345}, conns: 1,
		},
		{name: "204", script: again("HTTP/1.1 204 No Content\n\n"), times: 2, want: outcome{status: 204}, conns: 1},
		{
			name: "304", method: "GET", script: again("HTTP/1.1 304 Not Modified\nContent-Length: 9\nEtag: \"x\"\n\n"), times: 2,
			want: outcome{status: 304, header: http.Header{"Etag": {`"x"`}, "Content-Length": {"9"}}}, conns: 1,
		},
		{name: "length 0", script: again("HTTP/1.1 200 OK\nContent-Length: 0\n\n"), times: 2, want: outcome{status: 200, header: http.Header{"Content-Length": {"0"}}}, conns: 1},
		{
			name: "early hints", script: again("HTTP/1.1 103 Early Hints\nLink: </a>\n\nHTTP/1.1 100 Continue\n\n" + ok), body: "{}", times: 2,
			want: func() outcome { o := okOutcome(); o.infos = []int{103, 100}; return o }(), conns: 1,
		},
		{
			name: "case and duplicates", script: again("HTTP/1.1 200 OK\ncontent-length: 2\nset-cookie: a\nx-lower:  b \nSet-Cookie: c\nSET-COOKIE: d\nX_Y: z\n\nok"),
			want: outcome{status: 200, header: http.Header{"Content-Length": {"2"}, "Set-Cookie": {"a", "c", "d"}, "X-Lower": {"b"}, "X_y": {"z"}}, length: 2, body: "ok"},
		},
		{
			name: "a huge header", script: again("HTTP/1.1 200 OK\nContent-Length: 2\nX-Big: " + big + "\n\nok"), times: 2,
			want: outcome{status: 200, header: http.Header{"Content-Length": {"2"}, "X-Big": {big}}, length: 2, body: "ok"}, conns: 1,
		},
		{name: "a header over the limit", script: again("HTTP/1.1 200 OK\nX-Big: " + big + "\n\n"), options: options{maxHeader: 64 << 10}, want: outcome{err: errAny}},
		{name: "endless informational answers", script: func(p *peer) {
			p.request()
			for range 8 {
				p.say("HTTP/1.1 103 Early Hints\nX: " + big[:1000] + "\n\n")
			}
			p.say(ok)
			p.ended()
		}, options: options{maxHeader: 4 << 10}, want: func() outcome { o := okOutcome(); o.infos = []int{103, 103, 103, 103, 103, 103, 103, 103}; return o }()},
		{name: "the body breaks off", script: func(p *peer) { p.request(); p.say("HTTP/1.1 200 OK\nContent-Length: 9\n\nabc") }, want: outcome{
			status: 200, header: http.Header{"Content-Length": {"9"}}, length: 9, body: "abc", bodyErr: io.ErrUnexpectedEOF,
		}},
		{name: "a chunk breaks off", script: func(p *peer) { p.request(); p.say("HTTP/1.1 200 OK\nTransfer-Encoding: chunked\n\n9\nabc") }, want: outcome{
			status: 200, length: -1, body: "abc", bodyErr: io.ErrUnexpectedEOF,
		}},
		{name: "a bad chunk", script: func(p *peer) { p.request(); p.say("HTTP/1.1 200 OK\nTransfer-Encoding: chunked\n\nxyz\n\n") }, want: outcome{
			status: 200, length: -1, bodyErr: errAny,
		}},
		{name: "not HTTP", script: func(p *peer) { p.request(); p.say("SSH-2.0-OpenSSH_9.9\n") }, want: outcome{err: errAny}},
		{name: "two lengths", script: func(p *peer) { p.request(); p.say("HTTP/1.1 200 OK\nContent-Length: 2\nContent-Length: 3\n\nok") }, want: outcome{err: errAny}},
		{name: "a length and chunks", script: again("HTTP/1.1 200 OK\nContent-Length: 9\nTransfer-Encoding: chunked\n\n2\nok\n0\n\n"), want: outcome{
			status: 200, length: -1, body: "ok",
		}},
		{name: "a folded header", script: again("HTTP/1.1 200 OK\nContent-Length: 2\nX: a\n b\n\nok"), want: outcome{
			status: 200, header: http.Header{"Content-Length": {"2"}, "X": {"a b"}}, length: 2, body: "ok",
		}},
		{name: "hangs up at once", script: func(p *peer) { p.request() }, want: outcome{err: errAny}, conns: 1, requests: 1},
		{name: "hangs up in the head", script: func(p *peer) { p.request(); p.say("HTTP/1.1 200 OK\nContent-Length: 2\n") }, want: outcome{err: io.ErrUnexpectedEOF}, conns: 1, requests: 1},
		{
			name: "says nothing", script: func(p *peer) { p.request(); p.ended() }, options: options{headerTimeout: patience},
			want: outcome{err: errAny, timeout: true}, requests: 1,
		},
		{
			name: "stops in a header line", script: func(p *peer) { p.request(); p.say("HTTP/1.1 200 OK\nContent-Le"); p.ended() },
			options: options{headerTimeout: patience}, want: outcome{err: errAny, timeout: true}, requests: 1,
		},
		{name: "only informational answers", script: func(p *peer) {
			p.request()
			p.say("HTTP/1.1 103 Early Hints\n\n")
			p.ended()
		}, options: options{headerTimeout: patience}, want: outcome{err: errAny, timeout: true, infos: []int{103}}},
		{
			name: "a slow body is no slow head", script: func(p *peer) {
				p.request()
				p.say("HTTP/1.1 200 OK\nContent-Length: 2\n\n")
				time.Sleep(2 * patience) // longer than the limit of the head
				p.say("ok")
				p.ended()
			}, options: options{headerTimeout: patience},
			want: outcome{status: 200, header: length, length: 2, body: "ok"},
		},
		{name: "closed politely", script: func(p *peer) {
			p.request()
			p.say("HTTP/1.1 200 OK\nConnection: close\nContent-Length: 2\n\nok")
			p.ended()
		}, times: 2, want: okOutcome(), conns: 2},
		{name: "GET on a dying connection", method: "GET", script: dyingScript, times: 2, want: okOutcome(), conns: 2, requests: 3},
		{name: "POST on a dying connection", body: "{}", script: dyingScript, times: 2, want: outcome{err: errAny}, conns: 1, requests: 2},
		{name: "POST with a key on a dying connection", body: "{}", header: http.Header{"Idempotency-Key": {"k"}}, script: dyingScript, times: 2, want: okOutcome(), conns: 2, requests: 3},
		{name: "GET answered in part on a kept connection", method: "GET", script: func(p *peer) {
			p.request()
			p.say(ok)
			p.request()
			p.say("HTTP/1.1 2")
		}, times: 2, want: outcome{err: errAny}, conns: 1, requests: 2},
	} {
		t.Run(tc.name, func(t *testing.T) {
			for _, sub := range subjects {
				t.Run(sub.name, func(t *testing.T) {
					s := serve(t, tc.script)
					do, closeIdle := sub.make(tc.options)
					defer closeIdle()
					var got outcome
					for range max(tc.times, 1) {
						req := newRequest(t, "POST", s.Addr().String(), tc.body)
						if tc.method != "" {
							req.Method = tc.method
						}
						for k, v := range tc.header {
							req.Header[k] = v
						}
						got = run(do, req)
					}
					got.check(t, tc.want)
					if n := s.conns.Load(); tc.conns != 0 && n != tc.conns {
						t.Errorf("%d connections, want %d", n, tc.conns)
					}
					if n := s.requests.Load(); tc.requests != 0 && n != tc.requests {
						t.Errorf("%d requests reached the server, want %d", n, tc.requests)
					}
				})
			}
		})
	}
}

// dyingScript answers one request on its first connection and hangs up when the second has come in.
func dyingScript(p *peer) {
	if p.n > 1 {
		again(ok)(p)
		return
	}
	p.request()
	p.say(ok)
	p.request()
}
