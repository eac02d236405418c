package source_test

import (
	"bytes"
	"compress/gzip"
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/callgate/callgate/internal/signature"
	"github.com/callgate/callgate/internal/source"
)

// TestEmptyBodies: one signature of an empty body is that of all, so no query is believed beside it. Where the URL is
// signed, or the sender shows a token, it is.
func TestEmptyBodies(t *testing.T) {
	for name, x := range map[string]struct {
		preset string
		c      signature.Config
		method string
		want   error
	}{
		"nextphone":              {"nextphone", signature.Config{Scheme: "nextphone"}, "GET", source.ErrUncovered},
		"github":                 {"github", signature.Config{Scheme: "github"}, "POST", source.ErrUncovered},
		"stripe":                 {"stripe", signature.Config{Scheme: "stripe"}, "DELETE", source.ErrUncovered},
		"standard-webhooks":      {"standard-webhooks", signature.Config{Scheme: "standard-webhooks"}, "GET", source.ErrUncovered},
		"vonage":                 {"vonage", signature.Config{Scheme: "vonage"}, "GET", source.ErrUncovered},
		"telnyx":                 {"telnyx", signature.Config{Scheme: "telnyx"}, "POST", source.ErrUncovered},
		"hubspot POST":           {"hubspot", signature.Config{Scheme: "hubspot"}, "POST", source.ErrUncovered},
		"hubspot GET":            {"hubspot", signature.Config{Scheme: "hubspot"}, "GET", nil},
		"twilio GET":             {"twilio", signature.Config{Scheme: "twilio"}, "GET", nil},
		"twilio POST":            {"twilio", signature.Config{Scheme: "twilio"}, "POST", nil},
		"generic, URL signed":    {"generic", signature.Config{Scheme: "hmac", HMAC: &signature.HMACConfig{Header: "X-Sig", Signed: "{method} {url}\n{body}"}}, "GET", nil},
		"generic, method signed": {"generic", signature.Config{Scheme: "hmac", HMAC: &signature.HMACConfig{Header: "X-Sig", Signed: "{method}\n{body}"}}, "GET", source.ErrUncovered},
		"bearer":                 {"generic", signature.Config{Scheme: "bearer"}, "GET", nil},
		"vapi-secret":            {"vapi", signature.Config{Scheme: "vapi-secret"}, "POST", nil},
	} {
		p, _ := source.Find(x.preset)
		s := newSender(t, p, x.c)
		m := &signature.Message{Method: x.method, URL: address + "&caller_phone=%2B15559876543&CallSid=CA1", Header: http.Header{"Content-Type": {"text/plain"}}}
		if err := s.signer.Sign(m, "msg_1", noon); err != nil {
			t.Fatal(name, err)
		}
		got, err := s.see(m)
		if !errors.Is(err, x.want) || err == nil && !strings.Contains(got.record, "acme") && x.preset != "vapi" {
			t.Errorf("%s: %+v, %v", name, got, err)
			continue
		}
		if err == nil { // another query is another event, or none
			m.URL = address + "&caller_phone=%2B15550001111&CallSid=CA2"
			if !strings.Contains(name, "bearer") && !strings.Contains(name, "vapi") {
				if other, err := s.see(m); err == nil {
					t.Errorf("%s: another query was accepted: %+v", name, other)
				}
				continue
			}
			if other, err := s.see(m); err != nil || other.key == got.key {
				t.Errorf("%s: another query: %+v, %v", name, other, err)
			}
		}
	}
}

// TestOpenExpands: whether a body is gzip shows in it, and not in a header that anybody can leave out.
func TestOpenExpands(t *testing.T) {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	w.Write([]byte(`{"event_id":"e-1"}` + strings.Repeat(" ", 1000)))
	w.Close()
	p, _ := source.Find("generic")
	s := newSender(t, p, signature.Config{Scheme: "hmac", HMAC: &signature.HMACConfig{Header: "X-Sig"}})
	m := &signature.Message{Method: "POST", URL: address, Body: b.Bytes(), Header: http.Header{}}
	if err := s.signer.Sign(m, "", noon); err != nil {
		t.Fatal(err)
	}
	for _, e := range []string{"", "gzip", "x-gzip", "identity"} {
		m.Header.Set("Content-Encoding", e)
		if got, err := s.see(m); err != nil || got.key != "e-1" {
			t.Errorf("%q: %+v, %v", e, got, err)
		}
	}
	r, err := s.verifier.Verify(m, noon)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := source.Open(m, &r, 1000); !errors.Is(err, source.ErrTooLarge) {
		t.Errorf("beyond the limit: %v", err)
	}
	for e, want := range map[string]error{"br": source.ErrEncoding, "gzip": source.ErrMalformed} {
		c := clone(m)
		c.Body = []byte(`{}`)
		c.Header.Set("Content-Encoding", e)
		if _, err := source.Open(c, &r, limit); !errors.Is(err, want) {
			t.Errorf("%s: %v", e, err)
		}
	}
	cut := clone(m)
	cut.Body = cut.Body[:len(cut.Body)-9]
	if _, err := source.Open(cut, &r, limit); !errors.Is(err, source.ErrMalformed) {
		t.Errorf("cut short: %v", err)
	}
}

// TestWhereTheIDIsFrom: the operator's choice counts, where it is signed.
func TestWhereTheIDIsFrom(t *testing.T) {
	path, err := source.NewJSONPathID("$.ids.mine")
	if err != nil {
		t.Fatal(err)
	}
	composite, err := source.NewJSONPathID("$.type", "$.ids.mine")
	if err != nil {
		t.Fatal(err)
	}
	p, _ := source.Find("generic")
	own := signature.Config{Scheme: "hmac", HMAC: &signature.HMACConfig{Header: "X-Sig", Signed: "{id}\n{body}", IDHeader: "X-Id"}}
	for name, x := range map[string]struct {
		c    signature.Config
		from source.IDFrom
		body string
		want string // empty for the digest
	}{
		"signed id":          {own, source.IDFrom{}, `{"event_id":"b"}`, "msg_1"},
		"signed header":      {own, source.IDFrom{Header: "X-Id"}, `{"event_id":"b"}`, "msg_1"},
		"any signed header":  {signature.Config{Scheme: "hmac", HMAC: &signature.HMACConfig{Header: "X-Sig", Signed: "{header:X-Id}\n{body}"}}, source.IDFrom{Header: "x-id"}, `{"event_id":"b"}`, "h-1"},
		"unsigned header":    {signature.Config{Scheme: "hmac", HMAC: &signature.HMACConfig{Header: "X-Sig"}}, source.IDFrom{Header: "X-Id"}, `{"event_id":"b"}`, ""},
		"header and token":   {signature.Config{Scheme: "bearer"}, source.IDFrom{Header: "X-Id"}, `{"event_id":"b"}`, "h-1"},
		"path":               {own, source.IDFrom{Path: path}, `{"event_id":"b","ids":{"mine":"m"}}`, "m"},
		"path to nothing":    {own, source.IDFrom{Path: path}, `{"event_id":"b"}`, ""},
		"two paths":          {own, source.IDFrom{Path: composite}, `{"type":"a:b","ids":{"mine":7.50}}`, `a\:b:7.50`},
		"half of two paths":  {own, source.IDFrom{Path: composite}, `{"type":"a:b","ids":{}}`, ""},
		"path into a form":   {own, source.IDFrom{Path: path}, `ids%5Bmine%5D=m&event_id=b`, "m"},
		"digest":             {own, source.IDFrom{Digest: true}, `{"event_id":"b"}`, ""},
		"body":               {signature.Config{Scheme: "bearer"}, source.IDFrom{}, `{"event_id":"b"}`, "b"},
		"nothing":            {signature.Config{Scheme: "bearer"}, source.IDFrom{}, `{"x":"b"}`, ""},
		"bytes can be moved": {signature.Config{Scheme: "hmac", HMAC: &signature.HMACConfig{Header: "X-Sig", Signed: "{url}{body}"}}, source.IDFrom{}, `{"event_id":"b"}`, ""},
	} {
		s := newSender(t, p, x.c)
		m := &signature.Message{Method: "POST", URL: address, Body: []byte(x.body), Header: http.Header{}}
		m.Header.Set("X-Id", "h-1")
		if err := s.signer.Sign(m, "msg_1", noon); err != nil {
			t.Fatal(err)
		}
		r, err := s.verifier.Verify(m, noon)
		if err != nil {
			t.Fatal(err)
		}
		req, err := source.Open(m, &r, limit)
		if err != nil {
			t.Fatal(err)
		}
		id, err := s.parser.Identify(&req)
		if err != nil {
			t.Fatal(err)
		}
		got, named := source.EventID(m, &r, &req, id, x.from, r.Digest(m))
		if named != (x.want != "") {
			t.Errorf("%s: %q is said to be an id: %v", name, got, named)
		}
		if x.want == "" && (len(got) != len("sha256:")+64 || !strings.HasPrefix(got, "sha256:")) || x.want != "" && got != x.want {
			t.Errorf("%s: got %q", name, got)
		}
	}
}

// TestIDHeadersAreSigned: what a preset calls the header of the event's id is one that its scheme signs.
func TestIDHeadersAreSigned(t *testing.T) {
	for _, p := range source.Presets() {
		if p.EventIDHeader == "" {
			continue
		}
		if s := newSender(t, p, signature.Config{Scheme: p.Scheme}); !signature.SignsHeader(s.verifier, p.EventIDHeader) {
			t.Errorf("%s: %s is not signed", p.Name, p.EventIDHeader)
		}
	}
}

// FuzzOpen: whatever a sender signed, parsers see no more of it than the limit, and no query that is not covered.
func FuzzOpen(f *testing.F) {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	w.Write(bytes.Repeat([]byte("a=1&"), 100))
	w.Close()
	f.Add(b.Bytes(), "gzip", "POST", "https://a.example/?x=1", uint8(1), true, false)
	f.Add([]byte("\xef\xbb\xbf \n"), "", "GET", "https://a.example/?x=1#y", uint8(48), false, true)
	f.Add([]byte("{}"), "br", "GET", "?", uint8(0), false, false)
	f.Fuzz(func(t *testing.T, body []byte, encoding, method, url string, covers uint8, token, joined bool) {
		m := &signature.Message{Method: method, URL: url, Header: http.Header{"Content-Encoding": {encoding}}, Body: body}
		r := &signature.Result{Covers: signature.Covers(covers), Token: token, Joined: joined, URL: url}
		const limit = 1000
		req, err := source.Open(m, r, limit)
		if err != nil {
			if !errors.Is(err, source.ErrUncovered) && !errors.Is(err, source.ErrTooLarge) && !errors.Is(err, source.ErrEncoding) && !errors.Is(err, source.ErrMalformed) {
				t.Fatal(err)
			}
			return
		}
		if len(req.Body) > max(limit, len(body)) {
			t.Fatalf("%d bytes became %d", len(body), len(req.Body))
		}
		covered := token || r.Covers.Has(signature.CoversURL)
		if !covered && (req.Query != "" || signature.Blank(req.Body)) {
			t.Fatalf("%+v is seen of what covers %v", req, r.Covers)
		}
		if id, named := source.EventID(m, r, &req, source.Identity{}, source.IDFrom{}, r.Digest(m)); named || !strings.HasPrefix(id, "sha256:") {
			t.Fatalf("the id is %q", id)
		}
	})
}
