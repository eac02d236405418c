package gateway

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/callgate/callgate/internal/audit"
)

// kept is an audit log in memory.
type kept struct {
	leaves []audit.Leaf
	fails  error
}

func (k *kept) Record(_ context.Context, l audit.Leaf) error {
	if k.fails == nil {
		k.leaves = append(k.leaves, l)
	}
	return k.fails
}

// What is handed on is recorded: beforehand where the route wants it, and what came of it in any case.
func TestWhatIsHandedOnIsRecorded(t *testing.T) {
	const body = `{"event":"call_completed","data":{"id":"c1","caller":{"phone":"+15559876543"}}}`
	serve := func(t *testing.T, rt *Route, next HandlerFunc) (int, *Request) {
		t.Helper()
		w := httptest.NewRecorder()
		rq := rt.NewRequest(signedLead(t, t.Context(), body))
		if err := rq.Serve(w, next); err != nil {
			return rt.statusOf(err), rq
		}
		return w.Code, rq
	}
	t.Run("afterwards", func(t *testing.T) {
		rt, log := testRoute(t), new(kept)
		rt.Audit = log
		if status, _ := serve(t, rt, answersOK); status != 200 || len(log.leaves) != 1 {
			t.Fatalf("status %d, %d records", status, len(log.leaves))
		}
		l := log.leaves[0]
		if l.Kind != audit.SyncOutcome || l.Outcome != audit.OutcomeOK || l.Status != 200 || l.Tenant != "demo" || l.Route != "test" || l.Event == "" ||
			l.Bytes != int64(len(body)) || l.To[0] != (audit.Recipient{Name: "test", Kind: "receiver", Host: "receiver.example:443"}) {
			t.Errorf("%+v", l)
		}
		if line := string(audit.AppendLine(nil, &l)); strings.Contains(line, "9876543") || strings.Contains(line, "c1") {
			t.Error(line)
		}
	})
	t.Run("beforehand", func(t *testing.T) {
		rt, log := testRoute(t), new(kept)
		rt.Audit, rt.AuditFirst = log, true
		serve(t, rt, func(w http.ResponseWriter, r *http.Request) error {
			if len(log.leaves) != 1 || log.leaves[0].Kind != audit.SyncForward {
				t.Errorf("when the receiver gets it there is %+v", log.leaves)
			}
			w.WriteHeader(422)
			return nil
		})
		if len(log.leaves) != 2 || log.leaves[1].Event != log.leaves[0].Event || log.leaves[1].Outcome != "refused" || log.leaves[1].Status != 422 {
			t.Errorf("%+v", log.leaves)
		}
	})
	t.Run("it cannot be recorded beforehand", func(t *testing.T) {
		rt := testRoute(t)
		rt.Audit, rt.AuditFirst = &kept{fails: errors.New("the disk is full")}, true
		status, rq := serve(t, rt, func(w http.ResponseWriter, r *http.Request) error {
			t.Error("it is handed on")
			return answersOK(w, r)
		})
		if status != http.StatusServiceUnavailable || rq.outcome != storeUnavailable {
			t.Errorf("status %d, outcome %v", status, rq.outcome)
		}
	})
	t.Run("it cannot be recorded afterwards", func(t *testing.T) {
		rt := testRoute(t)
		rt.Audit = &kept{fails: errors.New("the disk is full")}
		if status, _ := serve(t, rt, answersOK); status != 200 {
			t.Errorf("status %d, though the receiver has it", status)
		}
	})
	t.Run("the receiver panics", func(t *testing.T) {
		rt, log := testRoute(t), new(kept)
		rt.Audit = log
		func() {
			defer func() { _ = recover() }()
			serve(t, rt, func(http.ResponseWriter, *http.Request) error { panic(http.ErrAbortHandler) })
		}()
		if len(log.leaves) != 1 || log.leaves[0].Outcome != "failed" {
			t.Errorf("%+v", log.leaves)
		}
	})
}
