package sqlite_test

import (
	"bytes"
	"database/sql"
	"errors"
	"path/filepath"
	"testing"
	"time"

	"github.com/callgate/callgate/internal/store"
	"github.com/callgate/callgate/internal/store/sqlite"
)

// TestAClaimReadsWhatIsNotInMemory: after a restart all events of a claim are read with one statement, and one that is to be
// delivered twice to a destination is read twice.
func TestAClaimReadsWhatIsNotInMemory(t *testing.T) {
	for name, o := range map[string]sqlite.Options{"plain": {}, "sealed": {Keys: ring(t, keyA)}} {
		t.Run(name, func(t *testing.T) {
			o.Path = filepath.Join(t.TempDir(), "store.db")
			s := openStore(t, o)
			var accepted []*store.Event
			var want []string
			for i := range 20 {
				e := randomEvent(noise(100 + i))
				a, err := s.Accept(ctx, e, []string{"crm", "crm"})
				if err != nil {
					t.Fatal(err)
				}
				accepted, want = append(accepted, e), append(want, a.Deliveries...)
			}
			s.Close()
			s = openStore(t, o)
			if n, err := s.Erase(ctx, store.Filter{EventID: accepted[3].ID}, false); n != 1 || err != nil {
				t.Fatal(n, err)
			}
			want = append(want[:6:6], want[8:]...)
			accepted = append(accepted[:3:3], accepted[4:]...)
			claimed, err := s.Claim(ctx, "crm", time.Now(), time.Minute, 100, nil)
			if err != nil || len(claimed) != len(want) {
				t.Fatalf("%d of %d, %v", len(claimed), len(want), err)
			}
			for i, c := range claimed {
				if e := accepted[i/2]; c.ID != want[i] || c.Event.ID != e.ID || c.Event.Tenant != e.Tenant || c.Event.Key != e.Key || !bytes.Equal(c.Event.Body, e.Body) {
					t.Errorf("claim %d: %+v of %+v", i, c.Delivery, c.Event)
				}
				if i > 0 && c.Event == claimed[i-1].Event {
					t.Errorf("claims %d and %d share an event", i-1, i)
				}
			}
		})
	}
}

// TestARowThatCannotBeIsNoPanic: another program has written it.
func TestARowThatCannotBeIsNoPanic(t *testing.T) {
	path := filepath.Join(t.TempDir(), "store.db")
	s := openStore(t, sqlite.Options{Path: path})
	if _, err := s.Accept(ctx, randomEvent(nil), []string{"crm"}); err != nil {
		t.Fatal(err)
	}
	s.Close()
	db, err := sql.Open("sqlite", "file:"+filepath.ToSlash(path))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := db.Exec("UPDATE events SET received_at = 'soon'"); err != nil {
		t.Fatal(err)
	}
	db.Close()
	s = openStore(t, sqlite.Options{Path: path})
	if claimed, err := s.Claim(ctx, "crm", time.Now(), time.Minute, 1, nil); !errors.Is(err, sqlite.ErrCorrupt) {
		t.Errorf("%v, %v", claimed, err)
	}
}
