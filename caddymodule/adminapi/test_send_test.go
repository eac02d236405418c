package adminapi

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/callgate/callgate/caddymodule/gatewaytest"
	"github.com/callgate/callgate/internal/operate"
)

// TestATestIsSentAndShown: by the way of deliveries, marked, and kept nowhere.
func TestATestIsSentAndShown(t *testing.T) {
	var marks []string
	crm := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		marks = append(marks, r.Header.Get("Callgate-Test"), r.Header.Get("Webhook-Id"), string(body))
		w.Header().Set("X-Token", "of-the-crm")
		w.WriteHeader(http.StatusUnprocessableEntity)
		_, _ = io.WriteString(w, `{"error":"lead_source is unknown"}`)
	}))
	defer crm.Close()
	gatewaytest.Run(t, fmt.Sprintf(operatedConfig, crm.URL, crm.URL))
	var sent operate.TestSent
	for until := time.Now().Add(time.Minute); ; {
		got := ask(t, "POST", "/callgate/destinations/crm/test", `{}`)
		if got.status == 200 || time.Now().After(until) {
			got.ok(&sent)
			break
		}
	}
	if len(sent.Requests) != 1 || sent.Outcome != "dead" || sent.Status != 422 || sent.Requests[0].Status != 422 || !strings.Contains(sent.Requests[0].Answer, "lead_source is unknown") ||
		sent.Requests[0].Header.Get("X-Token") == "of-the-crm" || !strings.HasSuffix(sent.Requests[0].URL, "/leads") {
		t.Errorf("%+v", sent)
	}
	if len(marks) != 3 || marks[0] != "true" || !strings.HasPrefix(marks[1], "test-") || !strings.Contains(marks[2], "leaky pipe") {
		t.Errorf("%q", marks)
	}
	if n := ask(t, "GET", "/callgate/stats", "").count("events"); n != 0 {
		t.Errorf("%d events are stored", n)
	}
	for path, want := range map[string]int{"nothing": 404, "crm": 400} {
		if got := ask(t, "POST", "/callgate/destinations/"+path+"/test", map[string]string{"nothing": `{}`, "crm": `{"source":"nobody"}`}[path]); got.status != want {
			t.Errorf("%s: %d %s", path, got.status, got.body)
		}
	}
}
