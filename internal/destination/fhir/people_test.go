package fhir

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/callgate/callgate/internal/call"
	"github.com/callgate/callgate/internal/destination"
	"github.com/callgate/callgate/internal/standin"
)

func TestPatients(t *testing.T) {
	number := func(n string) map[string]any {
		return map[string]any{"resourceType": "Patient", "telecom": []any{map[string]any{"system": "phone", "value": n}}}
	}
	withID := func(id string) map[string]any {
		return map[string]any{"resourceType": "Patient", "identifier": []any{map[string]any{"system": "https://hooks.example.com/patient-id", "value": id}}}
	}
	anonymous := sample()
	delete(anonymous.Params, "patient_id")
	for name, c := range map[string]struct {
		mode     PatientMode
		call     *call.Call
		patients []map[string]any
		subject  string // as it is stored
		warning  string
	}{
		"by id":                   {PatientLookup, sample(), []map[string]any{withID("PT-1"), withID("PT-10023")}, "Patient/2", ""},
		"unknown id":              {PatientLookup, sample(), []map[string]any{withID("PT-1")}, "", "found none"},
		"id twice":                {PatientLookup, sample(), []map[string]any{withID("PT-10023"), withID("PT-10023")}, "", "found several"},
		"number is not looked up": {PatientLookup, anonymous, []map[string]any{number("+15559876543")}, "", ""},
		"by number":               {PatientPhone, anonymous, []map[string]any{number("+15550000000"), number("(555) 987-6543")}, "Patient/2", ""},
		"family":                  {PatientPhone, anonymous, []map[string]any{number("5559876543"), number("+15559876543")}, "", "found several"},
		"created":                 {PatientCreate, sample(), nil, "Patient/1", ""},
		"there already":           {PatientCreate, sample(), []map[string]any{withID("PT-10023")}, "Patient/1", ""},
		"never by number":         {PatientCreate, anonymous, nil, "", ""},
		"none":                    {PatientNone, sample(), []map[string]any{withID("PT-10023")}, "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			s := standin.NewFHIR(t, nil)
			for _, p := range c.patients {
				s.Put(p)
			}
			r := must(t, deliver(t, build(t, s, func(cfg *Config) { cfg.Patient = c.mode }), c.call))
			subject, _ := s.Stored("Communication")[0]["subject"].(map[string]any)
			if got, _ := subject["reference"].(string); got != c.subject {
				t.Errorf("subject %v, want %q", subject, c.subject)
			}
			if got := strings.Join(r.Warnings, " "); !strings.Contains(got, c.warning) || (c.warning == "") != (got == "") {
				t.Errorf("warnings %q, want %q", got, c.warning)
			}
			if n := len(s.Stored("Patient")); c.mode != PatientCreate && n != len(c.patients) {
				t.Errorf("%d patients, were %d", n, len(c.patients))
			}
			for _, q := range s.Requests() {
				if strings.Contains(q.URI, "555") || strings.Contains(q.URI, "PT-") {
					t.Errorf("a person's data in the URL: %s", q.URI)
				}
			}
		})
	}
	s := standin.NewFHIR(t, nil)
	must(t, deliver(t, build(t, s, func(cfg *Config) { cfg.Patient = PatientReference }), sample()))
	same(t, "logical reference", s.Stored("Communication")[0]["subject"], map[string]any{
		"type": "Patient", "identifier": map[string]any{"system": "https://hooks.example.com/patient-id", "value": "PT-10023"},
	})
}

func TestAppointmentTimes(t *testing.T) {
	berlin := time.FixedZone("x", 3600)
	for _, c := range []struct {
		in, date       string
		zone           *time.Location
		start, comment string
	}{
		{"2026-01-05T15:00:00-05:00", "", nil, "2026-01-05T15:00:00-05:00", ""},
		{"2026-01-05", "", nil, "2026-01-05", ""},
		{"2026-01-05T15:00:00+20:00", "", nil, "2026-01-04T19:00:00Z", ""},
		{"0000-01-01", "", nil, "", "Wanted: 0000-01-01"},
		{"2026-01-05 15:00", "", berlin, "2026-01-05T15:00:00+01:00", ""},
		{"2026-01-05 15:00", "", nil, "", "Wanted: 2026-01-05 15:00"},
		{"tomorrow afternoon", "", berlin, "", "Wanted: tomorrow afternoon"},

		// The day and the hour, as agents ask for them one by one.
		{"15:00", "2026-01-05", berlin, "2026-01-05T15:00:00+01:00", ""},
		{"3:30 pm", "2026-01-05", berlin, "2026-01-05T15:30:00+01:00", ""},
		{"15:00", "2026-01-05", nil, "2026-01-05", "Wanted: 15:00"},
		{"in the morning", "2026-01-05", berlin, "2026-01-05", "Wanted: in the morning"},
		{"in the morning", "next week", berlin, "", "Wanted: in the morning, next week"},
		{"2026-01-05T15:00:00-05:00", "2026-01-05", nil, "2026-01-05T15:00:00-05:00", ""},
		{"2026-01-05T15:00:00-05:00", "2026-01-06", nil, "2026-01-05T15:00:00-05:00", "Wanted: 2026-01-06"},
	} {
		s := standin.NewFHIR(t, nil)
		d := build(t, s, func(cfg *Config) {
			cfg.Kinds, cfg.Patient, cfg.Location = []Kind{Appointment}, PatientNone, c.zone
		})
		one := sample()
		one.Params["appointment_time"], one.Params["appointment_date"] = c.in, c.date
		must(t, deliver(t, d, one))
		a := s.Stored("Appointment")[0]
		comment, _ := a["comment"].(string)
		start := ""
		if p, ok := a["requestedPeriod"].([]any); ok {
			start = p[0].(map[string]any)["start"].(string)
		}
		if start != c.start || comment != c.comment {
			t.Errorf("%q and %q: start %q, comment %q", c.in, c.date, start, comment)
		}
	}
}

func TestSeparateResources(t *testing.T) {
	s := standin.NewFHIR(t, nil)
	d := build(t, s, func(c *Config) { c.Separate, c.Patient = true, PatientCreate })
	// The second of four fails; the next attempt does what is left.
	s.Script(standin.Reply{Status: 201, Header: http.Header{"Location": {"Patient/77"}}}, standin.Reply{Status: 503})
	r := deliver(t, d, sample())
	if r.Outcome != destination.Retry || !strings.HasPrefix(r.Reason, "Communication: 503") || len(s.Requests()) != 2 {
		t.Fatalf("%+v", r)
	}
	r = must(t, deliver(t, d, sample()))
	if r.RemoteID != "Communication/2" {
		t.Errorf("%+v", r)
	}
	must(t, deliver(t, d, sample()))
	keys := map[string]bool{}
	for i, k := range []string{"Patient", "Communication", "Task", "Appointment"} {
		if n := len(s.Stored(k)); n != 1 {
			t.Errorf("%d of %s", n, k)
		}
		keys[s.Requests()[2+i].Header.Get("Idempotency-Key")] = true
	}
	if len(keys) != 4 {
		t.Errorf("keys %v", keys)
	}
	same(t, "Task.focus", s.Stored("Task")[0]["focus"], map[string]any{
		"type": "Communication", "identifier": s.Stored("Communication")[0]["identifier"].([]any)[0],
	})
	if p, err := d.Preview([]destination.Item{item(sample())}); err != nil || len(p) != 4 {
		t.Errorf("%d requests, %v", len(p), err)
	}
}
