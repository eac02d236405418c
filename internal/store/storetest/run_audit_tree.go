package storetest

import (
	"bytes"
	"errors"
	"fmt"
	"time"

	"github.com/callgate/callgate/internal/audit"
	"github.com/callgate/callgate/internal/store"
)

// checkTree compares the log's state with one that is made of its lines, and with its stored hashes at many sizes.
func (b *auditBench) checkTree() {
	b.Helper()
	status := b.status()
	var own audit.State
	reader := audit.HashReader(b.a.AuditTiles(ctx))
	err := b.a.AuditLines(ctx, 0, func(seq int64, line []byte) error {
		own.Add(audit.LeafHashes(nil, line)[0], nil)
		if seq%37 == 0 || own.Size == status.State.Size {
			read, err := audit.StateAt(own.Size, reader)
			if err != nil {
				return err
			}
			if read.Root() != own.Root() {
				return fmt.Errorf("at %d the hashes make another root than the lines", own.Size)
			}
		}
		return nil
	})
	if err != nil {
		b.Error(err)
	}
	if !sameState(own, status.State) {
		b.Errorf("the lines make another state than the one of %d records", status.State.Size)
	}
}

func sameState(a, b audit.State) bool {
	x, errX := a.MarshalBinary()
	y, errY := b.MarshalBinary()
	return errX == nil && errY == nil && bytes.Equal(x, y)
}

func auditTree(b *auditBench) {
	for range 20 {
		var events []*store.Event
		var to [][]string
		for range 30 {
			events, to = append(events, b.event("acme")), append(to, []string{"crm"})
		}
		if _, err := b.s.AcceptAll(ctx, events, to); err != nil {
			b.Fatal(err)
		}
	}
	if b.size() != 600 {
		b.Errorf("%d records", b.size())
	}
	b.checkTree()
	if list := b.leaves(595); len(list) != 5 || list[0].Seq != 595 {
		b.Errorf("%d records from 595 on", len(list))
	}
	stop := errors.New("enough")
	if err := b.a.AuditLines(ctx, 3, func(seq int64, _ []byte) error { return stop }); !errors.Is(err, stop) {
		b.Error(err)
	}
}

func auditPrune(b *auditBench) {
	var first *store.Event
	for range 300 {
		e := b.event("acme")
		if first == nil {
			first = e
		}
		b.accept(e)
	}
	before := b.status().State
	if _, err := b.s.Expire(ctx, store.Retention{Done: time.Minute}, b.now.Add(time.Hour), 1); err != nil {
		b.Fatal(err)
	}
	b.tick(time.Hour)
	b.accept(b.event("acme"))
	if n, err := b.a.PruneAudit(ctx, b.now, true); err != nil || n != 301 {
		b.Errorf("the dry run counts %d, %v", n, err)
	}
	if b.status().Pruned != 0 {
		b.Error("the dry run prunes")
	}
	n, err := b.a.PruneAudit(audit.By(ctx, audit.Actor{ID: "jo"}), b.now, false)
	if err != nil || n != 301 {
		b.Fatalf("%d, %v", n, err)
	}
	if s := b.status(); s.Pruned != 301 {
		b.Errorf("%d pruned", s.Pruned)
	}
	list := b.leaves(0)
	total := int64(0)
	for _, l := range list[1:] {
		if l.Kind != audit.Pruned || l.Actor.ID != "jo" {
			b.Errorf("%+v", l)
		}
		total += l.Count
	}
	if list[0].Seq != 301 || total != 301 {
		b.Errorf("the first that is left is %d, and %d are recorded as pruned", list[0].Seq, total)
	}
	if read, err := audit.StateAt(before.Size, audit.HashReader(b.a.AuditTiles(ctx))); err != nil || !sameState(read, before) {
		b.Errorf("what was pruned cannot be proved any more: %v", err)
	}
	if _, err := b.a.AuditBeside(ctx, first.ID); !errors.Is(err, store.ErrNotFound) {
		b.Errorf("what lies beside an event that is gone: %v", err)
	}
	if again, err := b.a.PruneAudit(ctx, b.now, false); err != nil || again != 0 {
		b.Errorf("%d, %v", again, err)
	}
}

func auditRestart(b *auditBench) {
	record := func(kind audit.Kind) {
		b.Helper()
		if err := b.a.Record(ctx, audit.Leaf{Kind: kind}); err != nil {
			b.Fatal(err)
		}
	}
	if b.h.Reopen == nil {
		b.Skip("the store forgets everything")
	}
	reopen := func(boot string) store.AuditStatus {
		b.Helper()
		b.s = b.h.Reopen(b, b.s)
		b.a = b.s.(store.Audited)
		return b.open(boot)
	}
	record(audit.Start)
	b.accept(b.event("acme"), "crm")
	if err := b.a.NoteCheckpoint(ctx, []byte("signed")); err != nil {
		b.Fatal(err)
	}
	want := b.status().State
	if s := reopen("boot2"); !s.Running || !sameState(s.State, want) || string(s.Checkpoint) != "signed" {
		b.Errorf("after a start without a stop: %+v", s)
	}
	record(audit.Start)
	record(audit.Stop)
	if s := reopen("boot3"); s.Running {
		b.Error("a stop in order is not known")
	}
	b.accept(b.event("acme"), "crm")
	if list := b.leaves(3); len(list) != 2 || list[1].Boot != "boot3" || list[0].Boot != "boot2" {
		b.Errorf("%+v", list)
	}
	b.checkTree()
}
