package hubspot

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/oauth2"

	"github.com/callgate/callgate/internal/call"
	"github.com/callgate/callgate/internal/destination"
	"github.com/callgate/callgate/internal/outbound"
	"github.com/callgate/callgate/internal/standin"
)

func TestFailuresOfTheAccountLoseNothing(t *testing.T) {
	zone, err := time.LoadLocation("America/New_York")
	if err != nil {
		zone = time.FixedZone("EDT", -4*3600)
	}
	limit := func(policy string) string {
		return `{"status":"error","message":"You have reached your limit.","errorType":"RATE_LIMIT","policyName":"` + policy + `","category":"RATE_LIMITS"}`
	}
	tests := map[string]struct {
		reply     standin.Reply
		wait      time.Duration
		pause     bool
		unhealthy bool
		reason    string
	}{
		"429 of ten seconds":   {reply: standin.Reply{Status: 429, Body: limit("TEN_SECONDLY_ROLLING")}, wait: 10 * time.Second, reason: "ten seconds"},
		"429 says its window":  {reply: standin.Reply{Status: 429, Body: limit("TEN_SECONDLY_ROLLING"), Header: http.Header{"X-Hubspot-Ratelimit-Interval-Milliseconds": {"4000"}}}, wait: 4 * time.Second},
		"429 with Retry-After": {reply: standin.Reply{Status: 429, Body: limit("TEN_SECONDLY_ROLLING"), Header: http.Header{"Retry-After": {"7"}}}, wait: 7 * time.Second},
		"429 of a second":      {reply: standin.Reply{Status: 429, Body: limit("SECONDLY")}, wait: time.Second, reason: "one second"},
		// 12:00 UTC is 08:00 in New York.
		"429 of the day":         {reply: standin.Reply{Status: 429, Body: limit("DAILY")}, wait: 16*time.Hour + time.Minute, reason: "midnight"},
		"429 without a body":     {reply: standin.Reply{Status: 429}, wait: 10 * time.Second},
		"500 that is a limit":    {reply: standin.Reply{Status: 500, Body: limit("")}, wait: 10 * time.Second},
		"500":                    {reply: standin.Reply{Status: 500, Body: "oops"}, unhealthy: true, reason: "500"},
		"502":                    {reply: standin.Reply{Status: 502, Body: "<html>"}, unhealthy: true, reason: "502"},
		"521":                    {reply: standin.Reply{Status: 521}, unhealthy: true, reason: "521"},
		"423":                    {reply: standin.Reply{Status: 423}, wait: 2 * time.Second, reason: "423"},
		"477":                    {reply: standin.Reply{Status: 477, Header: http.Header{"Retry-After": {"3600"}}}, wait: time.Hour, reason: "moving"},
		"connection closed":      {reply: standin.Reply{Hangup: true}, unhealthy: true, reason: "closed"},
		"401":                    {reply: standin.Reply{Status: 401, Body: `{"category":"EXPIRED_AUTHENTICATION","correlationId":"abc-1"}`}, pause: true, reason: "correlation id abc-1"},
		"403 names the scope":    {reply: standin.Reply{Status: 403, Body: `{"category":"MISSING_SCOPES","errors":[{"context":{"requiredGranularScopes":["crm.objects.contacts.write"]}}]}`}, pause: true, reason: "crm.objects.contacts.write"},
		"403 as text":            {reply: standin.Reply{Status: 403, Body: `{"errors":[{"context":"{missingScopes=[crm.objects.contacts.read, x.y]}"}]}`}, pause: true, reason: "crm.objects.contacts.read, x.y"},
		"404 of an unknown path": {reply: standin.Reply{Status: 404}, pause: true, reason: "check api"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			clk := newClock()
			s, d := account(t, standin.HubSpotConfig{Now: clk.now}, func(c *Config) { c.NoPhoneMatch, c.TimeZone = true, zone })
			s.Fail(tt.reply)
			items := []destination.Item{item(nil), item(func(c *call.Call) { c.Email = "other@example.com" })}
			for i, r := range d.Deliver(t.Context(), items) {
				if r.Outcome != destination.Retry || r.RetryAfter != tt.wait || r.Pause != tt.pause || r.Unhealthy != tt.unhealthy || !strings.Contains(r.Reason, tt.reason) || r.Reason == "" {
					t.Errorf("item %d: %s after %s, pause %v, unhealthy %v, %q", i, r.Outcome, r.RetryAfter, r.Pause, r.Unhealthy, r.Reason)
				}
				// Only these last longer than a schedule of retries.
				if want := name == "429 of the day" || name == "477"; r.Spent != want {
					t.Errorf("item %d: spent %v, want %v", i, r.Spent, want)
				}
				if r.Excerpt != nil {
					t.Error("an answer about several callers is handed to each of them")
				}
			}
			if n := len(s.Requests()); n != 1 {
				t.Errorf("%d requests, want none after the first", n)
			}
			delivered(t, d.Deliver(t.Context(), items)...)
		})
	}
}

func TestMissingScopesAndTokensOfTheAccount(t *testing.T) {
	s, d := account(t, standin.HubSpotConfig{Missing: []string{"crm.objects.contacts.write"}}, nil)
	if r := one(t, d, item(nil)); !r.Pause || r.Outcome != destination.Retry || !strings.Contains(r.Reason, "crm.objects.contacts.write") {
		t.Errorf("%+v, want a pause that names the scope", r)
	}
	s.Revoke("another")
	if r := one(t, d, item(nil)); !r.Pause || r.Status != 401 {
		t.Errorf("%+v, want a pause for 401", r)
	}
}

func TestOAuthRenewsATokenOnceAndPausesWhenItCannot(t *testing.T) {
	tokens := standin.NewToken(t, standin.TokenConfig{ClientID: "id", ClientSecret: "secret", NoBasic: true, RefreshToken: "refresh", Lifetime: 30 * time.Minute})
	client := outbound.NewClient(outbound.Options{AllowPrivate: true})
	auth, err := outbound.OAuth2Refresh(outbound.OAuth2Config{TokenURL: tokens.URL, ClientID: "id", ClientSecret: "secret", AuthStyle: oauth2.AuthStyleInParams, Client: client}, "refresh", nil)
	if err != nil {
		t.Fatal(err)
	}
	s, d := account(t, standin.HubSpotConfig{Tokens: tokens}, func(c *Config) { c.Token, c.Auth, c.NoPhoneMatch = "", auth, true })
	delivered(t, one(t, d, item(nil)))
	tokens.Revoke()
	delivered(t, one(t, d, item(nil)))
	if n := len(s.Requests()); n != 3 || tokens.Issued() != 2 {
		t.Errorf("%d requests and %d tokens, want 3 and 2", n, tokens.Issued())
	}
	tokens.Revoke()
	tokens.Fail(standin.Reply{Status: 400, Body: `{"error":"invalid_grant"}`}, standin.Reply{Status: 400, Body: `{"error":"invalid_grant"}`})
	if r := one(t, d, item(nil)); r.Outcome != destination.Retry || !r.Pause {
		t.Errorf("%+v, want a pause", r)
	}
}

func TestTheStandInsLimitsAreKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		// The bubble's clock moves when all wait; loopback connections would keep it from moving.
		s := standin.NewHubSpot(t, standin.HubSpotConfig{Token: token, Searches: 5, Rolling: 100})
		s.Close()
		d := connect(t, "https://hubspot.test", standin.HubSpotConfig{Token: token}, func(c *Config) {
			c.SearchRate = 0
			c.Client = outbound.NewClient(outbound.Options{Transport: inMemory{s}})
		})
		start := time.Now()
		for range 12 {
			delivered(t, one(t, d, item(func(c *call.Call) { c.Email, c.CallerNumber = "", "+1555987"+time.Now().Format("0405") })))
			time.Sleep(time.Second / 100)
		}
		if took := time.Since(start); took > 10*time.Second {
			t.Errorf("twelve deliveries took %s", took)
		}
	})
}

func TestTheAttemptsEndIsNotTheLeadsEnd(t *testing.T) {
	s, d := account(t, standin.HubSpotConfig{}, nil)
	hold := make(chan struct{})
	defer close(hold)
	s.Fail(standin.Reply{Hold: hold})
	ctx := lateContext{t.Context(), make(chan struct{})}
	go func() { // the time is up once the stand-in has the request
		for len(s.Requests()) == 0 {
			time.Sleep(time.Millisecond)
		}
		close(ctx.late)
	}()
	it := item(nil)
	if r := d.Deliver(ctx, []destination.Item{it})[0]; r.Outcome != destination.Retry || r.Reason == "" {
		t.Errorf("%+v, want a retry", r)
	}
	delivered(t, one(t, d, it))
}

// lateContext is one whose time is up when late is closed.
type lateContext struct {
	context.Context
	late chan struct{}
}

func (c lateContext) Done() <-chan struct{} { return c.late }

func (c lateContext) Err() error {
	select {
	case <-c.late:
		return context.DeadlineExceeded
	default:
		return nil
	}
}

func TestRefusedRequestsOfOneRecordAreDead(t *testing.T) {
	s, d := account(t, standin.HubSpotConfig{}, func(c *Config) { c.NoPhoneMatch = true })
	s.Fail(standin.Reply{Status: 400, Body: `{"status":"error","message":"mjohnson@email.com is strange","category":"VALIDATION_ERROR","subCategory":{"x":1},"correlationId":"c-1"}`})
	r := one(t, d, item(nil))
	if r.Outcome != destination.Dead || r.Status != 400 || !strings.Contains(r.Reason, "VALIDATION_ERROR") || !strings.Contains(r.Reason, "c-1") || strings.Contains(r.Reason, "mjohnson") {
		t.Errorf("%s, %q", r.Outcome, r.Reason)
	}
}

func TestACallThatCannotBeLoggedDoesNotHoldTheLead(t *testing.T) {
	s, d := account(t, standin.HubSpotConfig{}, func(c *Config) { c.LogCall = true })
	s.Undefine("calls", "hs_timestamp") // the account's schema is broken: the property is dropped, then all is well
	r := one(t, d, item(nil))
	delivered(t, r)
	if !strings.Contains(strings.Join(r.Warnings, ";"), "hs_timestamp of calls") {
		t.Errorf("warnings %q", r.Warnings)
	}
	s.Define("calls", standin.HubSpotProperty{Name: "needed", Required: true})
	r = one(t, d, item(nil))
	delivered(t, r)
	if !strings.Contains(strings.Join(r.Warnings, ";"), "call log could not be written") {
		t.Errorf("warnings %q", r.Warnings)
	}
}
