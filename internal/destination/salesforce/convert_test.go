package salesforce

import (
	"net/http"
	"testing"

	"github.com/callgate/callgate/internal/call"
	"github.com/callgate/callgate/internal/standin"
)

// What Convert makes is taken by Salesforce as it stands, also for a caller of whom only the number is known.
func TestConvertedRequestsAreTaken(t *testing.T) {
	for name, cfg := range map[string]Config{
		"upsert": {ExternalID: "Call_Id__c"}, "create": {}, "with a log": {ExternalID: "Call_Id__c", LogCall: true},
	} {
		t.Run(name, func(t *testing.T) {
			s, d := org(t, standin.SalesforceConfig{}, cfg)
			for i, c := range []*call.Call{mike(), {Provider: "retell", ID: "other", CallerNumber: "+15551112222"}} {
				req, err := d.Convert(t.Context(), item(c))
				if err != nil {
					t.Fatal(err)
				}
				res, err := http.DefaultClient.Do(req)
				if err != nil {
					t.Fatal(err)
				}
				res.Body.Close()
				if res.StatusCode != http.StatusCreated {
					t.Errorf("%d: %s", i, res.Status)
				}
				if req.Header.Get("Idempotency-Key") != "" || req.Header.Get("Authorization") == "" {
					t.Errorf("headers %v", req.Header)
				}
			}
			if n := len(s.Requests()); n != 2 {
				t.Errorf("%d requests for two calls", n)
			}
		})
	}
}
