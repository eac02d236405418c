package fhir

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/callgate/callgate/internal/call"
	"github.com/callgate/callgate/internal/destination"
	"github.com/callgate/callgate/internal/outbound"
	"github.com/callgate/callgate/internal/standin"
)

func updating(c *Config) { c.Update, c.PatientSystem = true, "https://clinic.example/mrn" }

// chart is a server with one patient.
func chart(t *testing.T) *standin.FHIR {
	s := standin.NewFHIR(t, nil)
	s.Put(map[string]any{"resourceType": "Patient", "identifier": []any{map[string]any{"system": "https://clinic.example/mrn", "value": "P-100"}}})
	return s
}

func only(t *testing.T, s *standin.FHIR, kind string) map[string]any {
	t.Helper()
	all := s.Stored(kind)
	if len(all) != 1 {
		t.Fatalf("%d of %s, want one: %v", len(all), kind, all)
	}
	return all[0]
}

func payloads(c map[string]any) string {
	list, _ := c["payload"].([]any)
	var all []string
	for _, p := range list {
		all = append(all, stringOf(p, "contentString"))
	}
	return strings.Join(all, " / ")
}

// An urgent call stays urgent, and keeps its patient and its words, when a later event of it knows none of them.
func TestAnEventThatKnowsLessErasesNothing(t *testing.T) {
	for _, separate := range []bool{false, true} {
		s := chart(t)
		d := build(t, s, func(c *Config) { updating(c); c.Separate = separate })
		first := &call.Call{Provider: "nextphone", ID: "U2", CallerNumber: "+12125550142", Message: "chest pain, call me", Urgent: true,
			CallbackRequested: true, Params: map[string]any{"patient_id": "P-100"}, EndedAt: time.Date(2026, 1, 1, 0, 0, 42, 0, time.UTC)}
		then := &call.Call{Provider: "nextphone", ID: "U2", CallerNumber: "+12125550142", Summary: "Call lasted 40 seconds, agent said goodbye."}
		must(t, deliver(t, d, first))
		task := fmt.Sprint(only(t, s, "Task"))
		for range 2 {
			r := must(t, deliver(t, d, then))
			if len(r.Warnings) != 0 || !strings.HasPrefix(r.RemoteID, "Communication/") {
				t.Errorf("%+v", r)
			}
			c := only(t, s, "Communication")
			if subject := stringOf(c["subject"], "reference"); subject != "Patient/1" || c["priority"] != "urgent" || c["received"] != "2026-01-01T00:00:42Z" {
				t.Errorf("separate %v: %v", separate, c)
			}
			if got := payloads(c); got != "chest pain, call me / Call lasted 40 seconds, agent said goodbye." {
				t.Errorf("payload %q", got)
			}
			if version := stringOf(c["meta"], "versionId"); version != "2" {
				t.Errorf("version %s, want 2: what changes nothing is not written", version)
			}
			if got := fmt.Sprint(only(t, s, "Task")); got != task {
				t.Errorf("the task was %s\nand is %s", task, got)
			}
		}
	}
}

// What the caller wants in the end is what the appointment says, and the task too.
func TestAppointmentAndTaskFollow(t *testing.T) {
	for _, separate := range []bool{false, true} {
		s := chart(t)
		d := build(t, s, func(c *Config) { updating(c); c.Separate = separate })
		first := &call.Call{ID: "AP1", Message: "wants Tuesday", CallbackRequested: true, CallerNumber: "+12125550142",
			Params: map[string]any{"patient_id": "P-100", "appointment_time": "2026-12-08T10:00:00-05:00"}}
		then := &call.Call{ID: "AP1", Message: "wants Tuesday", Summary: "Corrected himself: Wednesday 2 pm", CallbackRequested: true, Urgent: true,
			CallerNumber: "+12125550143", Params: map[string]any{"patient_id": "P-100", "appointment_time": "2026-12-09T14:00:00-05:00"}}
		must(t, deliver(t, d, first))
		for range 2 {
			must(t, deliver(t, d, then))
		}
		a, task := only(t, s, "Appointment"), only(t, s, "Task")
		if got := startOf(a["requestedPeriod"]); got != "2026-12-09T14:00:00-05:00" || a["comment"] != "Wanted before: 2026-12-08T10:00:00-05:00" {
			t.Errorf("the appointment: %v", a)
		}
		b, _ := json.Marshal(task)
		for _, want := range []string{"+12125550142", "+12125550143", "wants Tuesday", `"priority":"urgent"`, `"Patient/1"`} {
			if !strings.Contains(string(b), want) {
				t.Errorf("the task lacks %s: %s", want, b)
			}
		}
		if got := payloads(only(t, s, "Communication")); got != "wants Tuesday / Corrected himself: Wednesday 2 pm" {
			t.Errorf("payload %q", got)
		}
	}
}

// A patient who is known by a later event only is linked to what is there.
func TestThePatientIsFilledIn(t *testing.T) {
	s := chart(t)
	d := build(t, s, func(c *Config) { updating(c); c.Kinds = []Kind{Communication, Task, Appointment, ServiceRequest} })
	first := &call.Call{ID: "1", CallerNumber: "+12125550142", CallbackRequested: true, Params: map[string]any{"appointment_time": "2026-12-08"}}
	then := &call.Call{ID: "1", CallerNumber: "+12125550142", CallbackRequested: true, Params: map[string]any{"patient_id": "P-100", "service_type": "cleaning", "appointment_time": "2026-12-08"}}
	must(t, deliver(t, d, first))
	must(t, deliver(t, d, then))
	must(t, deliver(t, d, first))
	actor := only(t, s, "Appointment")["participant"].([]any)[0].(map[string]any)
	if stringOf(actor["actor"], "reference") != "Patient/1" || actor["type"] != nil || actor["status"] != "needs-action" {
		t.Errorf("participant %v", actor)
	}
	if stringOf(only(t, s, "Communication")["subject"], "reference") != "Patient/1" || stringOf(only(t, s, "Task")["for"], "reference") != "Patient/1" {
		t.Error("the patient is not filled in")
	}
	if d := only(t, s, "Appointment")["description"]; d != "cleaning" || stringOf(only(t, s, "ServiceRequest")["subject"], "reference") != "Patient/1" {
		t.Errorf("description %v", d)
	}
}

// What people have made of a record is theirs: a booked appointment, a task that is done, a wider text.
func TestWhatPeopleDidStays(t *testing.T) {
	s := chart(t)
	d := build(t, s, func(c *Config) { updating(c); c.Kinds = []Kind{Communication, Task, Appointment, ServiceRequest} })
	one := func(summary, when, service string) *call.Call {
		return &call.Call{ID: "1", Summary: summary, CallbackRequested: true, CallerNumber: "+12125550142",
			Params: map[string]any{"patient_id": "P-100", "appointment_time": when, "service_type": service}}
	}
	must(t, deliver(t, d, one("first", "2026-12-08", "cleaning")))
	s.Change("Appointment", only(t, s, "Appointment")["id"].(string), func(m map[string]any) {
		m["status"], m["start"], m["end"] = "booked", "2026-12-08T10:00:00Z", "2026-12-08T11:00:00Z"
	})
	s.Change("Task", only(t, s, "Task")["id"].(string), func(m map[string]any) {
		m["status"], m["note"] = "completed", []any{map[string]any{"text": "reached her"}}
	})
	s.Change("ServiceRequest", only(t, s, "ServiceRequest")["id"].(string), func(m map[string]any) { m["status"] = "active" })
	s.Change("Communication", only(t, s, "Communication")["id"].(string), func(m map[string]any) {
		m["note"] = []any{map[string]any{"text": "by staff"}}
		m["text"] = map[string]any{"status": "generated", "div": "<div>first</div>"}
	})
	r := must(t, deliver(t, d, one("second", "2026-12-09", "whitening")))
	said := strings.Join(r.Warnings, "\n")
	for _, want := range []string{"Appointment is booked", "Task is completed", "ServiceRequest is active"} {
		if !strings.Contains(said, want) {
			t.Errorf("warnings %q lack %q", said, want)
		}
	}
	c := only(t, s, "Communication")
	if got := payloads(c); got != "first / second / Call back: second / Appointment wanted: 2026-12-09 / Service requested: whitening" {
		t.Errorf("payload %q", got)
	}
	if c["text"] != nil || c["note"] == nil {
		t.Errorf("a generated text that is out of date stays, or a note of staff does not: %v", c)
	}
	if a := only(t, s, "Appointment"); a["status"] != "booked" || startOf(a["requestedPeriod"]) != "2026-12-08" {
		t.Errorf("the appointment: %v", a)
	}
	if task := only(t, s, "Task"); task["status"] != "completed" || task["note"] == nil || strings.Contains(fmt.Sprint(task), "second") {
		t.Errorf("the task: %v", task)
	}
	// The same event again is no news.
	if r := must(t, deliver(t, d, one("first", "2026-12-08", "cleaning"))); len(r.Warnings) != 0 {
		t.Errorf("warnings %q", r.Warnings)
	}
}

// between does something before the request after the first n.
type between struct {
	n    int
	then func()
}

func (b *between) RoundTrip(r *http.Request) (*http.Response, error) {
	if b.n == 0 {
		b.then()
	}
	b.n--
	return http.DefaultTransport.RoundTrip(r)
}

// A record that changes between reading and writing is read again, and neither change is lost.
func TestTheVersionIsKept(t *testing.T) {
	for name, c := range map[string]struct {
		kinds    []Kind
		separate bool
	}{"alone": {[]Kind{Communication}, false}, "transaction": {[]Kind{Communication, Task}, false}, "separate": {[]Kind{Communication, Task}, true}} {
		t.Run(name, func(t *testing.T) {
			s := chart(t)
			d := build(t, s, func(cfg *Config) {
				updating(cfg)
				cfg.Kinds, cfg.Separate, cfg.Patient = c.kinds, c.separate, PatientNone
			})
			must(t, deliver(t, d, &call.Call{ID: "1", Summary: "first", CallbackRequested: true}))
			id := only(t, s, "Communication")["id"].(string)
			d.cfg.Client = outbound.NewClient(outbound.Options{AllowPrivate: true, Transport: &between{n: len(c.kinds), then: func() {
				s.Change("Communication", id, func(m map[string]any) { m["note"] = []any{map[string]any{"text": "by staff"}} })
			}}})
			r := must(t, deliver(t, d, &call.Call{ID: "1", Summary: "second", CallbackRequested: true}))
			got := only(t, s, "Communication")
			if payloads(got) != "first / second" || got["note"] == nil || len(r.Warnings) != 0 {
				t.Errorf("%v, %+v", got, r)
			}
		})
	}
}

func TestARecordThatNeverRests(t *testing.T) {
	s := chart(t)
	d := build(t, s, func(cfg *Config) { updating(cfg); cfg.Kinds, cfg.Patient = []Kind{Communication}, PatientNone })
	must(t, deliver(t, d, &call.Call{ID: "1", Summary: "first"}))
	id := only(t, s, "Communication")["id"].(string)
	restless := &between{}
	restless.then = func() {
		s.Change("Communication", id, func(m map[string]any) {})
		restless.n = 2
	}
	restless.n = 1
	d.cfg.Client = outbound.NewClient(outbound.Options{AllowPrivate: true, Transport: restless})
	before := len(s.Requests())
	r := deliver(t, d, &call.Call{ID: "1", Summary: "second"})
	if r.Outcome != destination.Retry || r.Pause || !strings.Contains(r.Reason, "changed meanwhile") || len(s.Requests())-before != 2*maxRounds {
		t.Errorf("%+v after %d requests", r, len(s.Requests())-before)
	}
}

// Where the search does not find what is there, nothing is erased, and what was not written is said.
func TestSearchThatDoesNotFind(t *testing.T) {
	s := chart(t)
	d := build(t, s, func(cfg *Config) { updating(cfg); cfg.Patient = PatientNone })
	must(t, deliver(t, d, &call.Call{ID: "1", Summary: "first"}))
	s.Blind(true)
	r := must(t, deliver(t, d, &call.Call{ID: "1", Summary: "second"}))
	if len(r.Warnings) != 1 || !strings.Contains(r.Warnings[0], "its search does not find it") || payloads(only(t, s, "Communication")) != "first" {
		t.Errorf("%+v", r)
	}
	s.Blind(false)
	s.Script(standin.Reply{Status: 501, Body: `{"resourceType":"OperationOutcome","issue":[{"severity":"error","code":"not-supported"}]}`})
	if r = deliver(t, d, &call.Call{ID: "1", Summary: "third"}); r.Outcome == destination.Delivered && len(r.Warnings) == 0 {
		t.Errorf("%+v", r)
	}
	s.Script(standin.Reply{Status: 400, Body: `{"resourceType":"OperationOutcome","issue":[{"severity":"error","code":"not-supported"}]}`})
	r = must(t, deliver(t, d, &call.Call{ID: "1", Summary: "third"}))
	if !strings.Contains(strings.Join(r.Warnings, " "), "refuses the search") || payloads(only(t, s, "Communication")) != "first" {
		t.Errorf("%+v", r)
	}
	s.Script(standin.Reply{Status: 200, Body: `<html>`})
	if r = deliver(t, d, &call.Call{ID: "1", Summary: "third"}); r.Outcome != destination.Retry {
		t.Errorf("%+v", r)
	}
	s.Put(copyOfOnly(t, s))
	if r = deliver(t, d, &call.Call{ID: "1", Summary: "third"}); r.Outcome != destination.Dead || !strings.Contains(r.Reason, "several records") {
		t.Errorf("%+v", r)
	}
}

func copyOfOnly(t *testing.T, s *standin.FHIR) map[string]any {
	b, err := json.Marshal(only(t, s, "Communication"))
	if err != nil {
		t.Fatal(err)
	}
	return decode(t, b)
}

// Without update, each kind that was left as it is is told.
func TestWhatWasLeftIsTold(t *testing.T) {
	s := chart(t)
	d := build(t, s, func(c *Config) { c.PatientSystem = "https://clinic.example/mrn" })
	c := &call.Call{ID: "1", Summary: "first", CallbackRequested: true, Params: map[string]any{"patient_id": "P-100", "appointment_time": "2026-12-08"}}
	must(t, deliver(t, d, c))
	r := must(t, deliver(t, d, c))
	if len(r.Warnings) != 1 || !strings.Contains(r.Warnings[0], "(Communication, Task, Appointment); set update") {
		t.Errorf("warnings %q", r.Warnings)
	}
}

func TestPreviewOfAnUpdate(t *testing.T) {
	s := chart(t)
	d := build(t, s, updating)
	c := &call.Call{ID: "1", Summary: "s", CallbackRequested: true, Params: map[string]any{"patient_id": "P-100"}}
	shown, err := d.Preview([]destination.Item{item(c)})
	if err != nil {
		t.Fatal(err)
	}
	must(t, deliver(t, d, c))
	sent := s.Requests()
	if len(shown) != len(sent) {
		t.Fatalf("%d requests shown, %d sent", len(shown), len(sent))
	}
	for i, r := range sent {
		if got := strings.ReplaceAll(shown[i].Body, "Patient/FOUND", "Patient/1"); r.Method != shown[i].Method || s.URL+r.URI != shown[i].URL || string(r.Body) != got {
			t.Errorf("sent %s %s %s\nshown %+v", r.Method, r.URI, r.Body, shown[i])
		}
	}
	if !strings.Contains(shown[len(shown)-1].Note, "merged into what it has") {
		t.Errorf("note %q", shown[len(shown)-1].Note)
	}
}
