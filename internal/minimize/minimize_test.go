package minimize

import (
	"encoding/json"
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/callgate/callgate/internal/call"
)

var key = []byte("0123456789abcdef")

func record() *call.Call {
	seconds := 42
	return &call.Call{
		Provider: "nextphone", EventType: "lead", EventID: "e1", ID: "c1", Direction: call.Inbound,
		CallerNumber: "+15559876543", ReceivingNumber: "+15551234567", FirstName: "Mike", LastName: "Johnson",
		Email: "mjohnson@email.com", Company: "Acme", Message: "leaky pipe", Transcript: "Hello",
		StartedAt: time.Unix(1000, 0).UTC(), EndedAt: time.Unix(1042, 0).UTC(), Duration: &seconds, Urgent: true,
		Params: map[string]any{
			"patient_id": "PT-1", "callback_number": "(555) 987-6543", "Full Name": "Mike Johnson",
			"lead":    map[string]any{"email": "mjohnson@email.com", "SSN": "123-45-6789", "tags": []any{"a", "b"}},
			"address": map[string]any{"city": "Springfield", "zip": json.Number("12345")},
		},
	}
}

// view is a record as JSON, with which two of them compare well.
func view(t *testing.T, c *call.Call) map[string]any {
	t.Helper()
	text, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	var m map[string]any
	if err := json.Unmarshal(text, &m); err != nil {
		t.Fatal(err)
	}
	return m
}

func TestApply(t *testing.T) {
	tests := map[string]struct {
		policy Policy
		want   string // JSON of the whole record; provider, event and call id are added
	}{
		"the guide's minimal PII": {
			Policy{Fields: []string{"patient_id", "service_type", "caller_number", "timestamp"}},
			`{"caller_number":"+15559876543","ended_at":"1970-01-01T00:17:22Z","params":{"patient_id":"PT-1"}}`,
		},
		"nested parameters allowed": {
			Policy{Fields: []string{"params.address.city", "lead.SSN", "started_at", "address.zip"}},
			`{"started_at":"1970-01-01T00:16:40Z","params":{"address":{"city":"Springfield","zip":12345},"lead":{"SSN":"123-45-6789"}}}`,
		},
		"an object allowed and a member of it": {
			Policy{Fields: []string{"address", "address.city", "nothing.such", "address.city.x"}},
			`{"params":{"address":{"city":"Springfield","zip":12345}}}`,
		},
		"drop wins over fields": {
			Policy{Fields: []string{"email", "first_name", "params"}, Drop: []string{"email", "ssn", "name", "patient_id", "address"}},
			`{"params":{"callback_number":"(555) 987-6543","lead":{"tags":["a","b"]}}}`,
		},
		"a field's other names go with it": {
			Policy{Fields: []string{"params", "caller_number"}, Drop: []string{"phone", "lead", "address.city", "first_name"}},
			`{"params":{"address":{"zip":12345},"patient_id":"PT-1"}}`,
		},
		"an alias takes the field too": {
			Policy{Fields: []string{"caller_number", "email"}, Drop: []string{"customer_phone"}},
			`{"email":"mjohnson@email.com"}`,
		},
		"mask": {
			Policy{Fields: []string{"caller_number", "name", "email", "params"}, Mask: []string{"caller_number", "email", "name", "params.address", "SSN", "patient_id"}},
			`{"caller_number":"***6543","first_name":"M***","last_name":"J***","email":"m***@***","params":{
				"patient_id":"P***","callback_number":"***6543","Full Name":"M***",
				"lead":{"email":"m***@***","SSN":"***6789","tags":["a","b"]},"address":{"city":"S***","zip":"***"}}}`,
		},
		"hash": {
			Policy{Fields: []string{"caller_number", "patient_id"}, Hash: []string{"caller_number", "patient_id"}, HashKey: key},
			// printf '+15559876543' | openssl dgst -sha256 -hmac 0123456789abcdef, the first 32 digits
			`{"caller_number":"` + hmacCaller + `","params":{"patient_id":"` + hmacPatient + `"}}`,
		},
		"times": {
			Policy{Fields: []string{"started_at", "ended_at", "duration", "urgent"}, Drop: []string{"call_duration", "ended_at"}},
			`{"started_at":"1970-01-01T00:16:40Z","urgent":true}`,
		},
		"all parameters dropped, and an id": {
			Policy{Fields: []string{"company"}, Drop: []string{"params", "call_id"}},
			`{"company":"Acme","call_id":null}`,
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			p, err := Compile(tt.policy)
			if err != nil {
				t.Fatal(err)
			}
			original := record()
			got := view(t, p.Apply(original))
			want := map[string]any{"provider": "nextphone", "event_type": "lead", "event_id": "e1", "call_id": "c1", "urgent": true, "callback_requested": false}
			if err := json.Unmarshal([]byte(tt.want), &want); err != nil {
				t.Fatal(err)
			}
			for k, v := range want {
				if v == nil {
					delete(want, k)
				}
			}
			if !reflect.DeepEqual(got, want) {
				t.Errorf("got  %v\nwant %v", got, want)
			}
			if !reflect.DeepEqual(original, record()) {
				t.Error("the original was changed")
			}
		})
	}
}

func TestDroppedIsNowhere(t *testing.T) {
	for _, tt := range []struct{ drop, secret string }{
		{"caller_number", "9876543"}, {"email", "mjohnson"}, {"last_name", "Johnson"}, {"name", "Mike"}, {"ssn", "6789"},
	} {
		p, err := Compile(Policy{Drop: []string{tt.drop, "patient_id"}})
		if err != nil {
			t.Fatal(err)
		}
		c := record()
		c.Params["callback_number"] = "9876543"
		text, _ := json.Marshal(p.Apply(c))
		if strings.Contains(string(text), tt.secret) {
			t.Errorf("drop %s left it in the record: %s", tt.drop, text)
		}
		if tt.drop == "ssn" {
			continue
		}
		if v, ok := p.Apply(c).Lookup(tt.drop); ok {
			t.Errorf("drop %s: Lookup still finds %v", tt.drop, v)
		}
	}
}

func TestApplyShares(t *testing.T) {
	p, err := Compile(Policy{Drop: []string{"email"}})
	if err != nil {
		t.Fatal(err)
	}
	original := record()
	out := p.Apply(original)
	out.Params["address"].(map[string]any)["city"] = "changed"
	out.Params["lead"].(map[string]any)["tags"].([]any)[0] = "changed"
	want := record()
	if !reflect.DeepEqual(original, want) {
		t.Error("a change to the copy reached the original")
	}
	zero, err := Compile(Policy{})
	if err != nil {
		t.Fatal(err)
	}
	if zero.Apply(original) != original {
		t.Error("the zero Policy should give the record as it is")
	}
	if zero.Apply(nil) != nil {
		t.Error("no record should stay no record")
	}
}

func TestCompileErrors(t *testing.T) {
	tests := map[string]struct {
		policy Policy
		want   string
	}{
		"empty name":       {Policy{Drop: []string{""}}, "drop"},
		"only punctuation": {Policy{Fields: []string{"params."}}, "fields"},
		"mask a time":      {Policy{Mask: []string{"timestamp"}}, "timestamp is no text"},
		"hash a flag":      {Policy{Hash: []string{"urgent"}, HashKey: key}, "urgent is no text"},
		"no key":           {Policy{Hash: []string{"email"}}, "16 bytes"},
		"both":             {Policy{Hash: []string{"phone"}, Mask: []string{"caller_number"}, HashKey: key}, "caller_number is in mask and in hash"},
		"both parameters":  {Policy{Hash: []string{"params.ssn"}, Mask: []string{"SSN"}, HashKey: key}, "ssn is in mask and in hash"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := Compile(tt.policy)
			if !errors.Is(err, ErrPolicy) || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want one with %q", err, tt.want)
			}
		})
	}
}

func TestMask(t *testing.T) {
	for in, want := range map[string]string{
		"+15559876543": "***6543", "(555) 987-6543": "***6543", "123": "***", "555123": "***", "é": "é***",
		"a@b": "a***@***", "@handle": "***", "123 Main Street": "***", "  Mike": "M***", "日本": "日***", "-": "***",
		"https://x.example/r": "h***",
	} {
		if got := mask(in); got != want {
			t.Errorf("mask(%q) = %q, want %q", in, got, want)
		}
	}
}

func BenchmarkApply(b *testing.B) {
	p, err := Compile(Policy{Fields: []string{"patient_id", "caller_number", "timestamp"}, Mask: []string{"caller_number"}})
	if err != nil {
		b.Fatal(err)
	}
	c := record()
	b.ReportAllocs()
	for b.Loop() {
		p.Apply(c)
	}
}

const (
	hmacCaller  = "2243486ce44abef896965ac3f18df1fc"
	hmacPatient = "a2f355179c0544feff598d1040331d6e"
)

// TestWhatStandsInForANumberGoesWithIt: of a caller with a SIP address the record has no number, and a parameter instead.
func TestWhatStandsInForANumberGoesWithIt(t *testing.T) {
	c := &call.Call{Params: map[string]any{
		"caller_address": "sip:mike@example.com", "from_extension": "12", "receiving_address": "sip:desk@example.com", "address": "1 Main St",
	}}
	for _, tt := range []struct {
		policy Policy
		want   map[string]any
	}{
		{Policy{Drop: []string{"caller_number"}}, map[string]any{"receiving_address": "sip:desk@example.com", "address": "1 Main St"}},
		{Policy{Drop: []string{"receiving_number"}}, map[string]any{"caller_address": "sip:mike@example.com", "address": "1 Main St"}},
		{Policy{Mask: []string{"phone"}}, map[string]any{
			"caller_address": "s***@***", "from_extension": "***", "receiving_address": "sip:desk@example.com", "address": "1 Main St",
		}},
	} {
		p, err := Compile(tt.policy)
		if err != nil {
			t.Fatal(err)
		}
		if got := p.Apply(c).Params; !reflect.DeepEqual(got, tt.want) {
			t.Errorf("%+v: got %v, want %v", tt.policy, got, tt.want)
		}
	}
}
