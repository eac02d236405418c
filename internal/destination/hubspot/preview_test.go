package hubspot

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/callgate/callgate/internal/call"
	"github.com/callgate/callgate/internal/destination"
	"github.com/callgate/callgate/internal/outbound"
	"github.com/callgate/callgate/internal/standin"
)

type refuseAll struct{ t *testing.T }

func (r refuseAll) RoundTrip(*http.Request) (*http.Response, error) {
	r.t.Error("a preview sent a request")
	return nil, http.ErrHandlerTimeout
}

// fixed is a lead whose ids do not depend on the other tests.
func fixed(change func(*call.Call)) destination.Item {
	it := item(func(c *call.Call) { c.ID = "call_abc" })
	it.DeliveryID, it.EventID = "dlv_1", "evt_1"
	if change != nil {
		change(it.Call)
	}
	return it
}

func TestPreviewShowsTheExactRequests(t *testing.T) {
	tests := map[string]struct {
		change func(*Config)
		call   func(*call.Call)
		want   string
	}{
		"the default": {want: `
POST https://api.hubapi.com/crm/v3/objects/contacts/search
{"filterGroups":[{"filters":[{"propertyName":"phone","operator":"IN","values":["+15559876543","(555) 987-6543","+1 (555) 987-6543","+1 555-987-6543","1-555-987-6543","15559876543","555-987-6543","555.987.6543","5559876543"]}]},{"filters":[{"propertyName":"mobilephone","operator":"IN","values":["+15559876543","(555) 987-6543","+1 (555) 987-6543","+1 555-987-6543","1-555-987-6543","15559876543","555-987-6543","555.987.6543","5559876543"]}]},{"filters":[{"propertyName":"hs_searchable_calculated_phone_number","operator":"IN","values":["5559876543"]}]},{"filters":[{"propertyName":"hs_searchable_calculated_mobile_number","operator":"IN","values":["5559876543"]}]}],"sorts":[{"propertyName":"lastmodifieddate","direction":"DESCENDING"}],"properties":["email","firstname","lastname","phone","mobilephone","hs_searchable_calculated_phone_number","hs_searchable_calculated_mobile_number"],"limit":100}
POST https://api.hubapi.com/crm/v3/objects/contacts/batch/upsert
{"inputs":[{"idProperty":"email","id":"mjohnson@email.com","objectWriteTraceId":"dlv_1","properties":{"email":"mjohnson@email.com","firstname":"Mike","lastname":"Johnson","phone":"+15559876543","message":"leaky pipe in kitchen"}}]}`},
		"dated, with all unique properties": {
			change: func(c *Config) {
				c.API, c.ContactProperty, c.CallProperty, c.LogCall, c.LeadStatus = "2026-03", "call_key", "call_key", true, "NEW"
			},
			call: noEmail,
			want: `
POST https://api.hubapi.com/crm/objects/2026-03/contacts/batch/read
{"idProperty":"call_key","properties":["call_key","email","hs_additional_emails","firstname","lastname"],"propertiesWithHistory":[],"inputs":[{"id":"call_abc"}]}
POST https://api.hubapi.com/crm/objects/2026-03/contacts/search
…
POST https://api.hubapi.com/crm/objects/2026-03/contacts/batch/create
{"inputs":[{"objectWriteTraceId":"dlv_1","properties":{"firstname":"Mike","lastname":"Johnson","phone":"+15559876543","message":"leaky pipe in kitchen","call_key":"call_abc","hs_lead_status":"NEW"},"associations":[]}]}
POST https://api.hubapi.com/crm/objects/2026-03/calls/batch/read
{"idProperty":"call_key","properties":["call_key","hs_call_body"],"propertiesWithHistory":[],"inputs":[{"id":"call_abc"}]}
POST https://api.hubapi.com/crm/objects/2026-03/calls/batch/create
{"inputs":[{"objectWriteTraceId":"dlv_1/ed01972d3c168ca7","properties":{"hs_timestamp":"2026-10-01T11:50:00.000Z","hs_call_body":"<p><strong>Message</strong><br>leaky pipe in kitchen</p>","hs_call_title":"Inbound call from Mike Johnson","hs_call_direction":"INBOUND","hs_call_from_number":"+15559876543","hs_call_to_number":"+15551234567","hs_call_duration":"187000","hs_call_status":"COMPLETED","hs_call_external_id":"call_abc","call_key":"call_abc"},"associations":[{"to":{"id":"CONTACT_ID"},"types":[{"associationCategory":"HUBSPOT_DEFINED","associationTypeId":194}]}]}]}`},
		"the guide's": {
			change: func(c *Config) {
				c.API, c.NoPhoneMatch, c.Properties = "v1", true, map[string]string{"lead_source": "AI Receptionist"}
			},
			want: `
POST https://api.hubapi.com/contacts/v1/contact/createOrUpdate/email/mjohnson@email.com
{"properties":[{"property":"email","value":"mjohnson@email.com"},{"property":"firstname","value":"Mike"},{"property":"lastname","value":"Johnson"},{"property":"phone","value":"+15559876543"},{"property":"message","value":"leaky pipe in kitchen"},{"property":"lead_source","value":"AI Receptionist"}]}`},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			c := Config{Token: token, Client: outbound.NewClient(outbound.Options{Transport: refuseAll{t}})}
			if tt.change != nil {
				tt.change(&c)
			}
			d, err := New(c)
			if err != nil {
				t.Fatal(err)
			}
			for range 2 { // and leaves nothing behind
				reqs, err := d.Preview([]destination.Item{fixed(tt.call)})
				if err != nil {
					t.Fatal(err)
				}
				var b strings.Builder
				for _, r := range reqs {
					body := r.Body
					if strings.Contains(tt.want, "\n…") && strings.HasSuffix(r.URL, "/search") {
						body = "…"
					}
					b.WriteString("\n" + r.Method + " " + r.URL + "\n" + body)
					if got := r.Header.Get("Authorization"); got != "Bearer ***" {
						t.Errorf("Authorization is %q", got)
					}
					if r.Header.Get("Webhook-Id") != "dlv_1" || r.Note == "" || !json.Valid([]byte(r.Body)) {
						t.Errorf("request %+v", r)
					}
				}
				if b.String() != tt.want {
					t.Errorf("got %s\nwant %s", b.String(), tt.want)
				}
			}
		})
	}
}

func TestPreviewIsWhatDeliverSends(t *testing.T) {
	s, d := account(t, standin.HubSpotConfig{}, func(c *Config) { c.LogCall, c.Note, c.KeepNames = true, true, true })
	items := []destination.Item{fixed(nil), item(noEmail), item(func(c *call.Call) { c.Email, c.CallerNumber = "x@y.example", "+15552223333" })}
	reqs, err := d.Preview(items)
	if err != nil {
		t.Fatal(err)
	}
	delivered(t, d.Deliver(t.Context(), items)...)
	sent := s.Requests()
	if len(sent) != len(reqs) {
		t.Fatalf("%d requests shown, %d sent", len(reqs), len(sent))
	}
	contacts := s.Objects("contacts")
	for i, r := range reqs {
		body := string(sent[i].Body)
		for _, c := range contacts {
			body = strings.ReplaceAll(body, `{"to":{"id":"`+c.ID+`"}`, `{"to":{"id":"`+ContactID+`"}`)
		}
		if s.URL+sent[i].URI != r.URL || body != r.Body {
			t.Errorf("request %d\nshown %s %s\nsent  %s %s", i, r.URL, r.Body, sent[i].URI, body)
		}
	}
}

func TestPreviewOfWhatIsNotSent(t *testing.T) {
	d, err := New(Config{Token: token})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := d.Preview([]destination.Item{item(func(c *call.Call) { c.Email, c.CallerNumber = "", "" })}); err == nil || !strings.Contains(err.Error(), "create_nameless") {
		t.Errorf("error %v", err)
	}
	if _, err := d.Preview(make([]destination.Item, 101)); err == nil {
		t.Error("101 calls in one preview")
	}
}

func TestEngagements(t *testing.T) {
	long := strings.Repeat("a<b & \"c\" é\n", 10_000)
	t.Run("what comes late does not take back", func(t *testing.T) {
		s, d := account(t, standin.HubSpotConfig{}, func(c *Config) { c.LogCall, c.Note = true, true })
		delivered(t, one(t, d, item(func(c *call.Call) { c.ID, c.Summary = "c1", "A long summary of the call" })))
		delivered(t, one(t, d, item(func(c *call.Call) {
			c.ID, c.EventType, c.Duration, c.StartedAt, c.Message, c.Email = "c1", "call_started", nil, time.Time{}, "", ""
		})))
		want(t, s.Objects("calls")[0], map[string]string{"hs_call_status": "COMPLETED", "hs_call_duration": "187000", "hs_timestamp": "2026-10-01T11:50:00.000Z"})
		if b := s.Objects("calls")[0].Properties["hs_call_body"]; !strings.Contains(b, "long summary") {
			t.Errorf("body %q", b)
		}
		if n := s.Objects("notes"); len(n) != 1 || !strings.Contains(n[0].Properties["hs_note_body"], "long summary") {
			t.Errorf("notes %v", n)
		}
	})
	t.Run("a running call is not completed", func(t *testing.T) {
		s, d := account(t, standin.HubSpotConfig{}, func(c *Config) { c.LogCall = true })
		delivered(t, one(t, d, item(func(c *call.Call) { c.ID, c.EventType, c.Duration = "c2", "call_started", nil })))
		want(t, s.Objects("calls")[0], map[string]string{"hs_call_status": "IN_PROGRESS"})
		delivered(t, one(t, d, item(func(c *call.Call) { c.ID, c.Direction = "c2", call.Outbound })))
		want(t, s.Objects("calls")[0], map[string]string{"hs_call_status": "COMPLETED", "hs_call_direction": "OUTBOUND", "hs_call_from_number": "+15551234567"})
	})
	t.Run("long and hostile texts", func(t *testing.T) {
		s, d := account(t, standin.HubSpotConfig{}, func(c *Config) { c.LogCall, c.Note, c.Transcript = true, true, true })
		r := one(t, d, item(func(c *call.Call) {
			c.Message, c.Transcript, c.RecordingURL = long, long, "http://plain.example/a"
			c.FirstName = "<script>"
		}))
		delivered(t, r)
		for _, o := range []standin.HubSpotObject{s.Objects("calls")[0], s.Objects("notes")[0]} {
			b := o.Properties["hs_call_body"] + o.Properties["hs_note_body"]
			if len(b) > maxValue || len(b) < maxValue-200 || strings.Contains(b, "<script") || strings.Contains(strings.ReplaceAll(b, "<br>", ""), "a<b") || !strings.HasSuffix(b, "</p>") {
				t.Errorf("%d bytes of text: %.100s … %s", len(b), b, b[len(b)-60:])
			}
			if o.Properties["hs_call_recording_url"] != "" {
				t.Error("a recording without https")
			}
		}
		w := strings.Join(r.Warnings, ";")
		for _, say := range []string{"call log was cut", "note was cut", "https only", "property message was cut"} {
			if !strings.Contains(w, say) {
				t.Errorf("warnings %q do not say %q", w, say)
			}
		}
	})
}

func TestStatusOfACall(t *testing.T) {
	for word, status := range map[string]string{"no-answer": "NO_ANSWER", "dial_busy": "BUSY", "Failed": "FAILED", "canceled": "CANCELED", "user_hangup": "COMPLETED"} {
		c := &call.Call{Params: map[string]any{"call_status": word}}
		if got, final := statusOf(c); got != status || !final {
			t.Errorf("%s is %s, final %v; want %s", word, got, final, status)
		}
	}
	if got, final := statusOf(&call.Call{EventType: "ringing"}); got != "RINGING" || final {
		t.Errorf("ringing is %s, final %v", got, final)
	}
}

func TestCutHTMLLeavesNothingOpen(t *testing.T) {
	for n := range 12 {
		got := cutHTML("ab&amp;c<br>", n)
		if strings.Count(got, "&") != strings.Count(got, ";") || strings.Count(got, "<") != strings.Count(got, ">") || len(got) > n {
			t.Errorf("%d: %q", n, got)
		}
	}
}
