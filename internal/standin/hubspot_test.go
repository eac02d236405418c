package standin

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"
)

const hubSpotToken = "pat-na1-test"

// hubSpotPost sends a request and returns status, body and headers.
func hubSpotPost(t *testing.T, s *HubSpot, method, path, token, body string) (int, map[string]any, http.Header) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, s.URL+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+token)
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	var m map[string]any
	if err := json.Unmarshal(b, &m); err != nil {
		t.Fatalf("%s: %s", err, b)
	}
	return res.StatusCode, m, res.Header
}

func TestHubSpotRefusesWhatHubSpotRefuses(t *testing.T) {
	inputs := func(n int, format string) string {
		var all []string
		for i := range n {
			all = append(all, fmt.Sprintf(format, i))
		}
		return `{"inputs":[` + strings.Join(all, ",") + `]}`
	}
	const row = `{"idProperty":"email","id":"a%d@b.co","objectWriteTraceId":"t%[1]d","properties":{"firstname":"A"}}`
	tests := map[string]struct {
		method, path, token, body string
		status                    int
		says                      string
	}{
		"no token":           {path: "/crm/v3/objects/contacts", token: "other", status: 401, says: "INVALID_AUTHENTICATION"},
		"an API key":         {path: "/crm/v3/objects/contacts?hapikey=1", status: 401, says: "INVALID_AUTHENTICATION"},
		"too many":           {path: "/crm/v3/objects/contacts/batch/upsert", body: inputs(101, row), status: 400, says: "101"},
		"as many as it may":  {path: "/crm/objects/2026-03/contacts/batch/upsert", body: inputs(100, row), status: 200, says: "COMPLETE"},
		"none":               {path: "/crm/v3/objects/contacts/batch/upsert", body: `{"inputs":[]}`, status: 400, says: "VALIDATION_ERROR"},
		"twice the same":     {path: "/crm/v3/objects/contacts/batch/upsert", body: `{"inputs":[{"idProperty":"email","id":"A@b.co"},{"idProperty":"email","id":"a@B.co"}]}`, status: 400, says: "IDs must be unique"},
		"by what is not one": {path: "/crm/v3/objects/contacts/batch/upsert", body: `{"inputs":[{"idProperty":"phone","id":"1"}]}`, status: 400, says: "non-unique"},
		"unknown property":   {path: "/crm/v3/objects/contacts", body: `{"properties":{"email":"x@b.co","notes":"n"}}`, status: 400, says: "PROPERTY_DOESNT_EXIST"},
		"read-only property": {path: "/crm/v3/objects/contacts", body: `{"properties":{"email":"x@b.co","hs_analytics_source":"n"}}`, status: 400, says: "READ_ONLY_VALUE"},
		"no such option":     {path: "/crm/v3/objects/contacts", body: `{"properties":{"email":"x@b.co","hs_lead_status":"new"}}`, status: 400, says: "INVALID_OPTION"},
		"no such address":    {path: "/crm/v3/objects/contacts", body: `{"properties":{"email":"x"}}`, status: 400, says: "INVALID_EMAIL"},
		"nobody":             {path: "/crm/v3/objects/contacts", body: `{"properties":{"phone":"+15559876543"}}`, status: 400, says: "at least one of"},
		"address in use":     {path: "/crm/v3/objects/contacts", body: `{"properties":{"email":"Known@b.co"}}`, status: 409, says: "Existing ID: 101"},
		"key in use":         {path: "/crm/v3/objects/contacts", body: `{"properties":{"firstname":"A","call_key":"k"}}`, status: 400, says: "101 already has that value"},
		"call without time":  {path: "/crm/v3/objects/calls", body: `{"properties":{"hs_call_title":"A"}}`, status: 400, says: "REQUIRED_PROPERTY"},
		"duration in words":  {path: "/crm/v3/objects/calls", body: `{"properties":{"hs_timestamp":"2026-10-01T12:00:00.000Z","hs_call_duration":"1:07"}}`, status: 400, says: "INVALID_INTEGER"},
		"recording by http":  {path: "/crm/v3/objects/calls", body: `{"properties":{"hs_timestamp":"2026-10-01T12:00:00.000Z","hs_call_recording_url":"http://a/b"}}`, status: 400, says: "INVALID_URL"},
		"wrong association":  {path: "/crm/v3/objects/notes", body: `{"properties":{"hs_timestamp":"2026-10-01T12:00:00.000Z"},"associations":[{"to":{"id":"101"},"types":[{"associationCategory":"HUBSPOT_DEFINED","associationTypeId":194}]}]}`, status: 400, says: "194"},
		"association to none": {path: "/crm/v3/objects/notes", body: `{"properties":{"hs_timestamp":"2026-10-01T12:00:00.000Z"},"associations":[{"to":{"id":"9"},"types":[{"associationCategory":"HUBSPOT_DEFINED","associationTypeId":202}]}]}`,
			status: 400, says: "No contact with ID 9"},
		"update of none":    {method: "PATCH", path: "/crm/v3/objects/contacts/9", body: `{"properties":{}}`, status: 404, says: "OBJECT_NOT_FOUND"},
		"update by address": {method: "PATCH", path: "/crm/v3/objects/contacts/known@b.co?idProperty=email", body: `{"properties":{"company":"ABC"}}`, status: 200, says: "ABC"},
		"no such version":   {path: "/crm/v9/objects/contacts", status: 404, says: "not found"},
		"upper case in a list": {path: "/crm/v3/objects/contacts/search", body: `{"limit":1,"filterGroups":[{"filters":[{"propertyName":"email","operator":"IN","values":["A@b.co"]}]}]}`,
			status: 400, says: "lower case"},
		"search by unknown": {path: "/crm/v3/objects/contacts/search", body: `{"limit":1,"filterGroups":[{"filters":[{"propertyName":"nope","operator":"EQ","value":"1"}]}]}`, status: 400, says: "nope"},
		"v1 creates":        {path: "/contacts/v1/contact/createOrUpdate/email/new%40b.co", body: `{"properties":[{"property":"firstname","value":"A"}]}`, status: 200, says: `"isNew":true`},
		"v1 updates":        {path: "/contacts/v1/contact/createOrUpdate/email/KNOWN@b.co/", body: `{"properties":[{"property":"firstname","value":"A"}]}`, status: 200, says: `"vid":101`},
		"v1 refuses":        {path: "/contacts/v1/contact/createOrUpdate/email/new@b.co", body: `{"properties":[{"property":"lead_source","value":"A"}]}`, status: 400, says: "validationResults"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			s := NewHubSpot(t, HubSpotConfig{Token: hubSpotToken})
			s.Define("contacts", HubSpotProperty{Name: "call_key", Unique: true})
			s.Put("contacts", map[string]string{"email": "known@b.co", "call_key": "k"})
			if tt.method == "" {
				tt.method = http.MethodPost
			}
			if tt.token == "" && !strings.Contains(tt.path, "hapikey") {
				tt.token = hubSpotToken
			}
			status, body, _ := hubSpotPost(t, s, tt.method, tt.path, tt.token, tt.body)
			b, err := json.Marshal(body)
			if err != nil {
				t.Fatal(err)
			}
			if status != tt.status || !strings.Contains(string(b), tt.says) {
				t.Errorf("%d %s; want %d and %q", status, b, tt.status, tt.says)
			}
			if status >= 400 && (body["category"] == nil || body["correlationId"] == nil) {
				t.Errorf("the error %s lacks its documented form", b)
			}
		})
	}
}

func TestHubSpotAnswersRowByRow(t *testing.T) {
	const body = `{"inputs":[{"idProperty":"email","id":"A@b.co","objectWriteTraceId":"t1","properties":{"firstname":"A"}},
		{"idProperty":"email","id":"b@b.co","objectWriteTraceId":"t2","properties":{"nope":"B"}},
		{"idProperty":"email","id":"c@b.co","objectWriteTraceId":"t3","properties":{"firstname":"C"}}]}`
	s := NewHubSpot(t, HubSpotConfig{Token: hubSpotToken})
	status, got, _ := hubSpotPost(t, s, "POST", "/crm/v3/objects/contacts/batch/upsert", hubSpotToken, body)
	if status != 207 || got["numErrors"] != 1.0 || len(s.Objects("contacts")) != 2 {
		t.Fatalf("%d %v", status, got)
	}
	first := got["results"].([]any)[0].(map[string]any)
	if first["objectWriteTraceId"] != "t3" || first["new"] != true {
		t.Errorf("first result %v; want them in another order than the inputs", first)
	}
	e := got["errors"].([]any)[0].(map[string]any)
	if fmt.Sprint(e["context"]) != "map[objectWriteTraceId:[t2]]" {
		t.Errorf("error %v", e)
	}
	if s.Objects("contacts")[0].Properties["email"] != "a@b.co" {
		t.Error("addresses are kept in lower case")
	}
	// Without traces one bad row refuses all.
	s = NewHubSpot(t, HubSpotConfig{Token: hubSpotToken, NoTrace: true})
	status, _, _ = hubSpotPost(t, s, "POST", "/crm/v3/objects/contacts/batch/upsert", hubSpotToken, body)
	if status != 400 || len(s.Objects("contacts")) != 0 {
		t.Errorf("%d, %d contacts; want 400 and none", status, len(s.Objects("contacts")))
	}
}

func TestHubSpotKeepsItsLimits(t *testing.T) {
	now := time.Date(2026, 10, 1, 12, 0, 0, 0, time.UTC)
	s := NewHubSpot(t, HubSpotConfig{Token: hubSpotToken, Rolling: 4, Searches: 1, Daily: 7, SearchLag: 5 * time.Second, Now: func() time.Time { return now }})
	const search = `{"limit":1,"filterGroups":[{"filters":[{"propertyName":"email","operator":"EQ","value":"a@b.co"}]}]}`
	ask := func(path, body string) (int, map[string]any, http.Header) {
		return hubSpotPost(t, s, "POST", "/crm/v3/objects/contacts"+path, hubSpotToken, body)
	}
	if status, _, h := ask("", `{"properties":{"email":"a@b.co"}}`); status != 201 || h.Get("X-HubSpot-RateLimit-Remaining") != "3" || h.Get("X-HubSpot-RateLimit-Interval-Milliseconds") != "10000" {
		t.Errorf("%d %v", status, h)
	}
	if _, m, h := ask("/search", search); m["total"] != 0.0 || h.Get("X-HubSpot-RateLimit-Max") != "" {
		t.Errorf("%v %v; a write is not found at once, and searches carry no limits", m, h)
	}
	if status, m, _ := ask("/search", search); status != 429 || m["policyName"] != "SECONDLY" {
		t.Errorf("%d %v", status, m)
	}
	now = now.Add(6 * time.Second)
	if _, m, _ := ask("/search", search); m["total"] != 1.0 {
		t.Errorf("%v; the write is to be found by now", m)
	}
	for _, policy := range []any{nil, "TEN_SECONDLY_ROLLING"} {
		if _, m, _ := ask("", `{"properties":{"firstname":"A"}}`); m["policyName"] != policy {
			t.Errorf("%v, want policy %v", m, policy)
		}
	}
	for range 3 {
		now = now.Add(10 * time.Second)
		ask("", `{"properties":{"firstname":"A"}}`)
	}
	if status, m, _ := ask("", `{"properties":{"firstname":"A"}}`); status != 429 || m["policyName"] != "DAILY" {
		t.Errorf("%d %v", status, m)
	}
}
