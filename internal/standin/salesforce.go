package standin

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"
)

// SalesforceConfig describes an organization.
type SalesforceConfig struct {
	// Token says who may sign in at /services/oauth2/token. Tokens carry no expires_in, as Salesforce's refresh and
	// JWT grants do not.
	Token TokenConfig
	// Fields are added to the objects: Fields["Lead"]["Call_Id__c"].
	Fields map[string]map[string]SalesforceField
	// Without are fields that the user may not see, as "Lead.MobilePhone".
	Without []string
	// Users are the ids of active users, and RecordTypes those of record types that the user may use; an OwnerId or
	// RecordTypeId that is none of them is refused.
	Users, RecordTypes []string
	// NoCreate are objects of which the user may not create records.
	NoCreate []string
	// DuplicateRule blocks leads and contacts that share an e-mail address or number with another. AllowSave
	// lets Sforce-Duplicate-Rule-Header go over it.
	DuplicateRule, AllowSave bool
	// Limit is how many API requests there are; 0 means 15000. UsageFormat is the form of Sforce-Limit-Info with two
	// %d; empty means "api-usage=%d/%d".
	Limit       int
	UsageFormat string
	// Now is the clock; nil means time.Now.
	Now func() time.Time
}

// SalesforceRecord is a record as it is stored.
type SalesforceRecord struct {
	ID      string
	Created time.Time
	Fields  map[string]any
	Deleted bool
	// Converted leads have become the contact ConvertedTo.
	Converted   bool
	ConvertedTo string
	// Assigned counts how often the active assignment rule was applied, or the rule that was named.
	Assigned int
}

// Text is a field's value as text; empty when it has none.
func (r *SalesforceRecord) Text(field string) string {
	if v := r.get(field); v != nil {
		return fmt.Sprint(v)
	}
	return ""
}

func (r *SalesforceRecord) get(field string) any {
	switch field {
	case "Id":
		return r.ID
	case "CreatedDate":
		return salesforceTime(r.Created)
	case "IsConverted":
		return r.Converted
	case "ConvertedContactId":
		if r.ConvertedTo == "" {
			return nil
		}
		return r.ConvertedTo
	}
	return r.Fields[field]
}

// SalesforceFailure is a scripted failure of one request.
type SalesforceFailure struct {
	// Path is what the request's URI contains; empty means any.
	Path string
	// After does what was asked for and loses the answer.
	After bool
	Reply Reply
}

// Salesforce is an organization's REST API with its token endpoint. Of the API it has records (create, update, upsert
// by external id), queries, composite requests and collections.
type Salesforce struct {
	*httptest.Server
	// Tokens is the token endpoint; Revoke ends all sessions.
	Tokens *Token

	t        testing.TB
	cfg      SalesforceConfig
	schema   map[string]map[string]SalesforceField
	mu       sync.Mutex
	records  map[string][]*SalesforceRecord
	requests []Recorded
	failures []SalesforceFailure
	used     int
	locked   map[string]int
	triggers int
	serial   int
}

// NewSalesforce starts an organization without records. It is closed with the test.
func NewSalesforce(t testing.TB, cfg SalesforceConfig) *Salesforce {
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Limit == 0 {
		cfg.Limit = 15000
	}
	if cfg.UsageFormat == "" {
		cfg.UsageFormat = "api-usage=%d/%d"
	}
	cfg.Token.NoExpiresIn = true
	s := &Salesforce{t: t, cfg: cfg, schema: salesforceSchema(), records: map[string][]*SalesforceRecord{}, locked: map[string]int{}}
	for object, fields := range cfg.Fields {
		if s.schema[object] == nil {
			s.schema[object] = map[string]SalesforceField{"Id": {Type: "reference", ReadOnly: true}, "CreatedDate": {Type: "datetime", ReadOnly: true}}
		}
		for name, f := range fields {
			s.schema[object][name] = f
		}
	}
	for _, name := range cfg.Without {
		object, field, _ := strings.Cut(name, ".")
		delete(s.schema[object], field)
	}
	s.Server = httptest.NewServer(s)
	t.Cleanup(s.Close)
	if cfg.Token.Extra == nil {
		cfg.Token.Extra = map[string]any{}
	}
	cfg.Token.Extra["instance_url"] = s.URL
	s.Tokens = NewToken(t, cfg.Token)
	return s
}

// TokenURL is the token endpoint.
func (s *Salesforce) TokenURL() string { return s.URL + "/services/oauth2/token" }

// Fail makes the next requests that fit fail.
func (s *Salesforce) Fail(failures ...SalesforceFailure) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.failures = append(s.failures, failures...)
}

// LockRows makes the next n records of an object that are saved be locked.
func (s *Salesforce) LockRows(object string, n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.locked[object] = n
}

// LockRowsInTrigger makes the next n saves fail in a trigger that found its rows locked.
func (s *Salesforce) LockRowsInTrigger(n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.triggers = n
}

// Convert makes a contact of a lead, as a person does, and returns its id. What was logged of the lead goes along
// (Salesforce Help, "Considerations for Converting Leads").
func (s *Salesforce) Convert(lead string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, r := range s.records["Lead"] {
		if r.ID != lead {
			continue
		}
		fields := map[string]any{}
		for name := range s.schema["Contact"] {
			if v := r.Fields[name]; v != nil && name != "Description" {
				fields[name] = v
			}
		}
		r.Converted, r.ConvertedTo = true, s.insert("Contact", s.cfg.Now(), fields).ID
		for _, t := range s.records["Task"] {
			if t.Fields["WhoId"] == lead {
				t.Fields["WhoId"] = r.ConvertedTo
			}
		}
		return r.ConvertedTo
	}
	s.t.Errorf("stand-in: there is no lead %s", lead)
	return ""
}

// Use counts n requests as used up.
func (s *Salesforce) Use(n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.used += n
}

// Put stores a record without any check, and returns its id.
func (s *Salesforce) Put(object string, created time.Time, fields map[string]any) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.insert(object, created, fields).ID
}

// Change lets fn change a record: delete it, convert it, or what a person does.
func (s *Salesforce) Change(id string, fn func(*SalesforceRecord)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, all := range s.records {
		for _, r := range all {
			if r.ID == id {
				fn(r)
				return
			}
		}
	}
	s.t.Errorf("stand-in: there is no record %s", id)
}

// Records are copies of the records of an object that are not deleted, in the order of their creation.
func (s *Salesforce) Records(object string) []SalesforceRecord {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []SalesforceRecord
	for _, r := range s.records[object] {
		if r.Deleted {
			continue
		}
		c := *r
		c.Fields = make(map[string]any, len(r.Fields))
		for k, v := range r.Fields {
			c.Fields[k] = v
		}
		out = append(out, c)
	}
	return out
}

// Requests are the API requests so far, those for tokens not among them.
func (s *Salesforce) Requests() []Recorded {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]Recorded(nil), s.requests...)
}

// insert stores a record under a new id of its object.
func (s *Salesforce) insert(object string, created time.Time, fields map[string]any) *SalesforceRecord {
	prefix, ok := map[string]string{"Lead": "00Q", "Contact": "003", "Task": "00T", "Case": "500", "Opportunity": "006", "Campaign": "701", "CampaignMember": "00v"}[object]
	if !ok {
		prefix = "a00"
	}
	s.serial++
	r := &SalesforceRecord{ID: fmt.Sprintf("%s%015d", prefix, s.serial), Created: created, Fields: fields}
	s.records[object] = append(s.records[object], r)
	return r
}

// ServeHTTP is the organization.
func (s *Salesforce) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path == "/services/oauth2/token" {
		s.Tokens.ServeHTTP(w, r)
		return
	}
	body := readBody(s.t, r)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.requests = append(s.requests, record(r, body))
	for i, f := range s.failures {
		if !strings.Contains(r.URL.RequestURI(), f.Path) {
			continue
		}
		s.failures = append(s.failures[:i:i], s.failures[i+1:]...)
		if f.After {
			s.answer(r, body)
		}
		if f.Reply.Hangup {
			panic(http.ErrAbortHandler)
		}
		for k, v := range f.Reply.Header {
			w.Header()[k] = v
		}
		w.WriteHeader(max(f.Reply.Status, http.StatusOK))
		_, _ = w.Write([]byte(f.Reply.Body))
		return
	}
	status, answer := s.answer(r, body)
	w.Header().Set("Content-Type", "application/json;charset=UTF-8")
	if status != http.StatusUnauthorized {
		w.Header().Set("Sforce-Limit-Info", fmt.Sprintf(s.cfg.UsageFormat, min(s.used, s.cfg.Limit), s.cfg.Limit))
	}
	w.WriteHeader(status)
	if answer != nil {
		_ = json.NewEncoder(w).Encode(answer)
	}
}

// answer checks what holds for every request, and carries it out.
func (s *Salesforce) answer(r *http.Request, body []byte) (int, any) {
	if !s.Tokens.Valid(r) {
		return 401, salesforceErr("INVALID_SESSION_ID", "Session expired or invalid")
	}
	if s.used++; s.used > s.cfg.Limit {
		return 403, salesforceErr("REQUEST_LIMIT_EXCEEDED", "TotalRequests Limit exceeded.")
	}
	if len(r.URL.RequestURI()) > 16384 {
		return 414, salesforceErr("URI_TOO_LONG", "URI too long")
	}
	if len(body) > 0 && !strings.HasPrefix(r.Header.Get("Content-Type"), "application/json") {
		return 415, salesforceErr("UNSUPPORTED_MEDIA_TYPE", "Content-Type header specified in HTTP request is not supported")
	}
	return s.execute(r.Method, r.URL.RequestURI(), body, r.Header.Get)
}
