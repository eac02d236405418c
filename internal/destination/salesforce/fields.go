package salesforce

import (
	"fmt"
	"regexp"
	"strings"
)

// Field says where the value of one field of the record comes from.
type Field struct {
	// Name is the field's API name, such as "Phone" or "Job_Type__c". Salesforce is not particular about case, but
	// this package is: write it as Salesforce does.
	Name string
	// From names the variable that the value comes from, or several separated by "|", of which the first that has
	// a value serves. The names are those of call.Call's Lookup ("first_name", "caller_number", collected
	// parameters, …), "tenant", and the tenant's vars, in this order. Or it is a template, if it has text around its
	// variables or filters in them: "{{first_name}} called about {{issue}}".
	From string
	// Text is a fixed value, instead of From. It is not sent to a record that is known to exist already, so
	// that the record of someone who calls again keeps its LeadSource.
	Text string
	// Default is what a new record gets where the call has no value. "{{name}}" in it stands for the caller's name;
	// if that is unknown too, the default is "Unknown". It is never sent to an existing record.
	Default string
	// OnCreate keeps the field for new records. Set it for what people change afterwards, such as Status.
	OnCreate bool
}

// DefaultFields are the fields of an object when the operator names none: those of the guide for a Lead. A Contact has
// no Company; other objects have no default.
func DefaultFields(object string) []Field {
	common := []Field{
		{Name: "FirstName", From: "first_name"},
		{Name: "LastName", From: "last_name", Default: "Unknown"},
		{Name: "Phone", From: "caller_number"},
		{Name: "Email", From: "email"},
	}
	rest := []Field{
		{Name: "Description", From: "message|summary|notes|issue"},
		{Name: "LeadSource", Text: "AI Receptionist"},
	}
	switch object {
	case "Lead":
		common = append(common, Field{Name: "Company", From: "company", Default: "{{name}}"})
		return append(common, rest...)
	case "Contact":
		return append(common, rest...)
	default:
		return nil
	}
}

// fieldName is the shape of an API name: a letter, then letters, digits and underscores, with the double underscores of
// namespaces and custom fields.
var fieldName = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_]{0,79}$`)

// layOver lays the operator's fields over the defaults: a field of the same name replaces the default, one without any
// source removes it, and others follow.
func layOver(defaults, fields []Field) ([]Field, error) {
	out := defaults
	seen := make(map[string]bool, len(fields))
	for _, f := range fields {
		if !fieldName.MatchString(f.Name) {
			return nil, fmt.Errorf("%w: field %q is not an API name; use the one that Object Manager shows, such as Job_Type__c", ErrConfig, f.Name)
		}
		if seen[strings.ToLower(f.Name)] {
			return nil, fmt.Errorf("%w: field %s is mapped twice; keep one", ErrConfig, f.Name)
		}
		seen[strings.ToLower(f.Name)] = true
		if f.From != "" && f.Text != "" {
			return nil, fmt.Errorf("%w: field %s has a variable and a fixed text; keep one", ErrConfig, f.Name)
		}
		at := -1
		for i := range out {
			if strings.EqualFold(out[i].Name, f.Name) {
				at = i
			}
		}
		none := f.From == "" && f.Text == "" && f.Default == ""
		switch {
		case at >= 0 && none:
			out = append(out[:at], out[at+1:]...)
		case none:
			return nil, fmt.Errorf("%w: field %s has no value; name a variable or give a text", ErrConfig, f.Name)
		case at >= 0:
			if f.Default == "" { // what is required stays so, wherever its value comes from
				f.Default = out[at].Default
			}
			out[at] = f
		default:
			out = append(out, f)
		}
	}
	return out, nil
}
