package storetest

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/callgate/callgate/internal/audit"
	"github.com/callgate/callgate/internal/store"
)

// RunAudited tests that a store keeps the contract of store.Audited.
func RunAudited(t *testing.T, h Harness) {
	for _, c := range []struct {
		name string
		test func(*auditBench)
	}{
		{"NothingBeforeItIsOpen", auditOff},
		{"AcceptRecordsTheIntent", auditAccept},
		{"AttemptsAreRecorded", auditAttempts},
		{"WhatIsNotStoredIsRecorded", auditAlone},
		{"OperatorsAreNamed", auditOperators},
		{"DocumentsAreRecorded", auditDocuments},
		{"EraseForgetsTheSalt", auditErase},
		{"ExpireKeepsWhatLiesBeside", auditExpire},
		{"TheTreeIsThatOfTheLines", auditTree},
		{"PrunedLinesKeepTheirHashes", auditPrune},
		{"AStopInOrderIsTold", auditRestart},
	} {
		t.Run(c.name, func(t *testing.T) {
			if h.Parallel {
				t.Parallel()
			}
			b := &auditBench{bench: &bench{T: t, h: h, now: time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC)}}
			b.s = h.Open(t, Options{Window: time.Hour, Now: func() time.Time { return b.now }})
			b.a = b.s.(store.Audited)
			if c.name != "NothingBeforeItIsOpen" {
				b.open("boot1")
			}
			c.test(b)
		})
	}
}

type auditBench struct {
	*bench
	a store.Audited
}

func (b *auditBench) open(boot string) store.AuditStatus {
	b.Helper()
	s, err := b.a.OpenAudit(boot)
	if err != nil || !s.On {
		b.Fatalf("%+v, %v", s, err)
	}
	return s
}

func (b *auditBench) status() store.AuditStatus {
	b.Helper()
	s, err := b.a.AuditStatus(ctx)
	if err != nil {
		b.Fatal(err)
	}
	return s
}

// leaves are those from a place on.
func (b *auditBench) leaves(from int64) (list []audit.Leaf) {
	b.Helper()
	err := b.a.AuditLines(ctx, from, func(seq int64, line []byte) error {
		l, err := audit.ParseLine(line)
		if err != nil {
			return fmt.Errorf("%w: %s", err, line)
		}
		if l.Seq != seq {
			b.Errorf("record %d stands at %d", l.Seq, seq)
		}
		list = append(list, *l)
		return nil
	})
	if err != nil {
		b.Fatal(err)
	}
	return list
}

// last is the only leaf since a place.
func (b *auditBench) last(since int64) audit.Leaf {
	b.Helper()
	list := b.leaves(since)
	if len(list) != 1 {
		b.Fatalf("%d records since %d, want one: %+v", len(list), since, list)
	}
	return list[0]
}

func (b *auditBench) size() int64 { b.Helper(); return b.status().State.Size }

func auditOff(b *auditBench) {
	b.accept(b.event("acme"), "crm")
	if err := b.a.Record(ctx, audit.Leaf{Kind: audit.Show}); !errors.Is(err, store.ErrNoAudit) {
		b.Error(err)
	}
	if _, err := b.a.PruneAudit(ctx, b.now, false); !errors.Is(err, store.ErrNoAudit) {
		b.Error(err)
	}
	if s := b.status(); s.On || s.State.Size != 0 {
		b.Errorf("%+v", s)
	}
	if s := b.open("x"); s.State.Size != 0 || s.Running {
		b.Errorf("%+v", s)
	}
	b.accept(b.event("acme"), "crm")
	if b.size() != 1 {
		b.Errorf("%d records", b.size())
	}
}

func auditAccept(b *auditBench) {
	e := b.event("acme")
	b.accept(e, "crm", "ehr")
	l := b.last(0)
	want := []audit.Recipient{{Name: "crm"}, {Name: "ehr"}}
	if l.Kind != audit.EventAccepted || l.Event != e.ID || l.Tenant != "acme" || l.Route != "r1" || l.Source != "nextphone" || !slices.Equal(l.To, want) ||
		l.Bytes != int64(len(e.Body)) || l.Boot != "boot1" || !l.At.Equal(b.now) {
		b.Errorf("%+v", l)
	}
	copied := b.event("acme")
	copied.Key = e.Key
	b.accept(copied, "crm")
	if n := b.size(); n != 1 {
		b.Errorf("a copy made a record: %d", n)
	}
	// Of several events of a request either all are recorded, or none is.
	one, two := b.event("acme"), b.event("acme")
	two.ID = e.ID
	if _, err := b.s.AcceptAll(ctx, []*store.Event{one, two}, [][]string{{"crm"}, {"crm"}}); err == nil {
		b.Error("an ID was taken twice")
	}
	if n := b.size(); n != 1 {
		b.Errorf("what was not stored is recorded: %d", n)
	}
	if err := b.a.AuditLines(ctx, 0, func(_ int64, line []byte) error {
		for _, value := range []string{e.EventID, e.CallID, e.CallerHash, e.EventType, string(e.Body)} {
			if strings.Contains(string(line), value) {
				b.Errorf("%s holds %s", line, value)
			}
		}
		return nil
	}); err != nil {
		b.Error(err)
	}
}

func auditAttempts(b *auditBench) {
	e := b.event("acme")
	a := b.accept(e, "crm")
	digest := sha256.Sum256([]byte("what was sent"))
	attempt := store.Attempt{
		DeliveryID: a.Deliveries[0], Number: 1, At: b.now, Took: 1500 * time.Millisecond, Status: 503, Reason: "a reason", State: store.Pending,
		Sent: &store.Sent{Requests: []store.SentRequest{
			{Method: "POST", Host: "crm.example", Bytes: 10, Fields: []string{"name", "phone"}},
			{Method: "POST", Host: "crm.example", Bytes: 5, Fields: []string{"phone", "summary"}},
		}},
		Audit: store.AuditAttempt{Tenant: "acme", Destination: "crm", Kind: "hubspot", Digest: digest},
	}
	if err := b.s.Finish(ctx, []store.Attempt{attempt}); err != nil {
		b.Fatal(err)
	}
	l := b.last(1)
	if l.Kind != audit.Attempt || l.Delivery != a.Deliveries[0] || l.Event != e.ID || l.Tenant != "acme" || l.Attempt != 1 || l.Status != 503 ||
		l.TookMS != 1500 || l.Bytes != 15 || l.Outcome != audit.OutcomeRetry || l.Policy != audit.PolicySent ||
		!slices.Equal(l.To, []audit.Recipient{{Name: "crm", Kind: "hubspot", Host: "crm.example"}}) ||
		!slices.Equal(l.Fields, []string{"name", "phone", "summary"}) {
		b.Errorf("%+v", l)
	}
	beside, err := b.a.AuditBeside(ctx, e.ID)
	if err != nil || l.Sent.IsZero() || l.Sent != audit.Commit(beside.Salt, digest[:]) {
		b.Errorf("the commitment does not open: %v", err)
	}
	attempt.State, attempt.Number, attempt.Status = store.Delivered, 2, 200
	attempt.Audit = store.AuditAttempt{}
	if err := b.s.Finish(ctx, []store.Attempt{attempt}); err != nil {
		b.Fatal(err)
	}
	if l := b.last(2); l.Outcome != audit.OutcomeOK || l.Attempt != 2 || l.To[0].Name != "crm" || l.Tenant != "acme" || !l.Sent.IsZero() {
		b.Errorf("%+v", l)
	}
	if list, err := b.s.Attempts(ctx, a.Deliveries[0]); err != nil || len(list) != 2 || list[0].Audit != (store.AuditAttempt{}) {
		b.Errorf("%+v, %v", list, err)
	}
}

// auditAlone: attempts that are not stored, since their delivery is gone, or they count for nothing.
func auditAlone(b *auditBench) {
	e := b.event("acme")
	a := b.accept(e, "crm")
	attempt := store.Attempt{DeliveryID: a.Deliveries[0], Number: 1, At: b.now, State: store.Pending,
		Sent:  &store.Sent{Requests: []store.SentRequest{{Method: "POST", Host: "crm.example", Bytes: 10}}},
		Audit: store.AuditAttempt{Tenant: "acme", Destination: "crm", Kind: "http", Digest: sha256.Sum256(nil), Returned: true}}
	finish := func() audit.Leaf {
		b.Helper()
		since := b.size()
		if err := b.s.Finish(ctx, []store.Attempt{attempt}); err != nil {
			b.Fatal(err)
		}
		return b.last(since)
	}
	if l := finish(); l.Outcome != "returned" || l.Bytes != 10 || l.Sent.IsZero() || l.Event != e.ID {
		b.Errorf("%+v", l)
	}
	attempt.Audit.Returned, attempt.Audit.Lost = false, true
	if l := finish(); l.Outcome != audit.OutcomeRetry || l.Reason == "" {
		b.Errorf("%+v", l)
	}
	if list, err := b.s.Attempts(ctx, a.Deliveries[0]); err != nil || len(list) != 0 {
		b.Errorf("%d attempts are stored: %v", len(list), err)
	}
	if d, err := b.s.Deliveries(ctx, store.Filter{}, store.Page{}); err != nil || d[0].Attempts != 0 || d[0].State != store.Pending {
		b.Errorf("%+v, %v", d, err)
	}
	attempt.DeliveryID = "what no store has given out"
	if l := finish(); l.Delivery != attempt.DeliveryID || l.Event != "" {
		b.Errorf("%+v", l)
	}
	attempt.DeliveryID, attempt.Audit.Lost = a.Deliveries[0], false
	if _, err := b.s.Erase(ctx, store.Filter{EventID: e.ID}, false); err != nil {
		b.Fatal(err)
	}
	l := finish()
	if l.Event != e.ID || l.Tenant != "acme" || l.To[0] != (audit.Recipient{Name: "crm", Kind: "http", Host: "crm.example"}) || !l.Sent.IsZero() || l.Reason == "" {
		b.Errorf("an attempt at what was erased meanwhile: %+v", l)
	}
}

func auditOperators(b *auditBench) {
	jo := audit.Actor{Type: audit.ActorUser, ID: "jo", Via: "dashboard"}
	by := audit.By(ctx, jo)
	a := b.accept(b.event("acme"), "crm")
	later := b.now.Add(time.Hour)
	if err := b.s.Finish(ctx, []store.Attempt{{DeliveryID: a.Deliveries[0], State: store.Pending, NextAt: later}}); err != nil {
		b.Fatal(err)
	}
	one := []audit.Recipient{{Name: "crm"}}
	for _, step := range []struct {
		kind audit.Kind
		do   func() error
		want audit.Leaf
	}{
		{audit.Pause, func() error { return b.s.Pause(by, "crm", "lunch") }, audit.Leaf{To: one, Why: "lunch"}},
		{audit.Resume, func() error { return b.s.Resume(by, "crm") }, audit.Leaf{To: one}},
		{audit.SendNow, func() error { _, err := b.s.SendNow(by, store.Filter{}, b.now, false); return err },
			audit.Leaf{To: one, Tenant: "acme", Delivery: a.Deliveries[0], Event: a.EventID}},
		{audit.Cancel, func() error { _, err := b.s.Cancel(by, store.Filter{}, false); return err },
			audit.Leaf{To: one, Tenant: "acme", Delivery: a.Deliveries[0], Event: a.EventID}},
		{audit.Replay, func() error { _, err := b.s.Replay(by, store.Filter{}, b.now, 0, false); return err },
			audit.Leaf{To: one, Tenant: "acme", Delivery: a.Deliveries[0], Event: a.EventID}},
		{audit.Erase, func() error { _, err := b.s.Erase(by, store.Filter{}, false); return err },
			audit.Leaf{Tenant: "acme", Event: a.EventID}},
		{audit.Show, func() error { return b.a.Record(ctx, audit.Leaf{Kind: audit.Show, Actor: jo, Event: a.EventID}) },
			audit.Leaf{Event: a.EventID}},
	} {
		since := b.size()
		if err := step.do(); err != nil {
			b.Fatal(step.kind, err)
		}
		l := b.last(since)
		if l.Kind != step.kind || l.Actor != jo || l.Why != step.want.Why || l.Tenant != step.want.Tenant || l.Event != step.want.Event ||
			l.Delivery != step.want.Delivery || !slices.Equal(l.To, step.want.To) {
			b.Errorf("%s: %+v", step.kind, l)
		}
	}
	// What the gateway pauses by itself has a reason that a receiver may have had a part in.
	since := b.size()
	if err := b.s.Pause(ctx, "crm", "what the receiver answered"); err != nil {
		b.Fatal(err)
	}
	if l := b.last(since); l.Actor != (audit.Actor{}) || l.Why != "" || l.Reason != "" {
		b.Errorf("%+v", l)
	}
}

func auditErase(b *auditBench) {
	e := b.event("acme")
	b.accept(e, "crm")
	other := b.event("acme")
	b.accept(other, "crm")
	if n, err := b.s.Erase(ctx, store.Filter{EventID: e.ID}, false); err != nil || n != 1 {
		b.Fatal(n, err)
	}
	if _, err := b.a.AuditBeside(ctx, e.ID); !errors.Is(err, store.ErrNotFound) {
		b.Errorf("the salt is there: %v", err)
	}
	beside, err := b.a.AuditBeside(ctx, other.ID)
	if err != nil {
		b.Fatal(err)
	}
	// To account for what was sent about somebody it is kept, if that is asked for.
	since := b.size()
	if n, err := b.s.Erase(audit.KeepSubjects(ctx), store.Filter{EventID: other.ID}, false); err != nil || n != 1 {
		b.Fatal(n, err)
	}
	if l := b.last(since); l.Kind != audit.Erase || l.Event != other.ID || l.Reason != audit.ReasonSubjectKept {
		b.Errorf("%+v", l)
	}
	if kept, err := b.a.AuditBeside(ctx, other.ID); err != nil || kept != beside {
		b.Errorf("what was to be kept is %+v, %v", kept, err)
	}
	if _, err := b.s.Event(ctx, other.ID); !errors.Is(err, store.ErrNotFound) {
		b.Errorf("the event itself is kept: %v", err)
	}
	b.checkTree()
}

func auditExpire(b *auditBench) {
	e := b.event("acme")
	a := b.accept(e, "crm")
	if err := b.s.Finish(ctx, []store.Attempt{{DeliveryID: a.Deliveries[0], State: store.Delivered, At: b.now}}); err != nil {
		b.Fatal(err)
	}
	b.tick(48 * time.Hour)
	since := b.size()
	if n, err := b.s.Expire(ctx, store.Retention{Done: time.Hour}, b.now, 10); err != nil || n.Done != 1 {
		b.Fatal(n, err)
	}
	if l := b.last(since); l.Kind != audit.Expire || l.Count != 1 || l.Actor != (audit.Actor{}) {
		b.Errorf("%+v", l)
	}
	if _, err := b.a.AuditBeside(ctx, e.ID); err != nil {
		b.Error(err)
	}
}
