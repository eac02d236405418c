package auditor

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/callgate/callgate/internal/audit"
	"github.com/callgate/callgate/internal/audit/publish"
	"github.com/callgate/callgate/internal/store"
)

// ErrRolledBack means that a store has not got what was published of its audit log.
var ErrRolledBack = errors.New("the store has less than was published of its audit log, as after a backup was restored: what was recorded since is missing. " +
	"If that is meant, say so with `callgate audit fork --reason`, which records it, and start again")

// ErrOtherName means that a key has another name than the log that it is to sign. Whoever verifies the log knows it by its name.
var ErrOtherName = errors.New("the audit key has another name than the log in the store")

// CheckName makes sure that a key signs the log that a store keeps under its name. The error is ErrOtherName.
func CheckName(ctx context.Context, s store.Audited, signer *audit.Signer) error {
	status, err := s.AuditStatus(ctx)
	if err != nil || len(status.Checkpoint) == 0 {
		return err
	}
	c, err := parse(status.Checkpoint)
	if err != nil {
		return err
	}
	return SameName(c.Origin, signer)
}

// SameName is CheckName for a log of which the name is known.
func SameName(log string, signer *audit.Signer) error {
	if log == signer.Origin() {
		return nil
	}
	return fmt.Errorf("%w: the log is %s, and the key is for %s. Use a key of the log's name, which callgate audit keygen makes; or, if another log is meant to begin here, "+
		"say so with `callgate audit fork --reason` while the gateway is stopped, which records it", ErrOtherName, log, signer.Origin())
}

// ErrNothingToFork means that a store has all that was published.
var ErrNothingToFork = errors.New("there is nothing to fork: the store has all that was published of its audit log")

// Check is what Open does before it begins: it fails with ErrRolledBack where a store has less than was published.
func Check(ctx context.Context, s store.Audited, file string, settings Settings) error {
	return check(ctx, s, file, settings)
}

// check compares a store with the last checkpoints that are known outside of it: the file beside it, and the sinks that
// remember. It does not look at their signatures: whoever can forge these can also remove them, and this is for mistakes.
// Who was sent the checkpoints sees the rest.
func check(ctx context.Context, s store.Audited, file string, settings Settings) error {
	if err := CheckName(ctx, s, settings.Signer); err != nil {
		return err
	}
	status, err := s.AuditStatus(ctx)
	if err != nil {
		return err
	}
	known, err := known(file, settings.Sinks)
	if err != nil {
		return err
	}
	for from, signed := range known {
		c, err := parse(signed)
		if err != nil {
			return fmt.Errorf("%s: %w", from, err)
		}
		err = audit.CheckAgainst(c, &status.State, audit.HashReader(s.AuditTiles(ctx)))
		if old, ok := errors.AsType[*audit.RolledBackError](err); ok {
			return fmt.Errorf("%w (by %s: %w)", ErrRolledBack, from, old)
		}
		if err != nil {
			return fmt.Errorf("%w: %w", store.ErrAuditDamaged, err)
		}
	}
	return nil
}

// known are the last checkpoints by where they were found.
func known(file string, sinks []publish.Sink) (map[string][]byte, error) {
	all := make(map[string][]byte)
	if file != "" {
		signed, err := os.ReadFile(file)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
		if len(signed) > 0 {
			all[file] = signed
		}
	}
	for _, sink := range sinks {
		r, ok := sink.(Remembers)
		if !ok {
			continue
		}
		signed, err := r.Last()
		if err != nil {
			return nil, fmt.Errorf("checkpoints of the audit log in %s: %w", sink.Name(), err)
		}
		if len(signed) > 0 {
			all[sink.Name()] = signed
		}
	}
	return all, nil
}

// parse reads a checkpoint without its signatures.
func parse(signed []byte) (audit.Checkpoint, error) {
	text, _, _ := bytes.Cut(signed, []byte("\n\n"))
	return audit.ParseCheckpoint(string(text) + "\n")
}

// keep writes the last checkpoint to the file beside the store: either all of it is there after a crash, or the one before.
func keep(file string, signed []byte) (err error) {
	if file == "" {
		return nil
	}
	f, err := os.CreateTemp(filepath.Dir(file), filepath.Base(file)+".*") // with 0600
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.Remove(f.Name()))
		}
	}()
	_, err = f.Write(signed)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	return os.Rename(f.Name(), file)
}

// Fork goes on with a store that has less than was published: it records that, and why, and makes what the store has now
// the last checkpoint, in the file beside it and in every sink that remembers. The other sinks get it at the next start.
// The store must be open, and nothing else work on it.
func Fork(ctx context.Context, s store.Audited, file string, settings Settings, boot, why string) (records int64, err error) {
	if why == "" {
		return 0, errors.New("a fork needs a reason: whoever audits the log reads it")
	}
	behind := check(ctx, s, file, settings)
	if behind != nil && !errors.Is(behind, ErrRolledBack) && !errors.Is(behind, ErrOtherName) && !errors.Is(behind, audit.ErrCheckpoint) {
		return 0, behind
	}
	if behind == nil {
		return 0, ErrNothingToFork
	}
	if _, err := s.OpenAudit(boot); err != nil {
		return 0, err
	}
	if err := s.Record(ctx, audit.Leaf{Kind: audit.Forked, Actor: audit.ActorOf(ctx), Why: why, Reason: forkReason(behind)}); err != nil {
		return 0, err
	}
	status, err := s.AuditStatus(ctx)
	if err != nil {
		return 0, err
	}
	signed, err := settings.Signer.Sign(status.State)
	if err != nil {
		return 0, err
	}
	now := audit.Checkpoint{Origin: settings.Signer.Origin(), Size: status.State.Size, Root: status.State.Root()}
	for _, sink := range settings.Sinks {
		if _, ok := sink.(Remembers); ok {
			if err := sink.Send(ctx, publish.Signed{Checkpoint: now, Note: signed}); err != nil {
				return 0, fmt.Errorf("%s: %w", sink.Name(), err)
			}
		}
	}
	if err := s.NoteCheckpoint(ctx, signed); err != nil {
		return 0, err
	}
	return status.State.Size, keep(file, signed)
}

// forkReason is what the log says of how far the store was behind.
func forkReason(behind error) string {
	switch {
	case errors.Is(behind, audit.ErrCheckpoint):
		return "the last checkpoint could not be read"
	case errors.Is(behind, ErrOtherName):
		return "the log goes on under another name"
	}
	return "the store had less than was published of its log"
}
