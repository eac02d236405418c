package caddymodule

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/callgate/callgate/internal/call"
	"github.com/callgate/callgate/internal/destination"
)

func TestEventsThatNeedAnAnswerPassThrough(t *testing.T) {
	c := newCRM(t)
	config := strings.Replace(fmt.Sprintf(deliveringConfig, c.URL), "callgate /hook/* nextphone {", "callgate /hook/* vapi {\n\t\tverify nextphone", 1)
	config = strings.TrimSuffix(config, "}") + "\trespond `{\"assistantId\":\"a1\"}`\n}"
	g := runGateway(t, config)
	for event, want := range map[string]string{
		"assistant-request": `{"assistantId":"a1"}`, "end-of-call-report": `"status":"accepted"`,
	} {
		body := fmt.Sprintf(`{"message":{"type":%q,"timestamp":1700000000000,"call":{"id":"c-1"},"customer":{"number":"+15559876543"}}}`, event)
		if res, got := g.send("/hook/acme", body); res.StatusCode != 200 || !strings.Contains(got, want) {
			t.Errorf("%s was answered %d %s", event, res.StatusCode, got)
		}
	}
	c.next(t)
	c.nothingMore(t)
}

func TestTestModeShowsWhatWouldBeSentAndSendsNothing(t *testing.T) {
	c := newCRM(t)
	g := runGateway(t, strings.Replace(fmt.Sprintf(deliveringConfig, c.URL), "secret ", "test\nsecret ", 1))
	res, body := g.send("/hook/acme", strings.Replace(leadBody, "water heater", "<b>water & heater", 1))
	if !strings.Contains(body, "<b>water & heater") || res.Header.Get("X-Content-Type-Options") != "nosniff" {
		t.Errorf("people cannot read it, or a browser guesses what it is: %s", body)
	}
	var answer struct {
		Status     string
		Call       *call.Call
		Deliveries []struct{ Requests []destination.Request }
	}
	if err := json.Unmarshal([]byte(body), &answer); err != nil || res.StatusCode != 200 || answer.Status != "test" {
		t.Fatalf("status %d: %s", res.StatusCode, body)
	}
	if answer.Call == nil || answer.Call.FirstName != "Mike" || len(answer.Deliveries) != 1 || len(answer.Deliveries[0].Requests) != 1 ||
		!strings.HasPrefix(answer.Deliveries[0].Requests[0].URL, c.URL+"/leads/") {
		t.Errorf("answer %s", body)
	}
	stats, err := g.store().Stats(t.Context())
	if err != nil || stats.Events != 0 {
		t.Errorf("%d events were stored, error %v", stats.Events, err)
	}
	c.nothingMore(t)
}

func TestConvertHandsOnTheDestinationsRequest(t *testing.T) {
	c := newCRM(t)
	config := strings.Replace(fmt.Sprintf(deliveringConfig, c.URL), "deliver crm\n\t\tdeliver oncall `call.urgent`", "convert crm", 1)
	config = strings.Replace(config, "convert crm\n\t}", "convert crm\n\t}\n\treverse_proxy "+c.Listener.Addr().String(), 1)
	g := runGateway(t, config)
	if res, body := g.send("/hook/acme", leadBody); res.StatusCode != 200 || body != "ok" {
		t.Fatalf("status %d: %s", res.StatusCode, body)
	}
	got := c.next(t)
	if got.method != "POST" || !strings.HasPrefix(got.uri, "/leads/") || !strings.Contains(got.body, `"owner":"ABC Plumbing https://abc.example"`) ||
		got.header.Get("X-Nextphone-Signature") != "" || got.length != int64(len(got.body)) {
		t.Errorf("the receiver got %+v", got)
	}
}
