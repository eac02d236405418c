package sqlite

import (
	"context"
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
	// Destinations and Content stand here when the payload is sealed, so that nobody without the key can send it elsewhere
	// or take a part of it away: the event's destinations in order, and which of body (b) and record (r) there are.
	Destinations []string `json:"d,omitempty"`
	Content      string   `json:"c,omitempty"`
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

// sealPayload seals what is kept of an event. The error is seal.ErrUnavailable if its tenant's data key cannot be had now.
func (s *Store) sealPayload(ctx context.Context, e *store.Event, destinations []string) (p payload, err error) {
	p.body, p.record = e.Body, e.Record
	if s.o.Keys != nil || e.Method != "" || e.URI != "" || len(e.Header) > 0 {
		r := newRequestJSON(e)
		if s.o.Keys != nil {
			r.Destinations, r.Content = destinations, p.content()
		}
		if p.request, err = json.Marshal(r); err != nil {
			return p, err
		}
	}
	if s.o.Keys == nil {
		return p, p.transform(func(_ string, data []byte) ([]byte, error) { return data, nil })
	}
	sealer, err := s.seals.Sealer(ctx, e.Tenant)
	if err != nil {
		return p, err
	}
	place := placeOf(e)
	p.keyID = sealer.StoredID()
	return p, p.transform(func(column string, data []byte) ([]byte, error) {
		place.Column = column
		return sealer.Seal(data, place), nil
	})
}

// placeOf is what an event's payload is bound to, but for the column.
func placeOf(e *store.Event) seal.Place {
	return seal.Place{Event: e.ID, Tenant: e.Tenant, Source: e.Source, Route: e.Route}
}

// sealsAll is the first version of the seal with which a payload says what belongs to it.
const sealsAll = 2

func (p *payload) content() (c string) {
	if len(p.body) > 0 {
		c = "b"
	}
	if len(p.record) > 0 {
		c += "r"
	}
	return c
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

// unseal opens what was stored with a key id.
func (s *Store) unseal(sealer *seal.Sealer, place seal.Place, data, keyID []byte) ([]byte, error) {
	if len(data) == 0 {
		return nil, nil
	}
	if keyID == nil {
		return data, nil
	}
	return sealer.Open(data, place)
}

// openPayload puts a payload into its event, which is number seq, and tells for which destinations it was sealed; nil if it
// does not say.
func (s *Store) openPayload(ctx context.Context, e *store.Event, seq int64, p payload) (destinations []string, err error) {
	if p.keyID == nil && seq >= s.sealing.event {
		return nil, errUnsealed
	}
	sealer, place := s.seals.Opener(ctx), placeOf(e)
	// Whether it says what belongs to it, the seals tell: the key's id beside them is not authenticated.
	whole := len(p.keyID) == seal.KeyIDSize
	if err := p.transform(func(column string, data []byte) ([]byte, error) {
		place.Column = column
		whole = whole || p.keyID != nil && data[0] >= sealsAll
		return s.unseal(&sealer, place, data, p.keyID)
	}); err != nil {
		return nil, err
	}
	var r requestJSON
	if p.request != nil {
		if err := json.Unmarshal(p.request, &r); err != nil {
			return nil, seal.ErrTampered
		}
	}
	if whole && (p.request == nil || r.Content != p.content()) {
		return nil, seal.ErrTampered
	}
	e.Body, e.Record = p.body, p.record
	if p.request != nil {
		r.fill(e)
	}
	if whole && r.Destinations == nil {
		r.Destinations = []string{}
	}
	return r.Destinations, nil
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
