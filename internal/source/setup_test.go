package source

import (
	"slices"
	"strings"
	"testing"
	"unicode"

	"github.com/callgate/callgate/internal/signature"
)

// TestEverySenderHasAChecklist: with the address in it, in whole sentences, and nothing left to be filled in.
func TestEverySenderHasAChecklist(t *testing.T) {
	for name := range setups {
		if _, ok := Find(name); !ok {
			t.Errorf("%s is no preset", name)
		}
	}
	const url = "https://hooks.example.com/in"
	for _, p := range Presets() {
		s := p.Setup(url)
		if !slices.ContainsFunc(s.Steps, func(step string) bool { return strings.Contains(step, url) }) {
			t.Errorf("%s: no step says where the address goes: %q", p.Name, s.Steps)
		}
		for _, text := range slices.Concat(s.Steps, s.Mind, []string{s.Secret}) {
			if text == "" || !unicode.IsUpper(rune(text[0])) && !strings.HasPrefix(text, "call") && !strings.HasPrefix(text, "end") || !strings.HasSuffix(text, ".") || strings.Contains(text, "{url}") {
				t.Errorf("%s: %q is no sentence", p.Name, text)
			}
		}
		if unknown := p.Setup(""); !strings.Contains(strings.Join(unknown.Steps, " "), "the gateway's URL") {
			t.Errorf("%s: %q", p.Name, unknown.Steps)
		}
	}
}

// TestChecklistsSayWhatThePresetSays: so that neither is changed alone.
func TestChecklistsSayWhatThePresetSays(t *testing.T) {
	for _, tt := range []struct {
		preset, says string
		not          bool
	}{
		{"retell", "It waits 10 seconds for an answer.", false},
		{"retell", "It sends again after a 5xx or no answer, and is not known to after a 4xx.", false},
		{"retell", "It waits for what the answer says to call_inbound", false},
		{"ultravox", "It sends again what was refused or not answered.", false},
		{"callrail", "use deliver or spool", false},
		{"callrail", "It waits", true}, // nothing is known of it
	} {
		p, _ := Find(tt.preset)
		if got := strings.Contains(strings.Join(p.Setup("").Mind, "\n"), tt.says); got == tt.not {
			t.Errorf("%s: %q in %q is %v", tt.preset, tt.says, p.Setup("").Mind, got)
		}
	}
	// Who signs the URL needs to be told so, since it goes wrong behind every proxy.
	for _, p := range Presets() {
		if info, _ := signature.Lookup(p.Scheme); info.SignsURL && !strings.Contains(strings.Join(p.Setup("").Mind, " "), "public_url") {
			t.Errorf("%s signs the URL, and the checklist does not say so", p.Name)
		}
	}
}
