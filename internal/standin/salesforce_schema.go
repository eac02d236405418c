package standin

import (
	"encoding/json"
	"fmt"
	"net/mail"
	"slices"
	"sort"
	"strings"
	"time"
	"unicode/utf16"
)

// SalesforceField describes one field of an object, as far as it matters to who writes it.
type SalesforceField struct {
	// Type is "string" (also for phones, text areas and open picklists), "email", "double", "boolean", "date",
	// "datetime" or "reference".
	Type string
	// Length is the most UTF-16 units of a text.
	Length int
	// Required fields must not be empty.
	Required bool
	// Values are those of a restricted picklist; none means that it is open.
	Values []string
	// ExternalID fields can be upserted by; Unique ones hold a value once.
	ExternalID, Unique bool
	// ReadOnly fields can be queried and not written; CreateOnly ones can be written when a record is created.
	ReadOnly, CreateOnly bool
	// Integrity are the values of a state or country picklist, which is not refused as other picklists are.
	Integrity []string
}

func salesforceText(n int) SalesforceField { return SalesforceField{Type: "string", Length: n} }

// salesforceSchema is a new organization's (Salesforce Object Reference), reduced to what calls concern.
func salesforceSchema() map[string]map[string]SalesforceField {
	required := func(f SalesforceField) SalesforceField { f.Required = true; return f }
	system := func(m map[string]SalesforceField) map[string]SalesforceField {
		m["Id"] = SalesforceField{Type: "reference", ReadOnly: true}
		m["CreatedDate"] = SalesforceField{Type: "datetime", ReadOnly: true}
		m["Description"] = salesforceText(32000)
		m["OwnerId"] = SalesforceField{Type: "reference"}
		return m
	}
	person := func() map[string]SalesforceField {
		return system(map[string]SalesforceField{
			"FirstName": salesforceText(40), "LastName": required(salesforceText(80)), "Title": salesforceText(128),
			"Phone": salesforceText(40), "MobilePhone": salesforceText(40), "RecordTypeId": {Type: "reference"},
			"Email": {Type: "email", Length: 80}, "LeadSource": salesforceText(255),
		})
	}
	lead := person()
	lead["Company"] = required(salesforceText(255))
	lead["Website"] = salesforceText(255)
	lead["City"] = salesforceText(40)
	lead["PostalCode"] = salesforceText(20)
	lead["Status"] = SalesforceField{Type: "string", Length: 255, Values: []string{"Open - Not Contacted", "Working - Contacted", "Closed - Converted"}}
	lead["IsConverted"] = SalesforceField{Type: "boolean", ReadOnly: true}
	lead["ConvertedContactId"] = SalesforceField{Type: "reference", ReadOnly: true}
	// State and country picklists are on in a new organization (Salesforce Help, "State and Country/Territory Picklists").
	lead["State"] = SalesforceField{Type: "string", Length: 80, Integrity: []string{"California", "New York"}}
	lead["Country"] = SalesforceField{Type: "string", Length: 80, Integrity: []string{"United States"}}
	contact := person()
	contact["HomePhone"], contact["OtherPhone"] = salesforceText(40), salesforceText(40)
	contact["AccountId"] = SalesforceField{Type: "reference"}
	return map[string]map[string]SalesforceField{
		"Lead": lead, "Contact": contact,
		"Case": system(map[string]SalesforceField{
			"Subject": salesforceText(255), "Origin": salesforceText(255), "ContactId": {Type: "reference"}, "AccountId": {Type: "reference"},
			"Status":       {Type: "string", Length: 255, Values: []string{"New", "Working", "Escalated", "Closed"}},
			"Priority":     {Type: "string", Length: 255, Values: []string{"High", "Medium", "Low"}},
			"SuppliedName": salesforceText(80), "SuppliedEmail": {Type: "email", Length: 80},
			"SuppliedPhone": salesforceText(40), "SuppliedCompany": salesforceText(80),
		}),
		"Opportunity": system(map[string]SalesforceField{
			"Name": required(salesforceText(120)), "CloseDate": required(SalesforceField{Type: "date"}), "LeadSource": salesforceText(255),
			"StageName": required(SalesforceField{Type: "string", Length: 255, Values: []string{"Prospecting", "Qualification", "Closed Won", "Closed Lost"}}),
			"Amount":    {Type: "double"}, "AccountId": {Type: "reference"}, "CampaignId": {Type: "reference"},
			// "Create, Filter, Group, Nillable, Sort": it is not updated.
			"ContactId": {Type: "reference", CreateOnly: true},
		}),
		"Campaign": system(map[string]SalesforceField{"Name": required(salesforceText(80))}),
		"CampaignMember": {
			"Id": {Type: "reference", ReadOnly: true}, "CreatedDate": {Type: "datetime", ReadOnly: true},
			"CampaignId": required(SalesforceField{Type: "reference", CreateOnly: true}),
			"LeadId":     {Type: "reference", CreateOnly: true}, "ContactId": {Type: "reference", CreateOnly: true},
			"Status": {Type: "string", Length: 40, Values: []string{"Sent", "Responded"}},
		},
		"Task": system(map[string]SalesforceField{
			"WhoId": {Type: "reference"}, "WhatId": {Type: "reference"}, "Subject": salesforceText(255),
			"Status":   {Type: "string", Length: 255, Values: []string{"Not Started", "In Progress", "Completed"}},
			"Priority": {Type: "string", Length: 255, Values: []string{"High", "Normal", "Low"}},
			// That the subtype cannot be updated is from reports; the page of the Object Reference could not be read so far.
			"TaskSubtype": {Type: "string", Length: 40, Values: []string{"Task", "Call", "Email"}, CreateOnly: true},
			"CallType":    {Type: "string", Length: 40, Values: []string{"Internal", "Inbound", "Outbound"}},
			"CallObject":  salesforceText(255), "CallDisposition": salesforceText(255),
			"CallDurationInSeconds": {Type: "double"}, "ActivityDate": {Type: "date"},
		}),
	}
}

// salesforceError is an error of the REST API; the collections write statusCode for errorCode.
type salesforceError struct {
	Message   string   `json:"message"`
	Code      string   `json:"errorCode,omitempty"`
	Status    string   `json:"statusCode,omitempty"`
	Fields    []string `json:"fields,omitempty"`
	Duplicate any      `json:"duplicateResult,omitempty"`
}

func salesforceErr(code, message string, fields ...string) []salesforceError {
	return []salesforceError{{Message: message, Code: code, Fields: fields}}
}

// check refuses what Salesforce refuses of the values for a record: unknown fields and wrong types at once, as its
// parser does, then lengths and formats, then what is missing, each kind by itself.
func (s *Salesforce) check(object string, values map[string]any, creating bool) []salesforceError {
	fields := s.schema[object]
	names := make([]string, 0, len(values))
	for n := range values {
		names = append(names, n)
	}
	sort.Strings(names)
	for _, n := range names {
		f, ok := fields[n]
		if !ok {
			return salesforceErr("INVALID_FIELD", fmt.Sprintf("No such column '%s' on sobject of type %s", n, object))
		}
		if f.ReadOnly || f.CreateOnly && !creating {
			return salesforceErr("INVALID_FIELD_FOR_INSERT_UPDATE", "Unable to create/update fields: "+n+". Please check the security settings of this field and verify that it is read/write for your profile or permission set.", n)
		}
		if !f.takes(values[n]) {
			return salesforceErr("JSON_PARSER_ERROR", fmt.Sprintf("Cannot deserialize instance of %s from VALUE_STRING value %v or request may be missing a required field at [line:1, column:2]", f.Type, values[n]))
		}
	}
	var errs []salesforceError
	for _, n := range names {
		f := fields[n]
		text, _ := values[n].(string)
		switch {
		case text == "":
		case f.Length > 0 && len(utf16.Encode([]rune(text))) > f.Length:
			errs = append(errs, salesforceErr("STRING_TOO_LONG", fmt.Sprintf("%s: data value too large: %s (max length=%d)", n, text, f.Length), n)...)
		case f.Type == "email" && !salesforceEmail(text):
			errs = append(errs, salesforceErr("INVALID_EMAIL_ADDRESS", n+": invalid email address: "+text, n)...)
		case f.Integrity != nil && !slices.Contains(f.Integrity, text):
			// The wording is that of people's reports.
			errs = append(errs, salesforceErr("FIELD_INTEGRITY_EXCEPTION", "There's a problem with this "+strings.ToLower(n)+", even though it may appear correct. Please select a "+strings.ToLower(n)+" from the list of valid ones.: "+n, n)...)
		case f.Values != nil && !slices.Contains(f.Values, text):
			errs = append(errs, salesforceErr("INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST", n+": bad value for restricted picklist field: "+text, n)...)
		}
	}
	if len(errs) > 0 {
		return errs
	}
	var missing []string
	for n, f := range fields {
		v, sent := values[n]
		if f.Required && (sent && (v == nil || v == "") || creating && !sent) {
			missing = append(missing, n)
		}
	}
	if len(missing) > 0 {
		sort.Strings(missing)
		return salesforceErr("REQUIRED_FIELD_MISSING", "Required fields are missing: ["+strings.Join(missing, ", ")+"]", missing...)
	}
	return nil
}

// described is the field as a description has it (REST API Developer Guide, "sObject Describe").
func (f SalesforceField) described(name string) map[string]any {
	values := []any{}
	for _, v := range f.Values {
		values = append(values, map[string]any{"active": true, "defaultValue": false, "label": v, "value": v})
	}
	kind := f.Type
	if f.Values != nil {
		kind = "picklist"
	}
	return map[string]any{
		"name": name, "label": name, "type": kind, "length": f.Length, "createable": !f.ReadOnly, "updateable": !f.ReadOnly && !f.CreateOnly,
		"nillable": !f.Required, "defaultedOnCreate": name == "OwnerId" || name == "Status", "externalId": f.ExternalID, "unique": f.Unique,
		"restrictedPicklist": f.Values != nil, "picklistValues": values,
	}
}

// takes says whether the parser takes a JSON value for the field.
func (f SalesforceField) takes(v any) bool {
	text, isText := v.(string)
	switch {
	case v == nil:
		return true
	case f.Type == "double":
		_, err := json.Number(text).Float64()
		_, isNumber := v.(float64)
		return isNumber || isText && err == nil
	case f.Type == "boolean":
		_, ok := v.(bool)
		return ok || text == "true" || text == "false"
	case f.Type == "date":
		_, err := time.Parse("2006-01-02", text)
		return isText && err == nil
	case f.Type == "datetime":
		_, err := time.Parse("2006-01-02T15:04:05.999Z07:00", text)
		return isText && err == nil
	default:
		return isText
	}
}

func salesforceEmail(s string) bool {
	a, err := mail.ParseAddress(s)
	_, host, _ := strings.Cut(s, "@")
	return err == nil && a.Address == s && strings.Contains(host, ".")
}
