//go:build unix

package examples_test

import (
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/callgate/callgate/internal/standin"
)

// startClinic is what a clinic has: an EHR, which knows the patient, and a front desk. What they got is looked at in the end.
func startClinic(t *testing.T) (port int, check func()) {
	ehr := standin.NewFHIR(t, func(r *http.Request) bool { return r.Header.Get("Authorization") == "Bearer of-the-ehr" })
	patient := ehr.Put(map[string]any{"resourceType": "Patient", "identifier": []any{map[string]any{"system": "https://clinic.example/mrn", "value": "PT-10023"}}})
	var mu sync.Mutex
	var desk []string
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, "/fhir") {
			ehr.ServeHTTP(w, r)
			return
		}
		body, err := io.ReadAll(r.Body)
		if err != nil {
			http.Error(w, "cannot read the body", http.StatusBadRequest)
			return
		}
		mu.Lock()
		defer mu.Unlock()
		desk = append(desk, r.URL.Path+" "+string(body))
	}))
	t.Cleanup(s.Close)
	return s.Listener.Addr().(*net.TCPAddr).Port, func() {
		mu.Lock()
		defer mu.Unlock()
		if want := []string{`/frontdesk {"patient_id":"PT-10023","wants":"cleaning"}`}; !slices.Equal(desk, want) {
			t.Errorf("the front desk got %q, want %q", desk, want)
		}
		stored := ehr.Stored("Communication")
		text, err := json.Marshal(stored)
		if err != nil || len(stored) != 1 || !strings.Contains(string(text), "Patient/"+patient) {
			t.Errorf("the EHR has %s, %v", text, err)
		}
	}
}
