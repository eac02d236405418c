package chain

import (
	"errors"
	"maps"
	"strings"
	"testing"
)

func TestProgressIsKept(t *testing.T) {
	m := NewMemory()
	p, err := Load(t.Context(), m, "a")
	if err != nil || len(p.Done) != 0 || p.Asking != nil {
		t.Fatalf("%+v, %v", p, err)
	}
	if err := p.Ask(t.Context(), &Asking{Step: "contact", URL: "https://crm.example/jobs/1", Kept: map[string]string{"id": "7"}}); err != nil {
		t.Fatal(err)
	}
	if p, err = Load(t.Context(), m, "a"); err != nil || p.Asking == nil || p.Asking.URL != "https://crm.example/jobs/1" {
		t.Fatalf("%+v, %v", p, err)
	}
	if err := errors.Join(p.Finish(t.Context(), "contact", map[string]string{"id": "7"}), p.Finish(t.Context(), "note", nil)); err != nil {
		t.Fatal(err)
	}
	p, err = Load(t.Context(), m, "a")
	if _, done := p.Done["note"]; err != nil || p.Asking != nil || !done || !maps.Equal(p.Values(), map[string]string{"contact.id": "7"}) {
		t.Fatalf("%+v, %v", p, err)
	}
	if other, err := Load(t.Context(), m, "b"); err != nil || len(other.Done) != 0 {
		t.Errorf("another delivery: %+v, %v", other, err)
	}
	if err := m.Keep(t.Context(), "a", nil); err != nil {
		t.Fatal(err)
	}
	if p, err = Load(t.Context(), m, "a"); err != nil || len(p.Done) != 0 {
		t.Errorf("taken away: %+v, %v", p, err)
	}
}

// What cannot be read must not be taken for nothing: every step would be carried out again.
func TestDamagedProgress(t *testing.T) {
	for _, text := range []string{"{", "[]", `{"done":7}`} {
		m := NewMemory()
		if err := m.Keep(t.Context(), "a", []byte(text)); err != nil {
			t.Fatal(err)
		}
		if p, err := Load(t.Context(), m, "a"); err == nil || !strings.Contains(err.Error(), "damaged") {
			t.Errorf("%s: %+v, %v", text, p, err)
		}
	}
}
