package source

import (
	"encoding/json"
	"testing"

	"github.com/callgate/callgate/internal/call"
)

// signIn looks for one sign in a call, as signs does for all.
type signIn struct{ detectors }

func newDetector(s *sign, mark marks) *signIn {
	d := &signIn{}
	d.add(s, mark, nil, nil)
	return d
}

func (s *signIn) found(c *call.Call) bool {
	d := &draft{Call: c}
	for k, v := range c.Params {
		d.param(k, v)
	}
	return s.find(c, d.params, allMarks) != noMarks
}

func TestUrgencyFromWords(t *testing.T) {
	d := newDetector(urgency, urgentMark)
	for text, want := range map[string]bool{
		"this is an emergency": true,
		"URGENT!":              true,
		"please come asap.":    true,
		"It's an Emergency, there is water everywhere":   true,
		"no, this is urgent":                             true,
		"I do not have water and it is urgent":           true,
		"The kitchen is not small. Urgent.":              true,
		"urgent: yes":                                    true,
		"leaky pipe in kitchen":                          false,
		"no emergency":                                   false,
		"not urgent":                                     false,
		"it's not an emergency":                          false,
		"it is not really that urgent":                   false,
		"non-urgent question":                            false,
		"non-emergency line":                             false,
		"this isn't urgent":                              false,
		"this isn’t urgent at all":                       false,
		"Emergency: no":                                  false,
		"**Urgent?** No":                                 false,
		"insurgent groups":                               false,
		"urgently needs help":                            false,
		"emergencyroom":                                  false,
		"no emergency last week, but now it is urgent":   true,
		"not an emergency. but please reply ASAP though": true,
		"": false,
	} {
		if got := d.found(&call.Call{Message: text}); got != want {
			t.Errorf("%q: got %t, want %t", text, got, want)
		}
	}
}

func TestUrgencyLooksAtWhatTheCallerSaid(t *testing.T) {
	d := newDetector(urgency, urgentMark)
	for _, c := range []struct {
		name string
		call call.Call
		want bool
	}{
		{"the caller", call.Call{Transcript: "Agent: Hello.\nUser: It's urgent."}, true},
		{"the agent's question", call.Call{Transcript: "Agent: Is this an emergency?\nUser: No."}, false},
		{"the agent, over two lines", call.Call{Transcript: "assistant: Hello.\nIf this is an emergency, hang up.\n user: A quote."}, false},
		{"a caller after the agent", call.Call{Transcript: "AI: Is this an emergency?\nCustomer: yes,\nan emergency"}, true},
		{"without speakers", call.Call{Transcript: "hello it is urgent"}, true},
		{"a time is no speaker", call.Call{Transcript: "come at 10: it is urgent"}, true},
		{"the summary", call.Call{Summary: "An urgent leak."}, true},
		{"a parameter", call.Call{Params: map[string]any{"what": "flooding, urgent"}}, true},
		{"within a parameter", call.Call{Params: map[string]any{"what": map[string]any{"more": []any{"asap"}}}}, true},
		{"the name of a company", call.Call{Params: map[string]any{"company_name": "Emergency Plumbing"}}, false},
		{"the name of an agent", call.Call{Params: map[string]any{"agent_name": "Urgent care desk"}}, false},
		{"a link", call.Call{Params: map[string]any{"more": "https://x.example/urgent"}}, false},
		{"an e-mail address", call.Call{Params: map[string]any{"email": "urgent@x.example"}}, false},
	} {
		if got := d.found(&c.call); got != c.want {
			t.Errorf("%s: got %t, want %t", c.name, got, c.want)
		}
	}
}

func TestUrgencyFromParameters(t *testing.T) {
	d := newDetector(urgency, urgentMark)
	for _, c := range []struct {
		key   string
		value any
		want  bool
	}{
		{"urgent", true, true}, {"is_emergency", "yes", true}, {"Urgent", json.Number("1"), true}, {"urgency", "High", true},
		{"priority", "P1", true}, {"urgency_level", "critical", true},
		{"urgent", false, false}, {"urgent", "no", false}, {"urgent", "not urgent", false}, {"urgency", "low", false},
		{"priority", json.Number("3"), false}, {"priority", json.Number("1"), false}, {"priority", "normal", false},
		{"urgent", nil, false}, {"urgent", "n/a", false}, {"other", true, false},
	} {
		if got := d.found(&call.Call{Params: map[string]any{c.key: c.value}}); got != c.want {
			t.Errorf("%s = %v: got %t, want %t", c.key, c.value, got, c.want)
		}
	}
}

func TestCallbackRequests(t *testing.T) {
	d := newDetector(callback, callbackMark)
	for _, c := range []struct {
		key   string
		value any
		want  bool
	}{
		{"message", "please call me back", true}, {"message", "He asked for a callback tomorrow", true},
		{"message", "don't call me back", false}, {"message", "no callback needed", false},
		{"message", "no need to call me back", false}, {"message", "I will call again", false},
		{"message", "callbacks are annoying", false},
		{"callback_requested", true, true}, {"callback_requested", false, false}, {"callback_requested", "Yes, please", true},
		{"callback_requested", "no thanks", false}, {"callback_requested", "none", false},
		{"preferred_callback_time", "after 5 pm", true}, {"preferred_callback_time", "", false},
		{"preferred_callback_time", "N/A", false}, {"callback_number", "+15559876543", false},
		{"callback_requested", json.Number("0"), false}, {"callback_requested", map[string]any{"time": "9"}, true},
	} {
		if got := d.found(&call.Call{Params: map[string]any{c.key: c.value}}); got != c.want {
			t.Errorf("%s = %v: got %t, want %t", c.key, c.value, got, c.want)
		}
	}
}

func TestOperatorsSetWordsAndFields(t *testing.T) {
	p := newParser(t, "nextphone", Options{
		UrgentWords: []string{"burst pipe", "Überflutung", ""}, UrgentFields: []string{"escalate"},
		CallbackWords: []string{}, CallbackFields: []string{"ring_me"},
	})
	for body, want := range map[string][2]bool{
		`{"issue":"a BURST PIPE in the wall"}`:     {true, false},
		`{"issue":"burst pipes"}`:                  {false, false},
		`{"issue":"ÜBERFLUTUNG im Keller"}`:        {true, false},
		`{"issue":"emergency"}`:                    {false, false},
		`{"urgent":true}`:                          {false, false},
		`{"Escalate":"true"}`:                      {true, false},
		`{"issue":"call me back"}`:                 {false, false},
		`{"ring_me":"at noon","escalate":"false"}`: {false, true},
	} {
		c, err := p.Parse(&Request{Body: []byte(body)})
		if err != nil {
			t.Fatal(err)
		}
		if got := [2]bool{c.Urgent, c.CallbackRequested}; got != want {
			t.Errorf("%s: got %t, want %t", body, got, want)
		}
	}
}
