package auditor

import (
	"context"
	"errors"
	"fmt"

	"github.com/callgate/callgate/internal/audit"
	"github.com/callgate/callgate/internal/store"
)

// errChanged says which records are not as they were written.
func errChanged(first, last int64) error {
	return fmt.Errorf("%w: of the records %d to %d one was changed, or the hashes over them were", store.ErrAuditDamaged, first, last)
}

// Verify checks the log as it lies in the store: that the records which have their lines are there, each in its place, and
// that they make the hashes, the state and the last checkpoint that are stored. Whoever can write the store and has the key
// can make all of these anew; that only an older checkpoint shows, against which an export is verified. It returns how many
// records there are.
func (g *Log) Verify(ctx context.Context) (records int64, err error) {
	status, err := g.Store.AuditStatus(ctx)
	if err != nil {
		return 0, err
	}
	tiles := g.Store.AuditTiles(ctx)
	state, err := audit.StateAt(status.Pruned, audit.HashReader(tiles))
	if err != nil {
		return 0, err
	}
	size := status.State.Size
	var done []audit.Node
	err = g.Store.AuditLines(ctx, status.Pruned, func(_ int64, line []byte) error {
		at := state.Size
		if at >= size {
			return errEnough // appended meanwhile
		}
		if _, seq, err := audit.SeqOf(line); err != nil || seq != at {
			return fmt.Errorf("%w: the record %d is damaged, or not in its place", store.ErrAuditDamaged, at)
		}
		done = state.Add(audit.LeafHashes(nil, line)[0], done[:0])
		for _, n := range done {
			stored, err := tiles.Hashes(n.Level, n.N, 1)
			if err != nil {
				return err
			}
			if len(stored) != 1 || stored[0] != n.Hash {
				return errChanged(n.N<<n.Level, at)
			}
		}
		return ctx.Err()
	})
	if err != nil && !errors.Is(err, errEnough) {
		return state.Size, err
	}
	if state.Size != size {
		return state.Size, fmt.Errorf("%w: the record %d is missing", store.ErrAuditDamaged, state.Size)
	}
	if state.Root() != status.State.Root() {
		return size, errChanged(size>>audit.TileHeight<<audit.TileHeight, size-1)
	}
	return size, g.verifyCheckpoint(&status, tiles)
}

// verifyCheckpoint compares the last checkpoint that was published with the log that it was made of.
func (g *Log) verifyCheckpoint(status *store.AuditStatus, tiles audit.Tiles) error {
	if len(status.Checkpoint) == 0 {
		return nil
	}
	c, err := parse(status.Checkpoint)
	if err != nil {
		return err
	}
	return audit.CheckAgainst(c, &status.State, audit.HashReader(tiles))
}
