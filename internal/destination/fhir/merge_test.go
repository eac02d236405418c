package fhir

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/callgate/callgate/internal/outbound"
)

// FuzzMerge merges what a call knows into whatever an EHR may answer: nothing that was there is lost, and it ends in one round.
func FuzzMerge(f *testing.F) {
	for _, body := range []string{
		`{"resourceType":"Communication","id":"1","status":"completed","payload":[{"contentString":"a"}]}`,
		`{"resourceType":"Appointment","id":"1","status":"proposed","participant":[{"type":[{"text":"patient"}],"status":"needs-action"}],"requestedPeriod":[{"start":"2026"}]}`,
		`{"resourceType":"Task","id":"1","status":"requested","description":"x","input":[1,null],"meta":{"versionId":"1"}}`,
		`{"resourceType":"ServiceRequest","id":"1","status":"draft","code":{"text":"x"},"note":{}}`, `{"payload":{},"participant":[null],"requestedPeriod":"x"}`,
	} {
		f.Add([]byte(body))
	}
	d, err := New(Config{Base: "https://ehr.example/fhir", Update: true, Kinds: []Kind{Communication, Task, Appointment, ServiceRequest}})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		for _, k := range []Kind{Communication, Task} {
			found, _ := foundOf(&outbound.Answer{Body: body}, k)
			for _, s := range found {
				if s.id == "" || s.body["resourceType"] != string(k) || strings.ContainsAny(s.id+s.version, "/\"\r\n ") {
					t.Errorf("found %q in version %q", s.id, s.version)
				}
			}
		}
		have, ok := object(body)
		if !ok {
			return
		}
		v := &view{Item: item(sample()), d: d}
		for i := range v.resources(&reference{Reference: "Patient/1"}) {
			all := v.resources(&reference{Reference: "Patient/1"})
			b, err := json.Marshal(have)
			if err != nil {
				return
			}
			old, _ := object(b)
			all[i].old = &stored{id: "1", body: old}
			for _, r := range v.prepare(all) {
				merged, ok := r.body.(map[string]any)
				if r.old == nil || !ok {
					continue
				}
				for name := range have {
					if _, there := merged[name]; !there && name != "text" {
						t.Errorf("%s lost %s", r.kind, name)
					}
				}
				again, err := json.Marshal(merged)
				if err != nil {
					t.Fatal(err)
				}
				next, _ := object(again)
				all := v.resources(&reference{Reference: "Patient/1"})
				all[i].old = &stored{id: "1", body: next}
				for _, r := range v.prepare(all) {
					if r.old != nil {
						t.Errorf("%s is written once more: %s\n%s", r.kind, again, body)
					}
				}
			}
		}
	})
}
