package hubspot

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/callgate/callgate/internal/call"
	"github.com/callgate/callgate/internal/destination"
	"github.com/callgate/callgate/internal/destination/chain"
	"github.com/callgate/callgate/internal/destination/destinationtest"
	"github.com/callgate/callgate/internal/standin"
)

// Whatever answers are lost, limited or not HubSpot's: calls that are tried again until they are delivered end in one
// contact for each caller, and one log for each call.
func TestRandomLife(t *testing.T) {
	for seed := range uint64(20) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			rnd := rand.New(rand.NewPCG(seed, 3))
			keyed := seed%2 == 0
			api := []string{"v3", "2026-03", "v1"}[seed%3]
			clk := newClock()
			s, d := account(t, standin.HubSpotConfig{NoTrace: seed%5 == 0, Now: clk.now, SearchLag: 15 * time.Second}, func(c *Config) {
				c.LogCall, c.Note, c.API = true, seed%4 == 0, api
				c.KeepNames = seed%7 == 0
				c.Progress = chain.NewMemory()
				c.Company, c.Deal, c.Ticket = &Step{}, &Step{Stage: "appointmentscheduled"}, &Step{Stage: "1"}
				if keyed {
					c.ContactProperty, c.CallProperty = "call_key", "call_key"
					c.Deal.Unique, c.Ticket.Unique = "call_key", "call_key"
				}
				c.Properties = map[string]string{"nope": "params.issue"}
			})
			s.Define("contacts", standin.HubSpotProperty{Name: "call_key", Unique: true})
			for _, object := range []string{"calls", "deals", "tickets"} {
				s.Define(object, standin.HubSpotProperty{Name: "call_key", Unique: true})
			}
			var items []destination.Item
			for caller := range 6 {
				for n := range 3 {
					for ev := range 2 {
						items = append(items, item(func(c *call.Call) {
							c.ID = fmt.Sprintf("Call-%d-%d", caller, n)
							c.CallerNumber = fmt.Sprintf("+1555987%04d", caller)
							c.Company = fmt.Sprintf("Company %d", caller%3)
							c.FirstName, c.LastName = fmt.Sprint("First", caller), "Last"
							c.Email = fmt.Sprintf("Caller%d@Example.com", caller)
							if ev == 0 && rnd.IntN(2) == 0 {
								c.Email = ""
							}
						}))
					}
				}
			}
			destinationtest.DeliverAll(t, rnd, d, items, func() {
				switch rnd.IntN(6) {
				case 0:
					s.Lose(1)
				case 1:
					s.Fail(standin.Reply{Status: 500})
				case 2:
					s.Fail(standin.Reply{Status: 429, Body: `{"category":"RATE_LIMITS"}`})
				case 3:
					s.Fail(standin.Reply{Status: 200, Body: `<html>`})
				}
			}, func(r destination.Result) {
				if r.Outcome == destination.Retry { // which waits as long as it is asked to
					clk.forward(max(time.Second, r.RetryAfter))
				}
			})
			contacts := map[string]int{}
			for _, c := range s.Objects("contacts") {
				contacts[c.Properties["phone"]]++
			}
			for number, n := range contacts {
				if n != 1 {
					t.Errorf("%d contacts of %s", n, number)
				}
			}
			if len(contacts) != 6 {
				t.Errorf("%d callers, want 6", len(contacts))
			}
			logs := map[string]int{}
			for _, c := range s.Objects("calls") {
				logs[c.Properties["hs_call_external_id"]]++
				if len(c.Contacts) != 1 {
					t.Errorf("call with %d contacts", len(c.Contacts))
				}
			}
			if len(logs) != 18 {
				t.Errorf("%d calls", len(logs))
			}
			for id, n := range logs {
				if n != 1 {
					t.Errorf("%d logs of %s", n, id)
				}
			}
			for object, want := range map[string]int{"companies": 3, "deals": 18, "tickets": 18} {
				all := s.Objects(object)
				if len(all) != want {
					t.Errorf("%d %s, want %d", len(all), object, want)
				}
				for _, o := range all {
					if object != "companies" && (len(o.Contacts) != 1 || len(o.Companies) != 1) || len(o.Contacts) < 1 {
						t.Errorf("one of %s has contacts %v and companies %v", object, o.Contacts, o.Companies)
					}
				}
			}
		})
	}
}
