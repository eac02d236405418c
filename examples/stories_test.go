//go:build unix

package examples_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"
)

// system is a system of the reader's own: it answers by method and path, and keeps what it was asked.
type system struct {
	mu   sync.Mutex
	seen []string
}

func startSystem(t *testing.T, answer func(w http.ResponseWriter, r *http.Request) (status int, body string)) (*system, int) {
	t.Helper()
	s := new(system)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			http.Error(w, "cannot read the body", http.StatusBadRequest)
			return
		}
		asked := r.Method + " " + r.RequestURI
		if compact := compactJSON(body); compact != "" {
			asked += " " + compact
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		status, text := answer(w, r)
		s.seen = append(s.seen, asked)
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		_, _ = io.WriteString(w, text)
	}))
	t.Cleanup(server.Close)
	return s, server.Listener.Addr().(*net.TCPAddr).Port
}

func compactJSON(b []byte) string {
	var v any
	if json.Unmarshal(b, &v) != nil {
		return string(b)
	}
	text, err := json.Marshal(v)
	if err != nil {
		return string(b)
	}
	return string(text)
}

func (s *system) got() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.seen)
}

// startDispatch is the contractor's software: it wants a password, and says in its body what became of a job.
func startDispatch(t *testing.T) (port int, check func()) {
	s, port := startSystem(t, func(_ http.ResponseWriter, r *http.Request) (int, string) {
		switch user, password, _ := r.BasicAuth(); {
		case r.URL.Path == "/pager" && r.Header.Get("Authorization") == "Bearer ours":
			return http.StatusAccepted, `{}`
		case r.URL.Path != "/dispatch/job" || user != "callgate" || password != "theirs":
			return http.StatusUnauthorized, `{}`
		}
		return http.StatusOK, `{"RESULT":"OK","JOB":17}`
	})
	return port, func() {
		got := s.got()
		slices.Sort(got)
		want := []string{
			`POST /dispatch/job {"CUST_NM":"Mike Johnson","CUST_TEL":"(555) 987-6543","JOB_ADDR":"123 Main Street","JOB_TXT":"leaky pipe in kitchen","PRIO":"3","SRC":"AI"}`,
			`POST /pager {"text":"(555) 987-6543: leaky pipe in kitchen, 123 Main Street","to":"+15551230000"}`,
		}
		if !slices.Equal(got, want) {
			t.Errorf("the contractor got %q, want %q", got, want)
		}
	}
}

// startFirm is the law firm's case management system: it does not know the caller yet, and checks for conflicts in its own time.
func startFirm(t *testing.T) (port int, check func()) {
	polled := 0
	s, port := startSystem(t, func(w http.ResponseWriter, r *http.Request) (int, string) {
		if r.Header.Get("Authorization") != "Bearer of-the-firm" {
			return http.StatusUnauthorized, `{}`
		}
		switch r.Method + " " + r.URL.Path {
		case "GET /api/clients":
			return http.StatusOK, `{"clients":[]}`
		case "POST /api/clients":
			return http.StatusCreated, `{"id":"c-7"}`
		case "GET /api/attorneys":
			return http.StatusOK, fmt.Sprintf(`{"attorneys":[{"id":"a-%s"}]}`, r.URL.Query().Get("area"))
		case "POST /api/intakes":
			return http.StatusCreated, `{"id":"i-9"}`
		case "POST /api/intakes/i-9/conflict-check":
			w.Header().Set("Location", "/api/checks/1")
			return http.StatusAccepted, `{"state":"running"}`
		case "GET /api/checks/1":
			if polled++; polled < 2 {
				return http.StatusOK, `{"state":"running"}`
			}
			return http.StatusOK, `{"state":"clear"}`
		}
		return http.StatusNotFound, `{}`
	})
	return port, func() {
		want := []string{
			"GET /api/clients?phone=%2B15559876543",
			`POST /api/clients {"email":"dana@example.com","name":"Dana Whitfield","phone":"+15559876543","status":"prospective"}`,
			"GET /api/attorneys?area=injury",
			`POST /api/intakes {"answers":{"has_counsel":"no","incident_date":"2026-02-03","opposing_party":"Hollis Freight Inc."},"attorney":"a-injury","client":"c-7","summary":"Rear-ended on Route 9, neck pain since"}`,
			`POST /api/intakes/i-9/conflict-check {"names":["Dana Whitfield","Hollis Freight Inc."]}`,
			"GET /api/checks/1", "GET /api/checks/1",
		}
		if got := s.got(); !slices.Equal(got, want) {
			t.Errorf("the firm got %q, want %q", got, want)
		}
	}
}
