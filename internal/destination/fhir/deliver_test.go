package fhir

import (
	"encoding/json"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/callgate/callgate/internal/call"
	"github.com/callgate/callgate/internal/destination"
	"github.com/callgate/callgate/internal/outbound"
	"github.com/callgate/callgate/internal/standin"
)

func onPrem() *outbound.Client { return outbound.NewClient(outbound.Options{AllowPrivate: true}) }

// sample is the call of testdata/fhir.
func sample() *call.Call {
	return &call.Call{
		Provider: "retell", ID: "Jabr9TXYYJHfvl6Syypi88rdAHYHmcq6", EventType: "call_analyzed",
		CallerNumber: "+15559876543", FirstName: "Mike", LastName: "Johnson", Email: "mjohnson@email.com",
		StartedAt: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC), EndedAt: time.Date(2026, 1, 1, 0, 0, 42, 0, time.UTC),
		Summary: "Caller asks to book a cleaning appointment.", Transcript: "AI: hello", CallbackRequested: true,
		Params: map[string]any{
			"patient_id": "PT-10023", "service_type": "dental cleaning", "appointment_time": "2026-01-05T15:00:00Z", "insurance": "ACME 7",
		},
	}
}

func item(c *call.Call) destination.Item {
	return destination.Item{DeliveryID: "dlv_1", EventID: "evt_1", Attempt: 1, Call: c, ReceivedAt: time.Date(2026, 1, 1, 0, 1, 0, 0, time.UTC)}
}

func build(t *testing.T, s *standin.FHIR, change func(*Config)) *Destination {
	t.Helper()
	cfg := Config{Base: s.Base(), Client: onPrem(), System: "https://hooks.example.com/call-id", PatientSystem: "https://hooks.example.com/patient-id"}
	if change != nil {
		change(&cfg)
	}
	d, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func deliver(t *testing.T, d *Destination, c *call.Call) destination.Result {
	t.Helper()
	return d.Deliver(t.Context(), []destination.Item{item(c)})[0]
}

func must(t *testing.T, r destination.Result) destination.Result {
	t.Helper()
	if r.Outcome != destination.Delivered {
		t.Fatalf("%v: %s %s", r.Outcome, r.Reason, r.Excerpt)
	}
	return r
}

func golden(t *testing.T, name string) map[string]any {
	t.Helper()
	b, err := os.ReadFile("../../../testdata/fhir/" + name)
	if err != nil {
		t.Fatal(err)
	}
	return decode(t, b)
}

func decode(t *testing.T, b []byte) map[string]any {
	t.Helper()
	var m map[string]any
	if err := json.Unmarshal(b, &m); err != nil {
		t.Fatal(err)
	}
	return m
}

func same(t *testing.T, what string, got, want any) {
	t.Helper()
	g, _ := json.MarshalIndent(got, "", " ")
	w, _ := json.MarshalIndent(want, "", " ")
	if string(g) != string(w) {
		t.Errorf("%s:\n%s\nwant\n%s", what, g, w)
	}
}

func TestTheBundleIsTheSampleBundle(t *testing.T) {
	s := standin.NewFHIR(t, nil)
	d := build(t, s, func(c *Config) {
		c.Patient, c.Kinds = PatientCreate, []Kind{Communication, Task, Appointment, ServiceRequest}
	})
	r := must(t, deliver(t, d, sample()))
	if r.RemoteID != "Communication/2" || len(r.Warnings) != 0 {
		t.Errorf("%+v", r)
	}
	got := decode(t, s.Requests()[0].Body)
	want := golden(t, "out-fhir-bundle.json")
	if got["type"] != "transaction" || len(got["entry"].([]any)) != 5 {
		t.Fatalf("%v", got)
	}
	part := func(b map[string]any, i int, path ...string) any {
		var v any = b["entry"].([]any)[i]
		for _, p := range path {
			v = v.(map[string]any)[p]
		}
		return v
	}
	patientURN := part(got, 0, "fullUrl").(string)
	// The Communication's members are the sample's, one by one; the others have additions of their own, which the
	// stand-in and the independent validator check.
	communication := part(got, 1, "resource").(map[string]any)
	for k, v := range part(want, 1, "resource").(map[string]any) {
		if k == "subject" {
			v = map[string]any{"reference": patientURN}
		}
		same(t, "Communication."+k, communication[k], v)
	}
	same(t, "condition", part(got, 1, "request"), part(want, 1, "request"))
	same(t, "patient's condition", part(got, 0, "request"), part(want, 0, "request"))
	for i, k := range []string{"Patient", "Communication", "Task", "Appointment", "ServiceRequest"} {
		same(t, k+".status", part(got, i, "resource").(map[string]any)["status"], part(want, i, "resource").(map[string]any)["status"])
		if part(got, i, "resource", "resourceType") != k {
			t.Errorf("entry %d is %v, want %s", i, part(got, i, "resource", "resourceType"), k)
		}
	}
	same(t, "Task.input", part(got, 2, "resource", "input"), part(want, 2, "resource", "input"))
	same(t, "Task.identifier", part(got, 2, "resource", "identifier"), part(want, 2, "resource", "identifier"))
	if got := part(got, 2, "request", "ifNoneExist"); got != "identifier=https://hooks.example.com/call-id|retell:Jabr9TXYYJHfvl6Syypi88rdAHYHmcq6%23callback" {
		t.Errorf("Task condition %v", got)
	}
	same(t, "Appointment.requestedPeriod", part(got, 3, "resource", "requestedPeriod"), []any{map[string]any{"start": "2026-01-05T15:00:00Z"}})
}

func TestOneResourceGoesByItself(t *testing.T) {
	s := standin.NewFHIR(t, nil)
	id := s.Put(map[string]any{"resourceType": "Patient", "identifier": []any{map[string]any{"system": "https://hooks.example.com/patient-id", "value": "PT-10023"}}})
	d := build(t, s, func(c *Config) { c.Kinds = []Kind{Communication} })
	c := sample()
	delete(c.Params, "service_type")
	r := must(t, deliver(t, d, c))
	if r.RemoteID != "Communication/2" {
		t.Errorf("%+v", r)
	}
	search, write := s.Requests()[0], s.Requests()[1]
	if search.URI != "/fhir/Patient/_search" || search.Header.Get("Idempotency-Key") != "" ||
		string(search.Body) != "_count=2&_elements=id&identifier=https%3A%2F%2Fhooks.example.com%2Fpatient-id%7CPT-10023" {
		t.Errorf("search: %+v %s", search, search.Body)
	}
	want := golden(t, "out-fhir-communication.json")
	want["subject"] = map[string]any{"reference": "Patient/" + id}
	same(t, "Communication", decode(t, write.Body), want)
	for name, want := range map[string]string{
		"If-None-Exist": "identifier=https://hooks.example.com/call-id|retell:Jabr9TXYYJHfvl6Syypi88rdAHYHmcq6",
		"Content-Type":  "application/fhir+json", "Accept": "application/fhir+json", "Prefer": "return=minimal",
		"Webhook-Id": "dlv_1", "Idempotency-Key": "dlv_1",
	} {
		if got := write.Header.Get(name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
}

func TestARepeatedDeliveryChangesNothing(t *testing.T) {
	s := standin.NewFHIR(t, nil)
	d := build(t, s, func(c *Config) { c.Patient = PatientCreate })
	must(t, deliver(t, d, sample()))
	again := item(sample())
	again.Attempt = 2
	r := must(t, d.Deliver(t.Context(), []destination.Item{again})[0])
	if len(r.Warnings) != 0 {
		t.Errorf("%+v", r)
	}
	for _, k := range []string{"Patient", "Communication", "Task", "Appointment"} {
		if n := len(s.Stored(k)); n != 1 {
			t.Errorf("%d of %s", n, k)
		}
	}
	if a, b := s.Requests()[0].Body, s.Requests()[1].Body; string(a) != string(b) {
		t.Error("the second attempt differs from the first")
	}
}

func TestEventsOfOneCallInAnyOrder(t *testing.T) {
	ended, analyzed := sample(), sample()
	ended.Summary, ended.CallbackRequested, ended.Params = "", false, nil
	analyzed.CallbackRequested, analyzed.Params = false, nil
	for name, order := range map[string][]*call.Call{"in order": {ended, analyzed}, "out of order": {analyzed, ended}} {
		s := standin.NewFHIR(t, nil)
		d := build(t, s, func(c *Config) { c.Update = true })
		for _, c := range order {
			must(t, deliver(t, d, c))
		}
		all := s.Stored("Communication")
		if len(all) != 1 || all[0]["payload"] == nil {
			t.Errorf("%s: %v", name, all)
		}
	}
	s := standin.NewFHIR(t, nil)
	d := build(t, s, nil)
	must(t, deliver(t, d, ended))
	r := must(t, deliver(t, d, analyzed))
	if len(s.Stored("Communication")) != 1 || len(r.Warnings) != 1 || !strings.Contains(r.Warnings[0], "set update") {
		t.Errorf("without update: %+v", r)
	}
}

func TestOnlyAllowedFieldsLeave(t *testing.T) {
	s := standin.NewFHIR(t, nil)
	c := sample()
	c.RecordingURL = "https://rec.example/1"
	secrets := []string{"mjohnson", "hello", "ACME", "rec.example", "Mike", "Johnson"}
	must(t, deliver(t, build(t, s, func(c *Config) { c.Patient = PatientCreate }), c))
	d := build(t, s, func(c *Config) {
		c.Fields, c.Patient = []string{"patient_id", "service_type", "timestamp"}, PatientReference
	})
	must(t, deliver(t, d, c))
	for i, r := range s.Requests() {
		for _, secret := range secrets {
			if strings.Contains(string(r.Body), secret) {
				t.Errorf("request %d holds %q: %s", i, secret, r.Body)
			}
		}
	}
	minimal := string(s.Requests()[1].Body)
	if strings.Contains(minimal, "+1555") || strings.Contains(minimal, "cleaning appointment") || !strings.Contains(minimal, "PT-10023") {
		t.Errorf("the minimal request: %s", minimal)
	}
	all := build(t, s, func(c *Config) {
		c.Fields, c.Patient = []string{"insurance", "transcript", "recording_url", "email", "name"}, PatientNone
	})
	p, err := all.Preview([]destination.Item{item(c)})
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"insurance: ACME 7", "email: mjohnson@email.com", "AI: hello", "https://rec.example/1", `"display":"Mike Johnson"`} {
		if !strings.Contains(p[0].Body, want) {
			t.Errorf("allowed and missing: %s in %s", want, p[0].Body)
		}
	}
}

func TestEmptyAndHostileValues(t *testing.T) {
	s := standin.NewFHIR(t, nil)
	d := build(t, s, func(c *Config) {
		c.Patient, c.Kinds = PatientReference, []Kind{Communication, Task, Appointment, ServiceRequest}
		c.Fields = append([]string{"transcript", "name", "insurance"}, DefaultFields...)
	})
	for _, text := range []string{"", " \t", "\x00\x01", "a\x00b", "\xff\xfe", "\"},{\"resourceType\":\"Patient\"", strings.Repeat("é", 1<<20), "|,$\\#&=?"} {
		for _, callback := range []bool{false, len(text) < 1000} {
			c := &call.Call{
				Provider: "x", ID: "id" + text, Summary: text, Transcript: text, FirstName: text, CallerNumber: text, CallbackRequested: callback,
				Params: map[string]any{"patient_id": text, "service_type": text, "appointment_time": text, "insurance": []any{text}},
			}
			must(t, deliver(t, d, c))
		}
	}
	must(t, deliver(t, d, &call.Call{}))
}

func TestNothingToSend(t *testing.T) {
	s := standin.NewFHIR(t, nil)
	c := sample()
	c.CallbackRequested = false
	r := must(t, deliver(t, build(t, s, func(cfg *Config) { cfg.Kinds, cfg.Patient = []Kind{Task}, PatientNone }), c))
	if len(s.Requests()) != 0 || len(r.Warnings) != 1 {
		t.Errorf("%+v after %d requests", r, len(s.Requests()))
	}
}

func TestPreviewSendsNothingAndMasksSecrets(t *testing.T) {
	s := standin.NewFHIR(t, nil)
	auth, _ := outbound.Bearer("s3cret")
	d := build(t, s, func(c *Config) { c.Auth, c.Header = auth, http.Header{"X-Api-Key": {"s3cret"}} })
	p, err := d.Preview([]destination.Item{item(sample())})
	if err != nil || len(p) != 2 || len(s.Requests()) != 0 {
		t.Fatalf("%v, %d requests previewed, %d sent", err, len(p), len(s.Requests()))
	}
	b, _ := json.Marshal(p)
	if strings.Contains(string(b), "s3cret") || !strings.Contains(p[1].Body, "Patient/FOUND") || p[1].Note == "" ||
		p[0].Header.Get("Authorization") != "Bearer ***" {
		t.Errorf("%s", b)
	}
	// What is previewed is what is sent.
	s.Put(map[string]any{"resourceType": "Patient", "identifier": []any{map[string]any{"system": "https://hooks.example.com/patient-id", "value": "PT-10023"}}})
	must(t, deliver(t, d, sample()))
	if got := string(s.Requests()[1].Body); got != strings.ReplaceAll(p[1].Body, "Patient/FOUND", "Patient/1") {
		t.Errorf("sent %s\npreviewed %s", got, p[1].Body)
	}
}
