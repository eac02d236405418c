package salesforce

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"errors"
	"strings"
	"testing"

	"github.com/callgate/callgate/internal/call"
	"github.com/callgate/callgate/internal/destination"
	"github.com/callgate/callgate/internal/outbound"
	"github.com/callgate/callgate/internal/standin"
)

func TestConfigIsChecked(t *testing.T) {
	const good = "https://acme.my.salesforce.com"
	tests := map[string]struct {
		cfg  Config
		says string
	}{
		"no instance":           {Config{}, "instance"},
		"plain http":            {Config{Instance: "http://acme.my.salesforce.com"}, "https"},
		"path":                  {Config{Instance: good + "/services"}, "nothing more"},
		"query":                 {Config{Instance: good + "?a=b"}, "nothing more"},
		"user":                  {Config{Instance: "https://u:p@acme.my.salesforce.com"}, "instance"},
		"variable host":         {Config{Instance: "https://{{x}}.my.salesforce.com"}, "variable"},
		"login host":            {Config{Instance: "https://login.salesforce.com"}, "My Domain"},
		"version":               {Config{Instance: good, APIVersion: "latest"}, "v67.0"},
		"version with a path":   {Config{Instance: good, APIVersion: "v67.0/../.."}, "v67.0"},
		"object":                {Config{Instance: good, Object: "Lead/x"}, "Object Manager"},
		"external id":           {Config{Instance: good, ExternalID: "Call Id"}, "Object Manager"},
		"duplicates":            {Config{Instance: good, Duplicates: "maybe"}, "update, allow or block"},
		"rule":                  {Config{Instance: good, AssignmentRule: "round robin"}, "01Q"},
		"batch":                 {Config{Instance: good, MaxBatch: 201}, "1 to 200"},
		"task id without log":   {Config{Instance: good, TaskExternalID: "Log_Id__c"}, "switch the log on"},
		"object without key":    {Config{Instance: good, Object: "Job__c", Fields: []Field{{Name: "Name", From: "name"}}}, "external id"},
		"object without fields": {Config{Instance: good, Object: "Job__c", ExternalID: "Call_Id__c"}, "map some"},
		"field name":            {Config{Instance: good, Fields: []Field{{Name: "First Name", From: "first_name"}}}, "API name"},
		"field twice":           {Config{Instance: good, Fields: []Field{{Name: "Title", Text: "a"}, {Name: "title", Text: "b"}}}, "twice"},
		"field of two sources":  {Config{Instance: good, Fields: []Field{{Name: "Title", Text: "a", From: "b"}}}, "keep one"},
		"field without source":  {Config{Instance: good, Fields: []Field{{Name: "Title"}}}, "no value"},
		"external id as field":  {Config{Instance: good, ExternalID: "Call_Id__c", Fields: []Field{{Name: "Call_Id__c", From: "call_id"}}}, "remove it"},
		"bad template":          {Config{Instance: good, Fields: []Field{{Name: "Title", From: "Call of {{name"}}}, "Title"},
	}
	token, err := outbound.Bearer("t")
	if err != nil {
		t.Fatal(err)
	}
	client := outbound.NewClient(outbound.Options{})
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := New(tt.cfg, client, token, clock)
			if !errors.Is(err, ErrConfig) || !strings.Contains(err.Error(), tt.says) {
				t.Errorf("error %v, want one that says %q", err, tt.says)
			}
		})
	}
	if _, err := New(Config{Instance: good}, client, nil, clock); !errors.Is(err, ErrConfig) {
		t.Errorf("no credentials: %v", err)
	}
	if d, err := New(Config{Instance: good + "/", APIVersion: "61"}, client, token, clock); err != nil || d.prefix != "/services/data/v61.0" || d.cfg.Instance != good {
		t.Errorf("%v, %+v", err, d)
	}
}

func TestWaysToSignIn(t *testing.T) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	client := outbound.NewClient(outbound.Options{AllowPrivate: true})
	defer client.CloseIdle()
	s := standin.NewSalesforce(t, standin.SalesforceConfig{Now: clock, Token: standin.TokenConfig{
		ClientID: "id", ClientSecret: clientSecret, RefreshToken: "refresh", Key: &key.PublicKey, Subject: "bot@acme.example",
		Audience: "https://login.salesforce.com", Now: clock,
	}})
	base := outbound.OAuth2Config{TokenURL: TokenURL(s.URL), ClientID: "id", ClientSecret: clientSecret, Client: client, Now: clock}
	ways := map[string]func() (outbound.Authorizer, error){
		"client credentials": func() (outbound.Authorizer, error) { return outbound.OAuth2ClientCredentials(base) },
		"refresh token":      func() (outbound.Authorizer, error) { return outbound.OAuth2Refresh(base, "refresh", nil) },
		"JWT bearer": func() (outbound.Authorizer, error) {
			return outbound.JWTBearer(base, outbound.Assertion{Key: key, Subject: "bot@acme.example", Audience: "https://login.salesforce.com"})
		},
	}
	for name, way := range ways {
		t.Run(name, func(t *testing.T) {
			auth, err := way()
			if err != nil {
				t.Fatal(err)
			}
			d, err := New(Config{Instance: s.URL}, client, auth, clock)
			if err != nil {
				t.Fatal(err)
			}
			delivered(t, deliver(t, d, mike()))
			s.Tokens.Revoke()
			delivered(t, deliver(t, d, mike()))
			only(t, s, "Lead")
		})
	}
}

func TestFields(t *testing.T) {
	sc := standin.SalesforceConfig{Fields: map[string]map[string]standin.SalesforceField{"Lead": {
		"Urgent__c": {Type: "boolean"}, "Budget__c": {Type: "double"}, "Seen__c": {Type: "datetime"}, "Jobs__c": {Type: "string", Length: 100},
		"Note__c": {Type: "string", Length: 100}, "Tenant__c": {Type: "string", Length: 100}, "Owner__c": {Type: "string", Length: 100},
	}}}
	s, d := org(t, sc, Config{ExternalID: "Call_Id__c", Fields: []Field{
		{Name: "Urgent__c", From: "urgent"}, {Name: "Budget__c", From: "budget"}, {Name: "Seen__c", From: "timestamp"},
		{Name: "Jobs__c", From: "{{ jobs }}"}, {Name: "Note__c", From: "{{first_name}} asks for {{issue}} at {{place}}"},
		{Name: "Tenant__c", From: "tenant"}, {Name: "Owner__c", From: "nothing|owner_name"}, {Name: "LeadSource"},
		{Name: "LastName", From: "surname"}, {Name: "Title", From: "Call from {{place}}"}, {Name: "PostalCode", From: "zip"},
	}})
	it := item(&call.Call{ID: "7", FirstName: "Mike", Urgent: true, EndedAt: noon, Params: map[string]any{
		"budget": jsonNumber("15000.50"), "jobs": []any{"pipe", "tap"}, "issue": "a tap", "zip": jsonNumber("12345"),
	}})
	it.Vars = map[string]string{"owner_name": "ABC Plumbing"}
	res := d.Deliver(context.Background(), []destination.Item{it})[0]
	delivered(t, res)
	lead := only(t, s, "Lead")
	holds(t, lead, map[string]string{
		"Urgent__c": "true", "Budget__c": "15000.5", "Seen__c": "2026-03-02T12:00:00.000Z", "Jobs__c": "pipe;tap",
		"Note__c": "Mike asks for a tap at", "Tenant__c": "acme", "Owner__c": "ABC Plumbing", "LeadSource": "",
		"LastName": "Unknown", "Title": "", "PostalCode": "12345",
	})
	// A later event that does not know does not erase.
	it.Call = &call.Call{ID: "7", Params: map[string]any{"surname": "Johnson"}}
	delivered(t, d.Deliver(context.Background(), []destination.Item{it})[0])
	holds(t, only(t, s, "Lead"), map[string]string{"Urgent__c": "true", "Budget__c": "15000.5", "LastName": "Johnson", "FirstName": "Mike"})
}

func TestOtherObjects(t *testing.T) {
	sc := standin.SalesforceConfig{Fields: map[string]map[string]standin.SalesforceField{"Job__c": {"Name": {Type: "string", Length: 80, Required: true}}}}
	s, d := org(t, sc, Config{Object: "Job__c", ExternalID: "Call_Id__c", LogCall: true, Fields: []Field{{Name: "Name", From: "message", Default: "Call of {{name}}"}}})
	delivered(t, deliver(t, d, &call.Call{ID: "1", FirstName: "Mike"}))
	job := only(t, s, "Job__c")
	holds(t, job, map[string]string{"Name": "Call of Mike"})
	holds(t, only(t, s, "Task"), map[string]string{"WhatId": job.ID, "WhoId": ""})

	s, d = org(t, standin.SalesforceConfig{}, Config{Object: "Contact", ExternalID: "Call_Id__c"})
	delivered(t, deliver(t, d, &call.Call{ID: "1", FirstName: "Mike"}))
	holds(t, only(t, s, "Contact"), map[string]string{"FirstName": "Mike", "LastName": "Unknown"})
}
