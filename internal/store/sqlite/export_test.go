package sqlite_test

import (
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/callgate/callgate/internal/seal"
	"github.com/callgate/callgate/internal/store"
	"github.com/callgate/callgate/internal/store/sqlite"
)

// TestWhatIsNotCarriedOver: what a store of another kind could not open is not carried over, with the reason and a way out.
func TestWhatIsNotCarriedOver(t *testing.T) {
	for name, tt := range map[string]struct {
		wrapping seal.Wrapping
		queries  []string
		says     string
	}{
		"as it is":                       {},
		"with data keys":                 {wrapping: byRing},
		"with a data key that is lost":   {wrapping: byRing, queries: []string{"UPDATE events SET key_id = x'030102030405060708' WHERE seq = 2"}, says: "bring back a backup"},
		"sealed by an older version":     {queries: []string{"UPDATE events SET key_id = substr(key_id, 2) WHERE seq = 1"}, says: "callgate rekey first"},
		"sealed with a key that is lost": {queries: []string{"UPDATE events SET key_id = CAST(substr(key_id, 1, length(key_id) - 1) || x'00' AS BLOB) WHERE seq = 2"}, says: "callgate rekey first"},
		"put there without a seal":       {queries: []string{"UPDATE events SET key_id = NULL WHERE seq = 2", "UPDATE payloads SET body = 'forged' WHERE seq = 2"}, says: "has no seal"},
	} {
		t.Run(name, func(t *testing.T) {
			o := sqlite.Options{Path: filepath.Join(t.TempDir(), "store.db"), Keys: ring(t, keyA), Wrapping: tt.wrapping}
			s := openStore(t, o)
			for range 3 {
				e := randomEvent([]byte("words"))
				e.Tenant = "acme"
				if _, err := s.Accept(t.Context(), e, []string{"crm"}); err != nil {
					t.Fatal(err)
				}
			}
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			alter(t, o.Path, tt.queries...)
			s = openStore(t, o)
			origin, err := s.Origin(t.Context())
			if tt.says == "" && (err != nil || origin.Counts["events"] != 3 || !origin.Sealed || origin.SealedEvent != 1 || origin.SealedAttempt != 1) {
				t.Errorf("%+v, %v", origin, err)
			}
			if some, err := s.Contents(t.Context(), 2); err != nil || len(some) != 2 {
				t.Errorf("the content of %d events, %v", len(some), err)
			}
			if all, err := s.Contents(t.Context(), 100); err != nil || len(all) != 3 {
				t.Errorf("the content of %d events, %v", len(all), err)
			}
			if tt.says != "" && (err == nil || !strings.Contains(err.Error(), tt.says)) {
				t.Errorf("%v", err)
			}
		})
	}
}

// TestAChangedStoreIsAnotherOrigin: a store is what it was when it is opened again, and another one after anything was done.
func TestAChangedStoreIsAnotherOrigin(t *testing.T) {
	o := sqlite.Options{Path: filepath.Join(t.TempDir(), "store.db"), Keys: ring(t, keyA), Wrapping: byRing}
	s := openStore(t, o)
	last := ""
	for what, do := range []func() error{
		func() error { return nil },
		func() error {
			_, err := s.Accept(t.Context(), randomEvent([]byte("words")), []string{"crm"})
			return err
		},
		func() error { return s.Pause(t.Context(), "crm", "one") },
		func() error { return s.Pause(t.Context(), "crm", "another") },
		func() error { return s.Note(t.Context(), "crm", "a", []byte("b"), time.Now().Add(time.Hour)) },
		func() error { return s.Note(t.Context(), "crm", "a", []byte("c"), time.Now().Add(time.Hour)) },
		func() error { _, err := s.Cancel(t.Context(), store.Filter{}, false); return err },
		func() error { _, err := s.RotateDataKey(t.Context(), ""); return err },
		func() error { _, err := s.DestroyDataKeys(t.Context(), "", false); return err },
	} {
		if err := do(); err != nil {
			t.Fatal(err)
		}
		origin, err := s.Origin(t.Context())
		if err != nil || origin.Fingerprint == last {
			t.Fatalf("step %d: %v, %v", what, origin, err)
		}
		last = origin.Fingerprint
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if origin, err := openStore(t, o).Origin(t.Context()); err != nil || origin.Fingerprint != last {
		t.Errorf("opened again: %v, %v", origin, err)
	}
}
