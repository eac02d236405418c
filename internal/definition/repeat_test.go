package definition

import (
	"encoding/json"
	mimemultipart "mime/multipart"
	"strings"
	"testing"

	"github.com/callgate/callgate/internal/call"
	"github.com/callgate/callgate/internal/template"
)

// TestListsInForms writes a list as forms have it, in whatever form the body is written.
func TestListsInForms(t *testing.T) {
	v := &template.Scope{Call: &call.Call{FirstName: "Ina", Params: map[string]any{"services": []any{"Drain", "Boiler & heat"}, "none": []any{}}}}
	for body, want := range map[string]string{
		`"name={{first_name}}&services[]={{services}}"`:                                           "name=Ina&services[]=Drain&services[]=Boiler+%26+heat",
		`{"name":"{{first_name}}","services[]":"{{services}}"}`:                                   "name=Ina&services%5B%5D=Drain&services%5B%5D=Boiler+%26+heat",
		`{"name":"{{first_name}}","s":"{{services|each|upper}}","n[]":"{{none}}","z":"{{gone}}"}`: "name=Ina&s=DRAIN&s=BOILER+%26+HEAT&n%5B%5D=&z=",
		`{"s":"{{services}}"}`: "s=Drain%2C+Boiler+%26+heat",
	} {
		doc := `{"url":"https://x.example/","headers":{"Content-Type":"application/x-www-form-urlencoded"},"body_template":` + body + `}`
		d, _, err := Parse([]byte(doc), Options{})
		if err != nil {
			t.Fatal(err)
		}
		if r, err := d.Render(v); err != nil || string(r.Body) != want {
			t.Errorf("%s: %s, %v\nwant %s", body, r.Body, err, want)
		}
		if body[0] != '{' {
			continue
		}
		d, _, err = Parse([]byte(strings.Replace(doc, "application/x-www-form-urlencoded", "multipart/form-data", 1)), Options{})
		if err != nil {
			t.Fatal(err)
		}
		r, err := d.Render(v)
		if err != nil {
			t.Fatal(err)
		}
		_, boundary, _ := strings.Cut(r.ContentType, "boundary=")
		form, err := mimemultipart.NewReader(strings.NewReader(string(r.Body)), boundary).ReadForm(1 << 20)
		if err != nil {
			t.Fatal(err)
		}
		for name, values := range form.Value {
			if strings.HasPrefix(name, "s") && !strings.Contains(body, `"s":"{{services}}"`) && len(values) != 2 {
				t.Errorf("%s: %v", body, form.Value)
			}
		}
		var members map[string]string
		if err := json.Unmarshal([]byte(body), &members); err != nil {
			t.Fatal(err)
		}
		for name := range members {
			if len(form.Value[name]) == 0 {
				t.Errorf("%s: no part is named %s", body, name)
			}
		}
	}
	if _, _, err := Parse([]byte(`{"url":"https://x.example/","body_template":{"s":"{{services|each}}"}}`), Options{}); err == nil || !strings.Contains(err.Error(), "in JSON a list is written {{name}} without quotes") {
		t.Error(err)
	}
}
