package standin

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
)

// hubSpotPipeline says which properties hold a record's pipeline and stage, and which stages each pipeline has.
type hubSpotPipeline struct {
	property, stage, standard string
	stages                    map[string][]string
}

// hubSpotPipelines are those that a new account has, and one more for deals.
var hubSpotPipelines = map[string]hubSpotPipeline{
	"deals": {"pipeline", "dealstage", "default", map[string][]string{
		"default":  {"appointmentscheduled", "qualifiedtobuy", "presentationscheduled", "decisionmakerboughtin", "contractsent", "closedwon", "closedlost"},
		"renewals": {"renewalopen", "renewalwon"},
	}},
	"tickets": {"hs_pipeline", "hs_pipeline_stage", "0", map[string][]string{"0": {"1", "2", "3", "4"}}},
}

// hubSpotAssociations are the types of associations without a label, with the objects that they lead to (HubSpot,
// "Association type IDs").
var hubSpotAssociations = map[string]map[int]string{
	"calls":     {194: "contacts"},
	"notes":     {202: "contacts"},
	"companies": {280: "contacts"},
	"deals":     {3: "contacts", 341: "companies", 5: "companies"},
	"tickets":   {16: "contacts", 339: "companies", 26: "companies"},
}

// hubSpotSales adds the default properties of companies, deals and tickets.
func hubSpotSales(add func(object string, ps ...HubSpotProperty), owners HubSpotProperty) {
	for _, n := range []string{"name", "domain", "phone", "address", "city", "zip", "country", "description", "website"} {
		add("companies", HubSpotProperty{Name: n})
	}
	add("companies", owners)
	pipelines := func(object string) (all []HubSpotProperty) {
		p := hubSpotPipelines[object]
		var names, stages []string
		for name, of := range p.stages {
			names, stages = append(names, name), append(stages, of...)
		}
		return []HubSpotProperty{
			{Name: p.property, Type: "enumeration", Options: names},
			// A ticket without a stage is refused, a deal is not.
			{Name: p.stage, Type: "enumeration", Options: stages, Required: object == "tickets"},
		}
	}
	add("deals", append(pipelines("deals"), owners, HubSpotProperty{Name: "dealname"}, HubSpotProperty{Name: "description"},
		HubSpotProperty{Name: "amount", Type: "number"}, HubSpotProperty{Name: "closedate", Type: "datetime"},
		HubSpotProperty{Name: "dealtype", Type: "enumeration", Options: []string{"newbusiness", "existingbusiness"}})...)
	add("tickets", append(pipelines("tickets"), owners, HubSpotProperty{Name: "subject"}, HubSpotProperty{Name: "content"},
		HubSpotProperty{Name: "hs_ticket_priority", Type: "enumeration", Options: []string{"LOW", "MEDIUM", "HIGH", "URGENT"}})...)
}

// associate adds a record to those that another belongs to.
func (s *HubSpot) associate(o *HubSpotObject, object, id string) {
	list := &o.Contacts
	if object == "companies" {
		list = &o.Companies
	}
	if !slices.Contains(*list, id) {
		*list = append(*list, id)
	}
}

// associationsRoute is POST /crm/v4/associations/{from}/{to}/batch/associate/default, or with a dated path.
func (s *HubSpot) associationsRoute(method string, parts []string, body []byte) (hubSpotAnswer, bool) {
	path := strings.Join(parts, "/")
	rest, v4 := strings.CutPrefix(path, "crm/v4/associations/")
	if !v4 {
		var ok bool
		if rest, ok = strings.CutPrefix(path, "crm/associations/2026-03/"); !ok {
			return hubSpotAnswer{}, false
		}
	}
	from, rest, _ := strings.Cut(rest, "/")
	to, verb, _ := strings.Cut(rest, "/")
	if method != http.MethodPost || verb != "batch/associate/default" || s.schema[from] == nil || s.schema[to] == nil {
		return hubSpotAnswer{}, false
	}
	var req struct {
		Inputs []struct {
			From, To struct {
				ID string `json:"id"`
			}
		} `json:"inputs"`
	}
	if err := json.Unmarshal(body, &req); err != nil || len(req.Inputs) == 0 || len(req.Inputs) > 2000 {
		return hubSpotError(400, "VALIDATION_ERROR", "Invalid input JSON", nil), true
	}
	var results, errs []any
	for _, in := range req.Inputs {
		o := s.find(from, "", in.From.ID)
		if o == nil || s.find(to, "", in.To.ID) == nil {
			errs = append(errs, map[string]any{"status": "error", "category": "OBJECT_NOT_FOUND", "message": "One of the objects does not exist",
				"context": map[string]any{"fromObjectId": []string{in.From.ID}, "toObjectId": []string{in.To.ID}}})
			continue
		}
		s.associate(o, to, in.To.ID)
		results = append(results, map[string]any{
			"from": map[string]any{"id": in.From.ID}, "to": map[string]any{"id": in.To.ID},
			"associationSpec": map[string]any{"associationCategory": "HUBSPOT_DEFINED", "associationTypeId": 280},
		})
	}
	return hubSpotMulti(http.StatusOK, results, errs), true
}
