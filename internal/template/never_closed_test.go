package template

import (
	"strings"
	"testing"
)

// TestAVariableThatIsNeverClosed is found where it begins, and not by what stands between it and the end of the next one.
func TestAVariableThatIsNeverClosed(t *testing.T) {
	for _, c := range []struct {
		context Context
		source  string
		at      string
	}{
		{XML, "<a>\n  <b>{{email</b>\n  <c>{{phone}}</c>\n</a>", "2:6: "},
		{XML, `<a b="{{email" c="{{phone}}"/>`, "1:7: "},
		{XML, "<a>{{email</a>", "1:4: "},
		{JSON, `{"a":"{{email","b":"{{phone}}"}`, "1:7: "},
		{JSON, `{"a":{{email,"b":{{phone}}}`, "1:6: "},
		{Form, "a={{email&b={{phone}}", "1:3: "},
		{URL, "https://a.example/{{email/{{phone}}", "1:19: "},
		{Header, "{{email {{phone}}", "1:1: "},
		{Text, "Mail: {{email\nPhone: {{phone}}\n", "1:7: "},
	} {
		_, err := Compile(c.source, c.context, Options{})
		if err == nil || !strings.Contains(err.Error(), c.at+"this {{ is never closed") {
			t.Errorf("%s: %v", c.source, err)
		}
	}
	if _, err := Compile("{{name|default:'{{'}}", Text, Options{}); err != nil {
		t.Errorf("braces in quotes: %v", err)
	}
}
