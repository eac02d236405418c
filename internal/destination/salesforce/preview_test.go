package salesforce

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"strings"
	"testing"

	"github.com/callgate/callgate/internal/call"
	"github.com/callgate/callgate/internal/destination"
	"github.com/callgate/callgate/internal/standin"
)

var update = flag.Bool("update", false, "write the golden files anew")

func TestPreview(t *testing.T) {
	tests := map[string]struct {
		cfg   Config
		items []destination.Item
	}{
		"caller":          {Config{ExternalID: "Call_Id__c", LogCall: true}, batchOf(mike())},
		"upsert":          {Config{Match: MatchCall, ExternalID: "Call_Id__c"}, batchOf(mike())},
		"upsert-defaults": {Config{Match: MatchCall, ExternalID: "Call_Id__c"}, batchOf(&call.Call{ID: "1", CallerNumber: callerNumber})},
		"upsert-log":      {Config{Match: MatchCall, ExternalID: "Call_Id__c", LogCall: true, TaskExternalID: "Log_Id__c", AssignmentRule: "false", Duplicates: AllowDuplicate}, batchOf(mike())},
		"lookup-log":      {Config{LogCall: true, Status: "New"}, batchOf(mike())},
		"batch":           {Config{Match: MatchCall, ExternalID: "Call_Id__c"}, batchOf(mike(), &call.Call{ID: "2", FirstName: "\"Q\"\n\x01"}, mike())},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			s, d := org(t, standin.SalesforceConfig{}, tt.cfg)
			reqs, err := d.Preview(tt.items)
			if err != nil {
				t.Fatal(err)
			}
			if len(s.Requests()) != 0 || s.Tokens.Asked() != 0 {
				t.Error("the preview sent something")
			}
			var b bytes.Buffer
			for _, r := range reqs {
				if r.Header.Get("Authorization") != "Bearer ***" {
					t.Errorf("Authorization %q is not masked", r.Header.Get("Authorization"))
				}
				b.WriteString("# " + r.Note + "\n" + r.Method + " " + strings.Replace(r.URL, s.URL, "https://acme.my.salesforce.com", 1) + "\n")
				_ = r.Header.WriteSubset(&b, nil)
				b.WriteString("\r\n" + r.Body + "\n\n")
				if !json.Valid([]byte(r.Body)) {
					t.Errorf("the body is not JSON: %s", r.Body)
				}
			}
			golden(t, "testdata/preview-"+name+".txt", bytes.ReplaceAll(b.Bytes(), []byte("\r\n"), []byte("\n")))
		})
	}
}

func golden(t *testing.T, file string, got []byte) {
	t.Helper()
	if *update {
		if err := os.WriteFile(file, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s differs; got:\n%s", file, got)
	}
}

// TestPreviewIsWhatIsSent compares the preview with the requests of a delivery that goes as expected.
func TestPreviewIsWhatIsSent(t *testing.T) {
	for name, cfg := range map[string]Config{
		"own": {Match: MatchCall, ExternalID: "Call_Id__c"}, "upsert": {ExternalID: "Call_Id__c"}, "log": {ExternalID: "Call_Id__c", LogCall: true}, "lookup": {LogCall: true, AssignmentRule: "true"},
	} {
		t.Run(name, func(t *testing.T) {
			s, d := org(t, standin.SalesforceConfig{}, cfg)
			reqs, err := d.Preview(batchOf(mike()))
			if err != nil {
				t.Fatal(err)
			}
			delivered(t, deliver(t, d, mike()))
			sent := s.Requests()
			if len(sent) != len(reqs) {
				t.Fatalf("%d requests sent, %d shown", len(sent), len(reqs))
			}
			for i, r := range sent {
				if r.Method != reqs[i].Method || s.URL+r.URI != reqs[i].URL || string(r.Body) != reqs[i].Body {
					t.Errorf("sent %s %s %s\nshown %+v", r.Method, r.URI, r.Body, reqs[i])
				}
				for h := range reqs[i].Header {
					if h != "Authorization" && r.Header.Get(h) != reqs[i].Header.Get(h) {
						t.Errorf("header %s is %q, shown %q", h, r.Header.Get(h), reqs[i].Header.Get(h))
					}
				}
			}
		})
	}
}

// TestGuide converts the guide's caller to what the guide's Salesforce example sends.
func TestGuide(t *testing.T) {
	_, d := org(t, standin.SalesforceConfig{}, Config{Status: "New"})
	reqs, err := d.Preview(batchOf(&call.Call{ID: "1", FirstName: "Mike", LastName: "Johnson", CallerNumber: callerNumber,
		Email: callerEmail, Message: callerMessage, Company: "Johnson Ltd"}))
	if err != nil {
		t.Fatal(err)
	}
	last := reqs[len(reqs)-1]
	var got map[string]string
	if err := json.Unmarshal([]byte(last.Body), &got); err != nil {
		t.Fatal(err)
	}
	want := map[string]string{"FirstName": "Mike", "LastName": "Johnson", "Phone": callerNumber, "Email": callerEmail,
		"Company": "Johnson Ltd", "Description": callerMessage, "LeadSource": "AI Receptionist", "Status": "New"}
	if len(got) != len(want) || last.Method != "POST" || !strings.HasSuffix(last.URL, "/sobjects/Lead") {
		t.Errorf("%s %s %v", last.Method, last.URL, got)
	}
	for k, v := range want {
		if got[k] != v {
			t.Errorf("%s is %q, want %q", k, got[k], v)
		}
	}
}
