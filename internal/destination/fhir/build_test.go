package fhir

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/callgate/callgate/internal/call"
	"github.com/callgate/callgate/internal/destination"
	"github.com/callgate/callgate/internal/standin"
)

// FuzzResources: whatever callers say, what is built is valid R4, and the condition finds the identifier again.
func FuzzResources(f *testing.F) {
	for _, s := range []string{"", " ", "x", "a\x00\x1f", "\xff", "2026-01-05", "2026-01-05T15:00:00Z", "0000-00-00T00:00:00+23:59", "|,$\\#&=?%", "\u2028\u0085\u00a0"} {
		f.Add(s, "b", true, int64(1767225642))
	}
	d, err := New(Config{
		Base: "https://ehr.example/fhir", Kinds: []Kind{Communication, Task, Appointment, ServiceRequest}, Patient: PatientReference,
		Fields: append([]string{"transcript", "recording_url", "first_name", "last_name", "insurance"}, DefaultFields...),
	})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, a, b string, flag bool, unix int64) {
		c := &call.Call{
			Provider: a, ID: b, Summary: a, Message: b, Transcript: a + b, FirstName: a, LastName: b, CallerNumber: a, RecordingURL: b,
			Urgent: flag, CallbackRequested: true, EndedAt: time.Unix(unix%(200<<30), 0),
			Params: map[string]any{"patient_id": a, "service_type": b, "appointment_time": a, "insurance": map[string]any{a: b}},
		}
		v := &view{Item: destination.Item{DeliveryID: "d", Call: c}, d: d}
		_, subject := d.patientQuery(v)
		all := v.resources(subject)
		all = append(all, v.newPatient(identifier{d.cfg.PatientSystem, "x"}))
		for _, r := range all {
			body, err := json.Marshal(r.body)
			if err != nil {
				t.Fatal(err)
			}
			var m map[string]any
			if err := json.Unmarshal(body, &m); err != nil {
				t.Fatal(err)
			}
			if p := standin.CheckResource(m, string(r.kind)); p != nil {
				t.Fatalf("%+v\n%s", p, body)
			}
			if strings.ContainsAny(r.condition, " \t\r\n\"#&\\") || len(r.condition) > 1000 {
				t.Fatalf("condition %q", r.condition)
			}
		}
	})
}

func TestLongTextsAreCutBetweenCharacters(t *testing.T) {
	d, _ := New(Config{Base: "https://ehr.example/fhir"})
	v := &view{Item: item(&call.Call{Summary: "x" + strings.Repeat("é", maxText/2)}), d: d}
	s := v.text("summary")
	if len(s) != maxText-1 || !strings.HasSuffix(s, "é") || len(v.warnings) != 1 {
		t.Errorf("%d bytes, warnings %v", len(s), v.warnings)
	}
}

func TestTheConditionIsEscaped(t *testing.T) {
	for value, want := range map[string]string{
		"retell:abc":    "identifier=urn:x|retell:abc",
		"a#callback":    "identifier=urn:x|a%23callback",
		"a b&c=d+e":     "identifier=urn:x|a%20b%26c%3Dd%2Be",
		`a|b,c$d\e`:     `identifier=urn:x|a%5C|b%5C%2Cc%5C%24d%5C%5Ce`,
		"\r\nX-Evil: 1": "identifier=urn:x|%0D%0AX-Evil:%201",
		"é":             "identifier=urn:x|%C3%A9",
	} {
		if got := condition(identifier{"urn:x", value}); got != want {
			t.Errorf("%q: %s, want %s", value, got, want)
		}
	}
}

func BenchmarkBundle(b *testing.B) {
	d, err := New(Config{Base: "https://ehr.example/fhir", Patient: PatientCreate, Kinds: []Kind{Communication, Task, Appointment, ServiceRequest}})
	if err != nil {
		b.Fatal(err)
	}
	one := item(sample())
	b.ReportAllocs()
	for b.Loop() {
		v := &view{Item: one, d: d}
		_, subject := d.patientQuery(v)
		if _, err := d.write(b.Context(), v, v.resources(subject)); err != nil {
			b.Fatal(err)
		}
	}
}
