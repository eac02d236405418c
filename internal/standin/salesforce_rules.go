package standin

import (
	"slices"
	"strings"
)

func (s *Salesforce) exists(id string, objects ...string) bool {
	for _, o := range objects {
		for _, r := range s.records[o] {
			if r.ID == id && !r.Deleted {
				return true
			}
		}
	}
	return false
}

func (s *Salesforce) becameContact(id any) bool {
	for _, r := range s.records["Lead"] {
		if r.ID == id && r.Converted {
			return true
		}
	}
	return false
}

// references refuses the owners and record types that the organization does not have. The codes are those of the
// API's list of status codes; the wording is that of people's reports.
func (s *Salesforce) references(values map[string]any) []salesforceError {
	for _, ref := range []struct {
		field, label, prefix string
		known                []string
	}{{"OwnerId", "Owner ID", "005", s.cfg.Users}, {"RecordTypeId", "Record Type ID", "012", s.cfg.RecordTypes}} {
		id, sent := values[ref.field].(string)
		switch {
		case !sent || slices.Contains(ref.known, id):
		case !strings.HasPrefix(id, ref.prefix) || len(id) != 15 && len(id) != 18:
			return salesforceErr("MALFORMED_ID", ref.label+": id value of incorrect type: "+id, ref.field)
		case ref.field == "OwnerId":
			return salesforceErr("INACTIVE_OWNER_OR_USER", "operation performed with inactive user ["+id+"] as owner of lead")
		default:
			return salesforceErr("INVALID_CROSS_REFERENCE_KEY", ref.label+": this ID value isn't valid for the user: "+id, ref.field)
		}
	}
	return nil
}

// belongs refuses relations to records that are not there, and a second membership of a person in a campaign (Object
// Reference, "CampaignMember": an error is returned and no update is made; its code is from people's reports).
func (s *Salesforce) belongs(object string, old *SalesforceRecord, values map[string]any) []salesforceError {
	if object != "Case" && object != "Opportunity" && object != "CampaignMember" {
		return nil
	}
	for field, to := range map[string]string{"ContactId": "Contact", "LeadId": "Lead", "CampaignId": "Campaign", "AccountId": "Account"} {
		if id, sent := values[field].(string); sent && !s.exists(id, to) {
			return salesforceErr("INVALID_CROSS_REFERENCE_KEY", "invalid cross reference id", field)
		}
	}
	if object != "CampaignMember" || old != nil {
		return nil
	}
	if values["LeadId"] == nil && values["ContactId"] == nil {
		return salesforceErr("REQUIRED_FIELD_MISSING", "Required fields are missing: [LeadId]", "LeadId")
	}
	for _, r := range s.records["CampaignMember"] {
		if !r.Deleted && r.Fields["CampaignId"] == values["CampaignId"] && r.Fields["LeadId"] == values["LeadId"] && r.Fields["ContactId"] == values["ContactId"] {
			return salesforceErr("DUPLICATE_VALUE", "Already a campaign member.")
		}
	}
	return nil
}

// duplicates are the people that share an address or number with values.
func (s *Salesforce) duplicates(old *SalesforceRecord, values map[string]any) (found []any) {
	for _, object := range []string{"Lead", "Contact"} {
		for _, r := range s.records[object] {
			same := func(field string) bool {
				v, ok := values[field].(string)
				return ok && v != "" && strings.EqualFold(v, r.Text(field))
			}
			if r == old || r.Deleted || r.Converted || !same("Email") && !same("Phone") {
				continue
			}
			found = append(found, map[string]any{"record": map[string]any{
				"attributes": map[string]any{"type": object, "url": "/services/data/v67.0/sobjects/" + object + "/" + r.ID}, "Id": r.ID,
			}, "matchConfidence": 100.0})
		}
	}
	return found
}
