package auditor

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/zap"

	"github.com/callgate/callgate/internal/audit"
	"github.com/callgate/callgate/internal/audit/publish"
	"github.com/callgate/callgate/internal/store"
	"github.com/callgate/callgate/internal/store/sqlite"
)

func TestCheckpointsComeInTime(t *testing.T) {
	r := newRig(t)
	defer func() { r.store.Close() }()
	synctest.Test(t, func(t *testing.T) {
		r.T = t
		r.reopen()
		hourly := &box{name: "hourly"}
		a := r.open(r.settings(hourly))
		pass := func(d time.Duration) { time.Sleep(d); synctest.Wait() }
		pass(time.Second)
		same(t, "at the start", hourly.sizes(t, r.verifier), 1)
		r.note(2)
		pass(59 * time.Minute)
		same(t, "soon", hourly.sizes(t, r.verifier), 1)
		pass(2 * time.Minute)
		same(t, "after an hour", hourly.sizes(t, r.verifier), 1, 3)
		pass(2 * time.Hour)
		same(t, "nothing new", hourly.sizes(t, r.verifier), 1, 3)
		r.note(1)
		pass(2 * look)
		same(t, "something new after long", hourly.sizes(t, r.verifier), 1, 3, 4)
		r.note(mostLeaves)
		pass(2 * look)
		same(t, "after many", hourly.sizes(t, r.verifier), 1, 3, 4, 4+mostLeaves)
		often := &box{name: "often"}
		s := r.settings(often)
		s.Every = time.Minute
		a.Set(s)
		pass(time.Second)
		same(t, "other settings", often.sizes(t, r.verifier), 4+mostLeaves)
		r.note(1)
		pass(time.Minute + 2*look)
		same(t, "another time", often.sizes(t, r.verifier), 4+mostLeaves, 5+mostLeaves)
		if err := a.Close(t.Context(), true); err != nil {
			t.Error(err)
		}
		same(t, "at the end", often.sizes(t, r.verifier), 4+mostLeaves, 5+mostLeaves, 6+mostLeaves)
		r.store.Close()
	})
}

// overtaken is a store whose state somebody asks for and then makes nothing of for a while, once.
type overtaken struct {
	store.Audited
	meanwhile func()
}

func (o *overtaken) AuditStatus(ctx context.Context) (store.AuditStatus, error) {
	status, err := o.Audited.AuditStatus(ctx)
	if f := o.meanwhile; f != nil {
		o.meanwhile = nil
		f()
	}
	return status, err
}

// TestNoCheckpointComesAfterANewerOne: a witness would take that for a log that was cut.
func TestNoCheckpointComesAfterANewerOne(t *testing.T) {
	r := newRig(t)
	defer func() { r.store.Close() }()
	if _, err := r.store.OpenAudit("boot"); err != nil {
		t.Fatal(err)
	}
	s := &overtaken{Audited: r.store}
	o := r.options()
	o.Store, o.Log, o.Now, o.Changed = s, zap.NewNop(), time.Now, func(publish.Status) {}
	a := &Auditor{o: o} // whose own times do not come in between
	a.Set(r.settings())
	r.note(2)
	s.meanwhile = func() {
		if !a.mu.TryLock() {
			return // nobody can
		}
		a.mu.Unlock()
		r.note(1)
		if err := a.publish(t.Context(), true); err != nil {
			t.Error(err)
		}
	}
	if err := a.publish(t.Context(), true); err != nil {
		t.Fatal(err)
	}
	status, err := r.store.AuditStatus(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	last, err := parse(status.Checkpoint)
	if err != nil || last.Size != status.State.Size || a.last.Size != status.State.Size {
		t.Errorf("the last checkpoint is of %d records, and was handed out of %d, where there are %d (%v)", last.Size, a.last.Size, status.State.Size, err)
	}
}

// TestAHungSinkIsToldAndHoldsNothingUp: others get theirs, Record goes on, and the status says since when it hangs.
func TestAHungSinkIsToldAndHoldsNothingUp(t *testing.T) {
	r := newRig(t)
	synctest.Test(t, func(t *testing.T) {
		r.T = t
		r.reopen()
		hung, failing, well := &box{name: "hung", hangs: true}, &box{name: "failing", fails: errors.New("status 500")}, &box{name: "well"}
		o := r.options()
		failures := map[string]int{}
		var mu sync.Mutex
		o.Changed = func(s publish.Status) {
			mu.Lock()
			defer mu.Unlock()
			if s.Error != nil {
				failures[s.Sink]++
			} else {
				failures[s.Sink]--
			}
		}
		a, err := Open(t.Context(), o, r.settings(hung, failing, well))
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		began := time.Now()
		r.note(100)
		if _, err := a.Checkpoint(t.Context()); err != nil || time.Since(began) > time.Second {
			t.Errorf("%v, after %v", err, time.Since(began))
		}
		time.Sleep(10 * time.Minute)
		synctest.Wait()
		same(t, "the one that works", well.sizes(t, r.verifier), 1, 101)
		s, err := a.Status(t.Context())
		if err != nil || s.Records != 101 || s.Checkpoint != 101 || s.Name != r.signer.Origin() {
			t.Errorf("%+v, %v", s, err)
		}
		for _, sink := range s.Sinks {
			if fails := sink.Name != "well"; fails != (!sink.FailingSince.IsZero() && sink.Error != "") {
				t.Errorf("%+v", sink)
			}
		}
		mu.Lock()
		if failures["hung"] != 1 || failures["failing"] != 1 || failures["well"] != 0 {
			t.Error(failures)
		}
		mu.Unlock()
		if hung.tries > 40 || failing.tries > 40 {
			t.Errorf("%d and %d tries in ten minutes", hung.tries, failing.tries)
		}
		failing.set(nil, false)
		time.Sleep(10 * time.Minute)
		same(t, "the one that works again", failing.sizes(t, r.verifier), 101)
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		began = time.Now()
		if err := a.Close(ctx, true); err != nil || time.Since(began) > 4*time.Second {
			t.Errorf("stopping took %v: %v", time.Since(began), err)
		}
		synctest.Wait()
		r.store.Close()
	})
}

func TestStartsAndStopsAreRecorded(t *testing.T) {
	r := newRig(t)
	a := r.open(r.settings())
	if err := a.Close(t.Context(), true); err != nil {
		t.Fatal(err)
	}
	r.reopen()
	a = r.open(r.settings())
	close(a.stop) // as a kill, after which nothing is recorded
	<-a.done
	r.reopen()
	a = r.open(r.settings())
	if err := a.Close(t.Context(), false); err != nil {
		t.Fatal(err)
	}
	same(t, "the log", r.kinds(), "start clean", "stop clean", "start clean", "start unclean", "stop unclean")
	r.store.Close()
}

// TestARestoredBackupIsRefused until somebody says why it is used.
func TestARestoredBackupIsRefused(t *testing.T) {
	for _, tt := range []struct {
		name  string
		known func(r *rig, b *box) error // what is left of what is known outside of the store
	}{
		{"by the file beside it", func(r *rig, b *box) error { b.got = nil; return nil }},
		{"by a sink", func(r *rig, b *box) error { return os.Remove(r.path + ".checkpoint") }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := newRig(t)
			sink := &box{name: "box"}
			s := r.settings(sink)
			a := r.open(s)
			r.note(3)
			if err := a.Close(t.Context(), true); err != nil {
				t.Fatal(err)
			}
			if _, err := Fork(t.Context(), r.store, r.path+".checkpoint", s, "boot", "for fun"); err == nil {
				t.Error("a log that is whole is forked")
			}
			backup := filepath.Join(t.TempDir(), "backup")
			if _, err := r.store.Backup(t.Context(), backup); err != nil {
				t.Fatal(err)
			}
			r.reopen()
			a = r.open(s)
			r.note(5)
			if err := a.Close(t.Context(), true); err != nil {
				t.Fatal(err)
			}
			r.store.Close()
			for _, end := range []string{"", "-wal", "-shm"} {
				os.Remove(r.path + end)
			}
			if _, err := sqlite.Restore(t.Context(), backup, r.path); err != nil {
				t.Fatal(err)
			}
			r.store = nil
			r.reopen()
			if err := tt.known(r, sink); err != nil {
				t.Fatal(err)
			}
			if _, err := Open(t.Context(), r.options(), s); !errors.Is(err, ErrRolledBack) || !strings.Contains(err.Error(), "callgate audit fork --reason") {
				t.Fatalf("a store that was restored: %v", err)
			}
			if status, err := r.store.AuditStatus(t.Context()); err != nil || status.On || status.State.Size != 5 {
				t.Errorf("it was written to: %+v, %v", status, err)
			}
			// Nor with other records in place of those that are missing: see the second case of check.
			if _, err := r.store.OpenAudit("boot"); err != nil {
				t.Fatal(err)
			}
			r.note(20)
			r.reopen()
			if _, err := Open(t.Context(), r.options(), s); !errors.Is(err, ErrRolledBack) {
				t.Fatalf("a store with another history: %v", err)
			}
			if _, err := Fork(t.Context(), r.store, r.path+".checkpoint", s, "boot", ""); err == nil {
				t.Error("forked without a reason")
			}
			by := audit.By(t.Context(), audit.Actor{Type: audit.ActorClaimed, ID: "root"})
			if n, err := Fork(by, r.store, r.path+".checkpoint", s, "boot", "the disk broke"); err != nil || n != 26 {
				t.Fatal(n, err)
			}
			r.reopen()
			a = r.open(s)
			if err := a.Close(t.Context(), true); err != nil {
				t.Fatal(err)
			}
			var forked *audit.Leaf
			if err := r.store.AuditLines(t.Context(), 25, func(_ int64, line []byte) (err error) {
				if forked == nil {
					forked, err = audit.ParseLine(line)
				}
				return err
			}); err != nil || forked.Kind != audit.Forked || forked.Why != "the disk broke" || forked.Actor.ID != "root" {
				t.Errorf("%+v, %v", forked, err)
			}
			r.store.Close()
		})
	}
}

// TestNothingIsStartedThatCannotBeRecorded: a store that cannot write keeps the gateway from starting.
func TestNothingIsStartedThatCannotBeRecorded(t *testing.T) {
	r := newRig(t)
	r.store.Close()
	if _, err := Open(t.Context(), r.options(), r.settings()); !errors.Is(err, store.ErrClosed) {
		t.Error(err)
	}
}

func TestOldRecordsArePruned(t *testing.T) {
	r := newRig(t)
	s := r.settings()
	s.Keep = time.Hour
	o := r.options()
	a, err := Open(t.Context(), o, s)
	if err != nil {
		t.Fatal(err)
	}
	if err := a.Close(t.Context(), true); err != nil {
		t.Fatal(err)
	}
	r.reopen()
	o.Store, o.Now = r.store, func() time.Time { return time.Now().Add(2 * time.Hour) }
	if a, err = Open(t.Context(), o, s); err != nil {
		t.Fatal(err)
	}
	if err := a.Close(t.Context(), true); err != nil { // the first look, which prunes, comes before it
		t.Fatal(err)
	}
	kinds := r.kinds()
	if kinds[0] != "audit.pruned" && kinds[0] != "start clean" || kinds[len(kinds)-1] != "stop clean" {
		t.Error(kinds)
	}
	if status, err := r.store.AuditStatus(t.Context()); err != nil || status.Pruned < 2 {
		t.Errorf("%+v, %v", status, err)
	}
	r.store.Close()
}
