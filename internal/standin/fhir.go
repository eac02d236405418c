package standin

import (
	"encoding/json"
	"fmt"
	"mime"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"testing"
)

// FHIR is a FHIR R4 server with its base at /fhir. It knows Patient, Communication, Task, Appointment and
// ServiceRequest: create and update, conditional or not, search by POST, versions, and transactions. It refuses
// what R4's structures and invariants forbid (see fhir_schema.go), wrong media types and requests that are not signed in,
// and answers errors by OperationOutcome, with diagnostics that quote what was sent, as real servers do.
type FHIR struct {
	*httptest.Server

	t testing.TB
	// Allow decides who is signed in; nil lets everybody in. Token.Valid fits.
	Allow func(*http.Request) bool

	mu       sync.Mutex
	stored   map[string][]map[string]any // by type, in order of creation
	nextID   int
	blind    bool
	script   []Reply
	requests []Recorded
}

// NewFHIR starts a FHIR server. It is closed with the test.
func NewFHIR(t testing.TB, allow func(*http.Request) bool) *FHIR {
	s := &FHIR{t: t, Allow: allow, stored: map[string][]map[string]any{}}
	s.Server = httptest.NewServer(s)
	t.Cleanup(s.Close)
	return s
}

// Base is the server's base URL.
func (s *FHIR) Base() string { return s.URL + "/fhir" }

// Put stores a resource as it is, and returns its id.
func (s *FHIR) Put(resource map[string]any) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.insert(resource)
}

// Stored returns the resources of a type.
func (s *FHIR) Stored(kind string) []map[string]any {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]map[string]any(nil), s.stored[kind]...)
}

// Change lets fn change a resource as people do who work with it, which makes a new version of it.
func (s *FHIR) Change(kind, id string, fn func(map[string]any)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i, r := range s.stored[kind] {
		if r["id"] == id {
			changed := copyOf(r)
			fn(changed)
			s.stored[kind][i] = s.versioned(changed, r)
			return
		}
	}
	s.t.Errorf("stand-in: there is no %s/%s", kind, id)
}

// Blind makes searches for anything but patients find nothing, as an index does that lags behind, or find again.
func (s *FHIR) Blind(yes bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.blind = yes
}

// versioned gives a resource the version after that of old.
func (s *FHIR) versioned(resource, old map[string]any) map[string]any {
	n := 0
	if meta, _ := old["meta"].(map[string]any); meta != nil {
		n, _ = strconv.Atoi(fmt.Sprint(meta["versionId"]))
	}
	resource["meta"] = map[string]any{"versionId": strconv.Itoa(n + 1), "lastUpdated": "2026-01-01T00:00:00.000Z"}
	return resource
}

func copyOf(m map[string]any) map[string]any {
	b, _ := json.Marshal(m) // it came as JSON
	var c map[string]any
	_ = json.Unmarshal(b, &c)
	return c
}

// Script makes the next requests be answered as given, before anything else is looked at.
func (s *FHIR) Script(replies ...Reply) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.script = append(s.script, replies...)
}

// Requests returns what has arrived so far.
func (s *FHIR) Requests() []Recorded {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]Recorded(nil), s.requests...)
}

// Problem is an answer that is an error.
type Problem struct {
	Status            int
	Code, Diagnostics string
	Expression        string
}

func (p *Problem) outcome() map[string]any {
	issue := map[string]any{"severity": "error", "code": p.Code, "diagnostics": p.Diagnostics}
	if p.Expression != "" {
		issue["expression"] = []any{p.Expression}
	}
	return map[string]any{"resourceType": "OperationOutcome", "issue": []any{issue}}
}

// done is the answer to one interaction.
type done struct {
	status   int
	location string
	body     map[string]any
}

// ServeHTTP is the server.
func (s *FHIR) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body := readBody(s.t, r)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.requests = append(s.requests, record(r, body))
	if len(s.script) > 0 {
		reply := s.script[0]
		s.script = s.script[1:]
		if reply.Hangup {
			panic(http.ErrAbortHandler)
		}
		w.Header().Set("Content-Type", "application/fhir+json")
		for k, v := range reply.Header {
			w.Header()[k] = v
		}
		w.WriteHeader(reply.Status)
		_, _ = w.Write([]byte(reply.Body))
		return
	}
	answer, problem := s.handle(r, body)
	w.Header().Set("Content-Type", "application/fhir+json;charset=utf-8")
	if problem != nil {
		w.WriteHeader(problem.Status)
		_ = json.NewEncoder(w).Encode(problem.outcome())
		return
	}
	if answer.location != "" {
		w.Header().Set("Location", s.URL+"/fhir/"+answer.location+"/_history/1")
	}
	w.WriteHeader(answer.status)
	if answer.body != nil {
		_ = json.NewEncoder(w).Encode(answer.body)
	}
}

func (s *FHIR) handle(r *http.Request, body []byte) (*done, *Problem) {
	if s.Allow != nil && !s.Allow(r) {
		return nil, &Problem{401, "login", "who are you: " + r.Header.Get("Authorization"), ""}
	}
	path, found := strings.CutPrefix(strings.TrimSuffix(r.URL.Path, "/"), "/fhir")
	if !found {
		return nil, &Problem{404, "not-found", "no such path", ""}
	}
	path = strings.TrimPrefix(path, "/")
	if path == "metadata" && r.Method == http.MethodGet {
		return &done{status: 200, body: capabilities()}, nil
	}
	media, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if kind, ok := strings.CutSuffix(path, "/_search"); ok && r.Method == http.MethodPost {
		form, err := url.ParseQuery(string(body))
		if media != "application/x-www-form-urlencoded" || err != nil {
			return nil, &Problem{415, "not-supported", "search by form", ""}
		}
		return s.search(kind, form)
	}
	if media != "application/fhir+json" {
		return nil, &Problem{415, "not-supported", "send application/fhir+json, not " + media, ""}
	}
	var resource map[string]any
	if err := json.Unmarshal(body, &resource); err != nil {
		return nil, &Problem{400, "structure", "not JSON: " + err.Error(), ""}
	}
	switch {
	case path == "" && r.Method == http.MethodPost:
		return s.transaction(resource)
	case r.Method == http.MethodPost:
		return s.create(path, resource, r.Header.Get("If-None-Exist"))
	case r.Method == http.MethodPut && r.URL.RawQuery == "":
		return s.put(path, resource, r.Header.Get("If-Match"))
	case r.Method == http.MethodPut:
		return s.update(path, resource, r.URL.RawQuery)
	default:
		return nil, &Problem{405, "not-supported", r.Method + " is not supported here", ""}
	}
}

// matches finds resources by the identifier of a condition.
func (s *FHIR) matches(kind, condition string) ([]map[string]any, *Problem) {
	q, err := url.ParseQuery(condition)
	token := q.Get("identifier")
	if err != nil || len(q) != 1 || token == "" {
		return nil, &Problem{400, "invalid", "condition " + condition, ""}
	}
	return s.byIdentifier(kind, token), nil
}

func (s *FHIR) byIdentifier(kind, token string) []map[string]any {
	system, value := splitToken(token)
	var found []map[string]any
	for _, r := range s.stored[kind] {
		list, _ := r["identifier"].([]any)
		for _, one := range list {
			id, _ := one.(map[string]any)
			if id["system"] == system && id["value"] == value {
				found = append(found, r)
				break
			}
		}
	}
	return found
}

// splitToken takes system|value apart at the first bar that is not escaped.
func splitToken(token string) (system, value string) {
	var b strings.Builder
	for i := 0; i < len(token); i++ {
		switch c := token[i]; {
		case c == '\\' && i+1 < len(token):
			i++
			b.WriteByte(token[i])
		case c == '|' && system == "":
			system = b.String()
			b.Reset()
		default:
			b.WriteByte(c)
		}
	}
	return system, b.String()
}

// search finds resources by identifier, and patients by phone too. Phones compare as text, as token search does.
func (s *FHIR) search(kind string, form url.Values) (*done, *Problem) {
	if structures[kind] == nil || kind[0] >= 'a' {
		return nil, &Problem{404, "not-supported", "search for " + kind, ""}
	}
	var found []map[string]any
	switch {
	case form.Get("identifier") != "":
		if kind == "Patient" || !s.blind {
			found = s.byIdentifier(kind, form.Get("identifier"))
		}
	case kind == "Patient" && form.Get("phone") != "":
		for _, p := range s.stored["Patient"] {
			list, _ := p["telecom"].([]any)
			for _, one := range list {
				c, _ := one.(map[string]any)
				number, _ := c["value"].(string)
				if c["system"] == "phone" && strings.Contains(","+form.Get("phone")+",", ","+number+",") {
					found = append(found, p)
					break
				}
			}
		}
	default:
		return nil, &Problem{400, "too-costly", "search needs identifier or phone", ""}
	}
	entries := []any{}
	for _, p := range found {
		entries = append(entries, map[string]any{"resource": p, "search": map[string]any{"mode": "match"}})
	}
	answer := map[string]any{"resourceType": "Bundle", "type": "searchset", "total": len(found)}
	if len(entries) > 0 {
		answer["entry"] = entries
	}
	return &done{200, "", answer}, nil
}
