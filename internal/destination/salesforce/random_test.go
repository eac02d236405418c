package salesforce

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/callgate/callgate/internal/destination"
	"github.com/callgate/callgate/internal/destination/destinationtest"
	"github.com/callgate/callgate/internal/standin"
)

// Whatever answers are lost, refused or not Salesforce's: calls that are tried again until they are delivered end in one
// record for each caller, or for each call where calls have a record of their own, and one log for each call.
func TestRandomLife(t *testing.T) {
	for seed := range uint64(24) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			rnd := rand.New(rand.NewPCG(seed, 4))
			cfg := Config{LogCall: seed%2 == 0 || seed%4 == 0, Fields: []Field{{Name: "Nope__c", From: "issue"}}}
			keyed := seed%3 != 0
			if keyed {
				cfg.ExternalID = "Call_Id__c"
			}
			own := keyed && seed%2 == 0
			if own {
				cfg.Match = MatchCall
			}
			if seed%4 == 0 {
				cfg.TaskExternalID = "Log_Id__c"
			}
			if seed%5 == 0 {
				cfg.Status = "Open - Not Contacted"
			}
			cfg.Case, cfg.Opportunity = &Step{Status: "New"}, &Step{Status: "Prospecting"}
			cfg.CampaignMember = &Step{Campaign: campaign}
			if keyed {
				cfg.Case.ExternalID, cfg.Opportunity.ExternalID = "Call_Id__c", "Call_Id__c"
			} else {
				cfg.Notes = new(notebook)
				// What tells two calls of one caller apart where no field does.
				cfg.Case.Fields, cfg.Opportunity.Fields = []Field{{Name: "Subject", From: "{{call_id}}"}}, []Field{{Name: "Name", From: "{{call_id}}"}}
			}
			if seed%6 == 5 { // without steps, calls go out in batches
				cfg.Case, cfg.Opportunity, cfg.CampaignMember = nil, nil, nil
			}
			s, d := org(t, standin.SalesforceConfig{}, cfg)
			withCampaign(t, s)
			var items []destination.Item
			for caller := range 5 {
				for n := range 3 {
					for ev := range 2 {
						c := mike()
						c.ID, c.EventID = fmt.Sprintf("call/%d?%d @{x}", caller, n), fmt.Sprint(caller, n, ev)
						c.CallerNumber, c.Email = fmt.Sprintf("+1555987%04d", caller), fmt.Sprintf("caller%d@example.com", caller)
						if ev == 0 && rnd.IntN(2) == 0 {
							c.Email, c.LastName = "", ""
						}
						c.Params = map[string]any{"issue": "x"}
						items = append(items, item(c))
					}
				}
			}
			destinationtest.DeliverAll(t, rnd, d, items, func() {
				fail := standin.SalesforceFailure{After: rnd.IntN(2) == 0}
				switch rnd.IntN(8) {
				case 0:
					fail.Reply.Hangup = true
				case 1:
					fail.Reply = standin.Reply{Status: 500}
				case 2:
					fail.Reply = standin.Reply{Status: 200, Body: `<html>`}
				case 3:
					fail.Reply = standin.Reply{Status: 403, Body: `[{"errorCode":"REQUEST_LIMIT_EXCEEDED"}]`}
				case 4:
					fail.Reply = standin.Reply{Status: 400, Body: `[{"errorCode":"UNABLE_TO_LOCK_ROW"}]`}
				case 5:
					s.Tokens.Revoke()
					return
				default:
					return
				}
				s.Fail(fail)
			}, func(r destination.Result) { quiet(t, r) })
			field, want := "Phone", 5
			if own {
				field, want = "Call_Id__c", 15
			}
			leads := map[string]int{}
			for _, r := range s.Records("Lead") {
				leads[r.Text(field)]++
			}
			for of, n := range leads {
				if n != 1 || of == "" {
					t.Errorf("%d leads of %q", n, of)
				}
			}
			if len(leads) != want {
				t.Errorf("%d leads, want %d", len(leads), want)
			}
			logs := map[string]int{}
			for _, r := range s.Records("Task") {
				logs[r.Text("CallObject")]++
			}
			for of, n := range logs {
				if n != 1 {
					t.Errorf("%d logs of %q", n, of)
				}
			}
			if cfg.Case != nil {
				for object, n := range map[string]int{"Case": 15, "Opportunity": 15, "CampaignMember": want} {
					if all := s.Records(object); len(all) != n {
						t.Errorf("%d of %s, want %d", len(all), object, n)
					}
				}
			}
			if cfg.LogCall != (len(logs) == 15) {
				t.Errorf("%d logs", len(logs))
			}
		})
	}
}
