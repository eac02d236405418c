package postgres

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math"

	"github.com/callgate/callgate/internal/seal"
	"github.com/callgate/callgate/internal/store"
	"github.com/callgate/callgate/internal/store/sealed"
	"github.com/jackc/pgx/v5"
)

// What is sealed has the id of its key beside it, and what is not has none. So whoever can write the database, and has no key,
// could put something of his own in the place of what is sealed and take the id away. Therefore the store keeps from which
// time on everything is sealed, and refuses what is not after that.

var errSealing = fmt.Errorf("%w (the note from when on everything is sealed)", seal.ErrTampered)

// sealing is from which time of acceptance and which attempt on everything is sealed.
type sealing struct{ event, attempt int64 }

// nothingSealed is that of a store without keys.
var nothingSealed = sealing{math.MaxInt64, math.MaxInt64}

func (v sealing) mac(r *seal.Ring, id seal.KeyID) []byte {
	text := []byte("callgate sealed from ")
	text = binary.BigEndian.AppendUint64(text, uint64(v.event))
	return r.MAC(id, binary.BigEndian.AppendUint64(text, uint64(v.attempt)))
}

// write notes it, under the ring's first key.
func (v sealing) write(ctx context.Context, s *Store, conn querier) error {
	id := s.o.Keys.First()
	_, err := conn.Exec(ctx, s.q(`INSERT INTO {s}.sealing (one, event, attempt, key_id, mac) VALUES (1, $1, $2, $3, $4) ON CONFLICT (one) DO UPDATE
		SET event = excluded.event, attempt = excluded.attempt, key_id = excluded.key_id, mac = excluded.mac`), v.event, v.attempt, id[:], v.mac(s.o.Keys, id))
	return err
}

// checkRing finds out at start whether the ring opens what is stored, by the oldest and the newest event, and reads from when
// on everything is sealed, or notes it when sealing begins.
func (s *Store) checkRing(ctx context.Context, conn *pgx.Conn) error {
	for _, order := range []string{"", "DESC"} {
		var stored []byte
		err := conn.QueryRow(ctx, s.q("SELECT e.key_id FROM {s}.events e JOIN {s}.payloads p ON p.event = e.id AND p.day = e.day ORDER BY e.id "+order+" LIMIT 1")).Scan(&stored)
		if err != nil && !errors.Is(err, pgx.ErrNoRows) {
			return err
		}
		if id, dataKey, ok := seal.ParseStoredID(stored); ok && !dataKey && (s.o.Keys == nil || !s.o.Keys.Has(id)) {
			return fmt.Errorf("%w (key id %s)", seal.ErrNoKey, id)
		}
	}
	tx, err := conn.Begin(ctx)
	if err != nil {
		return err
	}
	defer tx.Rollback(context.WithoutCancel(ctx))
	if _, err := tx.Exec(ctx, "SELECT pg_advisory_xact_lock(hashtextextended($1, 0))", s.o.Schema+" sealing"); err != nil {
		return err
	}
	if err := s.loadSealing(ctx, tx); err != nil {
		return err
	}
	return tx.Commit(ctx)
}

func (s *Store) loadSealing(ctx context.Context, tx pgx.Tx) error {
	keys := s.o.Keys
	var noted sealing
	var keyID, mac []byte
	err := tx.QueryRow(ctx, s.q("SELECT event, attempt, key_id, mac FROM {s}.sealing")).Scan(&noted.event, &noted.attempt, &keyID, &mac)
	found := err == nil
	if err != nil && !errors.Is(err, pgx.ErrNoRows) {
		return err
	}
	s.sealing = nothingSealed
	if keys == nil && !found {
		return nil // without looking through all events for one that is sealed
	}
	var sealedNow, any bool
	if err := tx.QueryRow(ctx, s.q(`SELECT EXISTS (SELECT 1 FROM {s}.events e WHERE e.key_id IS NOT NULL) OR EXISTS (SELECT 1 FROM {s}.documents WHERE key_id IS NOT NULL),
		EXISTS (SELECT 1 FROM {s}.events)`)).Scan(&sealedNow, &any); err != nil {
		return err
	}
	switch {
	case keys == nil && sealedNow:
		return seal.ErrNoKey
	case keys == nil:
		_, err := tx.Exec(ctx, s.q("DELETE FROM {s}.sealing")) // it goes on without
		return err
	case !found && sealedNow:
		return errSealing
	case !found:
		return s.beginSealing(ctx, tx)
	}
	id, dataKey, ok := seal.ParseStoredID(keyID)
	switch {
	case !ok || dataKey:
		return errSealing
	case !keys.Has(id) && !any && !sealedNow:
		return s.beginSealing(ctx, tx)
	case !keys.Has(id):
		return fmt.Errorf("%w (key id %s)", seal.ErrNoKey, id)
	case !bytes.Equal(mac, noted.mac(keys, id)):
		return errSealing
	}
	if s.sealing = noted; id != keys.First() {
		return noted.write(ctx, s, tx)
	}
	return nil
}

// beginSealing notes that everything is sealed from now on.
func (s *Store) beginSealing(ctx context.Context, tx pgx.Tx) error {
	var last, plain int64
	if err := tx.QueryRow(ctx, s.q("SELECT CASE WHEN is_called THEN last_value ELSE 0 END FROM {s}.attempt_ids")).Scan(&last); err != nil {
		return err
	}
	if err := tx.QueryRow(ctx, s.q("SELECT count(*) FROM {s}.payloads p JOIN {s}.events e ON e.id = p.event AND e.day = p.day WHERE e.key_id IS NULL")).Scan(&plain); err != nil {
		return err
	}
	if plain > 0 {
		s.o.Log(fmt.Sprintf("sealing begins, and %d events that are stored are not sealed", plain), errPlain)
	}
	if err := s.sealDocuments(ctx, tx); err != nil {
		return err
	}
	s.sealing = sealing{s.nowNanos(), last + 1}
	return s.sealing.write(ctx, s, tx)
}

var errPlain = errors.New("they were stored without encryption_key: seal them with `callgate rekey`, or wait until they are past their retention")

// sealPayload seals what is kept of an event. The error is seal.ErrUnavailable if its tenant's data key cannot be had now.
func (s *Store) sealPayload(ctx context.Context, e *store.Event, destinations []string) (sealed.Payload, error) {
	form := sealed.Seal
	if !s.packs.Load() {
		form = sealed.SealInColumns
	}
	if s.o.Keys == nil {
		return form(nil, e, destinations)
	}
	sealer, err := s.seals.Sealer(ctx, e.Tenant)
	if err != nil {
		return sealed.Payload{}, err
	}
	return form(&sealer, e, destinations)
}

// openPayload puts a payload into its event, which was accepted at a time, and tells for which destinations it was sealed; nil
// if it does not say.
func (s *Store) openPayload(ctx context.Context, e *store.Event, accepted int64, p sealed.Payload) (destinations []string, err error) {
	if p.KeyID == nil && accepted >= s.sealing.event {
		return nil, sealed.ErrUnsealed
	}
	sealer := s.seals.Opener(ctx)
	return p.Fill(&sealer, p.KeyID != nil, e)
}
