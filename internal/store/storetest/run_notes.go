package storetest

import (
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/callgate/callgate/internal/store"
)

func (b *bench) note(destination, name, value string, lasts time.Duration) {
	b.Helper()
	if err := b.s.Note(ctx, destination, name, []byte(value), b.now.Add(lasts)); err != nil {
		b.Fatal(err)
	}
}

// noted is what stands under a name; "none" for nothing.
func (b *bench) noted(destination, name string) string {
	b.Helper()
	v, err := b.s.Noted(ctx, destination, name)
	if err != nil {
		b.Fatal(err)
	}
	if v == nil {
		return "none"
	}
	return string(v)
}

func notes(b *bench) {
	b.note("crm", "p:+1555", "7", time.Minute)
	b.note("crm2", "p:+1555", "8", 2*time.Minute)
	b.note("cr", "mp:+1555", "9", time.Minute) // a name cannot be moved into another's
	equal(b, "notes", []string{b.noted("crm", "p:+1555"), b.noted("crm2", "p:+1555"), b.noted("cr", "mp:+1555"), b.noted("crm", "p:+1556")}, []string{"7", "8", "9", "none"})
	b.note("crm", "p:+1555", "10", time.Minute)
	if b.h.Reopen != nil {
		b.s = b.h.Reopen(b, b.s)
		equal(b, "after a restart", b.noted("crm", "p:+1555"), "10")
	}
	b.tick(time.Minute - 1)
	equal(b, "just before its end", b.noted("crm", "p:+1555"), "10")
	b.tick(1)
	equal(b, "at its end", []string{b.noted("crm", "p:+1555"), b.noted("crm2", "p:+1555")}, []string{"none", "8"})
	if err := b.s.Forget(ctx, "crm2", "p:+1555"); err != nil {
		b.Error(err)
	}
	equal(b, "forgotten", b.noted("crm2", "p:+1555"), "none")
	if err := b.s.Note(ctx, "crm", "large", make([]byte, store.MaxNote+1), b.now.Add(time.Minute)); !errors.Is(err, store.ErrNoteSize) {
		b.Errorf("a note that is too large: %v", err)
	}
}

// notesAreErased: what is noted may be of the caller whose events are erased, so that all of it goes.
func notesAreErased(b *bench) {
	e := b.event("acme")
	b.accept(e, "crm")
	b.note("crm", "p:+1555", "7", time.Minute)
	for _, f := range []struct {
		filter store.Filter
		dry    bool
		want   string
	}{{store.Filter{Tenant: "nobody"}, false, "7"}, {store.Filter{EventID: e.ID}, true, "7"}, {store.Filter{EventID: e.ID}, false, "none"}} {
		if _, err := b.s.Erase(ctx, f.filter, f.dry); err != nil {
			b.Fatal(err)
		}
		equal(b, "after erasing", b.noted("crm", "p:+1555"), f.want)
	}
}

func notesAreBounded(b *bench) {
	var wg sync.WaitGroup
	for worker := range 64 { // at once, since they share commits then
		wg.Go(func() {
			for i := worker; i < store.MaxNotes+2; i += 64 {
				// The last ones end first.
				if err := b.s.Note(ctx, "crm", fmt.Sprint(i), []byte("x"), b.now.Add(2*time.Hour-time.Duration(i)*time.Second)); err != nil {
					b.Error(err)
				}
			}
		})
	}
	wg.Wait()
	left := 0
	for i := range store.MaxNotes + 2 {
		if b.noted("crm", fmt.Sprint(i)) == "x" {
			left++
		}
	}
	if left != store.MaxNotes || b.noted("crm", "0") != "x" {
		b.Errorf("%d notes are kept, the longest: %s", left, b.noted("crm", "0"))
	}
	if b.h.Reopen == nil {
		return
	}
	b.s = b.h.Reopen(b, b.s)
	first := fmt.Sprint(store.MaxNotes - 1) // to end, of those that are left
	if b.noted("crm", first) != "x" {
		b.Errorf("note %s is gone", first)
	}
	if err := b.s.Note(ctx, "crm", "one more", []byte("x"), b.now.Add(3*time.Hour)); err != nil {
		b.Fatal(err)
	}
	if b.noted("crm", first) != "none" || b.noted("crm", "one more") != "x" || b.noted("crm", "0") != "x" {
		b.Errorf("after a restart one more takes the place of none: %q, %q, %q", b.noted("crm", first), b.noted("crm", "one more"), b.noted("crm", "0"))
	}
}
