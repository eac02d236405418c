package hubspot

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/callgate/callgate/internal/call"
	"github.com/callgate/callgate/internal/destination"
	"github.com/callgate/callgate/internal/outbound"
	"github.com/callgate/callgate/internal/standin"
)

func noEmail(c *call.Call) { c.Email = "" }

func TestALeadBecomesAContactAndALoggedCall(t *testing.T) {
	for _, api := range []string{"v3", "2026-03", "v1"} {
		t.Run(api, func(t *testing.T) {
			s, d := account(t, standin.HubSpotConfig{}, func(c *Config) {
				c.API, c.LogCall, c.Note, c.LeadStatus, c.Lifecycle, c.OwnerID = api, true, true, "NEW", "lead", "4711"
			})
			it := item(func(c *call.Call) {
				c.RecordingURL = "https://rec.example/1.wav"
				c.Summary = "Pipe <b>leaks</b> & drips"
			})
			delivered(t, one(t, d, it))
			c := contact(t, s)
			want(t, c, map[string]string{"email": "mjohnson@email.com", "firstname": "Mike", "lastname": "Johnson",
				"phone": "+15559876543", "message": "leaky pipe in kitchen", "hs_lead_status": "NEW",
				"lifecyclestage": "lead", "hubspot_owner_id": "4711"})
			logged := s.Objects("calls")
			if len(logged) != 1 || fmt.Sprint(logged[0].Contacts) != fmt.Sprint([]string{c.ID}) {
				t.Fatalf("calls %v, want one, of contact %s", logged, c.ID)
			}
			want(t, logged[0], map[string]string{"hs_timestamp": "2026-10-01T11:50:00.000Z", "hs_call_duration": "187000",
				"hs_call_direction": "INBOUND", "hs_call_status": "COMPLETED", "hs_call_from_number": "+15559876543",
				"hs_call_to_number": "+15551234567", "hs_call_recording_url": "https://rec.example/1.wav",
				"hs_call_external_id": it.Call.ID, "hs_call_title": "Inbound call from Mike Johnson", "hubspot_owner_id": "4711",
				"hs_call_body": "<p><strong>Message</strong><br>leaky pipe in kitchen</p><p><strong>Summary</strong><br>Pipe &lt;b&gt;leaks&lt;/b&gt; &amp; drips</p>"})
			if n := s.Objects("notes"); len(n) != 1 || len(n[0].Contacts) != 1 {
				t.Errorf("notes %v, want one with its contact", n)
			}
		})
	}
}

func TestTheSameDeliveryTwiceChangesNothing(t *testing.T) {
	tests := map[string]struct {
		call   func(*call.Call)
		config func(*Config)
		lag    time.Duration
	}{
		"with e-mail":                    {},
		"without e-mail":                 {call: noEmail},
		"without e-mail, search lags":    {call: noEmail, lag: time.Minute},
		"with unique properties":         {call: noEmail, lag: time.Hour, config: func(c *Config) { c.ContactProperty, c.CallProperty = "call_key", "call_key" }},
		"no call id, as NextPhone sends": {call: func(c *call.Call) { c.ID = "" }},
		"v1":                             {config: func(c *Config) { c.API = "v1" }},
		"nothing to know the caller by, but unique properties": {
			call:   func(c *call.Call) { c.Email, c.CallerNumber = "", "" },
			config: func(c *Config) { c.ContactProperty, c.CreateNameless = "call_key", true },
		},
	}
	for name, tt := range tests {
		for _, restart := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, restart %v", name, restart), func(t *testing.T) {
				clk := newClock()
				sc := standin.HubSpotConfig{Token: token, SearchLag: tt.lag, Now: clk.now}
				change := func(c *Config) {
					c.LogCall, c.Note = true, true
					if tt.config != nil {
						tt.config(c)
					}
					if restart && c.CallProperty != "" {
						c.Note = false // notes have nothing but the search, which lags here
					}
				}
				s, d := account(t, sc, change)
				for _, o := range []string{"contacts", "calls"} {
					s.Define(o, standin.HubSpotProperty{Name: "call_key", Unique: true})
				}
				it := item(tt.call)
				delivered(t, one(t, d, it))
				if restart {
					if tt.lag < time.Hour {
						clk.forward(tt.lag) // what a retry after a crash has waited at least
					}
					d = connect(t, s.URL, sc, change)
				}
				it.Attempt = 2
				delivered(t, one(t, d, it))
				contact(t, s)
				if n := len(s.Objects("calls")); n != 1 {
					t.Errorf("%d calls are logged, want 1", n)
				}
				if n := len(s.Objects("notes")); n > 1 {
					t.Errorf("%d notes are written, want 1", n)
				}
			})
		}
	}
}

func TestALostAnswerIsNotADuplicate(t *testing.T) {
	for lost := range 4 { // whichever request's answer is lost
		t.Run(fmt.Sprint(lost), func(t *testing.T) {
			s, d := account(t, standin.HubSpotConfig{}, func(c *Config) { c.LogCall = true })
			it := item(noEmail)
			loseAfter(s, d, lost)
			first := one(t, d, it)
			if first.Outcome != destination.Retry || !first.Unhealthy {
				t.Fatalf("%s, unhealthy %v, want a retry", first.Outcome, first.Unhealthy)
			}
			delivered(t, one(t, d, it))
			contact(t, s)
			if n := len(s.Objects("calls")); n != 1 {
				t.Errorf("%d calls, want 1", n)
			}
		})
	}
}

// loseAfter loses the answer to the request after the next n.
func loseAfter(s *standin.HubSpot, d *Destination, n int) {
	d.conf.Client = outbound.NewClient(outbound.Options{Transport: &counting{n: n, hit: func() { s.Lose(1) }}})
}

func TestEventsOfOneCallMeetInOneContactWhateverTheirOrder(t *testing.T) {
	ended := func(id string) func(*call.Call) {
		return func(c *call.Call) { c.ID, c.Email, c.LastName, c.Message = id, "", "", "" }
	}
	analyzed := func(id string) func(*call.Call) {
		return func(c *call.Call) {
			c.ID, c.EventType, c.Summary = id, "call_analyzed", "The caller has a leak in the kitchen."
			c.Email = "MJohnson@Email.com"
		}
	}
	for _, way := range []string{"one after the other", "long after", "together"} {
		for _, reverse := range []bool{false, true} {
			for _, keyed := range []bool{false, true} {
				t.Run(fmt.Sprintf("%s, reverse %v, keyed %v", way, reverse, keyed), func(t *testing.T) {
					clk := newClock()
					s, d := account(t, standin.HubSpotConfig{Now: clk.now, SearchLag: 30 * time.Second}, func(c *Config) {
						c.LogCall = true
						if keyed {
							c.ContactProperty, c.CallProperty = "call_key", "call_key"
						}
					})
					s.Define("contacts", standin.HubSpotProperty{Name: "call_key", Unique: true})
					s.Define("calls", standin.HubSpotProperty{Name: "call_key", Unique: true})
					items := []destination.Item{item(ended("c1")), item(analyzed("c1"))}
					if reverse {
						items[0], items[1] = items[1], items[0]
					}
					if way == "together" {
						delivered(t, d.Deliver(t.Context(), items)...)
					} else {
						delivered(t, one(t, d, items[0]))
						if way == "long after" {
							clk.forward(time.Hour)
						}
						delivered(t, one(t, d, items[1]))
					}
					want(t, contact(t, s), map[string]string{"email": "mjohnson@email.com", "firstname": "Mike", "lastname": "Johnson", "message": "leaky pipe in kitchen"})
					logged := s.Objects("calls")
					if len(logged) != 1 || !strings.Contains(logged[0].Properties["hs_call_body"], "leak in the kitchen") {
						t.Errorf("calls %v, want one with the summary", logged)
					}
				})
			}
		}
	}
}

func TestABacklogGoesInOneRequest(t *testing.T) {
	s, d := account(t, standin.HubSpotConfig{}, func(c *Config) { c.NoPhoneMatch = true })
	items := make([]destination.Item, 100)
	for i := range items {
		items[i] = item(func(c *call.Call) { c.Email = fmt.Sprintf("caller%d@Example.com", i) })
	}
	res := d.Deliver(t.Context(), items)
	delivered(t, res...)
	if got := paths(s); got != "POST contacts/batch/upsert" {
		t.Errorf("requests: %s; want one upsert", got)
	}
	byID := map[string]string{}
	for _, c := range s.Objects("contacts") {
		byID[c.ID] = c.Properties["email"]
	}
	for i, r := range res {
		if w := fmt.Sprintf("caller%d@example.com", i); byID[r.RemoteID] != w {
			t.Errorf("item %d got contact %s of %s, want %s", i, r.RemoteID, byID[r.RemoteID], w)
		}
	}
}

func TestRowsOfABatchFailAlone(t *testing.T) {
	for _, noTrace := range []bool{false, true} {
		t.Run(fmt.Sprintf("answers without trace %v", noTrace), func(t *testing.T) {
			s, d := account(t, standin.HubSpotConfig{NoTrace: noTrace}, func(c *Config) {
				c.Properties = map[string]string{"hs_lead_status": "params.status", "lead_source": "AI Receptionist", "hs_analytics_source": "phone call"}
			})
			var items []destination.Item
			add := func(change func(*call.Call)) { items = append(items, item(change)) }
			for i := range 8 {
				add(func(c *call.Call) {
					c.Email, c.CallerNumber = fmt.Sprintf("a%d@example.com", i), fmt.Sprintf("+1555987%04d", i)
					c.FirstName = fmt.Sprint("Caller", i)
				})
			}
			items[3].Call.Params = map[string]any{"status": "IMPOSSIBLE"} // a value that HubSpot refuses
			items[4].Call.Params = map[string]any{"status": "OPEN"}
			items[5].Call.Email = "who@.x.com" // an address that only HubSpot refuses
			items[6].Call.Email = "A1@example.COM"
			items[7].Call.Email, items[7].Call.CallerNumber = "", "" // nobody
			res := d.Deliver(t.Context(), items)
			delivered(t, res[:7]...)
			if res[7].Outcome != destination.Dead || !strings.Contains(res[7].Reason, "create_nameless") {
				t.Errorf("a call without address and number: %+v, want it dead with what to do", res[7])
			}
			if res[1].RemoteID != res[6].RemoteID {
				t.Errorf("one address, two contacts: %s and %s", res[1].RemoteID, res[6].RemoteID)
			}
			byID := map[string]standin.HubSpotObject{}
			for _, c := range s.Objects("contacts") {
				byID[c.ID] = c
			}
			if len(byID) != 6 {
				t.Errorf("%d contacts, want 6", len(byID))
			}
			want(t, byID[res[1].RemoteID], map[string]string{"email": "a1@example.com", "firstname": "Caller6"})
			want(t, byID[res[3].RemoteID], map[string]string{"email": "a3@example.com", "hs_lead_status": ""})
			want(t, byID[res[4].RemoteID], map[string]string{"hs_lead_status": "OPEN"})
			want(t, byID[res[5].RemoteID], map[string]string{"email": "", "phone": "+15559870005"})
			if w := strings.Join(res[3].Warnings, "; "); !strings.Contains(w, "hs_lead_status") || strings.Contains(w, "IMPOSSIBLE") {
				t.Errorf("warnings %q, want the property and not its value", w)
			}
			all := ""
			for _, r := range res {
				all += strings.Join(r.Warnings, "; ")
			}
			if strings.Count(all, "lead_source of contacts") != 1 || strings.Count(all, "hs_analytics_source of contacts") != 1 {
				t.Errorf("warnings %q, want each property that cannot be written once", all)
			}
			before := len(s.Requests())
			again := one(t, d, item(nil))
			delivered(t, again)
			if n := len(s.Requests()) - before; n != 2 || len(again.Warnings) != 0 {
				t.Errorf("the next delivery took %d requests and warns %q; want a search and an upsert, and no warning", n, again.Warnings)
			}
		})
	}
}

func TestDeliveriesAtOnceMakeOneContact(t *testing.T) {
	s, d := account(t, standin.HubSpotConfig{}, func(c *Config) { c.LogCall = true })
	var wg sync.WaitGroup
	for i := range 24 {
		wg.Go(func() {
			it := item(func(c *call.Call) {
				c.ID = fmt.Sprint("call", i%3)
				if i%2 == 0 {
					c.Email = ""
				}
			})
			if r := one(t, d, it); r.Outcome != destination.Delivered {
				t.Errorf("%+v", r)
			}
		})
	}
	wg.Wait()
	contact(t, s)
	if n := len(s.Objects("calls")); n != 3 {
		t.Errorf("%d calls, want 3", n)
	}
	if n := d.locks.Held(); n != 0 {
		t.Errorf("%d locks are left", n)
	}
}
