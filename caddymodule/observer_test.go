package caddymodule

import (
	"context"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	logtest "go.uber.org/zap/zaptest/observer"

	"github.com/callgate/callgate/internal/call"
	"github.com/callgate/callgate/internal/delivery"
	"github.com/callgate/callgate/internal/destination"
	"github.com/callgate/callgate/internal/operate"
	"github.com/callgate/callgate/internal/store"
	"github.com/callgate/callgate/internal/store/storetest"
)

// One line tells of each accepted, delivered, failing and dead event, and none holds what a caller said.
func TestOneLineForEachEvent(t *testing.T) {
	core, logs := logtest.New(zapcore.InfoLevel)
	o := &observer{d: &dispatcher{logger: zap.New(core), meter: operate.NewMeter(t.Context(), storetest.NewMemory(storetest.Options{}), nil)}}
	e := &store.Event{ID: "evt", Tenant: "acme", Source: "nextphone", EventType: "lead", Body: []byte(`{"name":"Mike"}`)}
	r := caddyhttp.PrepareRequest(httptest.NewRequest("POST", "/calls", nil), caddy.NewReplacer(), httptest.NewRecorder(), nil)
	o.Accepted(context.WithoutCancel(r.Context()), e, store.Accepted{EventID: "evt"}, []string{"crm"})
	o.Accepted(r.Context(), e, store.Accepted{EventID: "evt", Duplicate: true}, []string{"crm"})
	item := destination.Item{EventID: "evt", DeliveryID: "evt.0", Tenant: "acme", Attempt: 5, Call: &call.Call{FirstName: "Mike"}, Body: e.Body}
	done := delivery.Attempted{Destination: "crm", Item: item, At: time.Now(), Took: time.Second, Status: 200, Outcome: destination.Delivered, State: store.Delivered}
	o.AttemptFinished(done)
	done.Outcome, done.State, done.Status, done.Reason = destination.Retry, store.Pending, 503, "503: the receiver failed"
	o.Failing(done)
	o.DeadLetter(done)
	want := []struct {
		message string
		level   zapcore.Level
		fields  []string
	}{
		{"accepted", zap.InfoLevel, []string{"event", "tenant", "source", "destinations", "bytes", "request_id"}},
		{"delivered", zap.InfoLevel, []string{"event", "delivery", "tenant", "destination", "status", "took", "attempt"}},
		{"delivery is failing", zap.WarnLevel, []string{"event", "delivery", "tenant", "destination", "status", "reason", "next_at"}},
		{"delivery is dead", zap.ErrorLevel, []string{"event", "delivery", "tenant", "destination", "reason"}},
	}
	if logs.Len() != len(want) {
		t.Fatalf("%d lines, want %d: %v", logs.Len(), len(want), logs.All())
	}
	if got, want := logs.All()[0].ContextMap()["request_id"], (server{}).RequestID(r); got != want || want == "" {
		t.Errorf("the accepted event's request is %v in the log, and %q in an answer", got, want)
	}
	for i, l := range logs.All() {
		fields := l.ContextMap()
		if !strings.HasPrefix(l.Message, want[i].message) || l.Level != want[i].level {
			t.Errorf("line %d is %s %q, want %q", i+1, l.Level, l.Message, want[i].message)
		}
		for _, name := range want[i].fields {
			if _, ok := fields[name]; !ok {
				t.Errorf("%q has no %s: %v", l.Message, name, fields)
			}
		}
		for name, v := range fields {
			if s, ok := v.(string); ok && strings.Contains(s, "Mike") {
				t.Errorf("%q quotes the call in %s", l.Message, name)
			}
		}
	}
}

// A tenant that is gone has no variables, which is not the same as having none.
func TestTenantVars(t *testing.T) {
	a := &App{run: &instance{vars: map[string]map[string]string{}}, Tenants: map[string]*Tenant{"here": {Policy: Policy{Vars: map[string]string{"a": "1"}}}, "bare": {}}}
	a.run.noteVars("routed", map[string]string{"b": "2"})
	for tenant, want := range map[string]struct {
		name, value string
		known       bool
	}{"here": {"a", "1", true}, "routed": {"b", "2", true}, "bare": {known: true}, "gone": {}} {
		vars, known := a.tenantVars(tenant)
		if known != want.known || vars[want.name] != want.value {
			t.Errorf("%s: %v, %v, want %+v", tenant, vars, known, want)
		}
	}
}
