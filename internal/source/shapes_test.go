package source

import (
	"net/url"
	"reflect"
	"testing"

	"github.com/callgate/callgate/internal/jsonscan"
)

// TestShapesOfNamesAndValues: how forms and agents write what was asked, besides {"name": "value"}.
func TestShapesOfNamesAndValues(t *testing.T) {
	for _, c := range []struct {
		name, preset, body string
		want               string // a field, as Lookup names it
		is                 any
	}{
		{"a value object named like a group", "generic", `{"name":"Jane Doe","message":{"value":"The boiler leaks"}}`, "message", "The boiler leaks"},
		{"and its parameter", "generic", `{"message":{"value":"The boiler leaks","type":"textarea"}}`, "params.message", "The boiler leaks"},
		{"a group that has a value among others", "generic", `{"lead":{"value":500,"phone":"+15550100123"}}`, "caller_number", "+15550100123"},
		{"a label before a key", "generic", `{"fields":[{"key":"question_1","label":"Phone","value":"+15550100123"}]}`, "caller_number", "+15550100123"},
		{"a key where the label says nothing", "generic", `{"fields":[{"key":"phone","label":"Where can we reach you?","value":"+15550100123"}]}`, "caller_number", "+15550100123"},
		{"a list of one value", "generic", `{"field_data":[{"name":"full_name","values":["Jane Doe"]},{"name":"phone_number","values":["+15550100123"]}]}`, "name", "Jane Doe"},
		{"and of the number", "generic", `{"field_data":[{"name":"full_name","values":["Jane Doe"]},{"name":"phone_number","values":["+15550100123"]}]}`, "caller_number", "+15550100123"},
		{"Google's columns", "generic", `{"user_column_data":[{"column_id":"PHONE_NUMBER","string_value":"+15550100123"}]}`, "caller_number", "+15550100123"},
		{"a choice by its text", "generic", `{"fields":[{"key":"q","label":"Issue","value":["a"],"options":[{"id":"a","text":"Leak"},{"id":"b","text":"No heat"}]}]}`, "message", "Leak"},
		{"a question", "generic", `{"What is your phone number?":"+15550100123"}`, "caller_number", "+15550100123"},
		{"a label with an aside", "generic", `{"Your email address (optional)":"jane@customer.example"}`, "email", "jane@customer.example"},
		{"a name for programs that ends like an aside", "generic", `{"phone_required":"yes","phone":"+15550100123"}`, "caller_number", "+15550100123"},
		{"and stands for nothing", "generic", `{"phone_required":"yes"}`, "caller_address", nil},
		{"Contact Form 7", "generic", `{"your-name":"Jane Doe","your-message":"leak"}`, "name", "Jane Doe"},
		{"its message", "generic", `{"your-name":"Jane Doe","your-message":"leak"}`, "message", "leak"},
		{"JustCall", "generic", `{"data":{"contact_number":"15550100123"}}`, "caller_number", "+15550100123"},
		{"a number in two parts", "generic", `{"q4_phoneNumber":{"area":"555","phone":"0100123"}}`, "caller_number", "+15550100123"},
		{"a variable that was not collected", "synthflow", `{"call":{"call_id":"1"},"collected_variables":{"user_name":{"value":null,"collected":false}}}`, "name", nil},
		{"a variable by its agent", "synthflow", `{"call":{"call_id":"1"},"collected_variables":{"agent":{"user_name":{"value":"Jane Doe","collected":true}}}}`, "params.user_name", "Jane Doe"},
		{"a variable without a wrapper", "synthflow", `{"call":{"call_id":"1"},"collected_variables":{"user_name":"Jane Doe"}}`, "name", "Jane Doe"},
		{"repeated without brackets", "generic", `services=Boiler&services=Drain`, "params.services", []any{"Boiler", "Drain"}},
		{"but not the caller", "generic", `phone=%2B15550100111&phone=%2B15550100123`, "caller_number", "+15550100123"},
		{"a list of groups", "generic", `fields[0][label]=Phone&fields[0][value]=%2B15550100123`, "caller_number", "+15550100123"},
		{"a text and more of it", "generic", `phone=%2B15550100123&phone[type]=mobile`, "caller_number", "+15550100123"},
		{"dots that group nothing", "generic", `utm.source=ads`, "params.utm.source", "ads"},
		{"a broken bracket", "generic", `a[b=ads`, "params.a[b", "ads"},
		{"JSON in a field", "generic", `rawRequest={"q5_email":"jane@customer.example"}&formID=1`, "email", "jane@customer.example"},
	} {
		t.Run(c.name, func(t *testing.T) {
			rec, err := newParser(t, c.preset, Options{}).Parse(&Request{Body: []byte(c.body)})
			if err != nil {
				t.Fatal(err)
			}
			if got, _ := rec.Lookup(c.want); !reflect.DeepEqual(got, c.is) && (got != "" || c.is != nil) {
				t.Errorf("%s: got %#v, want %#v", c.want, got, c.is)
			}
		})
	}
}

// TestPathsIntoForms: a mapping reaches what a form has in brackets, and in JSON within a field.
func TestPathsIntoForms(t *testing.T) {
	p := newParser(t, "generic", Options{Map: &Mapping{
		Fields: map[string]string{"email": "$.rawRequest.mail.value", "company": "$.contact.firm", "message": "notes[]"},
		Params: map[string]string{"services": "services[]", "whole": "contact[firm]"},
	}})
	form := url.Values{
		"rawRequest": {`{"mail":{"value":"jane@customer.example"}}`}, "contact[firm]": {"Doe Ltd"}, "services[]": {"Boiler", "Drain"},
		"notes[]": {"one", "two"},
	}
	c, err := p.Parse(&Request{Body: []byte(form.Encode())})
	if err != nil {
		t.Fatal(err)
	}
	if c.Email != "jane@customer.example" || c.Company != "Doe Ltd" || c.Message != "one\ntwo" || c.Params["whole"] != "Doe Ltd" {
		t.Errorf("got %+v", c)
	}
	if got := c.Params["services"]; !reflect.DeepEqual(got, []any{"Boiler", "Drain"}) {
		t.Errorf("services: %v", got)
	}
}

// FuzzShapedForms gives forms of any names. Nothing may panic, the tree is an object that is not much larger than
// the form, and a form without shapes is not read again.
func FuzzShapedForms(f *testing.F) {
	for _, s := range []string{
		"contact[name]=a&services[]=b&services[]=c", "a=1&a[b]=2&a[b][c]=3", "a[b]=1&a=2", "a[0][x]=1&a[1][x]=2", "x={\"a\":[{}]}",
		"Lead.Name=a&Lead.Emails[0]=b", "[a]=1&a[=2&a]=3&a[b]c=4", "a[][b]=1&a[][b]=2", "a[1]=x&a[]=y&a[]=z",
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, form []byte) {
		d := newDocument(&Request{Body: form})
		defer d.release()
		b, err := appendForm(nil, form)
		if err != nil || d.json(b) != nil {
			return
		}
		d.form = true
		tree := d.shaped()
		if tree.Kind() != jsonscan.Object {
			t.Fatalf("%q became %s", form, tree.Raw())
		}
		if len(tree.Raw()) > 64+16*len(form) {
			t.Fatalf("%d bytes became %d", len(form), len(tree.Raw()))
		}
		if !shapely(d.root) && &tree.Raw()[0] != &d.root.Raw()[0] {
			t.Fatalf("%q was read anew", form)
		}
	})
}
