// Package sealed is the form in which stores keep what an event holds, with a seal or without: the same in every store, so
// that it can be carried over as it is.
package sealed

import (
	"bytes"
	"encoding/json"
	"maps"
	"slices"
	"unicode/utf8"

	"github.com/callgate/callgate/internal/seal"
	"github.com/callgate/callgate/internal/store"
)

// Payload is the part of an event that is sealed: what is packed stands in the column request alone. Of large events, and those
// that were stored before anything was packed, there is method, URI and header as JSON in it, and body and record have columns
// of their own.
type Payload struct {
	Request, Body, Record []byte
	KeyID                 []byte // nil if it is not sealed
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

// Seal makes the payload of an event for its destinations; sealer is nil without keys.
func Seal(sealer *seal.Sealer, e *store.Event, destinations []string) (p Payload, err error) {
	if len(e.Body)+len(e.Record) > maxPacked {
		return SealInColumns(sealer, e, destinations)
	}
	s := scratches.Get().(*scratch)
	defer s.free()
	if err = s.fill(e); err != nil {
		return p, err
	}
	switch size := len(s.content); {
	case size > maxPacked:
		return SealInColumns(sealer, e, destinations)
	case sealer == nil && size == 0 && e.Method == "" && e.URI == "" && len(e.Header) == 0:
		return p, nil
	}
	packed := s.pack(e, destinations, sealer != nil)
	if sealer == nil {
		p.Request = bytes.Clone(packed)
		return p, nil
	}
	place := placeOf(e)
	place.Column = "request"
	p.Request, p.KeyID = sealer.Seal(packed, place), sealer.StoredID()
	return p, nil
}

// placeOf is what an event's payload is bound to, but for the column.
func placeOf(e *store.Event) seal.Place {
	return seal.Place{Event: e.ID, Tenant: e.Tenant, Source: e.Source, Route: e.Route}
}

// whole2 is the first version of the seal with which a payload says what belongs to it.
const whole2 = 2

func (p *Payload) content() (c string) {
	if len(p.Body) > 0 {
		c = "b"
	}
	if len(p.Record) > 0 {
		c += "r"
	}
	return c
}

// transform replaces each column that is not empty.
func (p *Payload) transform(f func(column string, data []byte) ([]byte, error)) error {
	for _, c := range [...]struct {
		name string
		data *[]byte
	}{{"request", &p.Request}, {"body", &p.Body}, {"record", &p.Record}} {
		if len(*c.data) == 0 {
			*c.data = nil
			continue
		}
		var err error
		if *c.data, err = f(c.name, *c.data); err != nil {
			return err
		}
	}
	return nil
}

// Unseal opens what was stored with a key id.
func Unseal(sealer *seal.Sealer, place seal.Place, data, keyID []byte) ([]byte, error) {
	if len(data) == 0 {
		return nil, nil
	}
	if keyID == nil {
		return data, nil
	}
	return sealer.Open(data, place)
}

// Fill puts a payload into its event, and tells for which destinations it was sealed; nil if it does not say. whole tells that
// the payload is known to say what belongs to it, if it is sealed.
func (p Payload) Fill(sealer *seal.Sealer, whole bool, e *store.Event) (destinations []string, err error) {
	place := placeOf(e)
	// Whether it says what belongs to it, the seals tell: the key's id beside them is not authenticated.
	if err := p.transform(func(column string, data []byte) ([]byte, error) {
		place.Column = column
		whole = whole || p.KeyID != nil && data[0] >= whole2
		return Unseal(sealer, place, data, p.KeyID)
	}); err != nil {
		return nil, err
	}
	if len(p.Request) > 0 && p.Request[0] != '{' {
		if p.Body != nil || p.Record != nil {
			return nil, seal.ErrTampered
		}
		if destinations, err = unpack(p.Request, e); err == nil && whole && destinations == nil {
			err = seal.ErrTampered
		}
		return destinations, err
	}
	var r requestJSON
	if p.Request != nil {
		if err := json.Unmarshal(p.Request, &r); err != nil {
			return nil, seal.ErrTampered
		}
	}
	if whole && (p.Request == nil || r.Content != p.content()) {
		return nil, seal.ErrTampered
	}
	e.Body, e.Record = p.Body, p.Record
	if p.Request != nil {
		r.fill(e)
	}
	if whole && r.Destinations == nil {
		r.Destinations = []string{}
	}
	return r.Destinations, nil
}
