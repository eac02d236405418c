package hubspot

import (
	"encoding/json"
	"regexp"
	"slices"
	"strings"
)

// failure is an error as HubSpot describes it, for a whole request or one row of a batch. All fields may be missing.
type failure struct {
	Message       loose             `json:"message"`
	Category      loose             `json:"category"`
	SubCategory   loose             `json:"subCategory"`
	CorrelationID loose             `json:"correlationId"`
	PolicyName    loose             `json:"policyName"`
	ID            loose             `json:"id"`
	TraceID       texts             `json:"objectWriteTraceId"`
	Context       errorContext      `json:"context"`
	Errors        lenient[detail]   `json:"errors"`
	Validations   lenient[validity] `json:"validationResults"` // contacts/v1
}

type detail struct {
	Message loose        `json:"message"`
	Code    loose        `json:"code"`
	In      loose        `json:"in"`
	Context errorContext `json:"context"`
}

// validity is one entry of the list that HubSpot puts, as JSON, into the message "Property values were not valid: […]".
type validity struct {
	Error   loose `json:"error"`
	Name    loose `json:"name"`
	Message loose `json:"message"`
}

// record is an object in an answer.
type record struct {
	ID         loose            `json:"id"`
	New        bool             `json:"new"`
	TraceID    texts            `json:"objectWriteTraceId"`
	Properties map[string]loose `json:"properties"`
}

// batchAnswer is the answer of a batch or a search.
type batchAnswer struct {
	Status  loose            `json:"status"`
	Results lenient[record]  `json:"results"`
	Errors  lenient[failure] `json:"errors"`
}

// v1Answer is the answer of contacts/v1.
type v1Answer struct {
	VID   json.Number `json:"vid"`
	IsNew bool        `json:"isNew"`
}

// loose is a string in JSON, or the text of a number or boolean; anything else counts as missing.
type loose string

// UnmarshalJSON never fails.
func (l *loose) UnmarshalJSON(b []byte) error {
	*l = ""
	switch {
	case len(b) == 0:
	case b[0] == '"':
		var s string
		if json.Unmarshal(b, &s) == nil {
			*l = loose(s)
		}
	case b[0] != '{' && b[0] != '[' && string(b) != "null":
		*l = loose(b)
	}
	return nil
}

// texts is a list of strings in JSON, or one string.
type texts []string

// UnmarshalJSON never fails.
func (t *texts) UnmarshalJSON(b []byte) error {
	*t = nil
	var one string
	if json.Unmarshal(b, &one) == nil {
		if one != "" {
			*t = texts{one}
		}
		return nil
	}
	var many []loose
	if json.Unmarshal(b, &many) == nil {
		for _, m := range many {
			*t = append(*t, string(m))
		}
	}
	return nil
}

// errorContext holds lists by name. The documentation shows it as the text "{missingScopes=[scope1, scope2]}" too, which is
// kept under the empty name.
type errorContext map[string]texts

// UnmarshalJSON never fails.
func (c *errorContext) UnmarshalJSON(b []byte) error {
	*c = nil
	var m map[string]texts
	if json.Unmarshal(b, &m) == nil {
		*c = m
		return nil
	}
	var t texts
	_ = t.UnmarshalJSON(b)
	if len(t) > 0 {
		*c = errorContext{"": t}
	}
	return nil
}

// lenient is a list whose entries are skipped when they are not of the expected form.
type lenient[T any] []T

// UnmarshalJSON never fails.
func (l *lenient[T]) UnmarshalJSON(b []byte) error {
	*l = nil
	var raw []json.RawMessage
	if json.Unmarshal(b, &raw) != nil {
		return nil
	}
	for _, r := range raw {
		var t T
		if json.Unmarshal(r, &t) == nil {
			*l = append(*l, t)
		}
	}
	return nil
}

// parseFailure reads the body of an answer that is an error; of any other text it makes an empty failure.
func parseFailure(body []byte) failure {
	var f failure
	if json.Unmarshal(body, &f) != nil {
		return failure{}
	}
	return f
}

// parseBatch reads the answer of a batch or a search.
func parseBatch(body []byte) (batchAnswer, bool) {
	var a batchAnswer
	if json.Unmarshal(body, &a) != nil {
		return batchAnswer{}, false
	}
	return a, true
}

// trace is the objectWriteTraceId of the row that the failure is about.
func (f *failure) trace() string {
	for _, t := range []texts{f.Context["objectWriteTraceId"], f.TraceID} {
		if len(t) > 0 {
			return t[0]
		}
	}
	return ""
}

// about reports whether the failure names the record.
func (f *failure) about(id string) bool {
	return id != "" && (string(f.ID) == id || slices.Contains(f.Context["ids"], id) || slices.Contains(f.Context["id"], id))
}

var (
	// existingID finds the other record in "Contact already exists. Existing ID: 7", and in "… 7 already has that
	// value", which is the answer for custom properties with unique values.
	existingID   = regexp.MustCompile(`Existing ID:\s*(\d{1,20})|\b(\d{1,20}) already has that value`)
	doesNotExist = regexp.MustCompile(`Property \\*"([a-z0-9_-]{1,100})\\*" does not exist`)
	listed       = regexp.MustCompile(`[a-z0-9][a-z0-9._-]{2,80}`)
	numeric      = regexp.MustCompile(`^\d{1,20}$`)
)

// existing is the id of the record that has the value already which must be unique.
func (f *failure) existing() string {
	if ids := f.Context["existingId"]; len(ids) > 0 && numeric.MatchString(ids[0]) {
		return ids[0]
	}
	if m := existingID.FindStringSubmatch(string(f.Message)); m != nil {
		return m[1] + m[2]
	}
	return ""
}

// aboutAddress says that what must be unique is the e-mail address, and not a property of the operator's.
func (f *failure) aboutAddress() bool {
	return f.Category == "CONFLICT" || strings.Contains(string(f.Message), "Contact already exists")
}

// Codes of properties that cannot be written at all, whatever the value.
const (
	codeUnknown  = "PROPERTY_DOESNT_EXIST"
	codeReadOnly = "READ_ONLY_VALUE"
)

// invalid lists the properties that HubSpot did not accept, with the code of the reason.
func (f *failure) invalid() map[string]string {
	m := make(map[string]string)
	for name, v := range f.validities() {
		m[name] = string(v.Error)
	}
	return m
}

// validities are what HubSpot says of the properties that it did not accept, by name. The messages quote values.
func (f *failure) validities() map[string]validity {
	m := make(map[string]validity)
	add := func(name, code, message string) {
		if name != "" && code != "" && m[name].Error == "" {
			m[name] = validity{loose(code), loose(name), loose(message)}
		}
	}
	if i := strings.IndexByte(string(f.Message), '['); i >= 0 {
		var list lenient[validity]
		// A decoder, because text may follow the list.
		_ = json.NewDecoder(strings.NewReader(string(f.Message[i:]))).Decode(&list)
		for _, v := range list {
			add(string(v.Name), string(v.Error), string(v.Message))
		}
	}
	for _, v := range f.Validations {
		add(string(v.Name), string(v.Error), string(v.Message))
	}
	for _, d := range f.Errors {
		names := slices.Concat(d.Context["propertyName"], d.Context["properties"])
		if d.In != "" {
			names = append(names, string(d.In))
		}
		for _, n := range names {
			add(n, string(d.Code), string(d.Message))
		}
		for _, s := range doesNotExist.FindAllStringSubmatch(string(d.Message), 20) {
			add(s[1], codeUnknown, "")
		}
	}
	for _, s := range doesNotExist.FindAllStringSubmatch(string(f.Message), 100) {
		add(s[1], codeUnknown, "")
	}
	return m
}

// scopes are the permissions that the token lacks.
func (f *failure) scopes() []string {
	var all []string
	collect := func(c errorContext) {
		for _, key := range []string{"requiredGranularScopes", "requiredScopes", "missingScopes"} {
			all = append(all, c[key]...)
		}
		for _, t := range c[""] {
			if _, list, ok := strings.Cut(t, "copes"); ok {
				all = append(all, listed.FindAllString(list, 10)...)
			}
		}
	}
	collect(f.Context)
	for _, d := range f.Errors {
		collect(d.Context)
	}
	var ok []string
	for _, s := range all {
		if listed.FindString(s) == s && !slices.Contains(ok, s) && len(ok) < 6 {
			ok = append(ok, s)
		}
	}
	return ok
}
