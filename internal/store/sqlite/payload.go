package sqlite

import (
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/callgate/callgate/internal/seal"
	"github.com/callgate/callgate/internal/store"
	"github.com/oklog/ulid/v2"
)

// payload is the part of an event that is sealed: columns request (method, URI and header as JSON), body and record.
type payload struct {
	request, body, record []byte
	keyID                 []byte // nil if it is not sealed
}

// requestJSON has what is not UTF-8, such as a name in Latin-1, in members of their own: as text, JSON would replace it.
type requestJSON struct {
	Method      string              `json:"m,omitempty"`
	URI         string              `json:"u,omitempty"`
	Header      map[string][]string `json:"h,omitempty"`
	URIBytes    []byte              `json:"ub,omitempty"`
	HeaderBytes map[string][][]byte `json:"hb,omitempty"`
}

func newRequestJSON(e *store.Event) requestJSON {
	r := requestJSON{Method: e.Method, URI: e.URI, Header: e.Header}
	if !utf8.ValidString(r.URI) {
		r.URI, r.URIBytes = "", []byte(e.URI)
	}
	for name, values := range e.Header {
		if !slices.ContainsFunc(values, func(v string) bool { return !utf8.ValidString(v) }) {
			continue
		}
		if r.HeaderBytes == nil {
			r.Header, r.HeaderBytes = maps.Clone(e.Header), map[string][][]byte{}
		}
		delete(r.Header, name)
		for _, v := range values {
			r.HeaderBytes[name] = append(r.HeaderBytes[name], []byte(v))
		}
	}
	return r
}

func (r *requestJSON) fill(e *store.Event) {
	e.Method, e.URI, e.Header = r.Method, r.URI, r.Header
	if r.URIBytes != nil {
		e.URI = string(r.URIBytes)
	}
	if e.Header == nil && r.HeaderBytes != nil {
		e.Header = map[string][]string{}
	}
	for name, values := range r.HeaderBytes {
		for _, v := range values {
			e.Header[name] = append(e.Header[name], string(v))
		}
	}
}

func (s *Store) sealPayload(e *store.Event) (p payload, err error) {
	if e.Method != "" || e.URI != "" || len(e.Header) > 0 {
		if p.request, err = json.Marshal(newRequestJSON(e)); err != nil {
			return p, err
		}
	}
	p.body, p.record = e.Body, e.Record
	p.transform(func(column string, data []byte) ([]byte, error) { return s.seal(e.ID, column, data), nil })
	p.keyID = s.keyID()
	return p, nil
}

// transform replaces each column that is not empty.
func (p *payload) transform(f func(column string, data []byte) ([]byte, error)) error {
	for column, data := range map[string]*[]byte{"request": &p.request, "body": &p.body, "record": &p.record} {
		if len(*data) == 0 {
			*data = nil
			continue
		}
		var err error
		if *data, err = f(column, *data); err != nil {
			return err
		}
	}
	return nil
}

// keyID is the id of the key that seals, nil without keys.
func (s *Store) keyID() []byte {
	if s.o.Keys == nil {
		return nil
	}
	id := s.o.Keys.First()
	return id[:]
}

func (s *Store) seal(id, column string, data []byte) []byte {
	if s.o.Keys == nil || len(data) == 0 {
		return data
	}
	return s.o.Keys.Seal(data, seal.Place{Event: id, Column: column})
}

// unseal opens what was stored with a key id.
func (s *Store) unseal(id, column string, data, keyID []byte) ([]byte, error) {
	if len(data) == 0 {
		return nil, nil
	}
	if keyID == nil {
		return data, nil
	}
	return s.o.Keys.Open(data, seal.Place{Event: id, Column: column})
}

// open puts a payload into its event.
func (s *Store) openPayload(e *store.Event, p payload) error {
	err := p.transform(func(column string, data []byte) ([]byte, error) { return s.unseal(e.ID, column, data, p.keyID) })
	if err != nil {
		return err
	}
	e.Body, e.Record = p.body, p.record
	if p.request != nil {
		var r requestJSON
		if err := json.Unmarshal(p.request, &r); err != nil {
			return seal.ErrTampered
		}
		r.fill(e)
	}
	return nil
}

func (k deliveryKey) String() string {
	return ulid.ULID(k.event).String() + "." + strconv.FormatInt(k.n, 10)
}

var errDeliveryID = errors.New("not the id of a delivery: it is the event's id, a dot and a number")

func parseDeliveryID(id string) (k deliveryKey, err error) {
	event, n, ok := strings.Cut(id, ".")
	if !ok {
		return k, errDeliveryID
	}
	u, err := ulid.ParseStrict(event)
	if err != nil {
		return k, errDeliveryID
	}
	k.event = u
	if k.n, err = strconv.ParseInt(n, 10, 32); err != nil || k.n < 0 || strconv.FormatInt(k.n, 10) != n {
		return k, errDeliveryID
	}
	return k, nil
}
