package standin

import (
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// HubSpotProperty is a property of an object type.
type HubSpotProperty struct {
	Name string
	// Type is string (the default), number, date, datetime or enumeration. A date is "2026-01-05", or the milliseconds of a
	// midnight in UTC; an enumeration takes its options' values and not their labels.
	Type    string
	Options []string
	// Labels are what people see of the options, in their order. With them a refusal lists options in the longer way.
	Labels   []string
	ReadOnly bool
	// Unique properties can be an idProperty, and no two records have the same value.
	Unique   bool
	Required bool
	// HTTPS takes addresses of that kind only.
	HTTPS bool
}

// hubSpotSchema holds default properties as the API reference lists them.
func hubSpotSchema() map[string]map[string]HubSpotProperty {
	schema := map[string]map[string]HubSpotProperty{"contacts": {}, "calls": {}, "notes": {}, "companies": {}, "deals": {}, "tickets": {}}
	add := func(object string, ps ...HubSpotProperty) {
		for _, p := range ps {
			schema[object][p.Name] = p
		}
	}
	for _, n := range []string{"firstname", "lastname", "phone", "mobilephone", "company", "address", "city", "state", "zip", "country", "website", "jobtitle", "message"} {
		add("contacts", HubSpotProperty{Name: n})
	}
	owners := HubSpotProperty{Name: "hubspot_owner_id", Type: "enumeration", Options: []string{"4711"}}
	add("contacts", HubSpotProperty{Name: "email", Unique: true}, owners,
		HubSpotProperty{Name: "lifecyclestage", Type: "enumeration", Options: []string{"subscriber", "lead", "marketingqualifiedlead", "salesqualifiedlead", "opportunity", "customer"}},
		HubSpotProperty{Name: "hs_lead_status", Type: "enumeration", Options: []string{"NEW", "OPEN", "IN_PROGRESS", "OPEN_DEAL", "UNQUALIFIED", "ATTEMPTED_TO_CONTACT", "CONNECTED", "BAD_TIMING"}},
		HubSpotProperty{Name: "hs_analytics_source", ReadOnly: true},
		HubSpotProperty{Name: "hs_additional_emails", ReadOnly: true},
		HubSpotProperty{Name: "lastmodifieddate", Type: "datetime", ReadOnly: true},
		HubSpotProperty{Name: "hs_searchable_calculated_phone_number", ReadOnly: true},
		HubSpotProperty{Name: "hs_searchable_calculated_mobile_number", ReadOnly: true})
	when := HubSpotProperty{Name: "hs_timestamp", Type: "datetime", Required: true}
	add("notes", when, owners, HubSpotProperty{Name: "hs_note_body"})
	add("calls", when, owners, HubSpotProperty{Name: "hs_call_title"}, HubSpotProperty{Name: "hs_call_body"},
		HubSpotProperty{Name: "hs_call_duration", Type: "number"}, HubSpotProperty{Name: "hs_call_from_number"},
		HubSpotProperty{Name: "hs_call_to_number"}, HubSpotProperty{Name: "hs_call_external_id"},
		HubSpotProperty{Name: "hs_call_disposition"}, HubSpotProperty{Name: "hs_call_recording_url", HTTPS: true},
		HubSpotProperty{Name: "hs_call_direction", Type: "enumeration", Options: []string{"INBOUND", "OUTBOUND"}},
		HubSpotProperty{Name: "hs_call_status", Type: "enumeration", Options: []string{"BUSY", "CALLING_CRM_USER", "CANCELED", "COMPLETED", "CONNECTING", "FAILED", "IN_PROGRESS", "NO_ANSWER", "QUEUED", "RINGING"}})
	hubSpotSales(add, owners)
	return schema
}

type hubSpotInput struct {
	ID           string            `json:"id"`
	IDProperty   string            `json:"idProperty"`
	TraceID      string            `json:"objectWriteTraceId"`
	Properties   map[string]string `json:"properties"`
	Associations []struct {
		To    struct{ ID string } `json:"to"`
		Types []struct {
			Category string `json:"associationCategory"`
			TypeID   int    `json:"associationTypeId"`
		} `json:"types"`
	} `json:"associations"`
}

var (
	hubSpotMail   = regexp.MustCompile(`^[^@\s,;<>"]+@[^@\s,;<>".]+(\.[^@\s,;<>".]+)+$`)
	hubSpotDigits = regexp.MustCompile(`\D`)
)

// batch carries out one batch request.
func (s *HubSpot) batch(object, verb string, body []byte) hubSpotAnswer {
	var req struct {
		Inputs     []hubSpotInput `json:"inputs"`
		IDProperty string         `json:"idProperty"`
		Properties []string       `json:"properties"`
	}
	if err := json.Unmarshal(body, &req); err != nil {
		return hubSpotError(400, "VALIDATION_ERROR", "Invalid input JSON", nil)
	}
	if n := len(req.Inputs); n == 0 || n > 100 {
		return hubSpotError(400, "VALIDATION_ERROR", fmt.Sprintf("Batch inputs must have 1 to 100 entries, but there are %d", n), nil)
	}
	ids, traces := map[string]bool{}, map[string]bool{}
	for i := range req.Inputs {
		in := &req.Inputs[i]
		if verb == "read" {
			in.IDProperty = req.IDProperty
		}
		id := in.ID
		if in.IDProperty == "email" {
			id = strings.ToLower(id)
		}
		if verb != "create" && ids[id] {
			return hubSpotError(400, "VALIDATION_ERROR", "Duplicate IDs found in batch input: ["+id+"]. IDs must be unique", map[string]any{"ids": []string{id}})
		}
		ids[id], traces[in.TraceID] = true, true
		if verb == "upsert" && in.IDProperty == "" || in.IDProperty != "" && !s.schema[object][in.IDProperty].Unique {
			return hubSpotError(400, "VALIDATION_ERROR", "Unable to perform update/upsert by non-unique property "+in.IDProperty, nil)
		}
	}
	if verb == "read" {
		return s.readBatch(object, req.Inputs, req.Properties)
	}
	perRow := !s.cfg.NoTrace && !traces[""] && len(traces) == len(req.Inputs)
	if !perRow {
		// One bad record refuses all.
		for _, in := range req.Inputs {
			if _, e := s.check(object, verb, in); e != nil {
				return *e
			}
		}
	}
	var results, errs []any
	for _, in := range req.Inputs {
		o, e := s.check(object, verb, in)
		if e != nil {
			b := e.body.(map[string]any)
			ctx, _ := b["context"].(map[string]any)
			if ctx == nil {
				ctx = map[string]any{}
			}
			ctx["objectWriteTraceId"] = []string{in.TraceID}
			b["context"] = ctx
			delete(b, "correlationId")
			errs = append(errs, b)
			continue
		}
		isNew := o == nil
		o = s.write(object, o, in)
		r := o.render(nil)
		if !s.cfg.NoTrace {
			r["objectWriteTraceId"] = in.TraceID
		}
		if verb == "upsert" {
			r["new"] = isNew
		}
		results = append(results, r)
	}
	slices.Reverse(results)
	status := http.StatusOK
	if verb == "create" {
		status = http.StatusCreated
	}
	return hubSpotMulti(status, results, errs)
}

func hubSpotMulti(status int, results, errs []any) hubSpotAnswer {
	b := map[string]any{"status": "COMPLETE", "results": results, "startedAt": "2026-10-01T12:00:00.000Z", "completedAt": "2026-10-01T12:00:00.100Z"}
	if len(errs) > 0 {
		status, b["numErrors"], b["errors"] = http.StatusMultiStatus, len(errs), errs
	}
	return hubSpotAnswer{status: status, body: b}
}

func (s *HubSpot) readBatch(object string, ins []hubSpotInput, properties []string) hubSpotAnswer {
	results, missing := []any{}, []string{}
	for _, in := range ins {
		o := s.find(object, in.IDProperty, in.ID)
		if o == nil && in.IDProperty == "email" {
			o = s.secondary(in.ID)
		}
		if o != nil {
			results = append(results, o.render(properties))
		} else {
			missing = append(missing, in.ID)
		}
	}
	var errs []any
	if len(missing) > 0 {
		errs = []any{map[string]any{"status": "error", "category": "OBJECT_NOT_FOUND", "message": "Could not get some " + object + " objects, they may be deleted or not exist.", "context": map[string]any{"ids": missing}}}
	}
	return hubSpotMulti(http.StatusOK, results, errs)
}

// single creates or updates one record.
func (s *HubSpot) single(object string, in hubSpotInput, verb string, body []byte) hubSpotAnswer {
	id, property := in.ID, in.IDProperty
	if err := json.Unmarshal(body, &in); err != nil {
		return hubSpotError(400, "VALIDATION_ERROR", "Invalid input JSON", nil)
	}
	in.ID, in.IDProperty = id, property
	o, e := s.check(object, verb, in)
	if e != nil {
		return *e
	}
	status := http.StatusOK
	if verb == "create" {
		status = http.StatusCreated
	}
	return hubSpotAnswer{status: status, body: s.write(object, o, in).render(nil)}
}

// check returns the record that the input is about, nil for a new one, or what is wrong with it.
func (s *HubSpot) check(object, verb string, in hubSpotInput) (*HubSpotObject, *hubSpotAnswer) {
	fail := func(status int, category, message string, ctx map[string]any) (*HubSpotObject, *hubSpotAnswer) {
		e := hubSpotError(status, category, message, ctx)
		return nil, &e
	}
	var o *HubSpotObject
	if verb != "create" {
		o = s.find(object, in.IDProperty, in.ID)
	}
	if verb == "update" && o == nil {
		return fail(404, "OBJECT_NOT_FOUND", "Object not found. objectId are usually numeric.", map[string]any{"ids": []string{in.ID}})
	}
	if bad := s.invalid(object, in, o == nil); len(bad) > 0 {
		list, _ := json.Marshal(bad)
		return fail(400, "VALIDATION_ERROR", "Property values were not valid: "+string(list), nil)
	}
	name := func(p string) string { return in.Properties[p] }
	if object == "contacts" && verb == "create" && name("email")+name("firstname")+name("lastname") == "" {
		return fail(400, "VALIDATION_ERROR", "A contact needs at least one of email, firstname, lastname.", nil)
	}
	for n, v := range in.Properties {
		if !s.schema[object][n].Unique || v == "" {
			continue
		}
		other := s.find(object, n, v)
		if n == "email" && (other == nil || other == o) {
			if holder := s.secondary(v); holder != nil { // of another contact, or of this one
				other, o = holder, nil
			}
		}
		if other != nil && other != o {
			if n == "email" {
				return fail(409, "CONFLICT", "Contact already exists. Existing ID: "+other.ID, map[string]any{"existingId": []string{other.ID}})
			}
			return fail(400, "VALIDATION_ERROR", "Cannot set PropertyValueCoordinates{propertyName="+n+"} on 0. "+other.ID+" already has that value.", nil)
		}
	}
	for _, a := range in.Associations {
		for _, t := range a.Types {
			to := hubSpotAssociations[object][t.TypeID]
			if t.Category != "HUBSPOT_DEFINED" || to == "" {
				return fail(400, "VALIDATION_ERROR", fmt.Sprintf("association type id %d is not valid for %s", t.TypeID, object), nil)
			}
			if s.find(to, "", a.To.ID) == nil {
				return fail(400, "VALIDATION_ERROR", "No "+strings.TrimSuffix(strings.Replace(to, "ies", "y", 1), "s")+" with ID "+a.To.ID+" exists", nil)
			}
		}
	}
	return o, nil
}

// hubSpotDay says whether a date property takes a value.
func hubSpotDay(v string) bool {
	if ms, err := strconv.ParseInt(v, 10, 64); err == nil {
		return ms%86_400_000 == 0
	}
	_, err := time.Parse(time.DateOnly, v)
	return err == nil
}

// hubSpotChosen says whether a value is one option, or several with semicolons between.
func hubSpotChosen(options []string, v string) bool {
	for one := range strings.SplitSeq(v, ";") {
		if !slices.Contains(options, one) {
			return false
		}
	}
	return true
}

// listed are the options as a refusal lists them. Both ways have been seen.
func (p *HubSpotProperty) listed() string {
	if len(p.Labels) == 0 {
		return strings.Join(p.Options, ", ")
	}
	var all []string
	for i, o := range p.Options {
		all = append(all, fmt.Sprintf("label: %q\nvalue: %q\ndisplay_order: %d\nhidden: false\n", p.Labels[i], o, i))
	}
	return strings.Join(all, ", ")
}

// invalid lists the properties that are not accepted, as HubSpot does in its message.
func (s *HubSpot) invalid(object string, in hubSpotInput, isNew bool) []map[string]any {
	var bad []map[string]any
	add := func(name, code, message string) {
		bad = append(bad, map[string]any{"isValid": false, "message": message, "error": code, "name": name, "localizedErrorMessage": message, "portalId": 891936587})
	}
	values := map[string]string{}
	for n, v := range in.Properties {
		values[n] = v
	}
	if in.IDProperty != "" && isNew {
		values[in.IDProperty] = in.ID
	}
	for n, v := range values {
		p, ok := s.schema[object][n]
		_, errNumber := strconv.ParseFloat(v, 64)
		_, errTime := time.Parse(time.RFC3339, v)
		switch {
		case !ok:
			add(n, "PROPERTY_DOESNT_EXIST", `Property "`+n+`" does not exist`)
		case p.ReadOnly:
			add(n, "READ_ONLY_VALUE", `"`+n+`" is a read only property; its value cannot be set.`)
		case v == "":
		case n == "email" && !hubSpotMail.MatchString(v):
			add(n, "INVALID_EMAIL", "Email address "+v+" is invalid")
		case len(v) > 65_536:
			add(n, "PROPERTY_VALUE_TOO_LONG", "value is too long")
		case p.HTTPS && !strings.HasPrefix(v, "https://"):
			add(n, "INVALID_URL", "must be an https URL")
		case p.Type == "number" && errNumber != nil:
			add(n, "INVALID_INTEGER", v+" was not a valid number.")
		case p.Type == "datetime" && errTime != nil:
			add(n, "INVALID_DATE", v+" was not a valid date.")
		case p.Type == "date" && !hubSpotDay(v):
			add(n, "INVALID_DATE", v+" is not midnight!")
		case p.Type == "enumeration" && !hubSpotChosen(p.Options, v):
			add(n, "INVALID_OPTION", v+" was not one of the allowed options: ["+p.listed()+"]")
		}
	}
	if p := hubSpotPipelines[object]; p.stage != "" && values[p.stage] != "" {
		pipeline := values[p.property]
		if pipeline == "" {
			pipeline = p.standard
		}
		if !slices.Contains(p.stages[pipeline], values[p.stage]) && len(bad) == 0 {
			add(p.stage, "INVALID_OPTION", values[p.stage]+" was not one of the allowed options: ["+strings.Join(p.stages[pipeline], ", ")+"]")
		}
	}
	for n, p := range s.schema[object] {
		if p.Required && isNew && values[n] == "" {
			add(n, "REQUIRED_PROPERTY", `Property "`+n+`" is required`)
		}
	}
	return bad
}
