package operate

import (
	"errors"
	"maps"
	"reflect"
	"testing"
	"time"

	"github.com/callgate/callgate/internal/store"
)

// TestFacetsCountWhatMatches: the same whether the numbers are known or have to be counted, and theirs only for those who are
// bound.
func TestFacetsCountWhatMatches(t *testing.T) {
	inBubble(t, func(t *testing.T, g *gateway) {
		g.crm.down.Store(true)
		g.accept("acme")
		g.accept("acme")
		g.accept("beta")
		g.crm.down.Store(false)
		g.crm.slow.Store(true)
		g.accept("beta")
		at := time.Now().Add(-time.Hour).UTC().Format(time.RFC3339)
		for name, f := range map[string]Filter{"known": {}, "counted": {From: at}} {
			got, err := g.Facets(t.Context(), somebody, f)
			if err != nil || got.Partial {
				t.Fatalf("%+v, %v", got, err)
			}
			if want := map[store.State]int64{store.Dead: 3, store.Pending: 1, store.Delivered: 4}; !maps.Equal(got.States, want) {
				t.Errorf("%s: %v", name, got.States)
			}
			if want := []DestinationCount{{"crm", 1, 0, 3}, {"log", 0, 4, 0}}; !reflect.DeepEqual(got.Destinations, want) {
				t.Errorf("%s: %+v", name, got.Destinations)
			}
			if len(got.Groups) != 2 || got.Groups[0].Reason != "a property is unknown" || got.Groups[0].Deliveries != 3 || got.Groups[1].State != store.Pending {
				t.Errorf("%s: %+v", name, got.Groups)
			}
		}
		got, err := g.Facets(t.Context(), boundTo("beta"), Filter{State: "dead"})
		if err != nil || len(got.Groups) != 1 || got.Groups[0].Deliveries != 1 || !reflect.DeepEqual(got.Destinations, []DestinationCount{{"crm", 0, 0, 1}}) {
			t.Errorf("%+v, %v", got, err)
		}
		if _, err := g.Facets(t.Context(), somebody, Filter{State: "lost"}); !errors.Is(err, ErrBadRequest) {
			t.Error(err)
		}
	})
}
