package hubspot

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/callgate/callgate/internal/call"
	"github.com/callgate/callgate/internal/destination"
	"github.com/callgate/callgate/internal/outbound"
	"github.com/callgate/callgate/internal/standin"
)

func TestV1(t *testing.T) {
	v1 := func(c *Config) { c.API, c.NoPhoneMatch = "v1", true }
	t.Run("a property that is not there", func(t *testing.T) {
		s, d := account(t, standin.HubSpotConfig{}, func(c *Config) {
			v1(c)
			c.Properties = map[string]string{"lead_source": "AI Receptionist"}
		})
		r := one(t, d, item(nil))
		delivered(t, r)
		if !strings.Contains(strings.Join(r.Warnings, ";"), "lead_source") || len(s.Requests()) != 2 {
			t.Errorf("warnings %q, requests %s", r.Warnings, paths(s))
		}
	})
	t.Run("the receiver fails", func(t *testing.T) {
		s, d := account(t, standin.HubSpotConfig{}, v1)
		s.Fail(standin.Reply{Status: 502})
		if r := one(t, d, item(nil)); r.Outcome != destination.Retry || !r.Unhealthy {
			t.Errorf("%+v", r)
		}
	})
	t.Run("the address is refused", func(t *testing.T) {
		s, d := account(t, standin.HubSpotConfig{}, v1)
		delivered(t, one(t, d, item(func(c *call.Call) { c.Email = "who@.x.com" })))
		want(t, contact(t, s), map[string]string{"email": "", "phone": "+15559876543"})
	})
	t.Run("the address is another contact's", func(t *testing.T) {
		s, d := account(t, standin.HubSpotConfig{}, v1)
		id := s.Put("contacts", map[string]string{"firstname": "M"})
		s.Fail(standin.Reply{Status: 409, Body: `{"message":"Contact already exists. Existing ID: ` + id + `","category":"CONFLICT"}`})
		if r := one(t, d, item(nil)); r.RemoteID != id {
			t.Errorf("%+v, want contact %s", r, id)
		}
	})
	t.Run("refused for no known reason", func(t *testing.T) {
		s, d := account(t, standin.HubSpotConfig{}, v1)
		s.Fail(standin.Reply{Status: 400, Body: `{"category":"VALIDATION_ERROR"}`})
		if r := one(t, d, item(nil)); r.Outcome != destination.Dead {
			t.Errorf("%+v", r)
		}
	})
}

func TestRowsThatMayGoThroughLater(t *testing.T) {
	for category, outcome := range map[string]destination.Outcome{"RATE_LIMITS": destination.Retry, "INTERNAL_ERROR": destination.Retry, "CONFLICT": destination.Dead} {
		s, d := account(t, standin.HubSpotConfig{}, func(c *Config) { c.NoPhoneMatch = true })
		it := item(nil)
		s.Fail(standin.Reply{Status: 207, Body: `{"results":[],"errors":[{"category":"` + category + `","context":{"objectWriteTraceId":["` + it.DeliveryID + `"]}}]}`})
		if r := one(t, d, it); r.Outcome != outcome || r.Reason == "" {
			t.Errorf("%s: %s, %q; want %s", category, r.Outcome, r.Reason, outcome)
		}
	}
}

func TestAnswersThatDoNotTellTheRowsApart(t *testing.T) {
	for _, first := range []string{`{"results":[{"id":"5"},{"id":"6"}]}`, `{}`, `<html>`, `{"status":"PENDING","results":[]}`} {
		s, d := account(t, standin.HubSpotConfig{}, func(c *Config) { c.NoPhoneMatch = true })
		s.Fail(standin.Reply{Status: 200, Body: first})
		res := d.Deliver(t.Context(), []destination.Item{item(nil), item(func(c *call.Call) { c.Email = "b@c.de" })})
		delivered(t, res...)
		if n := len(s.Objects("contacts")); n != 2 || res[0].RemoteID == res[1].RemoteID {
			t.Errorf("%s: %d contacts, results %s and %s", first, n, res[0].RemoteID, res[1].RemoteID)
		}
	}
	s, d := account(t, standin.HubSpotConfig{}, nil)
	s.Fail(standin.Reply{Status: 200, Body: `{"results":[]}`}, standin.Reply{Status: 207, Body: `{}`})
	if r := one(t, d, item(noEmail)); r.Outcome != destination.Retry || r.Reason == "" {
		t.Errorf("a create of unknown outcome: %+v, want a retry, which searches first", r)
	}
}

// A page that a proxy answers with 200, or an answer that is cut, does not say that anything is written.
func TestAPageWithStatus200IsNoSuccess(t *testing.T) {
	for _, body := range []string{`<html>please sign in</html>`, `{"status":"COMPLETE","results":[{"id":"1`, ``} {
		for _, api := range []string{"v3", "v1"} {
			for before := range 4 { // whichever request is answered so
				t.Run(fmt.Sprintf("%q %s %d", body, api, before), func(t *testing.T) {
					clk := newClock()
					s, d := account(t, standin.HubSpotConfig{Now: clk.now}, func(c *Config) {
						c.API, c.LogCall, c.KeepNames, c.NoPhoneMatch, c.Lifecycle = api, true, true, true, "lead"
					})
					s.Put("contacts", map[string]string{"email": "mjohnson@email.com", "firstname": "Mike", "lifecyclestage": "customer"})
					d.conf.Client = outbound.NewClient(outbound.Options{Transport: &counting{n: before, hit: func() {
						s.Fail(standin.Reply{Status: 200, Body: body})
					}}})
					it := item(nil)
					r := one(t, d, it)
					if r.Outcome != destination.Retry || r.Reason == "" {
						t.Errorf("%s, %q; want a retry", r.Outcome, r.Reason)
					}
					if r = one(t, d, it); r.Outcome == destination.Retry { // it waits for the search to tell what was created
						clk.forward(r.RetryAfter)
						r = one(t, d, it)
					}
					delivered(t, r)
					want(t, contact(t, s), map[string]string{"phone": "+15559876543", "lifecyclestage": "customer"})
					if n := len(s.Objects("calls")); n != 1 {
						t.Errorf("%d calls, want 1", n)
					}
				})
			}
		}
	}
}

func TestSearchesThatFail(t *testing.T) {
	tests := map[string]struct {
		replies []standin.Reply
		wait    time.Duration
		pause   bool
	}{
		"refused twice":    {replies: []standin.Reply{{Status: 400}, {Status: 400}}},
		"limit of seconds": {replies: []standin.Reply{{Status: 429, Body: `{"message":"You have reached your secondly limit."}`}}, wait: time.Second},
		"limit, no body":   {replies: []standin.Reply{{Status: 429}}, wait: time.Second},
		"limit of the day": {replies: []standin.Reply{{Status: 429, Body: `{"policyName":"DAILY"}`}}, wait: waitDaily},
		"forbidden":        {replies: []standin.Reply{{Status: 403}}, pause: true},
		"unreadable":       {replies: []standin.Reply{{Status: 200, Body: "<html>"}}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			s, d := account(t, standin.HubSpotConfig{}, nil)
			s.Fail(tt.replies...)
			it := item(noEmail)
			r := one(t, d, it)
			if r.Outcome != destination.Retry || r.RetryAfter != tt.wait || r.Pause != tt.pause || r.Reason == "" {
				t.Errorf("%s after %s, pause %v, %q", r.Outcome, r.RetryAfter, r.Pause, r.Reason)
			}
			if n := len(s.Objects("contacts")); n != 0 {
				t.Errorf("%d contacts were created without looking first", n)
			}
			delivered(t, one(t, d, it))
		})
	}
}

func TestAUniquePropertyThatIsNone(t *testing.T) {
	_, d := account(t, standin.HubSpotConfig{}, func(c *Config) { c.ContactProperty = "call_key" })
	if r := one(t, d, item(nil)); r.Outcome != destination.Retry || !r.Pause || !strings.Contains(r.Reason, "call_key") {
		t.Errorf("%+v, want a pause that names the property", r)
	}
}

func TestACallLoggedByAnotherGatewayMeanwhile(t *testing.T) {
	s, d := account(t, standin.HubSpotConfig{}, func(c *Config) { c.LogCall, c.CallProperty, c.NoPhoneMatch = true, "call_key", true })
	s.Define("calls", standin.HubSpotProperty{Name: "call_key", Unique: true})
	it := item(nil)
	delivered(t, one(t, d, item(nil)))
	id := s.Put("calls", map[string]string{"call_key": it.Call.ID, "hs_timestamp": "2026-10-01T11:50:00.000Z"})
	// The look for the call comes third; it sees nothing yet.
	d.conf.Client = outbound.NewClient(outbound.Options{Transport: &counting{n: 1, hit: func() { s.Fail(standin.Reply{Status: 200, Body: `{"results":[]}`}) }}})
	delivered(t, one(t, d, it))
	calls := s.Objects("calls")
	if i := slices.IndexFunc(calls, func(o standin.HubSpotObject) bool { return o.ID == id }); len(calls) != 2 || calls[i].Properties["hs_call_title"] == "" {
		t.Errorf("calls %v, want the one of the other gateway filled", calls)
	}
}

func TestLargeBacklogsAreDividedBySize(t *testing.T) {
	s, d := account(t, standin.HubSpotConfig{}, func(c *Config) {
		c.NoPhoneMatch, c.Properties = true, map[string]string{"message": "transcript"}
	})
	items := make([]destination.Item, 20)
	for i := range items {
		items[i] = item(func(c *call.Call) {
			c.Email, c.Transcript = fmt.Sprintf("a%d@b.co", i), strings.Repeat("Hello. ", 9000)
		})
	}
	delivered(t, d.Deliver(t.Context(), items)...)
	if n := len(s.Requests()); n < 5 || n > 7 {
		t.Errorf("%d requests for 1.2 MB", n)
	}
	for _, r := range s.Requests() {
		if len(r.Body) > maxBody+10_000 {
			t.Errorf("a body of %d bytes", len(r.Body))
		}
	}
}

func TestADeliveryThatWaitsForAnotherCanEnd(t *testing.T) {
	s, d := account(t, standin.HubSpotConfig{}, nil)
	it := item(nil)
	release, err := d.locks.Acquire(t.Context(), []string{"e:mjohnson@email.com"})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	if r := d.Deliver(ctx, []destination.Item{it})[0]; r.Outcome != destination.Retry || r.Unhealthy || r.Reason == "" || len(s.Requests()) != 0 {
		t.Errorf("%+v after %d requests", r, len(s.Requests()))
	}
	release()
	delivered(t, one(t, d, it))
	if n := d.locks.Held(); n != 0 {
		t.Errorf("%d locks are left", n)
	}
}

func TestASearchLimitThatTheAttemptDoesNotOutlive(t *testing.T) {
	_, d := account(t, standin.HubSpotConfig{}, func(c *Config) { c.SearchRate = 0.001 })
	delivered(t, one(t, d, item(nil)))
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	r := d.Deliver(ctx, []destination.Item{item(func(c *call.Call) { c.Email, c.CallerNumber = "", "+15552223333" })})[0]
	if r.Outcome != destination.Retry || r.RetryAfter == 0 || r.Unhealthy {
		t.Errorf("%+v, want a retry that is not the receiver's fault", r)
	}
}

func TestNumbersElsewhere(t *testing.T) {
	ways, digits := waysToWrite("+442079460123")
	for _, w := range []string{"+442079460123", "442079460123", "020 7946 0123", "02079460123", "+44 20 7946 0123", "2079460123"} {
		if !slices.Contains(ways, w) {
			t.Errorf("%v lacks %q", ways, w)
		}
	}
	if digits != "2079460123" || ways[0] != "+442079460123" || len(ways) > 100/numbersPerSearch {
		t.Errorf("%v, %q", ways, digits)
	}
	s, d := account(t, standin.HubSpotConfig{}, func(c *Config) { c.Region = "GB" })
	id := s.Put("contacts", map[string]string{"phone": "020 7946 0123"})
	if r := one(t, d, item(func(c *call.Call) { c.Email, c.CallerNumber = "", "+442079460123" })); r.RemoteID != id {
		t.Errorf("contact %s, want %s", r.RemoteID, id)
	}
}

func TestKeysOfCalls(t *testing.T) {
	it := item(nil)
	if got := callKey(&it); got != it.Call.ID {
		t.Errorf("key %q", got)
	}
	it.Call.ID = strings.Repeat("x", 5000)
	if got := callKey(&it); len(got) > maxKey || got != callKey(&it) {
		t.Errorf("key %q", got)
	}
	it.Call.ID = ""
	if got := callKey(&it); got != it.EventID {
		t.Errorf("key %q", got)
	}
	it.EventID = ""
	if got := callKey(&it); got != it.DeliveryID {
		t.Errorf("key %q", got)
	}
}
