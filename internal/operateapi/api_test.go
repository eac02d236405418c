package operateapi

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/callgate/callgate/internal/operate"
)

// TestRoutesAreOfOperations: each row names one that there is, and no two rows are for one request.
func TestRoutesAreOfOperations(t *testing.T) {
	seen := map[string]string{}
	for _, r := range Routes() {
		if _, ok := operate.Operations()[r.Operation]; !ok || r.handle == nil || len(r.Methods) == 0 {
			t.Errorf("%s is of no operation", r.Pattern)
		}
		for _, m := range r.Methods {
			if other := seen[m+" "+r.Pattern]; other != "" {
				t.Errorf("%s %s is %s and %s", m, r.Pattern, other, r.Operation)
			}
			seen[m+" "+r.Pattern] = r.Operation
			// A page can have a browser send these without being asked, also across sites, and caches may do so too.
			changes := []string{"Replay", "SendNow", "Cancel", "Erase", "Pause", "Resume", "RevealEvent"}
			if m != http.MethodPost && slices.Contains(changes, r.Operation) {
				t.Errorf("%s %s changes something, or shows what a caller said", m, r.Pattern)
			}
		}
	}
}

func TestPathsAreMatchedAsAWhole(t *testing.T) {
	for _, tt := range []struct {
		pattern, path string
		args          []string
		ok            bool
	}{
		{"events", "events", nil, true}, {"events", "", nil, false}, {"events", "events/", nil, false}, {"events", "event", nil, false},
		{"events/{id}", "events/a", []string{"a"}, true}, {"events/{id}", "events/", []string{""}, true}, {"events/{id}", "events", nil, false},
		{"events/{id}", "events/a/b", nil, false}, {"events/{id}/content", "events/a/content", []string{"a"}, true},
		{"events/{id}/content", "events/a/b", nil, false}, {"a/{b}/c/{d}", "a/1/c/2", []string{"1", "2"}, true}, {"", "", nil, true},
	} {
		args, ok := Match(tt.pattern, strings.Split(tt.path, "/"))
		if ok != tt.ok || ok && !reflect.DeepEqual(args, tt.args) {
			t.Errorf("%s of %s: %v, %v", tt.path, tt.pattern, args, ok)
		}
	}
}

// TestWhoMayNothingLearnsNothing: whatever they ask for, also what does not exist or cannot be read, is forbidden.
func TestWhoMayNothingLearnsNothing(t *testing.T) {
	api := &API{
		Prefix: "/x/api/", Actor: func(*http.Request) operate.Actor { return operate.Actor{Name: "eve"} },
		Service: func() (*operate.Service, error) { return nil, operate.NoStore() },
	}
	for _, r := range []*http.Request{
		httptest.NewRequest("GET", "/x/api/events", nil), httptest.NewRequest("GET", "/x/api/nowhere", nil),
		httptest.NewRequest("POST", "/x/api/erase", strings.NewReader("{")), httptest.NewRequest("DELETE", "/x/api/events", nil),
		httptest.NewRequest("GET", "/x/api/events?nothing=known", nil), httptest.NewRequest("GET", "/x/api/", nil),
	} {
		w := httptest.NewRecorder()
		err := api.Serve(w, r)
		if e, ok := errors.AsType[*Error](err); !ok || e.Status != 403 || w.Body.Len() > 0 || w.Header().Get("Allow") != "" {
			t.Errorf("%s %s: %v, %s", r.Method, r.URL, err, w.Body)
		}
	}
	err := api.Serve(httptest.NewRecorder(), httptest.NewRequest("GET", "/elsewhere", nil))
	if e, ok := errors.AsType[*Error](err); !ok || e.Status != 404 {
		t.Error(err)
	}
}
