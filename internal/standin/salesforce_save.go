package standin

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
)

var salesforceVersion = regexp.MustCompile(`^/services/data/v([0-9]+)\.0/(.*)$`)

// execute carries out one request, or one part of a composite request.
func (s *Salesforce) execute(method, uri string, body []byte, header func(string) string) (int, any) {
	path, query, _ := strings.Cut(uri, "?")
	m := salesforceVersion.FindStringSubmatch(path)
	switch {
	case m == nil || len(m[1]) != 2 || m[1] > "67":
		return 404, salesforceErr("NOT_FOUND", "The requested resource does not exist")
	case m[1] < "31":
		return 410, salesforceErr("UNSUPPORTED_API_VERSION", "The requested resource is no longer available")
	}
	segments := strings.Split(m[2], "/")
	for i, v := range segments {
		plain, err := url.PathUnescape(v)
		if err != nil || plain == "" {
			return 404, salesforceErr("NOT_FOUND", "The requested resource does not exist")
		}
		segments[i] = plain
	}
	n := len(segments)
	switch {
	case method == http.MethodGet && m[2] == "query":
		values, err := url.ParseQuery(query)
		if err != nil {
			return 400, salesforceErr("MALFORMED_QUERY", "the query cannot be decoded")
		}
		rows, errs := s.query(values.Get("q"))
		if errs != nil {
			return 400, errs
		}
		return 200, map[string]any{"totalSize": len(rows), "done": true, "records": rows}
	case method == http.MethodPost && m[2] == "composite":
		return s.composite(body)
	case segments[0] == "composite" && n == 4 && method == http.MethodPatch:
		return s.collection(segments[2], segments[3], body, header)
	case segments[0] != "sobjects" || n < 2 || n > 4:
		return 404, salesforceErr("NOT_FOUND", "The requested resource does not exist")
	}
	object := segments[1]
	if s.schema[object] == nil {
		return 404, salesforceErr("NOT_FOUND", "The requested resource does not exist")
	}
	if n == 3 && segments[2] == "describe" && method == http.MethodGet {
		fields := []any{}
		for name, f := range s.schema[object] {
			fields = append(fields, f.described(name))
		}
		return 200, map[string]any{"name": object, "fields": fields}
	}
	var values map[string]any
	if json.Unmarshal(body, &values) != nil {
		return 400, salesforceErr("JSON_PARSER_ERROR", "The HTTP entity body is required, but this request has no entity body.")
	}
	switch {
	case n == 2 && method == http.MethodPost:
		return s.save(object, nil, values, header)
	case n == 3 && method == http.MethodPatch:
		for _, r := range s.records[object] {
			if r.ID == segments[2] && r.Deleted {
				return 404, salesforceErr("ENTITY_IS_DELETED", "entity is deleted")
			}
			if r.ID == segments[2] {
				return s.save(object, r, values, header)
			}
		}
		return 404, salesforceErr("NOT_FOUND", "Provided external ID field does not exist or is not accessible: "+segments[2])
	case n == 4 && method == http.MethodPatch:
		if _, repeated := values[segments[2]]; repeated {
			return 400, salesforceErr("INVALID_FIELD", "The "+segments[2]+" field should not be specified in the sobject data.")
		}
		return s.upsert(object, segments[2], segments[3], values, header)
	}
	return 405, salesforceErr("METHOD_NOT_ALLOWED", "HTTP Method '"+method+"' not allowed.")
}

func (s *Salesforce) upsert(object, field, key string, values map[string]any, header func(string) string) (int, any) {
	if !s.schema[object][field].ExternalID {
		return 404, salesforceErr("NOT_FOUND", "Provided external ID field does not exist or is not accessible: "+field)
	}
	var hits []*SalesforceRecord
	for _, r := range s.records[object] {
		if !r.Deleted && strings.EqualFold(r.Text(field), key) {
			hits = append(hits, r)
		}
	}
	if len(hits) > 1 {
		var urls []string
		for _, r := range hits {
			urls = append(urls, "/services/data/v67.0/sobjects/"+object+"/"+r.ID)
		}
		return 300, urls
	}
	if len(hits) == 1 {
		status, answer := s.save(object, hits[0], values, header)
		if status == 204 { // an upsert names the record
			return 200, map[string]any{"id": hits[0].ID, "success": true, "errors": []any{}, "created": false}
		}
		return status, answer
	}
	values = maps.Clone(values)
	values[field] = key
	return s.save(object, nil, values, header)
}

// save creates a record, or updates old.
func (s *Salesforce) save(object string, old *SalesforceRecord, values map[string]any, header func(string) string) (int, any) {
	if old == nil && slices.Contains(s.cfg.NoCreate, object) {
		return 400, salesforceErr("CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY", "entity type cannot be inserted: "+object)
	}
	if old != nil && old.Converted {
		return 400, salesforceErr("CANNOT_UPDATE_CONVERTED_LEAD", "cannot reference converted lead")
	}
	if errs := s.check(object, values, old == nil); errs != nil {
		return 400, errs
	}
	if errs := s.references(values); errs != nil {
		return 400, errs
	}
	if s.triggers > 0 {
		s.triggers--
		return 400, salesforceErr("CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY", "LeadTrigger: execution of AfterInsert caused by: System.DmlException: Update failed. First exception on row 0 with id 001000000000001; first error: UNABLE_TO_LOCK_ROW, unable to obtain exclusive access to this record or 1 records: 001000000000001: []")
	}
	if s.locked[object] > 0 {
		s.locked[object]--
		return 400, salesforceErr("UNABLE_TO_LOCK_ROW", "unable to obtain exclusive access to this record or 1 records: 00Q000000000001")
	}
	for name, f := range s.schema[object] {
		if v, sent := values[name]; f.Unique && sent {
			for _, r := range s.records[object] {
				if r != old && !r.Deleted && strings.EqualFold(r.Text(name), fmt.Sprint(v)) {
					return 400, salesforceErr("DUPLICATE_VALUE", "duplicate value found: "+name+" duplicates value on record with id: "+r.ID)
				}
			}
		}
	}
	if object == "Task" && values["WhoId"] != nil && !s.exists(fmt.Sprint(values["WhoId"]), "Lead", "Contact") {
		return 400, salesforceErr("INVALID_CROSS_REFERENCE_KEY", "Name ID: id value of incorrect type", "WhoId")
	}
	if object == "Task" && s.becameContact(values["WhoId"]) {
		return 400, salesforceErr("CANNOT_UPDATE_CONVERTED_LEAD", "cannot reference converted lead")
	}
	if errs := s.belongs(object, old, values); errs != nil {
		return 400, errs
	}
	over := s.cfg.AllowSave && strings.Contains(header("Sforce-Duplicate-Rule-Header"), "allowSave=true")
	if s.cfg.DuplicateRule && !over && (object == "Lead" || object == "Contact") {
		if found := s.duplicates(old, values); len(found) > 0 {
			return 400, []salesforceError{{Code: "DUPLICATES_DETECTED", Message: "Use one of these records?", Duplicate: map[string]any{
				"allowSave": s.cfg.AllowSave, "duplicateRule": "Standard_Lead_Duplicate_Rule", "duplicateRuleEntityType": object,
				"errorMessage": "Use one of these records?",
				"matchResults": []any{map[string]any{"matchRecords": found, "rule": "Standard_Lead_Match_Rule", "size": len(found), "success": true}},
			}}}
		}
	}
	r := old
	if r == nil {
		r = s.insert(object, s.cfg.Now(), map[string]any{})
		if object == "Lead" && values["Status"] == nil {
			r.Fields["Status"] = "Open - Not Contacted"
		}
	}
	for name, v := range values {
		if v == "" {
			v = nil
		}
		r.Fields[name] = v
	}
	if object == "Lead" && !strings.EqualFold(header("Sforce-Auto-Assign"), "FALSE") {
		r.Assigned++
	}
	if old != nil {
		return 204, nil
	}
	return 201, map[string]any{"id": r.ID, "success": true, "errors": []any{}, "created": true}
}

var salesforceReference = regexp.MustCompile(`@\{([^}"]*)\}`)

// composite carries out the parts of a composite request, in order.
func (s *Salesforce) composite(body []byte) (int, any) {
	var all struct {
		AllOrNone        bool `json:"allOrNone"`
		CompositeRequest []struct {
			Method      string            `json:"method"`
			URL         string            `json:"url"`
			ReferenceID string            `json:"referenceId"`
			Header      map[string]string `json:"httpHeaders"`
			Body        json.RawMessage   `json:"body"`
		} `json:"compositeRequest"`
	}
	if json.Unmarshal(body, &all) != nil || len(all.CompositeRequest) == 0 || len(all.CompositeRequest) > 25 || all.AllOrNone {
		return 400, salesforceErr("JSON_PARSER_ERROR", "not a composite request of 1 to 25 parts (allOrNone is not simulated)")
	}
	ids := map[string]string{}
	out := []any{}
	queries := 0
	for _, p := range all.CompositeRequest {
		if strings.Contains(p.URL, "/query") || strings.Contains(p.URL, "/composite/") {
			queries++
		}
	}
	if queries > 5 {
		return 400, salesforceErr("LIMIT_EXCEEDED", "a composite request takes 5 queries and collections at most")
	}
	for _, p := range all.CompositeRequest {
		var status int
		var answer any
		missing := ""
		filled := salesforceReference.ReplaceAllStringFunc(string(p.Body), func(ref string) string {
			name, _ := strings.CutSuffix(salesforceReference.FindStringSubmatch(ref)[1], ".id")
			id := ids[name]
			if id == "" {
				missing = ref
			}
			return id
		})
		if missing != "" {
			status, answer = 400, salesforceErr("PROCESSING_HALTED", "Invalid reference specified. No value for "+missing+" found.")
		} else {
			status, answer = s.execute(p.Method, p.URL, []byte(filled), func(n string) string { return p.Header[n] })
		}
		if m, ok := answer.(map[string]any); ok && m["id"] != nil {
			ids[p.ReferenceID] = m["id"].(string)
		}
		out = append(out, map[string]any{"body": answer, "httpHeaders": map[string]string{}, "httpStatusCode": status, "referenceId": p.ReferenceID})
	}
	return 200, map[string]any{"compositeResponse": out}
}

// collection upserts up to 200 records.
func (s *Salesforce) collection(object, field string, body []byte, header func(string) string) (int, any) {
	var all struct {
		AllOrNone bool             `json:"allOrNone"`
		Records   []map[string]any `json:"records"`
	}
	if json.Unmarshal(body, &all) != nil || all.AllOrNone || s.schema[object] == nil {
		return 400, salesforceErr("JSON_PARSER_ERROR", "not a collection (allOrNone is not simulated)")
	}
	if len(all.Records) > 200 {
		return 400, salesforceErr("EXCEEDED_MAX_SIZE", "record limit reached. cannot submit more than 200 records into this call")
	}
	seen := map[string]int{}
	for _, r := range all.Records {
		seen[strings.ToLower(fmt.Sprint(r[field]))]++
		for n, v := range r {
			if f, known := s.schema[object][n]; known && !f.takes(v) {
				return 400, salesforceErr("JSON_PARSER_ERROR", fmt.Sprintf("Cannot deserialize instance of %s from VALUE_STRING value %v", f.Type, v))
			}
		}
	}
	out := []any{}
	for _, r := range all.Records {
		key := fmt.Sprint(r[field])
		a, _ := r["attributes"].(map[string]any)
		values := maps.Clone(r)
		delete(values, "attributes")
		delete(values, field)
		var status int
		var answer any
		switch {
		case a["type"] != object:
			status, answer = 400, salesforceErr("INVALID_TYPE", "attributes do not name the object")
		case r[field] == nil:
			status, answer = 400, salesforceErr("MISSING_ARGUMENT", field+" not specified")
		case seen[strings.ToLower(key)] > 1:
			status, answer = 400, salesforceErr("DUPLICATE_VALUE", "Duplicate external id specified: "+key)
		default:
			status, answer = s.upsert(object, field, key, values, header)
		}
		if status < 300 {
			out = append(out, answer)
			continue
		}
		errs, ok := answer.([]salesforceError)
		if !ok {
			errs = salesforceErr("DUPLICATE_EXTERNAL_ID", "more than one record found for external id field")
		}
		for i := range errs {
			errs[i].Status, errs[i].Code = errs[i].Code, ""
		}
		out = append(out, map[string]any{"success": false, "errors": errs})
	}
	return 200, out
}
