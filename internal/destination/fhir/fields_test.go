package fhir

import (
	"strings"
	"testing"

	"github.com/callgate/callgate/internal/call"
	"github.com/callgate/callgate/internal/destination"
	"github.com/callgate/callgate/internal/minimize"
	"github.com/callgate/callgate/internal/standin"
)

// bodies are the writes for a call, as Preview shows them, one after the other.
func bodies(t *testing.T, d *Destination, c *call.Call) string {
	t.Helper()
	requests, err := d.Preview([]destination.Item{item(c)})
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	for _, r := range requests {
		b.WriteString(r.Body + "\n")
	}
	return b.String()
}

// The service that a caller wants reaches the EHR whatever resources are sent, under either of its names, and once.
func TestTheServiceIsNotLost(t *testing.T) {
	s := standin.NewFHIR(t, nil)
	told := "Service requested: dental cleaning"
	for name, c := range map[string]struct {
		change func(*Config)
		params map[string]any
		want   []string
		not    string
	}{
		"no time":                {nil, map[string]any{"service_type": "dental cleaning"}, []string{told, `"type":{"text":"service"},"valueString":"dental cleaning"`}, "Appointment"},
		"the guide's HIPAA body": {nil, map[string]any{"appointment_type": "dental cleaning", "patient_id": "PT-1"}, []string{told}, "Appointment"},
		"a time":                 {nil, map[string]any{"service_type": "dental cleaning", "preferred_date": "2026-01-05"}, []string{`"description":"dental cleaning"`}, told},
		"a time, and no Appointment": {
			func(c *Config) { c.Kinds = []Kind{Communication} },
			map[string]any{"service_type": "dental cleaning", "preferred_date": "2026-01-05"}, []string{told}, "Appointment",
		},
		"a ServiceRequest": {
			func(c *Config) { c.Kinds, c.Patient = []Kind{Communication, ServiceRequest}, PatientReference },
			map[string]any{"service_type": "dental cleaning", "patient_id": "PT-1"}, []string{`"code":{"text":"dental cleaning"}`}, told,
		},
		"a ServiceRequest without the patient that it needs": {
			func(c *Config) { c.Kinds, c.Patient = []Kind{Communication, ServiceRequest}, PatientReference },
			map[string]any{"service_type": "dental cleaning"}, []string{told}, "ServiceRequest",
		},
		"a parameter of another name": {
			func(c *Config) { c.ServiceParam = "visit" }, map[string]any{"visit": "dental cleaning", "service_type": "x"}, []string{told}, `"x"`,
		},
	} {
		record := sample()
		record.Params = c.params
		got := bodies(t, build(t, s, c.change), record)
		for _, want := range c.want {
			if strings.Count(got, want) != 1 {
				t.Errorf("%s: %q is there %d times:\n%s", name, want, strings.Count(got, want), got)
			}
		}
		if strings.Contains(got, c.not) {
			t.Errorf("%s: %q is there:\n%s", name, c.not, got)
		}
		must(t, deliver(t, build(t, s, c.change), record)) // the stand-in checks the shapes
	}
}

// A parameter may be named in full: it is the patient's id all the same, and no text for people to read besides.
func TestParametersAreKnownByTheirFullNames(t *testing.T) {
	s := standin.NewFHIR(t, nil)
	for _, minimized := range []bool{false, true} {
		got := bodies(t, build(t, s, func(c *Config) {
			c.Patient, c.Minimized = PatientReference, minimized
			c.Fields = []string{"params.patient_id", "params.service_type", "params.appointment_time"}
		}), sample())
		for _, want := range []string{`"value":"PT-10023"`, `"description":"dental cleaning"`, `"start":"2026-01-05T15:00:00Z"`} {
			if !strings.Contains(got, want) {
				t.Errorf("minimized %t: %s is not there:\n%s", minimized, want, got)
			}
		}
		if strings.Contains(got, "patient_id: ") || strings.Contains(got, "appointment_time: ") {
			t.Errorf("minimized %t: a parameter is text too:\n%s", minimized, got)
		}
	}
}

// One list decides: what the minimizer leaves is written, and nothing else is asked for.
func TestMinimizedCallsAreWrittenWhole(t *testing.T) {
	s := standin.NewFHIR(t, nil)
	for name, c := range map[string]struct {
		policy    minimize.Policy
		want, not []string
	}{
		"the guide's minimal PII": {
			minimize.Policy{Fields: []string{"patient_id", "service_type", "caller_number", "timestamp"}},
			[]string{"PT-10023", "dental cleaning", "+15559876543", "2026-01-01T00:00:42Z"},
			[]string{"Mike", "mjohnson", "cleaning appointment", "hello", "ACME", "2026-01-05"},
		},
		"no time": {
			minimize.Policy{Fields: []string{"caller_number"}}, []string{"+15559876543"}, []string{"2026-", "PT-10023"},
		},
		"a field without a place, and a name": {
			minimize.Policy{Fields: []string{"insurance", "name", "email", "started_at"}, Mask: []string{"email"}},
			[]string{"insurance: ACME 7", "Mike Johnson", "email: m***@***", `"sent":"2026-01-01T00:00:00Z"`}, []string{"params", "+1555"},
		},
		"all parameters": {
			minimize.Policy{Fields: []string{"params"}, Drop: []string{"patient_id"}},
			[]string{"insurance: ACME 7", "dental cleaning", "2026-01-05T15:00:00Z"}, []string{"params", "PT-10023", "Mike", "service_type"},
		},
	} {
		policy, err := minimize.Compile(c.policy)
		if err != nil {
			t.Fatal(err)
		}
		d := build(t, s, func(cfg *Config) {
			cfg.Patient, cfg.Fields, cfg.Minimized = PatientReference, c.policy.Fields, true
		})
		got := bodies(t, d, policy.Apply(sample()))
		for _, want := range c.want {
			if !strings.Contains(got, want) {
				t.Errorf("%s: %q is not there:\n%s", name, want, got)
			}
		}
		for _, not := range c.not {
			if strings.Contains(got, not) {
				t.Errorf("%s: %q is there:\n%s", name, not, got)
			}
		}
		must(t, deliver(t, d, policy.Apply(sample())))
	}
}
