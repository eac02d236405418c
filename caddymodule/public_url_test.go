package caddymodule

import "testing"

// TestCheckPublicURL: a path is put behind it, so it has to end where a path may begin. A question mark alone is a
// query too, and every path behind it would be a part of that.
func TestCheckPublicURL(t *testing.T) {
	for in, want := range map[string]string{
		"":                               "",
		"https://hooks.example.com":      "https://hooks.example.com",
		"https://hooks.example.com:444/": "https://hooks.example.com:444",
		"http://hooks.example.com/in/":   "http://hooks.example.com/in",
	} {
		if got, err := checkPublicURL(in); err != nil || got != want {
			t.Errorf("%s: %q, %v", in, got, err)
		}
	}
	for _, in := range []string{
		"hooks.example.com", "ftp://a.example", "https://", "https://u:p@a.example", "https://a.example?x=1",
		"https://a.example/?", "https://a.example?", "https://a.example/#", "https://a.example/#top",
	} {
		if got, err := checkPublicURL(in); err == nil {
			t.Errorf("%s: accepted as %q", in, got)
		}
	}
}
