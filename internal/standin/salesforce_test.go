package standin

import (
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"
)

// talk is a client of the stand-in that knows nothing of the destination which it stands in for.
type talk struct {
	t     *testing.T
	s     *Salesforce
	token string
}

func salesforceTalk(t *testing.T, cfg SalesforceConfig) *talk {
	cfg.Token = TokenConfig{ClientID: "id", ClientSecret: "secret"}
	key := SalesforceField{Type: "string", Length: 255, ExternalID: true}
	cfg.Fields = map[string]map[string]SalesforceField{"Lead": {"Call__c": key, "Count__c": {Type: "double"}, "Day__c": {Type: "date"}}}
	c := &talk{t: t, s: NewSalesforce(t, cfg)}
	c.signIn()
	return c
}

func (c *talk) signIn() {
	res, err := http.PostForm(c.s.TokenURL(), url.Values{"grant_type": {"client_credentials"}, "client_id": {"id"}, "client_secret": {"secret"}})
	if err != nil {
		c.t.Fatal(err)
	}
	defer res.Body.Close()
	var a map[string]any
	if err := json.NewDecoder(res.Body).Decode(&a); err != nil || a["instance_url"] != c.s.URL || a["expires_in"] != nil {
		c.t.Fatalf("token answer %v, %v", a, err)
	}
	c.token = a["access_token"].(string)
}

// ask sends a request; path is below the current version, or absolute.
func (c *talk) ask(method, path, body string, header ...string) (int, string) {
	c.t.Helper()
	if path[0] != '/' {
		path = "/services/data/v67.0/" + path
	}
	req, err := http.NewRequest(method, c.s.URL+path, strings.NewReader(body))
	if err != nil {
		c.t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+c.token)
	req.Header.Set("Content-Type", "application/json")
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		c.t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		c.t.Fatal(err)
	}
	return res.StatusCode, string(b)
}

func TestSalesforceRefuses(t *testing.T) {
	c := salesforceTalk(t, SalesforceConfig{})
	c.s.Put("Lead", time.Now(), map[string]any{"LastName": "A", "Company": "A", "Call__c": "twice"})
	c.s.Put("Lead", time.Now(), map[string]any{"LastName": "B", "Company": "B", "Call__c": "TWICE"})
	for _, tt := range []struct {
		method, path, body string
		status             int
		says               string
	}{
		{"POST", "sobjects/Lead", `{}`, 400, `"errorCode":"REQUIRED_FIELD_MISSING","fields":["Company","LastName"]`},
		{"POST", "sobjects/Lead", `{"LastName":"","Company":"x"}`, 400, `"fields":["LastName"]`},
		{"POST", "sobjects/Lead", `{"LastName":"x","Company":"x","Nope__c":"x"}`, 400, `No such column 'Nope__c' on sobject of type Lead`},
		{"POST", "sobjects/Lead", `{"LastName":"x","Company":"x","lastname":"x"}`, 400, `INVALID_FIELD`},
		{"POST", "sobjects/Lead", `{"LastName":"` + strings.Repeat("x", 81) + `","Company":"x"}`, 400, `(max length=80)`},
		{"POST", "sobjects/Lead", `{"LastName":"x","Company":"x","Email":"nobody"}`, 400, `INVALID_EMAIL_ADDRESS`},
		{"POST", "sobjects/Lead", `{"LastName":"x","Company":"x","Status":"New"}`, 400, `INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST`},
		{"POST", "sobjects/Lead", `{"LastName":"x","Company":"x","Count__c":"many"}`, 400, `JSON_PARSER_ERROR`},
		{"POST", "sobjects/Lead", `{"LastName":"x","Company":"x","Day__c":"today"}`, 400, `JSON_PARSER_ERROR`},
		{"POST", "sobjects/Lead", `{"LastName":"x","Company":"x","IsConverted":true}`, 400, `INVALID_FIELD_FOR_INSERT_UPDATE`},
		{"POST", "sobjects/Lead", `{`, 400, `JSON_PARSER_ERROR`},
		{"POST", "sobjects/Nope", `{}`, 404, `NOT_FOUND`},
		{"PATCH", "sobjects/Lead/Call__c/1", `{"LastName":"x","Company":"x","Call__c":"1"}`, 400, `should not be specified`},
		{"PATCH", "sobjects/Lead/Phone/1", `{}`, 404, `Provided external ID field does not exist`},
		{"PATCH", "sobjects/Lead/Call__c/twice", `{}`, 300, `["/services/data/v67.0/sobjects/Lead/00Q`},
		{"PATCH", "sobjects/Lead/00Q000000000000999", `{}`, 404, `NOT_FOUND`},
		{"GET", "query?q=" + url.QueryEscape(`SELECT Id FROM Lead WHERE LastName = 'a' OR`), "", 400, `MALFORMED_QUERY`},
		{"GET", "query?q=" + url.QueryEscape(`SELECT Id FROM Lead WHERE LastName = 'a\x'`), "", 400, `MALFORMED_QUERY`},
		{"GET", "query?q=" + url.QueryEscape(`SELECT Id FROM Lead WHERE LastName = 'a`), "", 400, `MALFORMED_QUERY`},
		{"GET", "query?q=" + url.QueryEscape(`SELECT Id FROM Lead WHERE CreatedDate > '2026'`), "", 400, `should not be enclosed in quotes`},
		{"GET", "query?q=" + url.QueryEscape(`SELECT Id FROM Lead WHERE Description = 'a'`), "", 400, `can not be filtered`},
		{"GET", "query?q=" + url.QueryEscape(`SELECT Nope FROM Lead`), "", 400, `No such column 'Nope' on entity 'Lead'`},
		{"GET", "query?q=" + url.QueryEscape(`SELECT Id FROM Nope`), "", 400, `INVALID_TYPE`},
		{"POST", "composite", `{"compositeRequest":[{"method":"POST","url":"/services/data/v67.0/sobjects/Lead","referenceId":"a","body":{}},
			{"method":"POST","url":"/services/data/v67.0/sobjects/Task","referenceId":"b","body":{"WhoId":"@{a.id}"}}]}`, 200, `PROCESSING_HALTED`},
		{"PATCH", "composite/sobjects/Lead/Call__c", `{"records":[{"attributes":{"type":"Lead"},"Call__c":"9"},{"Call__c":"8"}]}`, 200, `"statusCode":"REQUIRED_FIELD_MISSING"`},
		{"PATCH", "composite/sobjects/Lead/Call__c", `{"records":[` + strings.TrimSuffix(strings.Repeat(`{},`, 201), ",") + `]}`, 400, `EXCEEDED_MAX_SIZE`},
		{"GET", "nothing", ``, 404, `NOT_FOUND`},
	} {
		if status, body := c.ask(tt.method, tt.path, tt.body); status != tt.status || !strings.Contains(body, tt.says) {
			t.Errorf("%s %.60s %.60s: %d %s, want %d and %s", tt.method, tt.path, tt.body, status, body, tt.status, tt.says)
		}
	}
	if n := len(c.s.Records("Lead")); n != 2 {
		t.Errorf("%d leads, want the 2 from before", n)
	}
}

func TestSalesforceSaves(t *testing.T) {
	c := salesforceTalk(t, SalesforceConfig{DuplicateRule: true, AllowSave: true})
	for _, tt := range []struct {
		method, path, body string
		header             []string
		status             int
		says               string
	}{
		{"PATCH", "sobjects/Lead/Call__c/a%2Fb", `{"LastName":"x","Company":"x","Email":"a@b.example"}`, nil, 201, `"created":true`},
		{"PATCH", "sobjects/Lead/Call__c/A%2FB", `{"FirstName":"y"}`, []string{"Sforce-Auto-Assign", "FALSE"}, 200, `"created":false`},
		{"POST", "sobjects/Lead", `{"LastName":"z","Company":"z","Email":"A@b.example"}`, nil, 400, `"duplicateResult":{"allowSave":true`},
		{"POST", "sobjects/Lead", `{"LastName":"z","Company":"z","Email":"A@b.example"}`, []string{"Sforce-Duplicate-Rule-Header", "allowSave=true"}, 201, `"success":true`},
		{"GET", "query?q=" + url.QueryEscape(`SELECT Id, LastName FROM Lead WHERE (Email = 'a@B.example' OR Phone IN ('1', '2')) AND IsConverted = false ORDER BY CreatedDate DESC LIMIT 1`), "", nil, 200, `"LastName":"z"`},
		{"GET", "query?q=" + url.QueryEscape(`SELECT Id FROM Lead WHERE LastName = '\'\\\u0041\n'`), "", nil, 200, `"totalSize":0`},
		{"POST", "composite", `{"compositeRequest":[{"method":"POST","url":"/services/data/v67.0/sobjects/Contact","referenceId":"a","body":{"LastName":"c"}},
			{"method":"POST","url":"/services/data/v67.0/sobjects/Task","referenceId":"b","body":{"WhoId":"@{a.id}"}}]}`, nil, 200, `"httpStatusCode":201,"referenceId":"b"`},
		{"GET", "sobjects/Lead/describe", "", nil, 200, `"name":"Call__c"`},
	} {
		if status, body := c.ask(tt.method, tt.path, tt.body, tt.header...); status != tt.status || !strings.Contains(body, tt.says) {
			t.Errorf("%s %s: %d %s, want %d and %s", tt.method, tt.path, status, body, tt.status, tt.says)
		}
	}
	leads := c.s.Records("Lead")
	if len(leads) != 2 || leads[0].Text("FirstName") != "y" || leads[0].Text("Call__c") != "a/b" || leads[0].Assigned != 1 {
		t.Errorf("leads %+v", leads)
	}
	if tasks := c.s.Records("Task"); len(tasks) != 1 || tasks[0].Text("WhoId") != c.s.Records("Contact")[0].ID {
		t.Errorf("tasks %+v", tasks)
	}
	c.s.LockRows("Lead", 1)
	if status, body := c.ask("PATCH", "sobjects/Lead/"+leads[0].ID, `{"FirstName":"z"}`); status != 400 || !strings.Contains(body, "UNABLE_TO_LOCK_ROW") {
		t.Errorf("%d %s", status, body)
	}
	if status, _ := c.ask("PATCH", "sobjects/Lead/"+leads[0].ID, `{"FirstName":"z"}`); status != 204 {
		t.Errorf("status %d", status)
	}
}

func TestSalesforceSessionsAndLimits(t *testing.T) {
	c := salesforceTalk(t, SalesforceConfig{Limit: 2})
	c.s.Tokens.Revoke()
	if status, body := c.ask("GET", "sobjects/Lead/describe", ""); status != 401 || !strings.Contains(body, "INVALID_SESSION_ID") {
		t.Errorf("%d %s", status, body)
	}
	c.signIn()
	for _, want := range []int{200, 200, 403} {
		if status, body := c.ask("GET", "sobjects/Lead/describe", ""); status != want || want == 403 && !strings.Contains(body, "REQUEST_LIMIT_EXCEEDED") {
			t.Errorf("%d %s", status, body)
		}
	}
	for version, want := range map[string]int{"v30.0": 410, "v68.0": 404, "67": 404} {
		s := salesforceTalk(t, SalesforceConfig{})
		if status, _ := s.ask("GET", "/services/data/"+version+"/query?q=x", ""); status != want {
			t.Errorf("version %s: %d, want %d", version, status, want)
		}
	}
}
