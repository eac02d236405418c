package salesforce

import (
	"slices"
	"strings"
	"testing"

	"github.com/callgate/callgate/internal/destination"
	"github.com/callgate/callgate/internal/standin"
)

// TestTheOrganizationTellsItsFields: those that a record can be made with, and which it has to have.
func TestTheOrganizationTellsItsFields(t *testing.T) {
	_, d := org(t, standin.SalesforceConfig{}, Config{})
	fields, err := d.AccountFields(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	find := func(name string) *destination.Field {
		i := slices.IndexFunc(fields, func(f destination.Field) bool { return f.Name == name })
		if i < 0 {
			return nil
		}
		return &fields[i]
	}
	if f := find("LastName"); f == nil || !f.Required || f.Type != "string" {
		t.Errorf("LastName: %+v", f)
	}
	if f := find("Status"); f == nil || f.Required || !slices.Contains(f.Values, "Open - Not Contacted") {
		t.Errorf("Status: %+v", f)
	}
	if find("Call_Id__c") == nil || find("CreatedDate") != nil {
		t.Errorf("%+v", fields)
	}
	_, d = org(t, standin.SalesforceConfig{}, Config{Object: "Nothing__c", ExternalID: "Call_Id__c", Fields: []Field{{Name: "Name", From: "name"}}})
	if _, err := d.AccountFields(t.Context()); err == nil || !strings.Contains(err.Error(), "404") {
		t.Error(err)
	}
}
