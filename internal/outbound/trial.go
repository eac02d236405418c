package outbound

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"
)

// TestHeader marks the requests of a test, so that a receiver can tell them from calls.
const TestHeader = "Callgate-Test"

// Tested is a request of a test and what came of it, without secrets: those in headers and in the address are masked, and
// where the answer repeats one of them, it is masked there too.
type Tested struct {
	Method string
	URL    string
	// Status is that of the answer, Header its headers and Excerpt its beginning; Error says why there was none.
	Status  int
	Header  http.Header
	Excerpt string
	Error   string
	Took    time.Duration
}

const (
	// maxTrial bounds the exchanges that are noted of one test, and maxExcerpt the beginning of each answer.
	maxTrial, maxExcerpt = 16, 2 << 10
	// minEchoed is how long a value has to be to be looked for in an answer.
	minEchoed = 6
)

// Trial notes what is sent under a context, and what comes back. It is safe for concurrent use.
type Trial struct {
	mu  sync.Mutex
	all []Tested
}

type trialKey struct{}

// Tried is a context under which all that Clients send carries TestHeader, and is noted with its answer, but for what they
// sign in with.
func Tried(ctx context.Context) (context.Context, *Trial) {
	t := new(Trial)
	return context.WithValue(ctx, trialKey{}, t), t
}

// Requests are those that were noted, in their order.
func (t *Trial) Requests() []Tested {
	t.mu.Lock()
	defer t.mu.Unlock()
	return slices.Clone(t.all)
}

// trialOf is the test that a context belongs to; nil for none.
func trialOf(ctx context.Context) *Trial {
	t, _ := ctx.Value(trialKey{}).(*Trial)
	return t
}

// mark marks a request as one of a test. A request that is none stays as it is.
func (t *Trial) mark(req *http.Request) *http.Request {
	if t == nil {
		return req
	}
	marked := req.Clone(req.Context())
	marked.Header.Set(TestHeader, "true")
	return marked
}

// note notes what came of a request.
func (t *Trial) note(req *http.Request, a *Answer, err error, took time.Duration) {
	if t == nil {
		return
	}
	e := Tested{Method: req.Method, URL: MaskURL(req.URL.Redacted()), Took: took}
	if err != nil {
		e.Error = err.Error()
	} else {
		hide := echoes(req)
		e.Status, e.Header = a.Status, a.Header.Clone()
		MaskSecrets(e.Header)
		for _, values := range e.Header {
			for i := range values {
				values[i] = hide(values[i])
			}
		}
		e.Excerpt = hide(strings.ToValidUTF8(string(a.Body), "\ufffd"))
		if len(e.Excerpt) > maxExcerpt {
			e.Excerpt = strings.ToValidUTF8(e.Excerpt[:maxExcerpt], "") + "…"
		}
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.all) < maxTrial {
		t.all = append(t.all, e)
	}
}

// echoes masks the secrets of a request wherever they stand in a text: servers that are made for trying things out answer with
// what they were sent.
func echoes(req *http.Request) func(string) string {
	masked := req.Header.Clone()
	MaskSecrets(masked)
	var secrets []string
	add := func(value string) {
		if len(value) >= minEchoed {
			secrets = append(secrets, value)
		}
	}
	for name, values := range req.Header {
		for i, value := range values {
			if i < len(masked[name]) && masked[name][i] == value {
				continue
			}
			add(value)
			if _, token, ok := strings.Cut(value, " "); ok {
				add(token)
			}
		}
	}
	if user := req.URL.User; user != nil {
		password, _ := user.Password()
		add(password)
	}
	for name, values := range req.URL.Query() {
		if secretName(name) {
			for _, value := range values {
				add(value)
			}
		}
	}
	// The longest first, so that none is left of one that another is a part of.
	slices.SortFunc(secrets, func(a, b string) int { return len(b) - len(a) })
	return func(text string) string {
		for _, s := range secrets {
			text = strings.ReplaceAll(text, s, Masked)
		}
		return text
	}
}
