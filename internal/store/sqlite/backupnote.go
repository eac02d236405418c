package sqlite

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/callgate/callgate/internal/audit"
	"github.com/oklog/ulid/v2"
)

// A backup that another process makes cannot be recorded by it: the audit log is written by who has the store open. So it
// leaves a note beside the store before the backup gets its name, and whoever has the store open records what was left.

// noted is between the store's name and the rest of a note's.
const noted = ".noted-"

// maxNote bounds the bytes of a note that are read.
const maxNote = 16 << 10

// backupNote is what is told of a backup.
type backupNote struct {
	At   time.Time   `json:"at"`
	By   audit.Actor `json:"by"`
	Name string      `json:"name"` // of its file, without the directory
	Host string      `json:"host"`
	Backed
}

func newBackupNote(ctx context.Context, file string, b Backed) backupNote {
	host, _ := os.Hostname() // a machine without a name is none to name
	return backupNote{At: time.Now(), By: audit.ActorOf(ctx), Name: filepath.Base(file), Host: host, Backed: b}
}

func (n *backupNote) leaf() audit.Leaf {
	return audit.Leaf{Kind: audit.Backup, At: n.At, Actor: n.By, To: []audit.Recipient{{Name: n.Name, Kind: "file", Host: n.Host}},
		Bytes: n.Bytes, Count: n.Events, Outcome: audit.OutcomeOK}
}

// recordBackup records a backup of the store that is open here.
func (s *Store) recordBackup(ctx context.Context, file string, b Backed) error {
	if !s.audit.on.Load() {
		return nil
	}
	n := newBackupNote(ctx, file, b)
	return s.Record(ctx, n.leaf())
}

// leaveNote leaves a note of a backup beside the store, if that keeps an audit log: made tells it, being the backup itself.
func leaveNote(ctx context.Context, path, file, made string, b Backed) error {
	if kept, err := keepsAudit(ctx, made); err != nil || !kept {
		return err
	}
	text, err := json.Marshal(newBackupNote(ctx, file, b))
	if err != nil {
		return err
	}
	name := path + noted + ulid.Make().String()
	err = newFile(name, func(part string) error {
		if err := os.WriteFile(part, text, 0o600); err != nil {
			return err
		}
		return os.Chmod(part, 0o644) // the gateway may run as another user, and nothing in it is a secret
	})
	if err != nil {
		return errors.Join(errors.New("a backup has to stand in the audit log, and a note for it cannot be left beside the store"), err)
	}
	return nil
}

// keepsAudit reports whether a database has an audit log.
func keepsAudit(ctx context.Context, file string) (kept bool, err error) {
	db, err := sql.Open("sqlite", dataSource(file, "ro", "", "trusted_schema(OFF)"))
	if err != nil {
		return false, err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	for _, query := range []string{"SELECT count(*) > 0 FROM sqlite_master WHERE name = 'audit_state'", "SELECT count(*) > 0 FROM audit_state"} {
		if err := db.QueryRowContext(ctx, query).Scan(&kept); err != nil || !kept {
			return false, err
		}
	}
	return true, nil
}

// takenNote ends the name of a note that is being recorded.
const takenNote = ".taken"

// recordNotes records the backups that others have left notes of, the oldest first. If the process ends between a record and
// the end of its note, the backup is recorded twice.
func (s *Store) recordNotes(ctx context.Context) error {
	if !s.audit.on.Load() {
		return nil
	}
	s.notesMu.Lock()
	defer s.notesMu.Unlock()
	dir := filepath.Dir(s.o.Path)
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, e := range entries { // in the order of names, which that of times is
		if strings.HasPrefix(e.Name(), filepath.Base(s.o.Path)+noted) && e.Type().IsRegular() {
			if err := s.recordNote(ctx, filepath.Join(dir, e.Name())); err != nil {
				return err
			}
		}
	}
	return nil
}

// recordNote records a backup and takes its note away. It is renamed first: what cannot be taken away would be recorded again
// and again.
func (s *Store) recordNote(ctx context.Context, name string) error {
	if !strings.HasSuffix(name, takenNote) {
		if err := os.Rename(name, name+takenNote); err != nil {
			return err
		}
		name += takenNote
	}
	n, err := readNote(name)
	l := n.leaf()
	if err != nil {
		l = audit.Leaf{Kind: audit.Backup, Reason: "what was noted of it beside the store cannot be read"}
	}
	if err := s.Record(ctx, l); err != nil {
		return err
	}
	return os.Remove(name)
}

func readNote(name string) (n backupNote, err error) {
	f, err := os.Open(name)
	if err != nil {
		return n, err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxNote))
	if err != nil {
		return n, err
	}
	return n, json.Unmarshal(text, &n)
}
