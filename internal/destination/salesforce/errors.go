package salesforce

import (
	"encoding/json"
	"strconv"
	"strings"
)

// apiError is one element of the array in which the REST API reports errors:
//
//	[{"message":"…","errorCode":"REQUIRED_FIELD_MISSING","fields":["LastName","Company"]}]
//
// sObject Collections write statusCode for errorCode. Messages quote the values they complain of, so they are read for
// field names and numbers, and never passed on.
type apiError struct {
	Code       string           `json:"errorCode"`
	StatusCode string           `json:"statusCode"`
	Message    string           `json:"message"`
	Fields     []string         `json:"fields"`
	Duplicate  *duplicateResult `json:"duplicateResult"`
	// The REST API has misspelled the name for years; both are in use.
	Duplicat *duplicateResult `json:"duplicateResut"`
}

type duplicateResult struct {
	AllowSave     bool   `json:"allowSave"`
	DuplicateRule string `json:"duplicateRule"`
	MatchResults  []struct {
		MatchRecords []struct {
			Record struct {
				Attributes struct {
					Type string `json:"type"`
					URL  string `json:"url"`
				} `json:"attributes"`
				ID string `json:"Id"`
			} `json:"record"`
		} `json:"matchRecords"`
	} `json:"matchResults"`
}

// maxErrors bounds how many errors of one answer are looked at.
const maxErrors = 50

// parseErrors reads an error body. Anything that is not the documented array, or the single object that some gateways
// answer, gives nothing.
func parseErrors(body []byte) []apiError {
	var errs []apiError
	if json.Unmarshal(body, &errs) != nil {
		var one apiError
		if json.Unmarshal(body, &one) != nil {
			return nil
		}
		errs = []apiError{one}
	}
	return cleanErrors(errs)
}

// cleanErrors keeps what has the shape of codes and names.
func cleanErrors(errs []apiError) []apiError {
	if len(errs) > maxErrors {
		errs = errs[:maxErrors]
	}
	out := errs[:0]
	for _, e := range errs {
		if e.Code == "" {
			e.Code = e.StatusCode
		}
		if !isCode(e.Code) {
			continue
		}
		if e.Duplicate == nil {
			e.Duplicate = e.Duplicat
		}
		names := e.Fields[:0]
		for _, f := range e.Fields {
			if fieldName.MatchString(f) {
				names = append(names, f)
			}
		}
		e.Fields = names
		out = append(out, e)
	}
	return out
}

// isCode says whether s looks like one of Salesforce's codes; whatever else a body may hold is not shown to anyone.
func isCode(s string) bool {
	if s == "" || len(s) > 80 {
		return false
	}
	for _, c := range []byte(s) {
		if (c < 'A' || c > 'Z') && (c < '0' || c > '9') && c != '_' {
			return false
		}
	}
	return true
}

// has returns the first error of the code.
func has(errs []apiError, code string) (apiError, bool) {
	for _, e := range errs {
		if e.Code == code {
			return e, true
		}
	}
	return apiError{}, false
}

// errorLine says what Salesforce answered in one line: codes and field names, never values.
func errorLine(status int, errs []apiError) string {
	b := append([]byte("Salesforce answered "), strconv.Itoa(status)...)
	for i, e := range errs {
		if i == 5 {
			b = append(b, ", …"...)
			break
		}
		if i > 0 {
			b = append(b, ',')
		}
		b = append(append(b, ' '), e.Code...)
		if len(e.Fields) > 0 {
			b = append(b, " ("...)
			b = append(b, strings.Join(e.Fields[:min(len(e.Fields), 10)], ", ")...)
			b = append(b, ')')
		}
	}
	return string(b)
}

// matches lists the ids of the records of the object that a duplicate rule found, best first, and the types of all
// that it found.
func (r *duplicateResult) matches(object string) (ids, types []string) {
	if r == nil {
		return nil, nil
	}
	for _, m := range r.MatchResults {
		for _, mr := range m.MatchRecords {
			id, typ := mr.Record.ID, mr.Record.Attributes.Type
			if id == "" {
				id = mr.Record.Attributes.URL[strings.LastIndexByte(mr.Record.Attributes.URL, '/')+1:]
			}
			if !isID(id) {
				continue
			}
			if fieldName.MatchString(typ) && len(types) < 5 {
				types = append(types, typ)
			}
			if strings.EqualFold(typ, object) {
				ids = append(ids, id)
			}
		}
	}
	return ids, types
}

// isID says whether s is a Salesforce record id: 15 or 18 letters and digits. Ids go into paths, so nothing else may.
func isID(s string) bool {
	if len(s) != 15 && len(s) != 18 {
		return false
	}
	for _, c := range []byte(s) {
		if (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') {
			return false
		}
	}
	return true
}

// unknownColumn finds the field in "No such column 'Foo__c' on sobject of type Lead" and its relatives.
func unknownColumn(message string) string {
	for _, before := range []string{"No such column '", "Unable to create/update fields: "} {
		_, rest, ok := strings.Cut(message, before)
		if !ok {
			continue
		}
		end := strings.IndexFunc(rest, func(r rune) bool {
			return r != '_' && (r < '0' || r > '9') && (r < 'A' || r > 'Z') && (r < 'a' || r > 'z')
		})
		if end < 0 {
			end = len(rest)
		}
		if fieldName.MatchString(rest[:end]) {
			return rest[:end]
		}
	}
	return ""
}

// maxLength finds the length in "Last Name: data value too large: … (max length=80)". The value stands before it, so the
// last occurrence counts.
func maxLength(message string) int {
	at := strings.LastIndex(message, "(max length=")
	if at < 0 {
		return 0
	}
	digits, _, ok := strings.Cut(message[at+len("(max length="):], ")")
	n, err := strconv.Atoi(digits)
	if !ok || err != nil || n <= 0 {
		return 0
	}
	return n
}
