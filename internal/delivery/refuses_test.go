package delivery

import (
	"strings"
	"testing"

	"github.com/callgate/callgate/internal/call"
	"github.com/callgate/callgate/internal/condition"
	"github.com/callgate/callgate/internal/store"
)

func TestADestinationSaysWhyItRefuses(t *testing.T) {
	urgent, err := condition.Compile("call.urgent")
	if err != nil {
		t.Fatal(err)
	}
	failing, err := condition.Compile("call.params.x.size() / 0 == 1")
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		c    Config
		says string
	}{
		{Config{}, ""},
		{Config{EventTypes: []string{"call_*"}}, ""},
		{Config{EventTypes: []string{"lead", "note_*"}}, `lead, note_* only, and this is of "call_ended"`},
		{Config{Condition: urgent}, "own condition is not met"},
		{Config{Condition: failing}, ""},
	} {
		got := tt.c.Refuses(t.Context(), &store.Event{EventType: "call_ended"}, &call.Call{})
		if (got == "") != (tt.says == "") || !strings.Contains(got, tt.says) {
			t.Errorf("%+v: %q, want %q", tt.c, got, tt.says)
		}
	}
}
