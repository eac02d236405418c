package salesforce

import (
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/callgate/callgate/internal/call"
	"github.com/callgate/callgate/internal/destination"
	"github.com/callgate/callgate/internal/standin"
)

func TestUpsertByCallID(t *testing.T) {
	s, d := org(t, standin.SalesforceConfig{}, Config{Match: MatchCall, ExternalID: "Call_Id__c"})
	res := deliver(t, d, mike())
	delivered(t, res)
	holds(t, only(t, s, "Lead"), map[string]string{
		"Call_Id__c": "call/1 ?", "FirstName": "Mike", "LastName": "Johnson", "Company": "Johnson Ltd", "Phone": callerNumber,
		"Email": callerEmail, "Description": callerMessage, "LeadSource": "AI Receptionist", "Status": "Open - Not Contacted",
	})
	reqs := s.Requests()
	if len(reqs) != 1 || reqs[0].Method != "PATCH" || reqs[0].URI != "/services/data/v67.0/sobjects/Lead/Call_Id__c/call%2F1%20%3F" {
		t.Errorf("requests %+v, want one PATCH with the id escaped", reqs)
	}
	if strings.Contains(string(reqs[0].Body), "Call_Id__c") {
		t.Error("the external id is repeated in the body")
	}
	if h := reqs[0].Header; h.Get("Webhook-Id") != "d-call/1 ?" || h.Get("User-Agent") == "" || h.Get("Idempotency-Key") != "" {
		t.Errorf("headers %v", h)
	}
	if res.RemoteID != only(t, s, "Lead").ID {
		t.Errorf("remote id %q", res.RemoteID)
	}
}

func TestSameDeliveryTwiceIsOneLead(t *testing.T) {
	for name, cfg := range map[string]Config{
		"external id":          {ExternalID: "Call_Id__c"},
		"record of its own":    {Match: MatchCall, ExternalID: "Call_Id__c"},
		"own record, log":      {Match: MatchCall, ExternalID: "Call_Id__c", LogCall: true},
		"own, two ids":         {Match: MatchCall, ExternalID: "Call_Id__c", LogCall: true, TaskExternalID: "Log_Id__c"},
		"external id and log":  {ExternalID: "Call_Id__c", LogCall: true},
		"two external ids":     {ExternalID: "Call_Id__c", LogCall: true, TaskExternalID: "Log_Id__c"},
		"external id, status":  {ExternalID: "Call_Id__c", Status: "Working - Contacted"},
		"duplicate check":      {},
		"duplicate check, log": {LogCall: true},
		"contact":              {Object: "Contact", LogCall: true},
	} {
		t.Run(name, func(t *testing.T) {
			s, d := org(t, standin.SalesforceConfig{}, cfg)
			// The first attempt does its work and the answer is lost, as when a connection breaks.
			path := "/sobjects/"
			if cfg.LogCall {
				path = "/composite"
			}
			s.Fail(standin.SalesforceFailure{Path: path, After: true, Reply: standin.Reply{Hangup: true}})
			object := d.cfg.Object
			first := deliver(t, d, mike())
			if first.Outcome != destination.Retry || !first.Unhealthy {
				t.Fatalf("a lost answer was taken for %v: %s", first.Outcome, first.Reason)
			}
			var want standin.SalesforceRecord
			for n := range 3 {
				delivered(t, deliver(t, d, mike()))
				got := only(t, s, object)
				if n > 0 && (got.ID != want.ID || got.Text("Description") != want.Text("Description")) {
					t.Errorf("repeating the delivery changed the record: %v, before %v", got, want)
				}
				want = got
			}
			holds(t, want, map[string]string{"Description": callerMessage, "Phone": callerNumber})
			if cfg.LogCall {
				holds(t, only(t, s, "Task"), map[string]string{"WhoId": want.ID, "CallObject": "call/1 ?"})
			}
		})
	}
}

func TestEventsOfOneCallMerge(t *testing.T) {
	early := &call.Call{Provider: "retell", EventType: "call_ended", ID: "call/1 ?", CallerNumber: callerNumber, FirstName: "Mike"}
	late := mike()
	for name, events := range map[string][]*call.Call{"in order": {early, late}, "late first": {late, early}, "thrice": {early, late, early}} {
		for mode, cfg := range map[string]Config{"external id": {ExternalID: "Call_Id__c"}, "own record": {Match: MatchCall, ExternalID: "Call_Id__c"}, "duplicate check": {}} {
			t.Run(name+" "+mode, func(t *testing.T) {
				s, d := org(t, standin.SalesforceConfig{}, cfg)
				for _, c := range events {
					delivered(t, deliver(t, d, c))
				}
				holds(t, only(t, s, "Lead"), map[string]string{
					"FirstName": "Mike", "LastName": "Johnson", "Company": "Johnson Ltd", "Email": callerEmail, "Description": callerMessage,
				})
			})
		}
	}
}

func TestRequiredDefaults(t *testing.T) {
	tests := map[string]struct {
		c             *call.Call
		last, company string
	}{
		"nothing known":   {&call.Call{ID: "c"}, "Unknown", "Unknown"},
		"number only":     {&call.Call{ID: "c", CallerNumber: callerNumber}, "Unknown", "Unknown"},
		"first name only": {&call.Call{ID: "c", FirstName: "Mike"}, "Unknown", "Mike"},
		"no company":      {&call.Call{ID: "c", FirstName: "Mike", LastName: "Johnson"}, "Johnson", "Mike Johnson"},
		"company only":    {&call.Call{ID: "c", Company: "Johnson Ltd"}, "Unknown", "Johnson Ltd"},
		"blank":           {&call.Call{ID: "c", LastName: "  "}, "Unknown", "Unknown"},
	}
	for name, tt := range tests {
		for mode, cfg := range map[string]Config{"external id": {ExternalID: "Call_Id__c"}, "duplicate check": {}, "log": {ExternalID: "Call_Id__c", LogCall: true}, "own record": {Match: MatchCall, ExternalID: "Call_Id__c"}} {
			t.Run(name+" "+mode, func(t *testing.T) {
				s, d := org(t, standin.SalesforceConfig{}, cfg)
				delivered(t, deliver(t, d, tt.c))
				holds(t, only(t, s, "Lead"), map[string]string{"LastName": tt.last, "Company": tt.company})
			})
		}
	}
}

func TestUpdateKeepsWhatAPersonChanged(t *testing.T) {
	s, d := org(t, standin.SalesforceConfig{}, Config{ExternalID: "Call_Id__c", Status: "Open - Not Contacted"})
	delivered(t, deliver(t, d, mike()))
	s.Change(only(t, s, "Lead").ID, func(r *standin.SalesforceRecord) {
		r.Fields["Status"], r.Fields["LeadSource"] = "Working - Contacted", "Partner"
	})
	delivered(t, deliver(t, d, mike()))
	holds(t, only(t, s, "Lead"), map[string]string{"Status": "Working - Contacted", "LeadSource": "Partner"})
}

func TestDuplicateCheck(t *testing.T) {
	old := func(more map[string]any) map[string]any {
		f := map[string]any{"LastName": "Johnson", "Company": "Unknown", "Phone": "(555) 987-6543", "Description": "wants a quote", "LeadSource": "Web"}
		for k, v := range more {
			f[k] = v
		}
		return f
	}
	tests := map[string]struct {
		fields  map[string]any
		created time.Time
		change  func(*standin.SalesforceRecord)
		cfg     Config
		leads   int
		want    map[string]string // of the old lead
	}{
		"by number in other writing": {fields: old(nil), leads: 1, want: map[string]string{
			"FirstName": "Mike", "Company": "Johnson Ltd", "Email": callerEmail, "LeadSource": "Web",
			"Phone": "(555) 987-6543", "Description": callerMessage + "\n\nwants a quote"}},
		"by mobile number": {fields: old(map[string]any{"Phone": "", "MobilePhone": "555-987-6543"}), leads: 1, want: map[string]string{"Phone": callerNumber}},
		"by e-mail, other number": {fields: old(map[string]any{"Email": "MJohnson@Email.com", "Phone": "+15550001111"}), leads: 1, want: map[string]string{
			"Phone": "+15550001111", "Description": callerMessage + "\n\nPhone on a later call: " + callerNumber + "\n\nwants a quote"}},
		"same number, other person": {fields: old(map[string]any{"Email": "wife@example.com"}), leads: 2, want: map[string]string{"Description": "wants a quote"}},
		"too old":                   {fields: old(nil), created: noon.Add(-91 * 24 * time.Hour), leads: 2},
		"hours, within":             {fields: old(nil), created: noon.Add(-35 * time.Hour), cfg: Config{Window: 36 * time.Hour}, leads: 1},
		"hours, too old":            {fields: old(nil), created: noon.Add(-37 * time.Hour), cfg: Config{Window: 36 * time.Hour}, leads: 2},
		"old, any age":              {fields: old(nil), created: noon.Add(-9000 * time.Hour), cfg: Config{Window: -1}, leads: 1},
		"converted":                 {fields: old(nil), change: func(r *standin.SalesforceRecord) { r.Converted = true }, leads: 2},
		"deleted":                   {fields: old(nil), change: func(r *standin.SalesforceRecord) { r.Deleted = true }, leads: 1},
		"another number":            {fields: old(map[string]any{"Phone": "+15550001111"}), leads: 2},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			s, d := org(t, standin.SalesforceConfig{}, tt.cfg)
			if tt.created.IsZero() {
				tt.created = noon.Add(-time.Hour)
			}
			id := s.Put("Lead", tt.created, tt.fields)
			if tt.change != nil {
				s.Change(id, tt.change)
			}
			for range 2 {
				delivered(t, deliver(t, d, mike()))
			}
			leads := s.Records("Lead")
			if len(leads) != tt.leads {
				t.Fatalf("%d leads, want %d", len(leads), tt.leads)
			}
			if tt.want != nil {
				holds(t, leads[0], tt.want)
			}
			for _, r := range s.Requests() {
				if strings.Contains(r.URI, "5559876543") || strings.Contains(r.URI, "mjohnson") {
					t.Errorf("a URL carries the caller's data: %s", r.URI)
				}
			}
		})
	}
}

func TestLaterCallsAddToTheLead(t *testing.T) {
	s, d := org(t, standin.SalesforceConfig{}, Config{Fields: []Field{{Name: "PostalCode", From: "first_words", OnCreate: true}, {Name: "City", From: "city"}}})
	for i, message := range []string{"a tap", "a pipe", "a pump"} {
		c := &call.Call{ID: message, Email: callerEmail, CallerNumber: callerNumber, Message: message,
			Params: map[string]any{"first_words": message, "city": message}}
		if i > 0 {
			c.CallerNumber = "+15550001111"
		}
		for range 2 {
			delivered(t, deliver(t, d, c))
		}
	}
	holds(t, only(t, s, "Lead"), map[string]string{
		"Phone": callerNumber, "PostalCode": "a tap", "City": "a pump",
		"Description": "a pump\n\na pipe\n\nPhone on a later call: +15550001111\n\na tap",
	})
}

func TestHostileValuesFindNobody(t *testing.T) {
	s, d := org(t, standin.SalesforceConfig{}, Config{})
	s.Put("Lead", noon, map[string]any{"LastName": "Other", "Company": "Other", "Email": "other@example.com", "Phone": "+15550001111"})
	c := &call.Call{ID: "x", Email: `a' OR Email != '`, CallerNumber: `\' OR Phone != '`, LastName: "Mallory"}
	res := deliver(t, d, c)
	delivered(t, res)
	if n := len(s.Records("Lead")); n != 2 {
		t.Fatalf("%d leads, want 2: a value broke out of its literal", n)
	}
	holds(t, s.Records("Lead")[0], map[string]string{"LastName": "Other", "Description": ""})
	if got := s.Records("Lead")[1].Text("Description"); !strings.Contains(got, c.Email) || len(res.Warnings) == 0 {
		t.Errorf("the refused address is lost: description %q, warnings %v", got, res.Warnings)
	}
}

func TestConcurrentDeliveries(t *testing.T) {
	for name, cfg := range map[string]Config{"duplicate check": {LogCall: true}, "external id": {ExternalID: "Call_Id__c"}} {
		t.Run(name, func(t *testing.T) {
			s, d := org(t, standin.SalesforceConfig{}, cfg)
			var wg sync.WaitGroup
			for range 12 {
				wg.Go(func() { delivered(t, deliver(t, d, mike())) })
			}
			wg.Wait()
			only(t, s, "Lead")
			if cfg.LogCall {
				only(t, s, "Task")
			}
			if n := d.locks.Held(); n != 0 {
				t.Errorf("%d locks are left", n)
			}
		})
	}
}

func TestCallLog(t *testing.T) {
	s, d := org(t, standin.SalesforceConfig{}, Config{ExternalID: "Call_Id__c", LogCall: true})
	c := mike()
	c.Summary, c.RecordingURL, c.Transcript = "He wants a quote.", "https://example.com/r.wav", strings.Repeat("long ", 8000)
	delivered(t, deliver(t, d, c))
	task := only(t, s, "Task")
	holds(t, task, map[string]string{
		"WhoId": only(t, s, "Lead").ID, "Subject": "Inbound call: Mike Johnson", "Status": "Completed", "TaskSubtype": "Call",
		"CallType": "Inbound", "CallDurationInSeconds": "42", "CallObject": "call/1 ?", "ActivityDate": "2026-03-02",
	})
	text := task.Text("Description")
	if !strings.HasPrefix(text, callerMessage+"\n\nHe wants a quote.\n\nRecording: https://example.com/r.wav\n\nTranscript:\nlong ") || len(text) < 31000 {
		t.Errorf("description %.120q of %d bytes", text, len(text))
	}
	if n := len(s.Requests()); n != 2 {
		t.Errorf("%d requests, want a look-up and a composite one", n)
	}
}

func TestReferencesInValuesMeanNothing(t *testing.T) {
	s, d := org(t, standin.SalesforceConfig{}, Config{ExternalID: "Call_Id__c", LogCall: true})
	c := mike()
	c.Message = "my @{password.x} and @{record.id}"
	delivered(t, deliver(t, d, c))
	holds(t, only(t, s, "Lead"), map[string]string{"Description": "my @ {password.x} and @ {record.id}"})
	holds(t, only(t, s, "Task"), map[string]string{"Description": "my @ {password.x} and @ {record.id}"})
}

func TestKeys(t *testing.T) {
	long := strings.Repeat("k", 300)
	for _, id := range []string{"..", ".", long, "ключ", "a/../b", "100%"} {
		s, d := org(t, standin.SalesforceConfig{}, Config{ExternalID: "Call_Id__c"})
		for range 2 {
			delivered(t, deliver(t, d, &call.Call{ID: id, LastName: "L", Company: "C"}))
		}
		lead := only(t, s, "Lead")
		got := lead.Text("Call_Id__c")
		if hashed := len(id) > 255 || strings.Trim(id, ".") == ""; hashed && len(got) != 64 || !hashed && got != id {
			t.Errorf("id %.20q has the key %q", id, got)
		}
	}
}

func TestCallLogMayFail(t *testing.T) {
	tests := map[string]struct {
		sc   standin.SalesforceConfig
		logs int
	}{
		"a field is hidden":   {standin.SalesforceConfig{Without: []string{"Task.TaskSubtype"}}, 1},
		"the key is hidden":   {standin.SalesforceConfig{Without: []string{"Task.CallObject"}}, 0},
		"owner is unwritable": {standin.SalesforceConfig{Without: []string{"Task.WhoId"}}, 0},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			s, d := org(t, tt.sc, Config{LogCall: true})
			res := deliver(t, d, mike())
			delivered(t, res)
			only(t, s, "Lead")
			if n := len(s.Records("Task")); n != tt.logs || len(res.Warnings) == 0 {
				t.Errorf("%d logs, want %d; warnings %v", n, tt.logs, res.Warnings)
			}
		})
	}
}
