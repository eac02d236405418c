package standin

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// HubSpotConfig says what kind of account a HubSpot stand-in is. The zero value refuses every request.
type HubSpotConfig struct {
	// Token is the private app's token. Tokens accepts those of a token server as well.
	Token  string
	Tokens *Token
	// Scopes that the token lacks, such as "crm.objects.contacts.write".
	Missing []string
	// Rolling is how many requests ten seconds may have, Daily a day, Searches a second; 0 means no limit.
	Rolling, Daily, Searches int
	// SearchLag is how long a write takes to be found by searches.
	SearchLag time.Duration
	// NoTrace leaves objectWriteTraceId out of answers, and per-row errors with it: one bad row refuses the request.
	NoTrace bool
	// Now is the clock; nil means time.Now.
	Now func() time.Time
}

// HubSpot stands in for HubSpot's CRM: contacts, calls, notes, companies, deals and tickets by v3 and dated paths (single,
// batch, search), default associations in batches by v4 and dated paths, and contacts/v1 createOrUpdate. Addresses are compared in lower case, results of a batch come in reverse order, errors
// have the documented form.
type HubSpot struct {
	*httptest.Server

	t        testing.TB
	cfg      HubSpotConfig
	mu       sync.Mutex
	schema   map[string]map[string]HubSpotProperty
	objects  map[string][]*HubSpotObject
	lastID   int
	requests []Recorded
	script   []Reply
	lose     int
	recent   []time.Time
	searches []time.Time
	today    int
}

// HubSpotObject is a record.
type HubSpotObject struct {
	ID         string
	Properties map[string]string
	// Contacts and Companies are the ids of associated contacts and companies.
	Contacts, Companies []string
	// Writes is how often it was written.
	Writes  int
	written time.Time
	// indexed are the properties that searches know, as long as the last write is too new for them; nil when they know
	// nothing of the record.
	indexed map[string]string
}

// NewHubSpot starts a stand-in. It is closed with the test.
func NewHubSpot(t testing.TB, cfg HubSpotConfig) *HubSpot {
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	s := &HubSpot{t: t, cfg: cfg, schema: hubSpotSchema(), objects: map[string][]*HubSpotObject{}, lastID: 100}
	s.Server = httptest.NewServer(s)
	t.Cleanup(s.Close)
	return s
}

// Define adds a property to a type of objects.
func (s *HubSpot) Define(object string, p HubSpotProperty) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.schema[object][p.Name] = p
}

// Undefine takes a property away.
func (s *HubSpot) Undefine(object, name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.schema[object], name)
}

// Fail scripts the answers to the next requests, which change nothing.
func (s *HubSpot) Fail(replies ...Reply) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.script = append(s.script, replies...)
}

// Lose carries the next n requests out and closes the connection in place of an answer.
func (s *HubSpot) Lose(n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lose = n
}

// Revoke makes the token invalid, or valid again.
func (s *HubSpot) Revoke(token string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.cfg.Token = token
}

// Objects returns copies of the records of a type, the oldest first.
func (s *HubSpot) Objects(object string) []HubSpotObject {
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []HubSpotObject
	for _, o := range s.objects[object] {
		c := *o
		c.Properties = make(map[string]string, len(o.Properties))
		for k, v := range o.Properties {
			c.Properties[k] = v
		}
		all = append(all, c)
	}
	return all
}

// Put adds a record as a user of HubSpot would, found by searches at once, and returns its id.
func (s *HubSpot) Put(object string, properties map[string]string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	o := s.add(object)
	s.set(object, o, properties)
	o.written = time.Time{}
	return o.ID
}

// Delete removes a record.
func (s *HubSpot) Delete(object, id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i, o := range s.objects[object] {
		if o.ID == id {
			s.objects[object] = append(s.objects[object][:i:i], s.objects[object][i+1:]...)
			return
		}
	}
}

// Requests returns what has arrived so far.
func (s *HubSpot) Requests() []Recorded {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]Recorded(nil), s.requests...)
}

// Paths lists method and path of the requests so far, without the part that tells the API's version.
func (s *HubSpot) Paths() []string {
	var all []string
	for _, r := range s.Requests() {
		path, _, _ := strings.Cut(r.URI, "?")
		if _, rest, ok := strings.Cut(path, "/objects/"); ok {
			path = rest
		}
		all = append(all, r.Method+" "+path)
	}
	return all
}

// hubSpotAnswer is an answer in the making.
type hubSpotAnswer struct {
	status int
	header http.Header
	body   any
}

// ServeHTTP implements http.Handler.
func (s *HubSpot) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body := readBody(s.t, r)
	s.mu.Lock()
	s.requests = append(s.requests, record(r, body))
	if len(s.script) > 0 {
		reply := s.script[0]
		s.script = s.script[1:]
		s.mu.Unlock()
		hubSpotScripted(w, r, reply)
		return
	}
	a := s.answer(r, body)
	lost := s.lose > 0
	if lost {
		s.lose--
	}
	s.mu.Unlock()
	if lost {
		panic(http.ErrAbortHandler)
	}
	for k, v := range a.header {
		w.Header()[k] = v
	}
	w.Header().Set("Content-Type", "application/json;charset=utf-8")
	w.WriteHeader(a.status)
	if err := json.NewEncoder(w).Encode(a.body); err != nil {
		s.t.Logf("HubSpot stand-in: answer not written: %v", err)
	}
}

func hubSpotScripted(w http.ResponseWriter, r *http.Request, reply Reply) {
	if reply.Hold != nil {
		select {
		case <-reply.Hold:
		case <-r.Context().Done():
			return
		}
	}
	if reply.Hangup {
		panic(http.ErrAbortHandler)
	}
	for k, v := range reply.Header {
		w.Header()[k] = v
	}
	w.WriteHeader(max(reply.Status, 200))
	_, _ = w.Write([]byte(reply.Body))
}

// answer carries a request out. The lock is held.
func (s *HubSpot) answer(r *http.Request, body []byte) hubSpotAnswer {
	token, bearer := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	known := bearer && (s.cfg.Token != "" && token == s.cfg.Token || s.cfg.Tokens != nil && s.cfg.Tokens.Valid(r))
	if r.URL.Query().Has("hapikey") || !known {
		return hubSpotError(http.StatusUnauthorized, "INVALID_AUTHENTICATION", "Authentication credentials not found. This API supports OAuth 2.0 authentication.", nil)
	}
	if len(s.cfg.Missing) > 0 {
		e := hubSpotError(http.StatusForbidden, "MISSING_SCOPES", "This app hasn't been granted all required scopes to make this call.", nil)
		e.body.(map[string]any)["errors"] = []any{map[string]any{
			"message": "One or more of the following scopes are required.",
			"context": map[string]any{"requiredGranularScopes": s.cfg.Missing},
		}}
		return e
	}
	search := strings.HasSuffix(r.URL.Path, "/search")
	if a, limited := s.limit(search); limited {
		return a
	}
	a := s.route(r, body)
	if !search && a.status < 300 {
		a.header = http.Header{
			"X-Hubspot-Ratelimit-Interval-Milliseconds": {"10000"},
			"X-Hubspot-Ratelimit-Max":                   {strconv.Itoa(s.cfg.Rolling)},
			"X-Hubspot-Ratelimit-Remaining":             {strconv.Itoa(max(0, s.cfg.Rolling-len(s.recent)))},
			"X-Hubspot-Ratelimit-Daily":                 {strconv.Itoa(s.cfg.Daily)},
			"X-Hubspot-Ratelimit-Daily-Remaining":       {strconv.Itoa(max(0, s.cfg.Daily-s.today))},
		}
	}
	return a
}

// limit counts a request and refuses it when it is one too many.
func (s *HubSpot) limit(search bool) (hubSpotAnswer, bool) {
	now := s.cfg.Now()
	within := func(times []time.Time, d time.Duration) []time.Time {
		for len(times) > 0 && now.Sub(times[0]) >= d {
			times = times[1:]
		}
		return times
	}
	over := func(policy, words string) (hubSpotAnswer, bool) {
		e := hubSpotError(http.StatusTooManyRequests, "RATE_LIMITS", "You have reached your "+words+" limit.", nil)
		e.body.(map[string]any)["policyName"] = policy
		e.body.(map[string]any)["errorType"] = "RATE_LIMIT"
		return e, true
	}
	s.recent, s.searches = within(s.recent, 10*time.Second), within(s.searches, time.Second)
	switch {
	case s.cfg.Daily > 0 && s.today >= s.cfg.Daily:
		return over("DAILY", "daily")
	case search && s.cfg.Searches > 0 && len(s.searches) >= s.cfg.Searches:
		return over("SECONDLY", "secondly")
	case s.cfg.Rolling > 0 && len(s.recent) >= s.cfg.Rolling:
		return over("TEN_SECONDLY_ROLLING", "ten_secondly_rolling")
	}
	s.today++
	s.recent = append(s.recent, now)
	if search {
		s.searches = append(s.searches, now)
	}
	return hubSpotAnswer{}, false
}

// route finds the end point.
func (s *HubSpot) route(r *http.Request, body []byte) hubSpotAnswer {
	parts := strings.Split(strings.Trim(r.URL.Path, "/"), "/")
	none := hubSpotError(http.StatusNotFound, "OBJECT_NOT_FOUND", "resource not found", nil)
	if len(parts) >= 6 && strings.Join(parts[:5], "/") == "contacts/v1/contact/createOrUpdate/email" {
		return s.contactV1(r.Method, parts[5], body)
	}
	if a, ok := s.associationsRoute(r.Method, parts, body); ok {
		return a
	}
	if a, ok := s.propertiesRoute(r.Method, parts); ok {
		return a
	}
	switch {
	case len(parts) >= 4 && parts[0] == "crm" && parts[1] == "v3" && parts[2] == "objects":
		parts = parts[3:]
	case len(parts) >= 4 && parts[0] == "crm" && parts[1] == "objects" && (parts[2] == "2025-09" || parts[2] == "2026-03" || parts[2] == "2026-09"):
		parts = parts[3:]
	default:
		return none
	}
	object := parts[0]
	if s.schema[object] == nil {
		return none
	}
	switch {
	case len(parts) == 3 && parts[1] == "batch" && r.Method == http.MethodPost:
		return s.batch(object, parts[2], body)
	case len(parts) == 2 && parts[1] == "search" && r.Method == http.MethodPost:
		return s.search(object, body)
	case len(parts) == 1 && r.Method == http.MethodPost:
		return s.single(object, hubSpotInput{}, "create", body)
	case len(parts) == 2 && r.Method == http.MethodPatch:
		return s.single(object, hubSpotInput{ID: parts[1], IDProperty: r.URL.Query().Get("idProperty")}, "update", body)
	case len(parts) == 2 && r.Method == http.MethodGet:
		if o := s.find(object, r.URL.Query().Get("idProperty"), parts[1]); o != nil {
			return hubSpotAnswer{status: http.StatusOK, body: o.render(nil)}
		}
	}
	return none
}

// hubSpotError is an error in the documented form.
func hubSpotError(status int, category, message string, context map[string]any) hubSpotAnswer {
	b := map[string]any{
		"status": "error", "message": message, "category": category,
		"correlationId": fmt.Sprintf("a1b2c3d4-0000-4000-8000-%012d", len(message)),
	}
	if context != nil {
		b["context"] = context
	}
	return hubSpotAnswer{status: status, body: b}
}
