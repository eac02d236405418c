package fhir

import (
	"crypto/rand"
	"crypto/rsa"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/callgate/callgate/internal/destination"
	"github.com/callgate/callgate/internal/outbound"
	"github.com/callgate/callgate/internal/standin"
)

func TestOutcomes(t *testing.T) {
	oo := func(code string) string {
		return `{"resourceType":"OperationOutcome","issue":[{"severity":"error","code":"` + code + `","diagnostics":"Mike +15559876543","expression":["Communication.status"]}]}`
	}
	html := http.Header{"Content-Type": {"text/html; charset=utf-8"}}
	for name, c := range map[string]struct {
		reply            standin.Reply
		want             destination.Outcome
		pause, unhealthy bool
		reason           string
	}{
		"created":             {standin.Reply{Status: 201}, destination.Delivered, false, false, ""},
		"no content":          {standin.Reply{Status: 204}, destination.Delivered, false, false, ""},
		"login page":          {standin.Reply{Status: 200, Header: html, Body: "<html>Mike"}, destination.Retry, false, false, "HTML"},
		"invalid":             {standin.Reply{Status: 400, Body: oo("invalid")}, destination.Dead, false, false, "[invalid at Communication.status]"},
		"unprocessable":       {standin.Reply{Status: 422, Body: oo("required")}, destination.Dead, false, false, "required"},
		"several":             {standin.Reply{Status: 412, Body: oo("multiple-matches")}, destination.Dead, false, false, "several records"},
		"conflict":            {standin.Reply{Status: 409, Body: oo("conflict")}, destination.Retry, false, false, "busy"},
		"locked as 422":       {standin.Reply{Status: 422, Body: oo("lock-error")}, destination.Retry, false, false, "busy"},
		"throttled":           {standin.Reply{Status: 429, Body: oo("throttled"), Header: http.Header{"Retry-After": {"7"}}}, destination.Retry, false, false, "rate"},
		"login":               {standin.Reply{Status: 401, Body: oo("login")}, destination.Retry, true, false, "credentials"},
		"forbidden":           {standin.Reply{Status: 403, Body: oo("forbidden")}, destination.Retry, false, false, "permissions"},
		"gone":                {standin.Reply{Status: 410}, destination.Retry, true, false, "gone"},
		"failed":              {standin.Reply{Status: 500, Body: oo("exception")}, destination.Retry, false, true, "exception"},
		"failed without FHIR": {standin.Reply{Status: 502, Body: "<html>", Header: html}, destination.Retry, false, true, "502"},
		"hung up":             {standin.Reply{Hangup: true}, destination.Retry, false, true, "closed"},
		"redirected":          {standin.Reply{Status: 308}, destination.Retry, false, false, "redirects"},
	} {
		t.Run(name, func(t *testing.T) {
			s := standin.NewFHIR(t, nil)
			s.Script(c.reply)
			r := deliver(t, build(t, s, func(cfg *Config) { cfg.Patient, cfg.Kinds = PatientNone, []Kind{Communication} }), sample())
			if r.Outcome != c.want || r.Pause != c.pause || r.Unhealthy != c.unhealthy || !strings.Contains(r.Reason, c.reason) {
				t.Errorf("%+v, want %+v", r, c)
			}
			if strings.Contains(r.Reason, "Mike") || strings.Contains(r.Reason, "5559876543") {
				t.Errorf("the reason quotes the call: %s", r.Reason)
			}
			if name == "throttled" && r.RetryAfter != 7*time.Second {
				t.Errorf("retry after %v", r.RetryAfter)
			}
		})
	}
}

func TestATransactionTakenForABatch(t *testing.T) {
	s := standin.NewFHIR(t, nil)
	s.Script(standin.Reply{Status: 200, Body: `{"resourceType":"Bundle","type":"batch-response","entry":[
		{"response":{"status":"201 Created","location":"Communication/9/_history/1"}},
		{"response":{"status":"503 Unavailable","outcome":{"resourceType":"OperationOutcome","issue":[{"severity":"error","code":"timeout"}]}}},
		{"response":{"status":"201"}}]}`})
	r := deliver(t, build(t, s, func(c *Config) { c.Patient = PatientNone }), sample())
	if r.Outcome != destination.Retry || r.RemoteID != "Communication/9" || !strings.HasPrefix(r.Reason, "Task: 503") {
		t.Errorf("%+v", r)
	}
}

func TestAFailingPatientSearch(t *testing.T) {
	for name, c := range map[string]struct {
		reply   standin.Reply
		want    destination.Outcome
		pause   bool
		sent    int
		warning bool
	}{
		"down":          {standin.Reply{Status: 503}, destination.Retry, false, 1, false},
		"refused":       {standin.Reply{Status: 401}, destination.Retry, true, 1, false},
		"not permitted": {standin.Reply{Status: 403}, destination.Delivered, false, 2, true},
		"nonsense":      {standin.Reply{Status: 200, Body: "{}"}, destination.Retry, false, 1, false},
		"more pages": {standin.Reply{Status: 200, Body: `{"resourceType":"Bundle","link":[{"relation":"next"}],"entry":[{"resource":{"resourceType":"Patient","id":"1"}}]}`},
			destination.Delivered, false, 2, true},
		"outcome entry": {standin.Reply{Status: 200, Body: `{"resourceType":"Bundle","entry":[{"resource":{"resourceType":"Patient","id":"1"}},{"resource":{"resourceType":"OperationOutcome"},"search":{"mode":"outcome"}}]}`},
			destination.Delivered, false, 2, false},
	} {
		s := standin.NewFHIR(t, nil)
		s.Script(c.reply)
		r := deliver(t, build(t, s, nil), sample())
		if r.Outcome != c.want || r.Pause != c.pause || len(s.Requests()) != c.sent || (len(r.Warnings) > 0) != c.warning {
			t.Errorf("%s: %+v after %d requests", name, r, len(s.Requests()))
		}
	}
}

func TestBackendServices(t *testing.T) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	tokens := standin.NewToken(t, standin.TokenConfig{ClientID: "callgate", Key: key.Public(), Lifetime: 5 * time.Minute})
	s := standin.NewFHIR(t, tokens.Valid)
	auth, err := outbound.OAuth2ClientCredentials(outbound.OAuth2Config{
		TokenURL: tokens.URL + "/token", ClientID: "callgate", Scopes: []string{"system/Communication.c"}, Client: onPrem(),
		Assertion: &outbound.Assertion{Key: key, KeyID: "k"},
	})
	if err != nil {
		t.Fatal(err)
	}
	d := build(t, s, func(c *Config) { c.Auth = auth })
	must(t, deliver(t, d, sample()))
	tokens.Revoke()
	must(t, deliver(t, d, sample()))
	if tokens.Issued() != 2 {
		t.Errorf("%d tokens, want 2", tokens.Issued())
	}
	if r := deliver(t, build(t, s, nil), sample()); !r.Pause || r.Outcome != destination.Retry {
		t.Errorf("without credentials: %+v", r)
	}
}

func TestConfigurationErrors(t *testing.T) {
	for name, cfg := range map[string]Config{
		"no base":        {},
		"plain":          {Base: "http://ehr.example/fhir"},
		"query":          {Base: "https://ehr.example/fhir?x=1"},
		"variable":       {Base: "https://ehr.example/{{x}}"},
		"kind":           {Base: "https://ehr.example/fhir", Kinds: []Kind{"Patient"}},
		"mode":           {Base: "https://ehr.example/fhir", Patient: "guess"},
		"system":         {Base: "https://ehr.example/fhir", System: "call id"},
		"patient system": {Base: "https://ehr.example/fhir", PatientSystem: "mrn|x"},
	} {
		if _, err := New(cfg); err == nil {
			t.Errorf("%s was accepted", name)
		}
	}
	d, err := New(Config{Base: "https://ehr.example/fhir/"})
	if err != nil || d.cfg.Base != "https://ehr.example/fhir" || d.MaxBatch() != 1 {
		t.Errorf("%+v, %v", d, err)
	}
}

func TestRemoteID(t *testing.T) {
	for location, want := range map[string]string{
		"https://ehr.example/fhir/Communication/123/_history/1": "Communication/123",
		"Communication/123":                   "Communication/123",
		"/Communication/a-b.c/":               "Communication/a-b.c",
		"":                                    "",
		"123":                                 "",
		"https://ehr.example/x?name=Mike/<b>": "",
	} {
		if got := remoteID(location); got != want {
			t.Errorf("%q: %q, want %q", location, got, want)
		}
	}
}

func FuzzIssues(f *testing.F) {
	f.Add([]byte(`{"resourceType":"OperationOutcome","issue":[{"severity":"error","code":"invalid","expression":["A.b[0]"],"details":{"coding":[{"code":"MSG_X"}]}}]}`))
	f.Add([]byte(`{"resourceType":"OperationOutcome","issue":[{"severity":"error","code":"Mike +1555","expression":[1,"Mike Johnson"]}]}`))
	f.Add([]byte(`[]`))
	f.Fuzz(func(t *testing.T, body []byte) {
		issues := Issues(body)
		if len(issues) > maxIssues {
			t.Fatalf("%d issues", len(issues))
		}
		passing(issues)
		s := describe(issues)
		if len(s) > 3*(30+40+3*110) {
			t.Fatalf("%d bytes: %s", len(s), s)
		}
		for _, c := range []byte(s) {
			if c >= 0x7f || c < ' ' || strings.IndexByte("@+<>\"'{}", c) >= 0 {
				t.Fatalf("%q came through", s)
			}
		}
	})
}
