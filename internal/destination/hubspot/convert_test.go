package hubspot

import (
	"net/http"
	"testing"

	"github.com/callgate/callgate/internal/call"
	"github.com/callgate/callgate/internal/standin"
)

func TestConvertMakesARequestThatHubSpotTakes(t *testing.T) {
	for name, tt := range map[string]struct {
		api  string
		call func(*call.Call)
	}{
		"by address": {}, "v1": {api: "v1"}, "dated": {api: "2026-03"}, "without address": {call: noEmail},
		"a number alone": {call: func(c *call.Call) { c.Email, c.FirstName, c.LastName = "", "", "" }},
	} {
		t.Run(name, func(t *testing.T) {
			s, d := account(t, standin.HubSpotConfig{}, func(c *Config) { c.API = tt.api })
			req, err := d.Convert(t.Context(), item(tt.call))
			if err != nil {
				t.Fatal(err)
			}
			res, err := http.DefaultTransport.RoundTrip(req)
			if err != nil {
				t.Fatal(err)
			}
			defer res.Body.Close()
			if res.StatusCode != 200 && res.StatusCode != 201 {
				t.Errorf("status %d", res.StatusCode)
			}
			want(t, contact(t, s), map[string]string{"phone": "+15559876543", "message": "leaky pipe in kitchen"})
		})
	}
	_, d := account(t, standin.HubSpotConfig{}, nil)
	if _, err := d.Convert(t.Context(), item(func(c *call.Call) { c.Email, c.CallerNumber = "", "" })); err == nil {
		t.Error("a request for nobody")
	}
}

func TestRecentWritesAreForgotten(t *testing.T) {
	clk := newClock()
	_, d := account(t, standin.HubSpotConfig{Now: clk.now}, nil)
	for range 50 {
		_ = d.remember(t.Context(), clk.now().String(), memo{ID: "1"})
		clk.forward(recently / 10)
	}
	if n := d.recent.Len(); n > 12 {
		t.Errorf("%d writes are remembered, want those of two minutes", n)
	}
	if _, ok := d.recall(t.Context(), clk.now().String()); ok {
		t.Error("what was never written is remembered")
	}
}
