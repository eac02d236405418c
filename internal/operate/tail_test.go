package operate

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/callgate/callgate/internal/store"
)

// kinds are what a stream's next look tells.
func kinds(t *testing.T, s *Stream) string {
	t.Helper()
	news, err := s.Next(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, m := range news {
		all = append(all, m.Kind)
	}
	return strings.Join(all, " ")
}

func tailOf(t *testing.T, g *gateway, f Filter) *Stream {
	t.Helper()
	s, err := g.Tail(t.Context(), somebody, f)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

func TestAStreamTellsWhatIsNew(t *testing.T) {
	inBubble(t, func(t *testing.T, g *gateway) {
		g.crm.down.Store(true)
		g.accept("acme") // what happened before is not told
		all, beta := tailOf(t, g, Filter{}), tailOf(t, g, Filter{Tenant: "beta", Destination: "crm"})
		if s := kinds(t, all); s != "" {
			t.Errorf("told %s", s)
		}
		g.accept("beta")
		if s := kinds(t, all); s != "event attempt attempt" {
			t.Errorf("told %s", s)
		}
		if s := kinds(t, beta); s != "event attempt" {
			t.Errorf("told %s", s)
		}
		// A replay makes new attempts at old deliveries.
		if _, err := g.Replay(t.Context(), somebody, ReplaySelection{Selection: Selection{Filter: Filter{Tenant: "acme"}}}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Millisecond)
		if s := kinds(t, all); s != "attempt" {
			t.Errorf("told %s", s)
		}
		if s := kinds(t, beta); s != "" {
			t.Errorf("told %s", s)
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := all.Next(ctx); !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
	})
}

// TestOldRowsThatMoveUpAreNotNew: erasing what is in view brings older rows into it.
func TestOldRowsThatMoveUpAreNotNew(t *testing.T) {
	inBubble(t, func(t *testing.T, g *gateway) {
		var ids []string
		for range 6 {
			ids = append(ids, g.accept("acme"))
		}
		s := tailOf(t, g, Filter{})
		forget := func(id string) {
			delete(s.events, id)
			list, err := g.store.Deliveries(t.Context(), store.Filter{EventID: id}, store.Page{})
			if err != nil || len(list) != 2 {
				t.Fatal(list, err)
			}
			for _, d := range list {
				delete(s.deliveries, d.ID)
			}
		}
		for _, id := range ids[:3] { // as if they had not been in view
			forget(id)
		}
		if s := kinds(t, s); s != "" {
			t.Errorf("told %s", s)
		}
		// A new one before them is told all the same.
		forget(ids[5])
		if s := kinds(t, s); s != "event attempt attempt" {
			t.Errorf("told %s", s)
		}
	})
}

func TestStreamsAreBounded(t *testing.T) {
	inBubble(t, func(t *testing.T, g *gateway) {
		for range maxStreams {
			tailOf(t, g, Filter{})
		}
		for range 2 {
			if _, err := g.Tail(t.Context(), somebody, Filter{}); !errors.Is(err, ErrUnavailable) || !strings.Contains(err.Error(), "streams run already") {
				t.Error(err)
			}
		}
		if n := g.streams.Load(); n != maxStreams {
			t.Errorf("a refused stream counts: %d", n)
		}
		if _, err := g.Tail(t.Context(), somebody, Filter{State: "dead"}); !errors.Is(err, ErrBadRequest) {
			t.Error(err)
		}
	})
}
