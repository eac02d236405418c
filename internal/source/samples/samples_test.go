package samples

import (
	"math/rand/v2"
	"testing"

	"github.com/callgate/callgate/internal/source"
)

func TestEveryPresetHasASample(t *testing.T) {
	has := make(map[string]bool)
	for _, s := range All() {
		if has[s.Preset+" "+s.Name] {
			t.Errorf("there are two samples %s %s", s.Preset, s.Name)
		}
		has[s.Preset], has[s.Preset+" "+s.Name] = true, true
	}
	for _, p := range source.Presets() {
		if !has[p.Name] {
			t.Errorf("%s has no sample", p.Name)
		}
		if s, ok := Find(p.Name, ""); !ok || s.Preset != p.Name {
			t.Errorf("%s: %+v is what it has without a name", p.Name, s)
		}
	}
}

func TestSamplesAreFoundByNameAndEvent(t *testing.T) {
	for _, tt := range []struct{ preset, event, name, contentType string }{
		{"retell", "call_ended", "call-ended", "application/json"},
		{"retell", "call-ended", "call-ended", "application/json"},
		{"retell", "", "call-ended", "application/json"},
		{"retell", "Call.Analyzed", "call-analyzed", "application/json"},
		{"vapi", "end-of-call-report", "end-of-call-report", "application/json"},
		{"vapi", "", "end-of-call-report", "application/json"},
		{"zoom", "phone.callee_ended", "callee-ended", "application/json"}, // by what the event is called
		{"standard-webhooks", "", "event", "application/json"},
		{"jotform", "submission", "submission", "multipart/form-data; boundary=----B"},
		{"twilio", "", "voice-status-callback", "application/x-www-form-urlencoded"},
		{"nextphone", "soap", "soap", "text/xml"},
	} {
		s, ok := Find(tt.preset, tt.event)
		if !ok || s.Name != tt.name || s.ContentType != tt.contentType || s.Method != "POST" {
			t.Errorf("%s %s: %s %s %s, %v", tt.preset, tt.event, s.Method, s.Name, s.ContentType, ok)
		}
	}
	if s, ok := Find("nextphone", "get"); !ok || s.Method != "GET" || s.Query == "" || len(s.Body) > 0 {
		t.Errorf("%+v, %v", s, ok)
	}
	for _, tt := range [][2]string{{"retell", "call_lost"}, {"nobody", ""}, {"nobody", "call_ended"}} {
		if s, ok := Find(tt[0], tt[1]); ok {
			t.Errorf("%v: %+v", tt, s)
		}
	}
}

// TestFreshSamplesAreOtherEvents: and of the same type and form, and the sample itself stays as it is.
func TestFreshSamplesAreOtherEvents(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	for _, s := range All() {
		was := s.text()
		seen := map[string]bool{key(s): true}
		for range 3 {
			f := s.Fresh(rnd)
			if seen[key(f)] {
				t.Errorf("%s %s: the event is %s again", s.Preset, s.Name, key(f))
			}
			seen[key(f)] = true
			if f.EventType != f.identity().EventType {
				t.Errorf("%s %s: became %+v:\n%s", s.Preset, s.Name, f.identity(), f.text())
			}
		}
		if s.text() != was {
			t.Errorf("%s %s was changed", s.Preset, s.Name)
		}
	}
}

// TestFreshSamplesHardlyComeTwice: also where the sample's id is short, or nearly all letters.
func TestFreshSamplesHardlyComeTwice(t *testing.T) {
	rnd := rand.New(rand.NewPCG(3, 4))
	const times = 40 // of 81 ids some would come twice, and of half a million none
	for _, s := range All() {
		seen := map[string]bool{}
		for range times {
			seen[key(s.Fresh(rnd))] = true
		}
		if len(seen) < times {
			t.Errorf("%s %s: %d events in %d times", s.Preset, s.Name, len(seen), times)
		}
	}
}

// key is what tells the event from others: its id, or else all of it.
func key(s Sample) string {
	if id := s.identity().EventID; id != "" {
		return id
	}
	return s.text()
}
