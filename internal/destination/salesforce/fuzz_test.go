package salesforce

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/callgate/callgate/internal/destination"
	"github.com/callgate/callgate/internal/outbound"
)

// alike answers every request alike, and counts.
type alike struct {
	status int
	body   []byte
	n      int
}

func (a *alike) RoundTrip(r *http.Request) (*http.Response, error) {
	a.n++
	return &http.Response{StatusCode: a.status, Header: http.Header{}, Body: io.NopCloser(bytes.NewReader(a.body)), Request: r}, nil
}

// FuzzDeliverAlwaysEnds answers every request alike: whatever it is, the delivery ends soon, with a result for each item
// that quotes no value of a call.
func FuzzDeliverAlwaysEnds(f *testing.F) {
	const id = "00Q000000000001AAA"
	for _, body := range []string{
		`{"id":"` + id + `","success":true,"errors":[]}`,
		`{"id":null,"success":false,"errors":[{"statusCode":"UNABLE_TO_LOCK_ROW"}]}`,
		`[{"id":"` + id + `","success":true,"errors":[]},{"success":false,"errors":[{"statusCode":"DUPLICATES_DETECTED","message":"mjohnson@email.com"}]}]`,
		`[{"message":"Required fields are missing: [LastName]","errorCode":"REQUIRED_FIELD_MISSING","fields":["LastName"]}]`,
		`[{"errorCode":"DUPLICATES_DETECTED","duplicateResult":{"matchResults":[{"matchRecords":[{"record":{"attributes":{"type":"Lead"},"Id":"` + id + `"}}]}]}}]`,
		`[{"errorCode":"INVALID_FIELD","message":"No such column 'Phone' on entity 'Lead'."}]`,
		`[{"errorCode":"STRING_TOO_LONG","message":"Description: data value too large: leaky pipe in kitchen (max length=5)","fields":["Description"]}]`,
		`[{"errorCode":"INVALID_EMAIL_ADDRESS","message":"Email: invalid email address: mjohnson@email.com","fields":["Email"]}]`,
		`{"records":[{"Id":"` + id + `","Email":"mjohnson@email.com","Description":"x"}]}`,
		`{"compositeResponse":[{"body":{"records":[]},"httpStatusCode":200,"referenceId":"record"},{"body":{"records":[]},"httpStatusCode":200,"referenceId":"task"}]}`,
		`{"compositeResponse":[{"body":{"id":"` + id + `","success":true},"httpStatusCode":201,"referenceId":"record"},{"body":[{"errorCode":"INVALID_FIELD","message":"No such column 'Subject'"}],"httpStatusCode":400,"referenceId":"task"}]}`,
		`{"compositeResponse":[{"body":[{"errorCode":"INVALID_CROSS_REFERENCE_KEY","message":"invalid cross reference id","fields":["LeadId"]}],"httpStatusCode":400,"referenceId":"case"},{"body":{"id":"` + id + `","success":true},"httpStatusCode":201,"referenceId":"opportunity"},{"body":[{"errorCode":"DUPLICATE_VALUE"}],"httpStatusCode":400,"referenceId":"campaign_member"}]}`,
		`["/services/data/v67.0/sobjects/Lead/00Q000000000001AAA"]`, `{"fields":[{"name":"Description","length":3}]}`, `[null,null]`, `<html>`, ``, `null`,
	} {
		for _, status := range []int{200, 300, 400, 403, 404} {
			for mode := range uint8(16) {
				f.Add([]byte(body), status, mode)
			}
		}
	}
	auth, err := outbound.Bearer("token")
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, body []byte, status int, mode uint8) {
		if status < 200 || status > 599 {
			return // not an answer to net/http
		}
		cfg := Config{Instance: "https://acme.my.salesforce.com", Describe: true, LogCall: mode&1 != 0}
		if mode&2 != 0 {
			cfg.ExternalID = "Call_Id__c"
		}
		if mode&8 != 0 {
			cfg.Case, cfg.Opportunity, cfg.CampaignMember = &Step{Status: "New"}, &Step{Status: "Open", ExternalID: "Call_Id__c"}, &Step{Campaign: campaign}
			cfg.Notes = new(notebook)
		}
		if mode&6 == 6 {
			cfg.Match = MatchCall
		}
		answers := &alike{status: status, body: body}
		d, err := New(cfg, outbound.NewClient(outbound.Options{Transport: answers}), auth, clock)
		if err != nil {
			t.Fatal(err)
		}
		second := mike()
		second.ID = "call/2"
		items := []destination.Item{item(mike()), item(second)}
		results := d.Deliver(context.Background(), items)
		if len(results) != len(items) {
			t.Fatalf("%d results for %d items", len(results), len(items))
		}
		for _, res := range results {
			quiet(t, res)
		}
		if answers.n > 110 {
			t.Errorf("%d requests for two calls", answers.n)
		}
		if n := d.locks.Held(); n != 0 {
			t.Errorf("%d locks are left", n)
		}
		if strings.Contains(results[0].RemoteID, "/") {
			t.Errorf("remote id %q", results[0].RemoteID)
		}
	})
}
