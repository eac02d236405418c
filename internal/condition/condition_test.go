package condition

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/callgate/callgate/internal/call"
)

func gasLeak() Input {
	return Input{
		Call: &call.Call{
			Provider: "nextphone", EventType: "lead", FirstName: "Mike", CallerNumber: "+15559876543", Message: "fallback",
			Params: map[string]any{
				"issue": "There is a gas leak in the kitchen", "budget": "1500", "age": json.Number("42"),
				"rate": json.Number("2.5"), "vip": true, "is_new": "Yes", "empty": "", "null": nil,
				"address": map[string]any{"city": "Austin"}, "tags": []any{"hot", json.Number("7")},
			},
		},
		Tenant: "acme", Source: "nextphone", EventType: "lead",
	}
}

func TestEval(t *testing.T) {
	tests := []struct {
		text string
		want bool
	}{
		{`call.urgent || call.params.issue.contains("gas leak")`, true},
		{`call.urgent`, false},
		{`!call.urgent`, true},
		{`call.issue.contains("gas leak")`, true},
		{`call.first_name == "Mike"`, true},
		{`call["first_name"] == "Mike" && call.params["issue"].startsWith("There")`, true},
		{`call.phone.startsWith("+1555")`, true},
		{`tenant == "acme" && source == "nextphone" && event_type == "lead"`, true},
		{`tenant in ["acme", "other"]`, true},
		{`call.params.issue.matches("(?i)GAS\\s+leak")`, true},
		{`size(call.params.issue) > 10`, true},

		// Nothing that is missing fails.
		{`call.params.nothing.contains("gas leak")`, false},
		{`call.params.nothing == ""`, true},
		{`call.params["null"] == "" && call.params.empty == ""`, true},
		{`call.params.nothing`, false},
		{`!call.params.nothing`, true},
		{`call.params.nothing && call.params.vip`, false},
		{`call.params.nothing || call.params.vip`, true},
		{`call.params.nothing ? true : false`, false},
		{`call.params.nothing > 3`, false},
		{`call.params.nothing < 3`, false},
		{`3 < call.params.nothing`, false},
		{`call.params.nothing >= ""`, false},
		{`call.duration > 60`, false},
		{`call.params.a.b.c == "x"`, false},
		{`call.params.a["b"]["c"].d == "x"`, false},
		{`has(call.params.a.b.c)`, false},
		{`call.params.a.b || call.params.nope.b`, false},
		{`call.params.tags[0].x == ""`, true},     // as above
		{`call.params.issue.deeper == "x"`, true}, // a text has no fields: an error, so it is delivered
		{`has(call.params.issue)`, true},
		{`has(call.params.nothing)`, false},
		{`has(call.params.empty)`, false},
		{`has(call.email)`, false},
		{`has(call.params) && !has(call.params.address.street)`, true},
		{`call.email.endsWith("@example.com")`, false},
		{`"vip" in call.params.nothing`, false},
		{`"vip" in call.params.nothing.tags`, false},
		{`call.params.nothing.exists(t, t == "vip")`, false},
		{`call.params.nothing.all(t, t == "vip")`, true},
		{`call.params["nothing"].filter(t, t == "vip").size() > 0`, false},
		{`call.params.tags.exists(t, t in call.params.nothing)`, false},

		// Numbers and decisions come as text.
		{`call.params.budget > 1000`, true},
		{`call.params.budget < 1000`, false},
		{`1000 <= call.params.budget`, true},
		{`call.params.age == 42 && call.params.age >= 42.0`, true},
		{`call.params.rate > 2 && call.params.rate < 3`, true},
		{`call.params.issue > 3`, false},
		{`call.params.vip > 3`, false},
		{`call.params.address > 3`, false},
		{`call.params.vip`, true},
		{`call.params.is_new && true`, true},
		{`call.params.issue && true`, false},
		{`call.params.age ? true : false`, true},
		{`"1" < "2" && !("2" < "1")`, true},

		{`call.params.address.city == "Austin"`, true},
		{`call["params"].address.city == "Austin"`, true},
		{`"hot" in call.params.tags && 7 in call.params.tags`, true},
		{`call.params.tags[0] == "hot"`, true},
		{`"issue" in call.params && !("nope" in call.params)`, true},
		{`call.params.exists(k, k.startsWith("iss"))`, true},
		{`size(call.params) == 10`, true},
	}
	for _, tt := range tests {
		c, err := Compile(tt.text)
		if err != nil {
			t.Errorf("%s: %v", tt.text, err)
			continue
		}
		got, err := c.Eval(t.Context(), gasLeak())
		if err != nil && !strings.Contains(tt.text, "deeper") && !strings.Contains(tt.text, "tags[0].x") {
			t.Errorf("%s: %v", tt.text, err)
		}
		if got != tt.want {
			t.Errorf("%s = %v, want %v", tt.text, got, tt.want)
		}
	}
}

// A call without anything, and no call at all, evaluate the same expressions without an error.
func TestEvalOnNothing(t *testing.T) {
	for _, text := range []string{
		`call.urgent || call.params.issue.contains("gas leak")`, `call.params.x`, `call.params.budget > 10`,
		`call.duration > 1 && call.name == "x"`, `has(call.params.x)`, `size(call.params) > 0`, `"x" in call.params`,
		`"x" in call.params.x`, `call.params.x.exists(y, y == "x")`,
	} {
		c, err := Compile(text)
		if err != nil {
			t.Fatal(err)
		}
		for _, in := range []Input{{}, {Call: &call.Call{}}} {
			if got, err := c.Eval(t.Context(), in); got || err != nil {
				t.Errorf("%s = %v, %v", text, got, err)
			}
		}
	}
}

func TestCompileErrorsHaveAPosition(t *testing.T) {
	tests := map[string]string{
		"":                                    "empty",
		"  ":                                  "empty",
		"call.urgent ||":                      "line 1, column 15",
		"call.urgent ||\n nope":               "line 2, column 2",
		`tenant == 3`:                         "line 1, column 8",
		`tenant + "x"`:                        "line 1, column 8: the condition gives a text",
		`tenant.contains(1)`:                  "line 1, column 16",
		`call.params.x.frobnicate()`:          "line 1, column 25",
		`@truthy(call)`:                       "line 1, column 1",
		strings.Repeat("(", 200) + "1":        "",
		`"` + strings.Repeat("x", 5000) + `"`: "",
	}
	for text, want := range tests {
		_, err := Compile(text)
		if !errors.Is(err, ErrCompile) || !strings.Contains(err.Error(), want) {
			t.Errorf("%.40q: %v, want %q", text, err, want)
		}
	}
}

// What a condition cannot mean is found before there is a call, and what was meant is said.
func TestMistakesAreFoundBeforehand(t *testing.T) {
	for text, want := range map[string]string{
		`call.urgnt`:                        `line 1, column 5: a call has no field "urgnt"; did you mean call.urgent, or the parameter call.params.urgnt?`,
		"call.urgent\n|| call.urgnt":        `line 2, column 8: a call has no field "urgnt"`,
		`call["urgnt"]`:                     `did you mean call.urgent`,
		`has(call.emial)`:                   `did you mean call.email`,
		`call.address.city == "Austin"`:     `a collected parameter is call.params.address`,
		`call.urgent && call.favourite > 3`: `call.params.favourite`,
		`call[1] == ""`:                     `[] cannot be used on (call, int)`,
		`call.message`:                      `line 1, column 5: the condition gives a text, and not yes or no`,
		`call["message"]`:                   `gives a text`,
		`tenant`:                            `gives a text`,
		`size(call.params)`:                 `gives a number`,
		`call.params`:                       `gives several values`,
		`call`:                              `gives several values`,
		`call.urgent && call.message`:       `line 1, column 20: yes or no is wanted here`,
		`!call.email`:                       `! cannot be used on (string)`,
		`call.email ? true : false`:         `? cannot be used on (string, bool, bool)`,
		`call.message == 5`:                 `== cannot be used on (string, int)`,
		`call.message.text == "x"`:          `type 'string' does not support field selection`,
		`"gas" in call.message`:             `in cannot be used on (string, string)`,
		`urgent`:                            `there is no "urgent"; the field is call.urgent`,
		`caller_nubmer == "1"`:              `did you mean call.caller_number?`,
		`tennant == "x"`:                    `did you mean tenant?`,
		`weather`:                           `the variables are call, tenant, source, event_type`,
	} {
		if _, err := Compile(text); !errors.Is(err, ErrCompile) || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v\nwant %s", text, err, want)
		}
	}
	for _, text := range []string{
		`call.params.urgnt`, `has(call.params.anything.at.all)`, `call.issue`, `call.notes.contains("x")`, `call.duration == 60`,
		`call.urgent ? call.message == "x" : call.params.x`, `call.params[call.message] == "x"`, `call["params"]["x"]`,
		`call.caller_number > "1"`, `[{"a": 1}].exists(call, call.a == 1)`,
	} {
		if _, err := Compile(text); err != nil {
			t.Errorf("%s: %v", text, err)
		}
	}
}

// An error counts as a match and quotes nothing that the caller said.
func TestErrorMatches(t *testing.T) {
	in := gasLeak()
	in.Call.Params["issue"] = "secret words"
	in.Call.Transcript = strings.Repeat("blah ", 100_000)
	for _, text := range []string{
		`int(call.params.issue) > 3`, `call.params.issue + 1 == 2`, `timestamp(call.params.issue) > timestamp("2020-01-01T00:00:00Z")`,
		`call.params.tags[9] == "x"`, `call.params.age.contains("4")`, `1 / size(call.params.nothing) == 1`,
	} {
		c, err := Compile(text)
		if err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		match, err := c.Eval(t.Context(), in)
		if !match || !errors.Is(err, ErrEval) {
			t.Errorf("%s = %v, %v", text, match, err)
		} else if strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: the error quotes the call: %v", text, err)
		}
	}
}

func TestCostIsBounded(t *testing.T) {
	many := make([]any, 2000)
	for i := range many {
		many[i] = json.Number("1")
	}
	in := Input{Call: &call.Call{Params: map[string]any{"l": many}}}
	c, err := Compile(`call.params.l.all(a, call.params.l.all(b, a == b))`)
	if err != nil {
		t.Fatal(err)
	}
	match, err := c.Eval(t.Context(), in)
	if !match || !errors.Is(err, ErrEval) || !strings.Contains(err.Error(), "costly") {
		t.Fatalf("%v, %v", match, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if match, err = c.Eval(ctx, in); !match || !errors.Is(err, ErrEval) || !errors.Is(err, context.Canceled) {
		t.Fatalf("%v, %v", match, err)
	}
	// A long transcript may be searched.
	in.Call.Transcript = strings.Repeat("blah ", 100_000)
	if c, err = Compile(`call.transcript.contains("gas leak")`); err != nil {
		t.Fatal(err)
	}
	if match, err = c.Eval(t.Context(), in); match || err != nil {
		t.Fatalf("%v, %v", match, err)
	}
}

func FuzzCondition(f *testing.F) {
	for _, s := range []string{
		`call.urgent || call.params.issue.contains("gas leak")`, `!call.params.x ? call.a > 1 : has(call.b)`,
		`call.params.exists(k, call.params[k] > 3)`, `[call, call.params] == [1]`, `{call.x: call.y}[""] && tenant`,
		`string(call.params) + type(call)`, `call == call || call.params != call`, `dyn(call) in call.params.tags`,
	} {
		f.Add(s, `{"issue":"x","n":3,"m":{"a":[1,null,true]}}`)
	}
	f.Fuzz(func(t *testing.T, text, params string) {
		c, err := Compile(text)
		if err != nil {
			if !errors.Is(err, ErrCompile) {
				t.Fatalf("%v", err)
			}
			return
		}
		in := Input{Call: &call.Call{}, Tenant: "t"}
		_ = json.Unmarshal([]byte(params), &in.Call.Params)
		match, err := c.Eval(t.Context(), in)
		if err != nil && (!match || !errors.Is(err, ErrEval)) {
			t.Fatalf("%v, %v", match, err)
		}
		if err != nil && strings.Contains(err.Error(), "broke") {
			t.Fatalf("%q panics: %v", text, err)
		}
	})
}

func BenchmarkEval(b *testing.B) {
	c, err := Compile(`call.urgent || call.params.issue.contains("gas leak")`)
	if err != nil {
		b.Fatal(err)
	}
	in := gasLeak()
	b.ReportAllocs()
	for b.Loop() {
		if ok, err := c.Eval(b.Context(), in); !ok || err != nil {
			b.Fatal(err)
		}
	}
}
