package source

import (
	"slices"
	"testing"
)

func TestMethods(t *testing.T) {
	for name, want := range map[string][]string{
		"retell": {"POST"}, "generic": {"POST"}, "twilio": {"POST", "GET"},
		"nextphone": {"POST", "GET", "PUT", "PATCH", "DELETE"},
	} {
		p, ok := Find(name)
		if got := p.Methods(); !ok || !slices.Equal(got, want) {
			t.Errorf("%s: %v, want %v", name, got, want)
		}
	}
	for name := range methods {
		p, ok := Find(name)
		if !ok || p.Methods()[0] != "POST" {
			t.Errorf("%s: no such preset, or POST is not its first method", name)
		}
		p.Methods()[0] = "changed"
		if p.Methods()[0] != "POST" {
			t.Errorf("%s: the table can be changed from outside", name)
		}
	}
}
