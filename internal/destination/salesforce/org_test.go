package salesforce

import (
	"context"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/callgate/callgate/internal/call"
	"github.com/callgate/callgate/internal/destination"
	"github.com/callgate/callgate/internal/outbound"
	"github.com/callgate/callgate/internal/standin"
)

var noon = time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)

func clock() time.Time { return noon }

// secret values of the call, which no reason and no warning may quote.
const (
	callerNumber  = "+15559876543"
	callerEmail   = "mjohnson@email.com"
	callerMessage = "leaky pipe in kitchen"
	clientSecret  = "s3cr3t-of-the-client"
)

// org starts an organization that knows the external ids, and a destination for it.
func org(t testing.TB, sc standin.SalesforceConfig, cfg Config) (*standin.Salesforce, *Destination) {
	t.Helper()
	sc.Token.ClientID, sc.Token.ClientSecret, sc.Now = "id", clientSecret, clock
	if sc.Fields == nil {
		sc.Fields = map[string]map[string]standin.SalesforceField{}
	}
	key := standin.SalesforceField{Type: "string", Length: 255, ExternalID: true, Unique: true}
	for object, field := range map[string]string{"Lead": "Call_Id__c", "Contact": "Call_Id__c", "Task": "Log_Id__c", "Job__c": "Call_Id__c", "Case": "Call_Id__c", "Opportunity": "Call_Id__c"} {
		if sc.Fields[object] == nil {
			sc.Fields[object] = map[string]standin.SalesforceField{}
		}
		if _, set := sc.Fields[object][field]; !set {
			sc.Fields[object][field] = key
		}
	}
	s := standin.NewSalesforce(t, sc)
	client := outbound.NewClient(outbound.Options{AllowPrivate: true})
	t.Cleanup(client.CloseIdle)
	auth, err := outbound.OAuth2ClientCredentials(outbound.OAuth2Config{
		TokenURL: TokenURL(s.URL), ClientID: "id", ClientSecret: clientSecret, Client: client, Now: clock,
	})
	if err != nil {
		t.Fatal(err)
	}
	cfg.Instance = s.URL
	d, err := New(cfg, client, auth, clock)
	if err != nil {
		t.Fatal(err)
	}
	return s, d
}

// mike is the guide's caller.
func mike() *call.Call {
	seconds := 42
	return &call.Call{
		Provider: "retell", EventType: "call_analyzed", EventID: "ev-1", ID: "call/1 ?", Direction: call.Inbound,
		CallerNumber: callerNumber, FirstName: "Mike", LastName: "Johnson", Email: callerEmail, Company: "Johnson Ltd",
		Message: callerMessage, EndedAt: noon.Add(-time.Minute), Duration: &seconds,
	}
}

func item(c *call.Call) destination.Item {
	return destination.Item{DeliveryID: "d-" + c.ID, EventID: "gw-" + c.EventID, Attempt: 1, Tenant: "acme", Call: c, ReceivedAt: noon}
}

// deliver delivers one call and checks what holds for every result.
func deliver(t testing.TB, d *Destination, c *call.Call) destination.Result {
	t.Helper()
	before, _ := json.Marshal(c)
	out := d.Deliver(context.Background(), []destination.Item{item(c)})
	if len(out) != 1 {
		t.Fatalf("%d results for one item", len(out))
	}
	after, _ := json.Marshal(c)
	if string(before) != string(after) {
		t.Error("the call record was changed")
	}
	quiet(t, out[0])
	return out[0]
}

// quiet checks that a result is worded and quotes no value.
func quiet(t testing.TB, res destination.Result) {
	t.Helper()
	said := res.Reason + " " + strings.Join(res.Warnings, " ")
	for _, v := range []string{callerNumber, callerEmail, callerMessage, "Johnson", clientSecret, "call/1"} {
		if strings.Contains(said, v) {
			t.Errorf("the result quotes %q: %s", v, said)
		}
	}
	if (res.Outcome == destination.Delivered) != (res.Reason == "") {
		t.Errorf("outcome %v with the reason %q", res.Outcome, res.Reason)
	}
	if res.Outcome == destination.Dead && (res.Pause || res.RetryAfter != 0) {
		t.Errorf("dead, but also pause %v and retry after %v", res.Pause, res.RetryAfter)
	}
}

func delivered(t testing.TB, res destination.Result) {
	t.Helper()
	if res.Outcome != destination.Delivered {
		t.Fatalf("outcome %v: %s", res.Outcome, res.Reason)
	}
	if !isID(res.RemoteID) {
		t.Errorf("remote id %q is none", res.RemoteID)
	}
}

// only is the single record of an object.
func only(t testing.TB, s *standin.Salesforce, object string) standin.SalesforceRecord {
	t.Helper()
	all := s.Records(object)
	if len(all) != 1 {
		t.Fatalf("%d records of %s, want one: %v", len(all), object, all)
	}
	return all[0]
}

// holds checks fields of a record; "" wants none.
func holds(t testing.TB, r standin.SalesforceRecord, want map[string]string) {
	t.Helper()
	for f, v := range want {
		if got := r.Text(f); got != v {
			t.Errorf("%s is %q, want %q", f, got, v)
		}
	}
}
