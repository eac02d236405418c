package caddymodule

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/callgate/callgate/internal/standin"
	"github.com/callgate/callgate/internal/store"
)

// A destination knows what it wrote a moment ago, also after a restart: HubSpot's search does not find the contact yet, and
// the second call of a caller without an e-mail address would make a second one.
func TestAContactIsKnownAfterARestart(t *testing.T) {
	hs := standin.NewHubSpot(t, standin.HubSpotConfig{Token: "pat-na1-test", SearchLag: time.Hour})
	g := runGateway(t, fmt.Sprintf(breakerConfig, "destination NAME hubspot pat-na1-test {\nbase_url "+hs.URL+"\n}",
		"callgate /store/* nextphone {\nname NAME\ntenant acme\ndeliver NAME\n}"))
	for n := range 2 {
		if n > 0 {
			g.stop()
			forgetAnswers()
			g.start()
		}
		if res, body := g.send("/store/acme", numbered(n)); res.StatusCode != 200 {
			t.Fatalf("status %d: %s", res.StatusCode, body)
		}
		for deadline := time.Now().Add(time.Minute); ; time.Sleep(5 * time.Millisecond) {
			stats, err := g.store().Stats(t.Context())
			if err == nil && len(stats.Destinations) == 1 && stats.Destinations[0].Delivered == int64(n+1) {
				break
			}
			if time.Now().After(deadline) {
				t.Fatalf("call %d is not delivered: %+v, %v", n, stats, err)
			}
		}
	}
	if n := len(hs.Objects("contacts")); n != 1 {
		t.Errorf("two calls of one number made %d contacts", n)
	}
}

func TestNotesBeforeTheStoreIsOpen(t *testing.T) {
	n := notes{"crm", func() *dispatcher { return nil }}
	_, err := n.Noted(t.Context(), "a")
	for _, err := range []error{err, n.Note(t.Context(), "a", []byte("b"), time.Now()), n.Forget(t.Context(), "a"), n.Keep(t.Context(), "a", nil)} {
		if !errors.Is(err, store.ErrUnavailable) {
			t.Error(err)
		}
	}
}
