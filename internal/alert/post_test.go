package alert

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"
)

func TestPostsWithSignatureAndText(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := &hook{}
		var notified []Alert
		m := New(Settings{URL: "https://hooks.example/x", DeadLetter: true}, Options{
			Transport: h,
			Sign: func(r *http.Request, body []byte) error {
				r.Header.Set("Webhook-Signature", fmt.Sprint(len(body)))
				return nil
			},
			Notify: func(a Alert) { notified = append(notified, a) },
		})
		defer m.Close()
		m.DeadLetter("crm")
		synctest.Wait()
		want := `{"alert":"dead_letter","state":"firing","destination":"crm","value":1,"threshold":1,"at":"2000-01-01T00:00:00Z","text":"crm: 1 call was delivered to nobody. Look at the dead letters and replay them."}`
		if len(h.bodies) != 1 || h.bodies[0] != want {
			t.Errorf("posted %q, want %q", h.bodies, want)
		}
		if h.header.Get("Webhook-Signature") != fmt.Sprint(len(want)) || h.header.Get("Content-Type") != "application/json" {
			t.Errorf("%v", h.header)
		}
		if len(notified) != 1 || notified[0].Alert != DeadLetter {
			t.Errorf("%+v", notified)
		}
	})
}

func TestPostIsTriedAgain(t *testing.T) {
	tests := []struct {
		name   string
		answer func(try int) (int, error)
		tries  int
		posted int
	}{
		{"no connection at first", func(n int) (int, error) { return 200, map[bool]error{true: errors.New("refused")}[n < 3] }, 3, 1},
		{"busy at first", func(n int) (int, error) { return map[bool]int{true: 503, false: 200}[n < 4], nil }, 4, 1},
		{"never", func(int) (int, error) { return 500, nil }, 4, 0},
		{"refused", func(int) (int, error) { return 404, nil }, 1, 0},
		{"a redirect is not followed", func(int) (int, error) { return 302, nil }, 1, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				core, logs := observer.New(zap.DebugLevel)
				h := &hook{answer: tt.answer}
				m := New(Settings{URL: "https://hooks.example/secret-token", DeadLetter: true}, Options{Transport: h, Log: zap.New(core)})
				defer m.Close()
				m.DeadLetter("crm")
				time.Sleep(time.Minute)
				synctest.Wait()
				if len(h.tries) != tt.tries || len(h.alerts) != tt.posted {
					t.Errorf("%d tries and %d posted, want %d and %d", len(h.tries), len(h.alerts), tt.tries, tt.posted)
				}
				if failed := logs.Len(); (failed == 1) != (tt.posted == 0) {
					t.Errorf("%d lines in the log", failed)
				}
				for _, l := range logs.All() {
					if strings.Contains(fmt.Sprint(l.Message, l.ContextMap()), "secret-token") {
						t.Errorf("the log has the URL: %v", l)
					}
				}
			})
		})
	}
}

// A URL that hangs holds up neither the monitor nor its end, and the waiting alerts are bounded.
func TestSlowURL(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := New(Settings{URL: "https://hooks.example/x", DeadLetter: true, MaxDestinations: 100_000}, Options{Transport: hanging{}})
		for i := range 10 * queued {
			m.DeadLetter(fmt.Sprint("d", i))
		}
		if n := len(m.post.queue); n > queued {
			t.Errorf("%d alerts wait", n)
		}
		start := time.Now()
		m.Close()
		m.Close()
		if took := time.Since(start); took != 0 {
			t.Errorf("closing took %v", took)
		}
		m.DeadLetter("late")
	})
}

type hanging struct{}

func (hanging) RoundTrip(r *http.Request) (*http.Response, error) {
	<-r.Context().Done()
	return nil, r.Context().Err()
}
