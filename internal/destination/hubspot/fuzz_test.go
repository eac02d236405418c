package hubspot

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/callgate/callgate/internal/call"
	"github.com/callgate/callgate/internal/destination"
	"github.com/callgate/callgate/internal/outbound"
)

// answers are bodies as HubSpot and those who stand before it send them.
var answers = []string{
	`{"status":"COMPLETE","results":[{"id":"7","new":true,"properties":{"email":"a@b.co"},"objectWriteTraceId":"t1"}]}`,
	`{"status":"COMPLETE","results":[],"numErrors":1,"errors":[{"status":"error","category":"VALIDATION_ERROR","message":"Property values were not valid: [{\"isValid\":false,\"message\":\"Property \\\"missing\\\" does not exist\",\"error\":\"PROPERTY_DOESNT_EXIST\",\"name\":\"missing\"}]","context":{"objectWriteTraceId":["t1"]}}]}`,
	`{"status":"error","message":"Contact already exists. Existing ID: 123","correlationId":"x-1","category":"CONFLICT"}`,
	`{"status":"error","message":"Cannot set PropertyValueCoordinates{a=b} on 5. 678 already has that value.","category":"VALIDATION_ERROR"}`,
	`{"validationResults":[{"isValid":false,"error":"PROPERTY_DOESNT_EXIST","name":"lead_source"}],"status":"error"}`,
	`{"category":"MISSING_SCOPES","errors":[{"message":"x","context":{"requiredGranularScopes":["crm.objects.contacts.write"]}}]}`,
	`{"errors":[{"message":"Property \"x\" does not exist","code":"PROPERTY_DOESNT_EXIST","in":"x","context":"{missingScopes=[a.b, c.d]}"}]}`,
	`{"context":7,"errors":{},"message":[],"subCategory":{},"objectWriteTraceId":[1,null]}`,
	`<html>502</html>`, ``, `null`, `[]`, `{"message":"[[[["}`, `{"results":[null,1,{"id":7,"properties":{"a":{}}}]}`,
}

func FuzzAnswersAreReadLeniently(f *testing.F) {
	for _, a := range answers {
		f.Add([]byte(a), 207)
		f.Add([]byte(a), 400)
		f.Add([]byte(a), 200)
	}
	d, err := New(Config{Token: token})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, body []byte, status int) {
		fail := parseFailure(body)
		for name := range fail.invalid() {
			if name == "" {
				t.Error("a property without a name")
			}
		}
		if id := fail.existing(); strings.Trim(id, "0123456789") != "" {
			t.Errorf("id %q", id)
		}
		for _, s := range fail.scopes() {
			if plain(s) != s {
				t.Errorf("scope %q", s)
			}
		}
		res := d.judge(&outbound.Answer{Status: status, Body: body}, nil)
		if (res.Outcome == destination.Delivered) != (status >= 200 && status < 300) || res.Outcome != destination.Delivered && res.Reason == "" {
			t.Errorf("%d: %s, %q", status, res.Outcome, res.Reason)
		}
		if len(res.Reason) > 3000 || !utf8.ValidString(res.Reason) || strings.ContainsAny(res.Reason, "\n\r@") {
			t.Errorf("reason %q", res.Reason)
		}
	})
}

// FuzzDeliverAlwaysEnds answers every request alike: whatever it is, the delivery ends, with a result for each item.
func FuzzDeliverAlwaysEnds(f *testing.F) {
	for _, a := range answers {
		for _, status := range []int{200, 207, 400, 404, 409} {
			f.Add([]byte(a), status, true)
			f.Add([]byte(a), status, false)
		}
	}
	f.Fuzz(func(t *testing.T, body []byte, status int, v1 bool) {
		c := Config{Token: token, LogCall: true, Note: true, ContactProperty: "key", LeadStatus: "NEW", SearchRate: 1e9,
			Company: &Step{Properties: map[string]string{"name": "name"}}, Deal: &Step{Stage: "new", Unique: "key"}, Ticket: &Step{Stage: "1"}}
		if v1 {
			c.API = "v1"
		}
		d, err := New(c)
		if err != nil {
			t.Fatal(err)
		}
		items := []destination.Item{fixed(nil), item(noEmail), item(func(c *call.Call) { c.Email = "t@b.co" })}
		r := &run{d: d, ctx: t.Context(), items: items, rows: d.rowsOf(items)}
		n := 0
		r.exchange = func(*run, string, string, []byte, string) (*outbound.Answer, error) {
			if n++; n > 200 {
				t.Fatal("the delivery does not end")
			}
			return &outbound.Answer{Status: status, Body: body}, nil
		}
		r.deliver()
		for _, res := range r.results() {
			if res.Outcome != destination.Delivered && res.Reason == "" {
				t.Errorf("%+v has no reason", res)
			}
		}
	})
}

func FuzzBodiesAreJSON(f *testing.F) {
	f.Add("mjohnson@email.com", "Mike\"}],\"x", "\x00\xff\u2028</script>")
	f.Add("a@b.co", "\\", "line\nline\ttab")
	d, err := New(Config{Token: token, Properties: map[string]string{"note": "About {{issue}}"}})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, email, name, message string) {
		it := fixed(func(c *call.Call) {
			c.Email, c.FirstName, c.Message, c.Params = email, name, message, map[string]any{"issue": name}
		})
		rows := d.rowsOf([]destination.Item{it})
		in := &input{trace: "t", id: rows[0].email, idProperty: "email", props: rows[0].props}
		var got struct {
			Inputs []struct {
				ID         string            `json:"id"`
				Properties map[string]string `json:"properties"`
			} `json:"inputs"`
		}
		if err := json.Unmarshal(appendInputs(nil, []*input{in}), &got); err != nil || len(got.Inputs) != 1 || len(got.Inputs[0].Properties) != len(in.props) {
			t.Fatalf("%v: %+v", err, got)
		}
		for _, p := range in.props {
			if p.value == "" {
				t.Errorf("property %s is empty and would clear what is there", p.name)
			}
			if v := got.Inputs[0].Properties[p.name]; utf8.ValidString(p.value) && v != p.value {
				t.Errorf("property %s is %q, want %q", p.name, v, p.value)
			}
		}
	})
}

func BenchmarkConvertLead(b *testing.B) {
	d, err := New(Config{Token: token})
	if err != nil {
		b.Fatal(err)
	}
	for _, size := range []int{2 << 10, 200 << 10} {
		b.Run(fmt.Sprintf("%dKiB", size>>10), func(b *testing.B) {
			items := []destination.Item{fixed(func(c *call.Call) {
				c.Message = strings.Repeat("leaky pipe in kitchen. ", 20)
				c.Transcript = strings.Repeat("Agent: hello\nUser: hi\n", size/22)
			})}
			b.ReportAllocs()
			for b.Loop() {
				r := d.rowsOf(items)[0]
				appendInputs(nil, []*input{{trace: r.trace, id: r.email, idProperty: "email", props: r.props}})
			}
		})
	}
}

func BenchmarkDeliverHundred(b *testing.B) {
	d, err := New(Config{Token: token, NoPhoneMatch: true})
	if err != nil {
		b.Fatal(err)
	}
	items := make([]destination.Item, 100)
	for i := range items {
		items[i] = item(func(c *call.Call) { c.Email = fmt.Sprintf("caller%d@example.com", i) })
	}
	b.ReportAllocs()
	for b.Loop() {
		r := &run{d: d, ctx: b.Context(), items: items, rows: d.rowsOf(items)}
		r.exchange = func(_ *run, _, path string, body []byte, _ string) (*outbound.Answer, error) {
			return &outbound.Answer{Status: 200, Body: expected(path, body)}, nil
		}
		r.deliver()
		if res := r.results(); res[99].Outcome != destination.Delivered {
			b.Fatal(res[99].Reason)
		}
	}
}
