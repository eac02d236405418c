package httpdest

import (
	"context"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/callgate/callgate/internal/condition"
	"github.com/callgate/callgate/internal/destination"
	"github.com/callgate/callgate/internal/destination/chain"
	"github.com/callgate/callgate/internal/outbound"
	"github.com/callgate/callgate/internal/standin"
)

func success(t *testing.T, text string) *condition.Success {
	t.Helper()
	c, err := condition.CompileSuccess(text)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// polled is a destination whose 202 is asked about, with a clock that only waiting moves.
type polled struct {
	*Chain
	r      *standin.Receiver
	now    time.Time
	waited []time.Duration
	store  *chain.Memory
}

func newPolled(t *testing.T, change func(*Step)) *polled {
	t.Helper()
	p := &polled{r: standin.NewReceiver(t), now: time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC), store: chain.NewMemory()}
	s := Step{
		Config: Config{Renderer: fromDocument(t, `{"url": "`+p.r.URL+`/jobs", "headers": {"X-Key": "{env.KEY}"}, "body_template": {"email": "{{email}}"}}`)},
		Poll:   &Poll{Every: 2 * time.Second, Tries: 3, Within: 20 * time.Second},
	}
	if change != nil {
		change(&s)
	}
	auth, err := outbound.Bearer("t0ken")
	if err != nil {
		t.Fatal(err)
	}
	p.Chain, err = NewChain(ChainConfig{
		Steps: []Step{s}, Client: onPrem(), Auth: auth, Progress: p.store, Now: func() time.Time { return p.now },
		Wait: func(ctx context.Context, d time.Duration) error {
			p.waited, p.now = append(p.waited, d), p.now.Add(d)
			return ctx.Err()
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func (p *polled) deliver(t *testing.T) destination.Result {
	t.Helper()
	return p.Deliver(t.Context(), []destination.Item{item()})[0]
}

const job = `POST /jobs {"email":"mike/x?y=1@email.com"}`

func taken(header ...string) standin.Reply {
	h := http.Header{"Location": {"/jobs/7"}}
	for i := 0; i < len(header); i += 2 {
		h.Set(header[i], header[i+1])
	}
	return standin.Reply{Status: 202, Header: h, Body: `{"id":7,"status":"queued"}`}
}

func TestA202IsAskedAbout(t *testing.T) {
	p := newPolled(t, func(s *Step) { s.Keep = keeps(t, "id", "$.id") })
	p.r.Script(taken("Retry-After", "5"), standin.Reply{Status: 202}, standin.Reply{Status: 200, Body: `{"done":true}`})
	got := p.deliver(t)
	if got.Outcome != destination.Delivered || got.Status != 200 || got.RemoteID != "7" {
		t.Errorf("%+v", got)
	}
	equal(t, "sent", sent(p.r, 0), []string{job, "GET /jobs/7", "GET /jobs/7"})
	if len(p.waited) != 2 || p.waited[0] != 5*time.Second || p.waited[1] != 2*time.Second {
		t.Errorf("waited %v", p.waited)
	}
	h := p.r.Requests()[1].Header
	if h.Get("X-Key") != "s3cret" || h.Get("Authorization") != "Bearer t0ken" || h.Get("Idempotency-Key") != "" || h.Get("Content-Type") != "" {
		t.Errorf("asked with %v", h)
	}
}

// When the bound is over the outcome is asked for again, by the next attempt too, and the request is not sent twice.
func TestTheBoundOfAsking(t *testing.T) {
	p := newPolled(t, nil)
	p.r.Script(taken())
	p.r.Otherwise(standin.Reply{Status: 202})
	got := p.deliver(t)
	if got.Outcome != destination.Retry || got.RetryAfter != 2*time.Second || got.Unhealthy || got.Status != 202 || !strings.Contains(got.Reason, "asked 3 times") {
		t.Errorf("%+v", got)
	}
	equal(t, "sent", sent(p.r, 0), []string{job, "GET /jobs/7", "GET /jobs/7", "GET /jobs/7"})
	p.waited = nil
	p.r.Script(standin.Reply{Status: 202, Header: http.Header{"Retry-After": {"120"}}})
	if got = p.deliver(t); got.Outcome != destination.Retry || got.RetryAfter != 2*time.Minute || p.waited != nil || !strings.Contains(got.Reason, "asked 1 times") {
		t.Errorf("%+v, waited %v", got, p.waited)
	}
	p.r.Script(standin.Reply{Status: 200})
	if got = p.deliver(t); got.Outcome != destination.Delivered {
		t.Errorf("%+v", got)
	}
	equal(t, "then", sent(p.r, 4), []string{"GET /jobs/7", "GET /jobs/7"})
	// The attempt's own time bounds it too.
	p = newPolled(t, nil)
	p.r.Script(taken())
	ctx, cancel := context.WithDeadline(t.Context(), time.Now().Add(time.Hour))
	defer cancel()
	deadline, _ := ctx.Deadline()
	p.now = deadline.Add(-time.Second)
	p.r.Otherwise(standin.Reply{Status: 202})
	if got := p.Deliver(ctx, []destination.Item{item()})[0]; got.Outcome != destination.Retry || p.waited != nil || len(p.r.Requests()) != 2 {
		t.Errorf("%+v, waited %v", got, p.waited)
	}
}

func TestAnswersToTheQuestion(t *testing.T) {
	states := func(s *Step) {
		s.Poll.Done, s.Poll.Failed = success(t, `body.status == "done"`), success(t, `body.status == "failed"`)
	}
	see := func(to string) standin.Reply {
		return standin.Reply{Status: 303, Header: http.Header{"Location": {to}}}
	}
	for name, c := range map[string]struct {
		change  func(*Step)
		answers []standin.Reply
		want    destination.Outcome
		reason  string
		asked   []string
	}{
		"a state":         {states, []standin.Reply{{Body: `{"status":"running"}`}, {Body: `{"status":"done"}`}}, destination.Delivered, "", []string{"GET /jobs/7", "GET /jobs/7"}},
		"a failure":       {states, []standin.Reply{{Body: `{"status":"failed"}`}}, destination.Dead, "says now that it has failed", []string{"GET /jobs/7"}},
		"see other":       {nil, []standin.Reply{see("/contacts/9"), {Status: 200}}, destination.Delivered, "", []string{"GET /jobs/7", "GET /contacts/9"}},
		"see elsewhere":   {nil, []standin.Reply{see("https://other.example/")}, destination.Retry, "another host", []string{"GET /jobs/7"}},
		"not there yet":   {nil, []standin.Reply{{Status: 404}, {Status: 200}}, destination.Delivered, "", []string{"GET /jobs/7", "GET /jobs/7"}},
		"not there":       {nil, []standin.Reply{{Status: 404}, {Status: 404}, {Status: 404}}, destination.Retry, "404 where the outcome", []string{"GET /jobs/7", "GET /jobs/7", "GET /jobs/7"}},
		"gone":            {nil, []standin.Reply{{Status: 410}}, destination.Retry, "410 where the outcome", []string{"GET /jobs/7"}},
		"a failing one":   {nil, []standin.Reply{{Status: 503}, {Status: 200}}, destination.Delivered, "", []string{"GET /jobs/7", "GET /jobs/7"}},
		"a lost answer":   {nil, []standin.Reply{{Status: 200, Hangup: true}, {Status: 200}}, destination.Delivered, "", nil}, // the client may ask by itself once more
		"not allowed":     {nil, []standin.Reply{{Status: 403}}, destination.Retry, "403", []string{"GET /jobs/7"}},
		"refused":         {nil, []standin.Reply{{Status: 400}}, destination.Dead, "refuses to tell the outcome: 400", []string{"GET /jobs/7"}},
		"no success":      {func(s *Step) { s.Condition = success(t, "body.ok") }, []standin.Reply{{Body: `{"ok":false}`}}, destination.Retry, "does not meet the condition", []string{"GET /jobs/7"}},
		"a success":       {func(s *Step) { s.Condition = success(t, "body.ok") }, []standin.Reply{{Body: `{"ok":true}`}}, destination.Delivered, "", []string{"GET /jobs/7"}},
		"nothing to keep": {func(s *Step) { s.Keep = keeps(t, "x", "$.x") }, []standin.Reply{{Body: `{"id":7}`}}, destination.Retry, "nothing for keep x", []string{"GET /jobs/7"}},
	} {
		p := newPolled(t, c.change)
		p.r.Script(append([]standin.Reply{taken()}, c.answers...)...)
		got := p.deliver(t)
		if got.Outcome != c.want || !strings.Contains(got.Reason, c.reason) || got.Pause {
			t.Errorf("%s: %+v", name, got)
		}
		if c.asked != nil {
			equal(t, name, sent(p.r, 1), c.asked)
		}
	}
}

// An outcome that is no success is one of the request, which is sent again.
func TestAnOutcomeThatIsNoSuccess(t *testing.T) {
	p := newPolled(t, func(s *Step) { s.Condition = success(t, "body.ok") })
	p.r.Script(taken(), standin.Reply{Body: `{"ok":false}`}, taken(), standin.Reply{Body: `{"ok":true}`})
	first, second := p.deliver(t), p.deliver(t)
	if first.Outcome != destination.Retry || second.Outcome != destination.Delivered {
		t.Errorf("%+v, %+v", first, second)
	}
	equal(t, "sent", sent(p.r, 0), []string{job, "GET /jobs/7", job, "GET /jobs/7"})
}

func TestWhereToAsk(t *testing.T) {
	at, err := condition.CompileValue("$.links.status")
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		reply   standin.Reply
		at      bool
		asked   string
		warning string
	}{
		"nowhere":            {reply: standin.Reply{Status: 202}, warning: "does not say where to ask"},
		"operation location": {reply: standin.Reply{Status: 202, Header: http.Header{"Operation-Location": {"/ops/1?v=2#x"}}}, asked: "GET /ops/1?v=2"},
		"in the body":        {reply: standin.Reply{Status: 202, Header: http.Header{"Location": {"/no"}}, Body: `{"links":{"status":"status/1"}}`}, at: true, asked: "GET /status/1"},
		"another host":       {reply: standin.Reply{Status: 202, Header: http.Header{"Location": {"https://other.example/jobs/1"}}}, warning: "another host"},
		"another port":       {reply: standin.Reply{Status: 202, Header: http.Header{"Location": {"http://127.0.0.1:1/jobs/1"}}}, warning: "another host"},
		"with a user":        {reply: standin.Reply{Status: 202, Header: http.Header{"Location": {"//a:b@HOST/jobs/1"}}}, warning: "another host"},
		"no URL":             {reply: standin.Reply{Status: 202, Header: http.Header{"Location": {"http://%zz"}}}, warning: "no URL"},
		"not a 202":          {reply: standin.Reply{Status: 201, Header: http.Header{"Location": {"/contacts/7"}}}},
	} {
		p := newPolled(t, func(s *Step) {
			if c.at {
				s.Poll.At = at
			}
		})
		if l := c.reply.Header.Get("Location"); strings.Contains(l, "HOST") {
			c.reply.Header.Set("Location", strings.Replace(l, "HOST", strings.TrimPrefix(p.r.URL, "http://"), 1))
		}
		p.r.Script(c.reply)
		got := p.deliver(t)
		if got.Outcome != destination.Delivered || (c.warning == "") != (len(got.Warnings) == 0) || c.warning != "" && !strings.Contains(got.Warnings[0], c.warning) {
			t.Errorf("%s: %+v", name, got)
		}
		if c.asked == "" {
			equal(t, name, sent(p.r, 1), nil)
		} else {
			equal(t, name, sent(p.r, 1), []string{c.asked})
		}
	}
}

func TestAskingIsPreviewed(t *testing.T) {
	p := newPolled(t, nil)
	all, err := p.Preview([]destination.Item{item()})
	if err != nil || len(all) != 2 || len(p.r.Requests()) != 0 {
		t.Fatalf("%+v, %v", all, err)
	}
	if q := all[1]; q.Method != "GET" || q.URL != askPlace || q.Header.Get("X-Key") != outbound.Masked || q.Header.Get("Authorization") != "Bearer ***" || !strings.Contains(q.Note, "202") {
		t.Errorf("%+v", q)
	}
}

// FuzzPlace: whatever an answer says, only the host that was asked first is asked for the outcome.
func FuzzPlace(f *testing.F) {
	for _, at := range []string{"/jobs/7", "//evil.example/x", "https://crm.example:444/x", "https://crm.example/a?b#c", `\\evil.example`, "javascript:x", "https://crm.example@evil.example/", "http://crm.example/"} {
		f.Add(at)
	}
	from, err := url.Parse("https://crm.example/contacts?x=1")
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, at string) {
		place, warning := (&Poll{}).place(t.Context(), &outbound.Answer{Status: 202, Header: http.Header{"Location": {at}}}, from)
		if (place == "") == (warning == "") {
			t.Errorf("%q and %q", place, warning)
		}
		if place == "" {
			return
		}
		if u, err := url.Parse(place); err != nil || u.Scheme != "https" || u.Host != "crm.example" || u.User != nil || outbound.CheckURL(place, false, true) != nil {
			t.Errorf("%q leads to %q", at, place)
		}
	})
}
