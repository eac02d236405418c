package fhir

import (
	"strings"
	"testing"

	"github.com/callgate/callgate/internal/standin"
)

func TestTheServerTellsItsResources(t *testing.T) {
	s := standin.NewFHIR(t, nil)
	d := build(t, s, nil)
	fields, err := d.AccountFields(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, f := range fields {
		names = append(names, f.Name)
	}
	if got := strings.Join(names, " "); !strings.Contains(got, "Appointment Communication ") || strings.Contains(got, "OperationOutcome") {
		t.Errorf("%s", got)
	}
	s.Script(standin.Reply{Status: 200, Body: `{"resourceType":"Bundle"}`})
	if _, err := d.AccountFields(t.Context()); err == nil || !strings.Contains(err.Error(), "capability statement") {
		t.Error(err)
	}
	s.Script(standin.Reply{Status: 401, Body: `{}`})
	if _, err := d.AccountFields(t.Context()); err == nil || !strings.Contains(err.Error(), "401") {
		t.Error(err)
	}
}
