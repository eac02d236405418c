package postgres

import (
	"context"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
)

// Which programs may work with which tables, so that gateways can be brought to a new version one after the other.
//
// A program knows the migrations that are in it, and the tables have the number of the last one that was carried out. Each
// migration says in a line of its own from which number on a program may know the tables as it leaves them:
//
//	-- compatible_from: 1
//
// One that only adds (a table, an index, a column that has a default or may be NULL) keeps the number of the one before it: a
// program that knows nothing of it goes on reading and writing what it knows. One that takes away, renames, or adds what every
// row has to have raises the number to that of the first program which does without. The tables remember the largest number
// (meta.compatible_from), so that:
//
//	program older than the tables, and knows compatible_from     works
//	program older than the tables, and does not                  ErrNewer: it does not start, and one that runs stops
//	program newer, and its migrations only add                   carries them out under the others, and works
//	program newer, and one of them raises compatible_from        waits while gateways run that may be too old: ErrOlderRun
//
// What is written in a new form, in tables that stay as they are, is a change of the last kind: older programs cannot read it.
// No migration has to wait for it. Everybody goes on writing the old form until all gateways that are there know the new one;
// then compatible_from is raised, and only after that is the new form written. See packs.
//
// So a program that is to replace what is there needs two versions: one whose program does without it, and the next
// one whose migration takes it away.

// compatibleLine is how a migration says from which version on programs may know the tables it leaves.
var compatibleLine = regexp.MustCompile(`(?m)^-- compatible_from: (\d+)$`)

// compatibleFrom reads it. A migration that says nothing is one that no older program knows how to work with.
func compatibleFrom(version int64, content string) int64 {
	m := compatibleLine.FindStringSubmatch(content)
	if m == nil {
		return version
	}
	n, err := strconv.ParseInt(m[1], 10, 64)
	if err != nil {
		return version
	}
	return n
}

// versions are that of the tables, 0 if there are none, and the oldest one that a program may know which works with them.
func (s *Store) versions(ctx context.Context, conn querier) (have, compatible int64, err error) {
	var table bool
	if err := conn.QueryRow(ctx, "SELECT to_regclass($1) IS NOT NULL", s.schema+".goose_db_version").Scan(&table); err != nil || !table {
		return 0, 0, err
	}
	err = conn.QueryRow(ctx, s.q("SELECT coalesce(max(version_id), 0) FROM {s}.goose_db_version WHERE is_applied")).Scan(&have)
	if err != nil || have == 0 {
		return 0, 0, err
	}
	err = conn.QueryRow(ctx, s.q("SELECT compatible_from FROM {s}.meta")).Scan(&compatible)
	return have, compatible, err
}

// tooOld is the error of a program for the tables; nil if it can work with them.
func (s *Store) tooOld(have, compatible int64) error {
	if have <= s.knows || compatible <= s.knows {
		return nil
	}
	return fmt.Errorf("%w (they have version %d, for programs that know %d or later; this one knows %d)", ErrNewer, have, compatible, s.knows)
}

// lookAtVersions looks whether somebody has meanwhile changed the tables so that this program cannot work with them. Then the
// store is closed to everybody, as one that was not reached. And whether the last gateway is gone that could not read what
// this one would write.
func (s *Store) lookAtVersions(ctx context.Context, conn querier) error {
	var have, compatible, lowest int64
	err := conn.QueryRow(ctx, s.q("SELECT m.compatible_from, (SELECT coalesce(max(version_id), 0) FROM {s}.goose_db_version WHERE is_applied), (SELECT coalesce(min(knows), $2) FROM {s}.gateways WHERE until > "+clockSQL+" - $3) FROM {s}.meta m"),
		s.fixed(), s.knows, int64(cutOff)).Scan(&compatible, &have, &lowest)
	if err != nil {
		return err
	}
	why := s.tooOld(have, compatible)
	switch {
	case why != nil && s.open.CompareAndSwap(true, false):
		s.notOpen.Store(&why)
		s.o.Log("nothing is accepted or delivered any more", why)
	case why == nil && s.reached.Load() && s.open.CompareAndSwap(false, true):
		s.o.Log("the tables in the database are again of a version that this program knows", nil)
	}
	if why != nil || s.packs.Load() || lowest < packedSince {
		return nil
	}
	if compatible < packedSince {
		if err := s.requirePacked(ctx, conn); err != nil {
			return err
		}
	}
	s.packs.Store(true)
	return nil
}

// cutOff is for how long a gateway that was not heard of counts as one that comes back as it was, as after an outage of the
// network. One that is stopped takes itself off the list.
const cutOff = 5 * time.Minute

// packedSince is the version from which on programs can read content that is packed; see internal/store/sealed.
const packedSince = knowsSince

// requirePacked keeps programs from the tables that could not read what is packed.
func (s *Store) requirePacked(ctx context.Context, conn querier) error {
	_, err := conn.Exec(ctx, s.q("UPDATE {s}.meta SET compatible_from = $1 WHERE compatible_from < $1"), packedSince)
	return err
}

// waitForOlder fails while gateways run to which steps would do harm that raise compatible_from: those that know less. What
// one knows it says when it registers.
func (s *Store) waitForOlder(ctx context.Context, conn *pgx.Conn, have, compatible int64, steps []migration) error {
	needs := compatible
	for _, step := range steps {
		if step.version > have {
			needs = max(needs, step.compatible)
		}
	}
	if needs <= compatible {
		return nil
	}
	// Before version 4 nobody said what it knows; and the columns of older tables are not there to be asked for.
	knows := "0"
	if have >= knowsSince {
		knows = "knows"
	}
	rows, err := conn.Query(ctx, s.q("SELECT name FROM {s}.gateways WHERE until > "+clockSQL+" AND "+knows+" < $2 ORDER BY name"), s.fixed(), needs)
	if err != nil {
		return err
	}
	list, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil || len(list) == 0 {
		return err
	}
	for i, name := range list {
		list[i] = untext(name)
	}
	return fmt.Errorf("%w: %s", ErrOlderRun, strings.Join(list, ", "))
}

// knowsSince is the version from which on gateways say which version they know.
const knowsSince = 4
