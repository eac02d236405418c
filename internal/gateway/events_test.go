package gateway

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"testing"

	"github.com/callgate/callgate/internal/signature"
	"github.com/callgate/callgate/internal/source"
	"github.com/callgate/callgate/internal/store"
)

// shelf is a store in memory that takes all events of a request or none.
type shelf struct {
	events []*store.Event
	full   bool
}

func (s *shelf) AcceptAll(_ context.Context, events []*store.Event, _ [][]string) ([]store.Accepted, error) {
	if s.full {
		return nil, store.ErrFull
	}
	all := make([]store.Accepted, len(events))
	for i, ev := range events {
		at := slices.IndexFunc(s.events, func(old *store.Event) bool { return old.Key == ev.Key })
		if at >= 0 {
			all[i] = store.Accepted{EventID: s.events[at].ID, Duplicate: true}
			continue
		}
		s.events = append(s.events, ev)
		all[i].EventID = ev.ID
	}
	return all, nil
}

func (s *shelf) Event(context.Context, string) (*store.Event, error) { return nil, errors.New("none") }
func (s *shelf) CallerHash(string) string                            { return "" }
func (s *shelf) FieldHash(string, string) (store.Subject, bool)      { return store.Subject{}, false }

func delivering(t *testing.T, preset string, require ...string) (*Route, *shelf) {
	t.Helper()
	rt := shaking(t, preset, signature.Config{Scheme: "bearer"}, "token")
	keep := &shelf{}
	rt.Store = func(context.Context) Store { return keep }
	p := rt.Plans["demo"]
	p.Deliver, p.Require = []Target{{To: "crm"}}, require
	return rt, keep
}

var bearer = map[string]string{"Authorization": "Bearer token", "Content-Type": "application/json"}

// TestOneRequestWithSeveralEvents: each is stored with an id, a type and a body of its own, and is a copy by itself.
func TestOneRequestWithSeveralEvents(t *testing.T) {
	for _, c := range []struct {
		preset, body string
		ids          []string
	}{
		{"meta", `{"object":"page","entry":[{"id":"153","time":1,"changes":[{"field":"leadgen","value":{"leadgen_id":"444"}}]},{"id":"153","time":2,"changes":[{"field":"leadgen","value":{"leadgen_id":"445"}},{"field":"leadgen","value":{"leadgen_id":"446"}}]}]}`,
			[]string{"leadgen:444", "leadgen:445", "leadgen:446"}},
		{"hubspot", `[{"eventId":1,"subscriptionId":2,"objectId":3,"occurredAt":4,"subscriptionType":"contact.creation"},{"eventId":9,"subscriptionId":2,"objectId":3,"occurredAt":4,"subscriptionType":"contact.creation"}]`,
			[]string{"1:2:3:4", "9:2:3:4"}},
		{"twilio", `[{"specversion":"1.0","type":"a","id":"EZ1","data":{"from":"+15550100123"}},{"specversion":"1.0","type":"b","id":"EZ2","data":{"from":"+15550100124"}}]`, []string{"EZ1", "EZ2"}},
		{"generic", `[{"event_id":"m1","type":"message","phone":"+15550100123"},{"event_id":"m2","type":"message","phone":"+15550100124"}]`, []string{"m1", "m2"}},
	} {
		t.Run(c.preset, func(t *testing.T) {
			rt, keep := delivering(t, c.preset)
			w, reached := ask(t, rt, "POST", "", c.body, bearer)
			if w.Code != http.StatusOK || reached || len(keep.events) != len(c.ids) {
				t.Fatalf("%d %s: %d events, want %d", w.Code, w.Body, len(keep.events), len(c.ids))
			}
			var answer struct {
				ID, Status string
				Events     []string
			}
			if err := json.Unmarshal(w.Body.Bytes(), &answer); err != nil || len(answer.Events) != len(c.ids) || answer.ID != answer.Events[0] {
				t.Errorf("answered %s, %v", w.Body, err)
			}
			for i, ev := range keep.events {
				if ev.EventID != c.ids[i] || ev.Call == nil || ev.EventType == "" || !json.Valid(ev.Body) || len(ev.Body) >= len(c.body) {
					t.Errorf("event %d: %s %s %s", i, ev.EventType, ev.EventID, ev.Body)
				}
			}
		})
	}
}

func TestAnEventOfABatchThatComesAgainIsACopy(t *testing.T) {
	rt, keep := delivering(t, "generic")
	ask(t, rt, "POST", "", `[{"event_id":"m1","type":"a"},{"event_id":"m2","type":"a"}]`, bearer)
	ask(t, rt, "POST", "", `[{"event_id":"m2","type":"a"},{"event_id":"m3","type":"a"}]`, bearer)
	if len(keep.events) != 3 {
		t.Errorf("%d events, want 3", len(keep.events))
	}
	// Without ids two events that differ are two, also where one id stands in both.
	ask(t, rt, "POST", "", `[{"event_id":"x","n":1},{"event_id":"x","n":2},{"n":3},{"n":4}]`, bearer)
	if len(keep.events) != 7 {
		t.Errorf("%d events, want 7", len(keep.events))
	}
}

func TestABatchIsStoredWholeOrNotAtAll(t *testing.T) {
	rt, keep := delivering(t, "generic", "phone")
	keep.full = true
	const body = `[{"event_id":"m1","phone":"+15550100123"},{"event_id":"m2","phone":"+15550100124"},{"event_id":"m3"}]`
	if w, _ := ask(t, rt, "POST", "", body, bearer); w.Code != http.StatusServiceUnavailable {
		t.Errorf("a full store: %d %s", w.Code, w.Body)
	}
	keep.full = false
	if w, _ := ask(t, rt, "POST", "", body, bearer); w.Code != 200 || len(keep.events) != 2 {
		t.Errorf("sent again: %d, %d events, want the two that have a number", w.Code, len(keep.events))
	}
	if w, _ := ask(t, rt, "POST", "", `[{"event_id":"m4"},{"event_id":"m5"}]`, bearer); w.Code != http.StatusBadRequest {
		t.Errorf("without numbers: %d %s", w.Code, w.Body)
	}
	if w, _ := ask(t, rt, "POST", "", `[{"name":"phone","value":"+15550100123"},{"name":"event_id","value":"m9"}]`, bearer); w.Code != 200 || len(keep.events) != 3 {
		t.Errorf("a list of names and values: %d, %d events", w.Code, len(keep.events))
	}
}

// FuzzSplit: what is split is JSON that every part of can be read, in bounds.
func FuzzSplit(f *testing.F) {
	f.Add([]byte(`[{"a":1},{"b":2}]`))
	f.Add([]byte(`{"entry":[{"changes":[{},1]},{"changes":[{}]}]}`))
	f.Add([]byte(`payload=[{},{}]`))
	var presets []source.Preset
	for _, name := range []string{"generic", "meta", "hubspot", "twilio", "nextphone"} {
		p, _ := source.Find(name)
		presets = append(presets, p)
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		for _, p := range presets {
			for _, part := range p.Split(&source.Request{Body: body}) {
				if !json.Valid(part) {
					t.Fatalf("%s: %q has the part %q", p.Name, body, part)
				}
			}
		}
	})
}
