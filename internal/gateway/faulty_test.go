package gateway

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/callgate/callgate/internal/store"
)

// The sender to a tenant with a mistake in its settings shall come back, and what was stored for the tenant waits: it could
// not be signed as its receiver expects.
func TestATenantWithAMistakeIsNotUnknown(t *testing.T) {
	rt := testRoute(t)
	rt.Faulty = map[string]bool{"broken": true}
	for tenant, want := range map[string]int{"broken": 503, "BROKEN": 503, "stranger": 404} {
		w := httptest.NewRecorder()
		r := httptest.NewRequest(http.MethodPost, "/webhooks/"+tenant, strings.NewReader("{}"))
		if err := rt.NewRequest(r).Serve(w, nil); err != nil {
			t.Fatal(err)
		}
		if w.Code != want || (w.Header().Get("Retry-After") == "60") != (want == 503) || strings.Contains(w.Body.String(), `"tenant_faulty"`) != (want == 503) {
			t.Errorf("%s: %d %v %s", tenant, w.Code, w.Header(), w.Body)
		}
	}
	r := httptest.NewRequest(http.MethodPost, "/", nil)
	if err := rt.signAgain(r, &store.Event{Tenant: "broken"}); err == nil {
		t.Error("a stored request of the tenant would be sent without a signature")
	}
	if err := rt.signAgain(r, &store.Event{Tenant: "gone"}); err != nil {
		t.Error(err)
	}
}
