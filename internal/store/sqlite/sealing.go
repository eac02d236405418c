package sqlite

import (
	"bytes"
	"database/sql/driver"
	"encoding/binary"
	"errors"
	"fmt"
	"math"

	"github.com/callgate/callgate/internal/seal"
)

// What is sealed has the id of its key beside it, and what is not has none. So whoever can write the file, and has no key,
// could put something of his own in the place of what is sealed and take the id away. Therefore the store keeps from which
// event on everything is sealed, and refuses what is not after that.

var errSealing = fmt.Errorf("%w (the note from when on everything is sealed)", seal.ErrTampered)

// sealing is from which event and which attempt on everything is sealed.
type sealing struct{ event, attempt int64 }

// nothingSealed is that of a store without keys.
var nothingSealed = sealing{math.MaxInt64, math.MaxInt64}

func (v sealing) mac(r *seal.Ring, id seal.KeyID) []byte {
	text := []byte("callgate sealed from ")
	text = binary.BigEndian.AppendUint64(text, uint64(v.event))
	return r.MAC(id, binary.BigEndian.AppendUint64(text, uint64(v.attempt)))
}

// write notes it, under the ring's first key.
func (v sealing) write(c *session, r *seal.Ring) error {
	id := r.First()
	_, err := c.exec(`INSERT INTO sealing (one, event, attempt, key_id, mac) VALUES (1, ?, ?, ?, ?) ON CONFLICT (one) DO UPDATE
		SET event = excluded.event, attempt = excluded.attempt, key_id = excluded.key_id, mac = excluded.mac`, v.event, v.attempt, id[:], v.mac(r, id))
	return err
}

// loadSealing reads from when on everything is sealed, or notes it when sealing begins.
func (s *Store) loadSealing() error {
	c, keys := s.writer, s.o.Keys
	var noted sealing
	var keyID, mac []byte
	found := false
	if err := c.query("SELECT event, attempt, key_id, mac FROM sealing", func(v []driver.Value) error {
		noted.event, _ = v[0].(int64)
		noted.attempt, _ = v[1].(int64)
		keyID, _ = v[2].([]byte)
		mac, _ = v[3].([]byte)
		keyID, mac, found = bytes.Clone(keyID), bytes.Clone(mac), true
		return nil
	}); err != nil {
		return err
	}
	// They have another key id than what was sealed before there was such a note.
	sealed := func() (n int64, err error) {
		return c.number("SELECT EXISTS (SELECT 1 FROM events WHERE length(key_id) = ?) OR EXISTS (SELECT 1 FROM documents WHERE key_id IS NOT NULL)", seal.KeyIDSize)
	}
	s.sealing = nothingSealed
	switch {
	case keys == nil && !found:
		return nil
	case keys == nil:
		if n, err := sealed(); err != nil || n > 0 {
			return errors.Join(err, seal.ErrNoKey)
		}
		_, err := c.exec("DELETE FROM sealing") // it goes on without
		return err
	case !found:
		if n, err := sealed(); err != nil || n > 0 {
			return errors.Join(err, errSealing)
		}
		return s.beginSealing()
	}
	id, dataKey, ok := seal.ParseStoredID(keyID)
	documents, err := s.sealedDocuments()
	switch {
	case err != nil:
		return err
	case !ok || dataKey:
		return errSealing
	case !keys.Has(id) && s.events == 0 && documents == 0:
		return s.beginSealing()
	case !keys.Has(id):
		return fmt.Errorf("%w (key id %s)", seal.ErrNoKey, id)
	case !bytes.Equal(mac, noted.mac(keys, id)):
		return errSealing
	}
	if s.sealing = noted; id != keys.First() {
		return noted.write(c, keys)
	}
	return nil
}

// beginSealing notes that everything is sealed from now on.
func (s *Store) beginSealing() error {
	last, err := s.writer.number("SELECT max(id) FROM attempts")
	if err != nil {
		return err
	}
	plain, err := s.writer.number("SELECT count(*) FROM payloads p JOIN events e ON e.seq = p.seq WHERE e.key_id IS NULL")
	if err != nil {
		return err
	}
	if plain > 0 {
		s.o.Log(fmt.Sprintf("sealing begins, and %d events that are stored are not sealed", plain), errPlain)
	}
	if err := s.sealDocuments(); err != nil {
		return err
	}
	s.sealing = sealing{s.nextSeq, last + 1}
	return s.sealing.write(s.writer, s.o.Keys)
}

var errPlain = errors.New("they were stored without encryption_key: seal them with `callgate rekey`, or wait until they are past their retention")
