package commands

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/spf13/cobra"

	"github.com/callgate/callgate/internal/source/samples"
)

// ear is a listen command that runs, and what it prints.
type ear struct {
	t           *testing.T
	url, secret string
	began       chan struct{}
	mu          sync.Mutex
	printed     strings.Builder
}

func (e *ear) Write(b []byte) (int, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if strings.HasPrefix(string(b), "  - The secret here") {
		close(e.began)
	}
	return e.printed.Write(b)
}

// listenTo runs the command until the test ends.
func listenTo(t *testing.T, args ...string) *ear {
	t.Helper()
	e := &ear{t: t, began: make(chan struct{})}
	ctx, stop := context.WithCancel(t.Context())
	cmd := new(cobra.Command)
	fillListen(cmd)
	cmd.SilenceErrors = true
	cmd.SetOut(e)
	cmd.SetErr(io.Discard)
	cmd.SetArgs(args)
	ended := make(chan error, 1)
	go func() { ended <- cmd.ExecuteContext(ctx) }()
	select {
	case <-e.began:
	case err := <-ended:
		stop()
		t.Fatalf("%v: %v", args, err)
	}
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Errorf("%v: %v", args, err)
		}
	})
	e.url = regexp.MustCompile(`at (http://\S+)`).FindStringSubmatch(e.text())[1]
	if m := regexp.MustCompile(`--secret (\S+)`).FindStringSubmatch(e.text()); m != nil {
		e.secret = m[1]
	}
	return e
}

func (e *ear) text() string {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.printed.String()
}

// told fails the test unless it has printed all of some texts.
func (e *ear) told(wants ...string) {
	e.t.Helper()
	for _, want := range wants {
		if !strings.Contains(e.text(), want) {
			e.t.Fatalf("it does not say %q:\n%s", want, e.text())
		}
	}
}

func (e *ear) trigger(args ...string) (string, error) {
	return run(e.t, fillTrigger, "", append(args, "--to", e.url+"/hooks?token=hidden-token")...)
}

func TestListenShowsAndForwards(t *testing.T) {
	var got []string
	var last http.Header
	receiver := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		got, last = append(got, r.Method+" "+r.RequestURI+" "+string(b)), r.Header
		w.Header().Set("X-Receiver", "yes")
		w.WriteHeader(http.StatusAccepted)
		_, _ = w.Write([]byte("thanks"))
	}))
	defer receiver.Close()
	e := listenTo(t, "retell", "--forward", strings.TrimPrefix(receiver.URL, "http://"))
	sample, _ := samples.Find("retell", "call-analyzed")

	out, err := e.trigger("retell", "call-analyzed", "--same", "--secret", e.secret, "-H", "X-More: 7")
	if err != nil || !strings.HasPrefix(out, "HTTP/1.1 202 Accepted\n") || !strings.Contains(out, "X-Receiver: yes\n") || !strings.HasSuffix(out, "\nthanks\n") {
		t.Fatalf("%v\n%s", err, out)
	}
	if want := "POST /hooks?token=hidden-token " + string(sample.Body); len(got) != 1 || got[0] != want || last.Get("X-More") != "7" || last.Get("X-Retell-Signature") == "" {
		t.Errorf("forwarded %q with %v", got, last)
	}
	e.told("POST /hooks?…", "verified: retell, secret 1", "event_type=call_analyzed", "caller_number=***6543", "callback_requested",
		"params.issue=***(", "/hooks: 202 Accepted in ", "thanks")
	if strings.Contains(e.text(), "a copy:") {
		t.Errorf("the first is taken for a copy:\n%s", e.text())
	}
	if _, err := e.trigger("retell", "call-analyzed", "--same", "--secret", e.secret); err != nil || len(got) != 2 {
		t.Errorf("%v, forwarded %d", err, len(got))
	}
	e.told("a copy: this event came")

	for _, more := range [][]string{{"--secret", "other"}, {"--unsigned"}, {"--secret", e.secret, "--tamper"}, {"--secret", e.secret, "--age", "1h"}} {
		if out, err := e.trigger(append([]string{"retell"}, more...)...); err == nil || !strings.Contains(out, "403 Forbidden") {
			t.Errorf("%v: %v\n%s", more, err, out)
		}
	}
	e.told("refused: signature missing", "refused: signature invalid", "refused: timestamp")
	if len(got) != 2 {
		t.Errorf("what is not verified was forwarded: %q", got[2:])
	}
	// Nothing of the caller is on the screen, and no token.
	for _, secret := range []string{"Mike", "Johnson", "5559876543", "leaky", "hidden-token", "Main St"} {
		if strings.Contains(e.text(), secret) {
			t.Errorf("%q is shown:\n%s", secret, e.text())
		}
	}
}

func TestListenShowsAllWhereAsked(t *testing.T) {
	receiver := httptest.NewServer(http.NotFoundHandler())
	receiver.Close()
	e := listenTo(t, "nextphone", "--show", "--unverified", "--forward", receiver.URL+"/own/path")
	if out, err := e.trigger("nextphone", "lead", "--unsigned"); err == nil || !strings.Contains(out, "502 Bad Gateway") {
		t.Errorf("%v\n%s", err, out)
	}
	e.told("POST /hooks?token=hidden-token", "NOT VERIFIED: signature missing", `first_name="Mike"`, `caller_number="+1555`, "/own/path", "does the receiver run?")
}

func TestListenMakesKeysOfEachKind(t *testing.T) {
	for _, preset := range []string{"telnyx", "bandwidth", "standard-webhooks", "twilio", "aircall", "dialpad", "google-ads", "vonage"} {
		e := listenTo(t, preset)
		if out, err := e.trigger(preset, "--secret", e.secret); err != nil || !strings.Contains(out, `{"status":"received"}`) {
			t.Errorf("%s: %v\n%s\n%s", preset, err, out, e.text())
		}
		e.told("verified: ", "call:")
	}
	// A sender without a scheme of its own.
	e := listenTo(t, "generic", "--scheme", "bearer")
	if out, err := e.trigger("generic", "outbound", "--scheme", "bearer", "--secret", e.secret); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
	e.told("--scheme bearer", "by a token, which signs nothing")
}

func TestListenAnswersHandshakes(t *testing.T) {
	e := listenTo(t, "slack")
	body := `{"type":"url_verification","challenge":"c-123"}`
	out, err := run(t, fillSend, body, "-", "--to", e.url, "--scheme", "slack", "--secret", e.secret)
	if err != nil || !strings.HasSuffix(out, "\nc-123\n") {
		t.Errorf("%v\n%s", err, out)
	}
	e.told("the sender asks whether the address is ours")
}

func TestListenConvertsWithAConfiguration(t *testing.T) {
	file := write(t, "Caddyfile", `{
	callgate {
		tenant acme {
			secret acme-secret-of-the-tests
		}
		destination crm http {
			url https://crm.example/leads/{{email}}
			body `+"`"+`{"name":"{{name}}","note":"{{message}}","n":1}`+"`"+`
			bearer crm-token
		}
		destination oncall http {
			url https://pager.example
			body "<a>{{name}}</a>"
			header Content-Type application/xml
		}
	}
}
hooks.example.com {
	callgate /calls/* nextphone {
		tenant {path.1}
		deliver crm
		deliver oncall call.urgent
	}
}
`)
	for _, tt := range []struct {
		more  []string
		wants []string
		not   string
	}{
		{nil, []string{"crm would get: POST https://crm.example/***", `{"name":"***(12)"`, `"n":"***(1)"`, "oncall: not sent, its condition is not met"}, "Mike"},
		{[]string{"--show"}, []string{"crm would get: POST https://crm.example/leads/", `{"name":"Mike Johnson"`}, "crm-token"},
		{[]string{"-d", "oncall"}, []string{"oncall would get: POST https://pager.example/***", "19 bytes; --show prints them"}, "crm would get"},
	} {
		e := listenTo(t, append([]string{"nextphone", "--config", file, "--tenant", "acme"}, tt.more...)...)
		if out, err := e.trigger("nextphone", "lead", "--secret", "acme-secret-of-the-tests"); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		e.told(tt.wants...)
		if strings.Contains(e.text(), tt.not) {
			t.Errorf("%v: it says %q:\n%s", tt.more, tt.not, e.text())
		}
	}
	for _, tt := range []struct {
		args []string
		says string
	}{
		{[]string{"nobody"}, `there is no preset "nobody"`},
		{[]string{"generic"}, "say with --scheme how it is signed"},
		{[]string{"retell", "-d", "crm"}, "give it with --config"},
		{[]string{"retell", "--forward", "ftp://x"}, "is no address"},
		{[]string{"retell", "--listen", "127.0.0.1:nobody"}, "--listen"},
		{[]string{"nextphone", "--config", file, "--tenant", "other"}, `there is no tenant "other"`},
	} {
		if _, err := run(t, fillListen, "", tt.args...); err == nil || !strings.Contains(err.Error(), tt.says) {
			t.Errorf("%v: %v", tt.args, err)
		}
	}
}

func TestListenBoundsBodies(t *testing.T) {
	e := listenTo(t, "github", "--unverified")
	res, err := http.Post(e.url, "application/json", strings.NewReader(strings.Repeat(" ", defaultMaxBody+1)))
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	if res.StatusCode != http.StatusRequestEntityTooLarge {
		t.Errorf("status %d", res.StatusCode)
	}
	e.told("the body is larger than")
}
