package nearest

import (
	"fmt"
	"testing"
)

func TestName(t *testing.T) {
	fields := []string{"phone", "name", "email", "urgent", "caller_number", "call_id", "company"}
	for name, want := range map[string]string{
		"urgnt":         "urgent",
		"fone":          "phone",
		"emial":         "email",
		"Email":         "email",
		"caller_nubmer": "caller_number",
		"callernumber":  "caller_number",
		"budget":        "",
		"x":             "",
		"":              "",
	} {
		if got := Name(name, fields); got != want {
			t.Errorf("Name(%q) = %q, want %q", name, got, want)
		}
	}
	if got := Name("crn", []string{"crm", "erp"}); got != "crm" {
		t.Errorf("crn: %q", got)
	}
	if got := Name("b", []string{"a"}); got != "" {
		t.Errorf("a name of one letter is near every other: %q", got)
	}
}

func TestDistance(t *testing.T) {
	for _, c := range []struct {
		a, b string
		want int
	}{{"", "", 0}, {"", "abc", 3}, {"abc", "", 3}, {"kitten", "sitting", 3}, {"ab", "ba", 1}, {"emial", "email", 1}, {"abc", "abc", 0}} {
		if got := distance(c.a, c.b); got != c.want {
			t.Errorf("distance(%q, %q) = %d, want %d", c.a, c.b, got, c.want)
		}
	}
}

func TestListIsBounded(t *testing.T) {
	var names []string
	for i := range 500 {
		names = append(names, fmt.Sprint(i))
	}
	if got, want := List(names), "0, 1, 2, 3, 4, 5, 6, 7, 8, 9 and 490 more"; got != want {
		t.Errorf("%q", got)
	}
	if got := List(names[:2]); got != "0, 1" {
		t.Errorf("%q", got)
	}
}
