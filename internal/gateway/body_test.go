package gateway

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// slowly is a body that comes in pieces with a pause before each, and a ResponseWriter with the deadline of its connection.
type slowly struct {
	http.ResponseWriter
	pieces   []string
	pause    time.Duration
	deadline time.Time
}

func (s *slowly) SetReadDeadline(t time.Time) error {
	s.deadline = t
	return nil
}

func (s *slowly) Close() error { return nil }

func (s *slowly) Read(p []byte) (int, error) {
	if len(s.pieces) == 0 {
		return 0, io.EOF
	}
	wait := time.NewTimer(s.pause)
	defer wait.Stop()
	var late <-chan time.Time
	if !s.deadline.IsZero() {
		late = time.After(time.Until(s.deadline))
	}
	select {
	case <-wait.C:
	case <-late:
		return 0, os.ErrDeadlineExceeded
	}
	n := copy(p, s.pieces[0])
	if s.pieces[0] = s.pieces[0][n:]; s.pieces[0] == "" {
		s.pieces = s.pieces[1:]
	}
	return n, nil
}

func TestABodyHasToComeAtARate(t *testing.T) {
	for name, c := range map[string]struct {
		pieces   int
		size     int
		pause    time.Duration
		rate     int64
		tooSlow  bool
		noLength bool
	}{
		"at once":                      {1, 100, 0, 1 << 10, false, false},
		"a byte in 20 s":               {100, 1, 20 * time.Second, 1 << 10, true, false},
		"a byte in 20 s, chunked":      {100, 1, 20 * time.Second, 1 << 10, true, true},
		"1 MiB at twice the rate":      {128, 8 << 10, 4 * time.Second, 1 << 10, false, false},
		"1 MiB at a quarter":           {128, 8 << 10, 32 * time.Second, 1 << 10, true, false},
		"slowly, and nobody minds":     {50, 1, 20 * time.Second, 0, false, false},
		"a first pause within a grace": {1, 100, 9 * time.Second, 1 << 10, false, true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := &slowly{ResponseWriter: httptest.NewRecorder(), pause: c.pause}
				for range c.pieces {
					s.pieces = append(s.pieces, strings.Repeat("x", c.size))
				}
				r := httptest.NewRequest(http.MethodPost, "/", nil)
				r.Body, r.ContentLength = s, int64(c.pieces*c.size)
				if c.noLength {
					r.ContentLength = -1
				}
				rt := testRoute(t)
				rq := rt.NewRequest(r)
				rq.plan = &Plan{MaxBody: 4 << 20, MinBodyRate: c.rate}
				refused := rq.readBody(s)
				if tooSlow := refused != nil && refused.outcome == bodyTooSlow; tooSlow != c.tooSlow {
					t.Errorf("refused with %+v", refused)
				}
				if refused == nil && len(rq.body) != c.pieces*c.size {
					t.Errorf("%d bytes were read", len(rq.body))
				}
				if !s.deadline.IsZero() {
					t.Error("the deadline stays on the connection")
				}
			})
		})
	}
}

// TestMemoryGrowsWithWhatArrives announces much and sends little.
func TestMemoryGrowsWithWhatArrives(t *testing.T) {
	rt := testRoute(t)
	rt.State.Unverified = NewBudget(64 << 10)
	plan := &Plan{MaxBody: 1 << 20}
	read := func(length int64, body string) (*Request, *refusal) {
		r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(body))
		r.ContentLength = length
		rq := rt.NewRequest(r)
		rq.plan = plan
		return rq, rq.readBody(httptest.NewRecorder())
	}
	little, refused := read(1<<20, "hello")
	if refused == nil || refused.outcome != malformedBody || cap(little.body) > firstRead {
		t.Errorf("of %d bytes that were announced 5 came: %d bytes of memory, refused %+v", 1<<20, cap(little.body), refused)
	}
	little.release()
	if used := rt.State.Unverified.Used(); used != 0 {
		t.Fatalf("%d bytes are held after the end", used)
	}
	// Several bodies share the budget; what was verified gives its part back.
	first, refused := read(-1, strings.Repeat("x", 30<<10))
	if refused != nil {
		t.Fatalf("%+v", refused)
	}
	second, refused := read(60<<10, strings.Repeat("y", 60<<10))
	if refused == nil || refused.outcome != overloaded || refused.retryAfter == 0 {
		t.Fatalf("the budget is not kept: %+v", refused)
	}
	second.release()
	first.release()
	third, refused := read(60<<10, strings.Repeat("y", 60<<10))
	if refused != nil || !bytes.Equal(third.body, bytes.Repeat([]byte("y"), 60<<10)) || cap(third.body) != 60<<10 {
		t.Errorf("once there is room: %+v, %d bytes", refused, len(third.body))
	}
	third.release()
	if used := rt.State.Unverified.Used(); used != 0 {
		t.Errorf("%d bytes are held after the end", used)
	}
}

func TestABodyOfUnknownLengthIsBounded(t *testing.T) {
	rt := testRoute(t)
	for size, ok := range map[int]bool{0: true, 99: true, 100: true, 101: false, 100_000: false} {
		r := httptest.NewRequest(http.MethodPost, "/", io.NopCloser(strings.NewReader(strings.Repeat("x", size))))
		r.ContentLength = -1
		rq := rt.NewRequest(r)
		rq.plan = &Plan{MaxBody: 100}
		refused := rq.readBody(httptest.NewRecorder())
		if (refused == nil) != ok || ok && len(rq.body) != size || !ok && refused.outcome != bodyTooLarge {
			t.Errorf("%d bytes: %+v, %d read", size, refused, len(rq.body))
		}
	}
}

// TestLargeBodiesLeaveRoom: strangers that withhold the ends of large bodies cannot keep calls of the usual size out.
func TestLargeBodiesLeaveRoom(t *testing.T) {
	rt := testRoute(t)
	rt.State.Unverified = NewBudget(4 << 20)
	read := func(size int) (*Request, *refusal) {
		rq := rt.NewRequest(httptest.NewRequest(http.MethodPost, "/", strings.NewReader(strings.Repeat("x", size))))
		rq.plan = &Plan{MaxBody: 1 << 20}
		return rq, rq.readBody(httptest.NewRecorder())
	}
	for i := range 5 {
		if _, refused := read(1 << 20); (refused != nil) != (i >= 3) {
			t.Errorf("large body %d: %+v", i, refused)
		}
	}
	if used := rt.State.Unverified.Used(); used < 3<<20 || used > 3<<20+2*light {
		t.Errorf("%d bytes are held", used)
	}
	for range 10 {
		rq, refused := read(light)
		if refused != nil {
			t.Errorf("a body of the usual size: %+v", refused)
		}
		rq.release()
	}
}

// TestWhatIsLeftOfARefusedBody: the server does not read the rest of a large one, and keeps the connection of a small one.
func TestWhatIsLeftOfARefusedBody(t *testing.T) {
	rt := testRoute(t)
	rt.State.Unverified = NewBudget(256 << 10)
	for name, c := range map[string]struct {
		length, size, major int
		read, close         bool
	}{
		"large, not signed":           {length: 1 << 20, size: 1 << 20, major: 1, close: true},
		"small, not signed":           {length: light, size: light, major: 1},
		"of unknown length":           {length: -1, size: 100, major: 1, close: true},
		"HTTP/2":                      {length: 1 << 20, size: 1 << 20, major: 2},
		"none":                        {major: 1},
		"no room":                     {length: 1 << 20, size: 1 << 20, major: 1, read: true, close: true},
		"read, and then refused":      {length: 128 << 10, size: 128 << 10, major: 1, read: true},
		"read to its end, of unknown": {length: -1, size: 100, major: 1, read: true},
	} {
		r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(strings.Repeat("x", c.size)))
		r.ContentLength, r.ProtoMajor = int64(c.length), c.major
		if c.size == 0 {
			r.Body = http.NoBody
		}
		rq, w := rt.NewRequest(r), httptest.NewRecorder()
		rq.plan = &Plan{MaxBody: 1 << 20}
		if c.read {
			_ = rq.readBody(w) // what is refused is refused below
		}
		if err := rq.refuse(w, &refusal{outcome: signatureInvalid}); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if got := w.Header().Get("Connection") == "close"; got != c.close {
			t.Errorf("%s: the connection is closed: %t", name, got)
		}
		rq.release()
	}
}
