package httpdest

import (
	"net/http"
	"strings"
	"testing"

	"github.com/callgate/callgate/internal/destination"
)

// TestForwards: what has nothing of the call in its request says so, and is sent without one.
func TestForwards(t *testing.T) {
	for _, c := range []struct {
		doc         string
		passThrough bool
		want        bool
	}{
		{`{"url": "https://crm.example/leads?a=1", "headers": {"X-Key": "{env.KEY}"}}`, true, true},
		{`{"url": "https://crm.example/leads", "body_template": {"a": "b"}}`, false, false},
		{`{"url": "https://crm.example/{{call_id}}"}`, true, false},
		{`{"url": "https://crm.example/", "headers": {"X-Name": "{{first_name}}"}}`, true, false},
		{`{"url": "https://crm.example/", "body_template": {"a": "{{first_name}}"}}`, true, false},
		{`{"url": "https://crm.example/", "parameters": [{"name": "issue", "required": true}], "http_method": "DELETE"}`, true, false},
	} {
		d := build(t, Config{Renderer: fromDocument(t, c.doc), PassThrough: c.passThrough})
		if d.Forwards() != c.want {
			t.Errorf("%s: %v", c.doc, !c.want)
		}
		if !c.want {
			continue
		}
		bare := item()
		bare.Call = nil
		with, err1 := d.Preview([]destination.Item{item()})
		without, err2 := d.Preview([]destination.Item{bare})
		if err1 != nil || err2 != nil || with[0].URL != without[0].URL || with[0].Body != without[0].Body || len(with[0].Header) != len(without[0].Header) {
			t.Errorf("%s: %+v, %v; with the call %+v, %v", c.doc, without, err2, with, err1)
		}
	}
	if !build(t, Config{Renderer: Fixed{URL: "https://crm.example/"}, PassThrough: true}).Forwards() {
		t.Error("a fixed request is not said to be one")
	}
}

// turns renders one URL after the other.
type turns struct{ left []string }

func (r *turns) Render(destination.Item) (Rendered, error) {
	u := r.left[0]
	r.left = r.left[1:]
	return Rendered{Method: "POST", URL: u, Header: http.Header{}, Body: []byte("x")}, nil
}

// TestEveryURLIsChecked, whichever was sent to before, and what becomes of one request changes no other.
func TestEveryURLIsChecked(t *testing.T) {
	const good = "https://crm.example:/leads"
	d := build(t, Config{Renderer: &turns{[]string{good, good, "http://evil.example/", "https://user:pw@crm.example/", "https://other.example/", good}}})
	for i, want := range []string{"crm.example", "crm.example", "", "", "other.example", "crm.example"} {
		req, err := d.Request(t.Context(), item())
		if want == "" {
			if err == nil {
				t.Errorf("%d: %s is sent to", i, req.URL)
			}
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		if req.URL.Host != want || req.Host != want || !strings.HasPrefix(req.URL.String(), "https://"+want+"/") {
			t.Errorf("%d: %s, host %s", i, req.URL, req.Host)
		}
		req.URL.Host, req.URL.Path = "changed.example", "/changed"
	}
}
