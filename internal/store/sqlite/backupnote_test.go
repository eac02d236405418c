package sqlite_test

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/callgate/callgate/internal/audit"
	"github.com/callgate/callgate/internal/store"
	"github.com/callgate/callgate/internal/store/sqlite"
)

// backupsRecorded are the records of backups in a store.
func backupsRecorded(t *testing.T, s *sqlite.Store) (all []audit.Leaf) {
	t.Helper()
	if err := s.AuditLines(context.Background(), 0, func(_ int64, line []byte) error {
		l, err := audit.ParseLine(line)
		if err == nil && l.Kind == audit.Backup {
			all = append(all, *l)
		}
		return err
	}); err != nil {
		t.Fatal(err)
	}
	return all
}

// TestBackupsAreRecorded: whoever makes one, and whether the store is open here, in another process or nowhere.
func TestBackupsAreRecorded(t *testing.T) {
	dir, to := t.TempDir(), t.TempDir()
	path := filepath.Join(dir, "store.db")
	host, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}
	ann := audit.Actor{Type: audit.ActorClaimed, ID: "ann", Via: "command"}
	by := audit.By(t.Context(), ann)
	s := openAudited(t, sqlite.Options{Path: path})
	for range 3 {
		if _, err := s.Accept(ctx, randomEvent(nil), []string{"crm"}); err != nil {
			t.Fatal(err)
		}
	}
	made := map[string]int64{}
	make := func(name string, backup func(file string) (sqlite.Backed, error)) {
		t.Helper()
		b, err := backup(filepath.Join(to, name))
		if err != nil {
			t.Fatal(err)
		}
		made[name] = b.Bytes
	}
	aside := func(file string) (sqlite.Backed, error) { return sqlite.Backup(by, path, file, sqlite.Tuning{}) }
	make("here", func(file string) (sqlite.Backed, error) { return s.Backup(by, file) })
	make("aside", aside)
	if _, err := aside(filepath.Join(to, "aside")); err == nil {
		t.Error("a backup was overwritten")
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	make("stopped", aside)
	s = openAudited(t, sqlite.Options{Path: path})
	if _, err := s.Expire(ctx, store.Retention{}, time.Now(), 1); err != nil {
		t.Fatal(err)
	}
	recorded := backupsRecorded(t, s)
	for i, name := range []string{"here", "aside", "stopped"} {
		if i >= len(recorded) {
			t.Fatalf("%d records", len(recorded))
		}
		l := recorded[i]
		if l.Actor != ann || len(l.To) != 1 || l.To[0] != (audit.Recipient{Name: name, Kind: "file", Host: host}) || l.Bytes != made[name] || l.Bytes == 0 ||
			l.Count != 3 || l.Outcome != audit.OutcomeOK || time.Since(l.At) > time.Hour {
			t.Errorf("%s: %+v", name, l)
		}
	}
	if len(recorded) != 3 {
		t.Errorf("%d records of three backups", len(recorded))
	}
	if left, err := filepath.Glob(path + ".noted*"); err != nil || len(left) != 0 {
		t.Errorf("left beside the store: %q, %v", left, err)
	}
}

// TestNotesOfOthers: what is no note is recorded as that, once, and a store without an audit log gets none.
func TestNotesOfOthers(t *testing.T) {
	path := filepath.Join(t.TempDir(), "store.db")
	s := openStore(t, sqlite.Options{Path: path})
	if _, err := sqlite.Backup(ctx, path, filepath.Join(t.TempDir(), "backup"), sqlite.Tuning{}); err != nil {
		t.Fatal(err)
	}
	if left, err := filepath.Glob(path + ".noted*"); err != nil || len(left) != 0 {
		t.Errorf("notes for a store without an audit log: %q, %v", left, err)
	}
	if _, err := s.OpenAudit("boot"); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path+".noted-x", []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(path+".noted-y", 0o700); err != nil {
		t.Fatal(err)
	}
	backupsRecorded(t, s)
	if recorded := backupsRecorded(t, s); len(recorded) != 1 || recorded[0].Reason == "" || len(recorded[0].To) != 0 {
		t.Errorf("%+v", recorded)
	}
}
