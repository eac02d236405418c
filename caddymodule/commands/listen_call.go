package commands

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/callgate/callgate/internal/jsonscan"
	"github.com/callgate/callgate/internal/operate"
	"github.com/callgate/callgate/internal/signature"
	"github.com/callgate/callgate/internal/source"
)

// listener answers requests, and prints what they are. It is safe for concurrent use.
type listener struct {
	name             string
	preset           source.Preset
	scheme           string
	verifier         signature.Verifier
	secrets          []string
	made             string // the secret, if it was made here
	service          *operate.Service
	input            operate.PreviewInput
	forward          *url.URL
	client           *http.Client
	show, unverified bool
	now              func() time.Time

	mu   sync.Mutex
	out  io.Writer
	seen map[string]time.Time // by what tells events apart
}

const (
	defaultMaxBody = 1 << 20 // as the gateway's
	shownAnswer    = 2048    // bytes of an answer, or of a converted body, that are printed
	maxSeen        = 10_000
)

// told is an answer.
type told struct {
	status int
	header http.Header
	body   []byte
}

func refused(status int, code string) told {
	return told{status, http.Header{"Content-Type": {"application/json"}},
		fmt.Appendf(nil, `{"error":{"code":%q,"message":"see the terminal of callgate listen"}}`+"\n", code)}
}

// ServeHTTP implements http.Handler. What it prints is printed before the answer goes out.
func (h *listener) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var report strings.Builder
	fmt.Fprintf(&report, "%s  %s %s\n", h.now().Format(time.TimeOnly), plain(r.Method), plain(h.path(r.URL)))
	a := h.take(w, r, func(format string, args ...any) { fmt.Fprintf(&report, "  %s\n", plain(fmt.Sprintf(format, args...))) })
	h.mu.Lock()
	fmt.Fprintln(h.out, report.String())
	h.mu.Unlock()
	for name, values := range a.header {
		w.Header()[name] = values
	}
	w.WriteHeader(a.status)
	_, _ = w.Write(a.body) // who is gone is gone
}

// take does with a request what is done with it, and tells of it line by line.
func (h *listener) take(w http.ResponseWriter, r *http.Request, line func(string, ...any)) told {
	limit := h.preset.MaxBody
	if limit == 0 {
		limit = defaultMaxBody
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, limit))
	if err != nil {
		line("not read: the body is larger than %d bytes, or broke off", limit)
		return refused(http.StatusRequestEntityTooLarge, "too_large")
	}
	if reply, ok := h.preset.Greet(r, ""); ok {
		line("the sender asks whether the address is ours; answered")
		return told{http.StatusOK, reply.Header, reply.Body}
	}
	m := &signature.Message{Method: r.Method, URL: "http://" + r.Host + r.RequestURI, Header: r.Header.Clone(), Body: body}
	verified, err := h.verifier.Verify(m, h.now())
	switch {
	case err == nil:
		line("verified: %s, %s", h.scheme, covered(&verified))
		if reply, ok := h.tell(r.Context(), line, m, &verified, limit); ok {
			line("the sender asks whether the address is ours; answered")
			return told{http.StatusOK, http.Header{"Content-Type": {reply.ContentType}}, reply.Body}
		}
	case h.unverified:
		line("NOT VERIFIED: %v; a gateway would refuse it", err)
		h.convert(r.Context(), line, m)
	default:
		line("refused: %v", err)
		return refused(http.StatusForbidden, "signature_invalid")
	}
	return h.send(r, body, line)
}

// path is what is shown of an address: its query can hold a token.
func (h *listener) path(u *url.URL) string {
	if u.RawQuery == "" || h.show {
		return u.RequestURI()
	}
	return u.EscapedPath() + "?…"
}

func covered(r *signature.Result) string {
	switch {
	case r.Token:
		return "by a token, which signs nothing"
	case r.Weak:
		return "but its body is not signed"
	case r.Form != "" && r.Form != "raw":
		return "over the " + r.Form + " form of the body"
	}
	return fmt.Sprintf("secret %d", r.Secret+1)
}

// tell prints which event it is. Where the sender asks by it whether the address is ours, it gives the answer.
func (h *listener) tell(ctx context.Context, line func(string, ...any), m *signature.Message, v *signature.Result, limit int64) (greeting source.Reply, greets bool) {
	req, err := source.Open(m, v, limit)
	if err != nil {
		line("a gateway would refuse it: %v", err)
		return greeting, false
	}
	parser, err := source.New(h.preset.Name, source.Options{})
	if err != nil {
		line("%v", err)
		return greeting, false
	}
	if id, err := parser.Identify(&req); err == nil {
		if h.preset.Handshakes(id.EventType) && v.Secret < len(h.secrets) {
			return h.preset.Shake(&req, id.EventType, h.secrets[v.Secret])
		}
		key, _ := source.EventID(m, v, &req, id, source.IDFrom{}, v.Digest(m))
		h.mu.Lock()
		before, again := h.seen[key]
		if len(h.seen) >= maxSeen {
			clear(h.seen)
		}
		h.seen[key] = h.now()
		h.mu.Unlock()
		if again {
			line("a copy: this event came %s ago too, and a gateway would give the first answer again", h.now().Sub(before).Round(time.Second))
		}
		if slices.Contains(h.preset.Synchronous, id.EventType) {
			line("its sender waits for what the answer says")
		}
	}
	opened := *m
	opened.Body = req.Body
	h.convert(ctx, line, &opened)
	return greeting, false
}

// convert prints the call record, and what destinations would send.
func (h *listener) convert(ctx context.Context, line func(string, ...any), m *signature.Message) {
	in := h.input
	in.Body, in.Header = m.Body, http.Header{"Content-Type": m.Header.Values("Content-Type")}
	in.Destinations = slices.Clone(in.Destinations)
	p, err := h.service.Preview(ctx, atThePrompt, in)
	if err != nil {
		line("not read: %v", err)
		return
	}
	if len(p.Events) > 1 {
		line("%d events in one request; this is the first", len(p.Events))
	}
	record, err := json.Marshal(p.Call)
	if err != nil {
		line("%v", err)
		return
	}
	var scan jsonscan.Doc
	if err := scan.Scan(record); err != nil {
		line("%v", err)
		return
	}
	line("call:")
	for _, text := range wrapped(h.fields(scan.Root(), "")) {
		line("  %s", text)
	}
	for _, d := range p.Deliveries {
		switch {
		case d.Skipped != "":
			line("%s: not sent, %s", d.Destination, d.Skipped)
		case d.Error != "":
			line("%s: cannot be made, %s", d.Destination, d.Error)
		}
		for _, r := range d.Requests {
			line("%s would get: %s %s", d.Destination, r.Method, h.url(r.URL))
			if r.Body != "" {
				line("  %s", h.body(r.Body))
			}
		}
	}
	if p.Nothing != "" {
		line("%s", p.Nothing)
	}
}

// send sends a request on and gives the answer.
func (h *listener) send(r *http.Request, body []byte, line func(string, ...any)) told {
	if h.forward == nil {
		return told{http.StatusOK, http.Header{"Content-Type": {"application/json"}}, []byte(`{"status":"received"}` + "\n")}
	}
	to := *h.forward
	if to.Path == "" {
		to.Path, to.RawPath = r.URL.Path, r.URL.RawPath
	}
	if to.RawQuery == "" {
		to.RawQuery = r.URL.RawQuery
	}
	out, err := http.NewRequestWithContext(r.Context(), r.Method, to.String(), bytes.NewReader(body))
	if err != nil {
		line("not sent on: %v", err)
		return refused(http.StatusBadGateway, "bad_gateway")
	}
	out.Header = withoutConnection(r.Header)
	began := h.now()
	res, err := h.client.Do(out)
	if err != nil {
		// The error has the address in it, and that may have a token.
		if u, ok := errors.AsType[*url.Error](err); ok {
			err = u.Err
		}
		line("-> %s: %v; does the receiver run?", h.url(to.String()), err)
		return refused(http.StatusBadGateway, "bad_gateway")
	}
	defer res.Body.Close()
	got, err := io.ReadAll(io.LimitReader(res.Body, maxInput))
	line("-> %s: %s in %s", h.url(to.String()), res.Status, h.now().Sub(began).Round(time.Millisecond))
	if err != nil {
		line("   the answer broke off: %v", err)
	}
	if len(bytes.TrimSpace(got)) > 0 {
		line("   %s", shortText(string(bytes.TrimSpace(got)), shownAnswer))
	}
	return told{res.StatusCode, withoutConnection(res.Header), got}
}

// hopByHop are headers of a connection, which are not sent on.
var hopByHop = []string{"Connection", "Keep-Alive", "Proxy-Connection", "Transfer-Encoding", "Upgrade", "Te", "Trailer", "Expect", "Content-Length"}

func withoutConnection(h http.Header) http.Header {
	h = h.Clone()
	for _, name := range hopByHop {
		h.Del(name)
	}
	return h
}

func shortText(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n] + "…"
}
