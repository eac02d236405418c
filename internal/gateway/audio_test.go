package gateway

import (
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/callgate/callgate/internal/signature"
	"github.com/callgate/callgate/internal/source"
)

// What a request holds after its signature was verified does not grow with a recording that nobody asks for.
func TestADroppedRecordingIsNotHeld(t *testing.T) {
	rt := testRoute(t)
	p := rt.Plans["demo"]
	p.Preset, _ = source.Find("elevenlabs")
	p.MaxBody, p.DropAudio, p.Deliver = p.Preset.MaxBody, true, []Target{{To: "notes"}}
	config := signature.Config{Scheme: "elevenlabs", Secrets: []string{testSecret}}
	var err error
	if p.Verifier, err = signature.New(config); err != nil {
		t.Fatal(err)
	}
	if p.Parser, err = source.New("elevenlabs", source.Options{}); err != nil {
		t.Fatal(err)
	}
	signer, err := signature.NewSigner(config)
	if err != nil {
		t.Fatal(err)
	}
	const size = 32 << 20
	held := func() int64 {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return int64(m.HeapAlloc)
	}
	before := held()
	admitted := func() *Request {
		body := `{"type":"post_call_audio","data":{"conversation_id":"c","full_audio":"` + strings.Repeat("Q", size) + `"}}`
		r := httptest.NewRequest(http.MethodPost, "/webhooks/demo", strings.NewReader(body))
		m := signature.Message{Method: r.Method, Header: r.Header, Body: []byte(body)}
		if err := signer.Sign(&m, "", time.Now()); err != nil {
			t.Fatal(err)
		}
		rq := rt.NewRequest(r)
		if refused, err := rq.admit(httptest.NewRecorder()); refused != nil || err != nil {
			t.Fatalf("%+v, %v", refused, err)
		}
		return rq
	}()
	if grown := held() - before; grown > size/4 {
		t.Errorf("%d bytes are held for a recording of %d", grown, size)
	}
	if c, err := admitted.record(); err != nil || c.ID != "c" {
		t.Errorf("%+v, %v", c, err)
	}
	runtime.KeepAlive(admitted)
}

// counting is a parser that looks at the budget while it reads.
type counting struct {
	source.Parser
	budget *Budget
	used   int64
}

func (c *counting) Identify(r *source.Request) (source.Identity, error) {
	c.used = c.budget.Used()
	return c.Parser.Identify(r)
}

// A recording counts towards what may be in memory of bodies for as long as it is there, also when its signature holds
// already; any other body does until then.
func TestARecordingCountsUntilItIsDropped(t *testing.T) {
	for name, c := range map[string]struct {
		size   int
		drop   bool
		counts bool
	}{
		"a recording that nobody asks for": {1 << 20, true, true},
		"one that somebody asks for":       {1 << 20, false, false},
		"a small body":                     {1 << 10, true, false},
	} {
		rt := testRoute(t)
		rt.State.Unverified = NewBudget(16 << 20)
		p := rt.Plans["demo"]
		p.MaxBody, p.DropAudio = 2<<20, c.drop
		watch := &counting{Parser: p.Parser, budget: rt.State.Unverified}
		p.Parser = watch
		body := `{"lead":{"phone":"+15559876543","notes":"` + strings.Repeat("Q", c.size) + `"}}`
		if refused, err := rt.NewRequest(signedLead(t, t.Context(), body)).admit(httptest.NewRecorder()); refused != nil || err != nil {
			t.Fatalf("%s: %+v, %v", name, refused, err)
		}
		if counted := watch.used >= int64(len(body)); counted != c.counts {
			t.Errorf("%s: %d bytes of %d counted while it was read", name, watch.used, len(body))
		}
		if used := rt.State.Unverified.Used(); used != 0 {
			t.Errorf("%s: %d bytes are held after that", name, used)
		}
	}
}
