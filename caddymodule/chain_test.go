package caddymodule

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"
)

// TestAChainGoesOnAfterARestart: the contact was made before the gateway stopped, and is not made again; the deal gets its id.
func TestAChainGoesOnAfterARestart(t *testing.T) {
	var mu sync.Mutex
	var got []string
	up := false
	crm := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		got = append(got, r.Method+" "+r.URL.Path)
		switch {
		case r.URL.Path == "/contacts":
			w.WriteHeader(http.StatusCreated)
			fmt.Fprint(w, `{"id":"c7"}`)
		case !up:
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	}))
	t.Cleanup(crm.Close)
	count := func(what string) (n int) {
		mu.Lock()
		defer mu.Unlock()
		for _, g := range got {
			if g == what {
				n++
			}
		}
		return n
	}
	steps := strings.ReplaceAll(`destination NAME http {
		breaker off
		retry 0s 20ms 20ms 20ms 1h
		step contact {
			post CRM/contacts
			body "{}"
			keep id $.id
		}
		step deal {
			post "CRM/deals/{{steps.contact.id}}"
			body "{}"
		}
	}`, "CRM", crm.URL)
	g := runGateway(t, fmt.Sprintf(breakerConfig, steps, "callgate /store/* nextphone {\nname NAME\ntenant acme\ndeliver NAME\n}"))
	if res, body := g.send("/store/acme", numbered(1)); res.StatusCode != 200 {
		t.Fatalf("status %d: %s", res.StatusCode, body)
	}
	wait := func(what string, done func() bool) {
		t.Helper()
		for deadline := time.Now().Add(time.Minute); !done(); time.Sleep(5 * time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatalf("%s, after %q", what, got)
			}
		}
	}
	wait("the deal was not tried", func() bool { return count("POST /deals/c7") > 0 })
	g.stop()
	mu.Lock()
	up = true
	mu.Unlock()
	forgetAnswers()
	g.start()
	wait("the call is not delivered", func() bool {
		stats, err := g.store().Stats(t.Context())
		return err == nil && len(stats.Destinations) == 1 && stats.Destinations[0].Delivered == 1
	})
	if n := count("POST /contacts"); n != 1 {
		t.Errorf("%d contacts were made", n)
	}
}
