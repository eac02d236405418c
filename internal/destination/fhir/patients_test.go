package fhir

import (
	"encoding/json"
	"fmt"
	"net/http"
	"sync"
	"testing"

	"github.com/callgate/callgate/internal/call"
	"github.com/callgate/callgate/internal/destination"
	"github.com/callgate/callgate/internal/outbound"
	"github.com/callgate/callgate/internal/standin"
)

// The calls of one patient wait for each other, so that two at once do not create the patient twice.
func TestOnePatientAtATime(t *testing.T) {
	s := standin.NewFHIR(t, nil)
	var mu sync.Mutex
	now, most := 0, 0
	counting := roundTrip(func(r *http.Request) (*http.Response, error) {
		mu.Lock()
		now++
		most = max(most, now)
		mu.Unlock()
		res, err := http.DefaultTransport.RoundTrip(r)
		mu.Lock()
		now--
		mu.Unlock()
		return res, err
	})
	d := build(t, s, func(c *Config) {
		c.Patient, c.Client = PatientCreate, outbound.NewClient(outbound.Options{AllowPrivate: true, Transport: counting})
	})
	var wg sync.WaitGroup
	for i := range 12 {
		wg.Go(func() {
			c := &call.Call{ID: fmt.Sprint(i), Summary: "s", Params: map[string]any{"patient_id": "P-1"}}
			if r := deliver(t, d, c); r.Outcome != destination.Delivered {
				t.Errorf("%+v", r)
			}
		})
	}
	wg.Wait()
	if most != 1 || d.locks.Held() != 0 || len(s.Stored("Patient")) != 1 {
		t.Errorf("%d at a time, %d locks left, %d patients", most, d.locks.Held(), len(s.Stored("Patient")))
	}
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// US Core wants a name and a gender of every patient.
func TestNewPatientsHaveNameAndGender(t *testing.T) {
	for name, c := range map[string]struct {
		fields []string
		call   call.Call
		want   string
	}{
		"nothing known":  {DefaultFields, call.Call{FirstName: "Mike"}, `[{"extension":[{"url":"http://hl7.org/fhir/StructureDefinition/data-absent-reason","valueCode":"unknown"}]}]`},
		"both names":     {append([]string{"first_name", "last_name"}, DefaultFields...), call.Call{FirstName: "Mike", LastName: "Johnson"}, `[{"family":"Johnson","given":["Mike"]}]`},
		"first name":     {append([]string{"first_name"}, DefaultFields...), call.Call{FirstName: "Mike"}, `[{"given":["Mike"]}]`},
		"the whole name": {append([]string{"name"}, DefaultFields...), call.Call{FirstName: "Mike", LastName: "van Dyke"}, `[{"family":"Dyke","given":["Mike","van"]}]`},
		"one word":       {append([]string{"name"}, DefaultFields...), call.Call{FirstName: "Mike"}, `[{"given":["Mike"]}]`},
	} {
		t.Run(name, func(t *testing.T) {
			s := standin.NewFHIR(t, nil)
			c.call.ID, c.call.Summary, c.call.Params = "1", "s", map[string]any{"patient_id": "P-1"}
			must(t, deliver(t, build(t, s, func(cfg *Config) { cfg.Patient, cfg.Fields = PatientCreate, c.fields }), &c.call))
			p := only(t, s, "Patient")
			if b, _ := json.Marshal(p["name"]); string(b) != c.want || p["gender"] != "unknown" {
				t.Errorf("%s, gender %v", b, p["gender"])
			}
		})
	}
}
