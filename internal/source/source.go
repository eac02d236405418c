// Package source turns what a provider sends into a call record. Each provider has a file with what is particular to
// it; what all share (bodies, numbers, times, names, urgency) is done once, in body.go and draft.go.
//
// A payload is never refused because one member is odd: a member of the wrong type counts as missing, and only a
// body that is no JSON, form or XML at all is malformed.
package source

import (
	"errors"
	"fmt"
	"strings"

	"github.com/callgate/callgate/internal/call"
	"github.com/callgate/callgate/internal/jsonscan"
)

// ErrMalformed is returned, wrapped with a reason, for a body that cannot be read. The reason never quotes the body.
var ErrMalformed = errors.New("malformed payload")

// ErrConfig is returned, wrapped, by New and NewJSONPathID for settings that cannot work. The text names the setting.
var ErrConfig = errors.New("source configuration")

// Request is what a parser sees of a request: what the sender's signature covers, and nothing else. It has no headers, no
// content type and no method, so that no parser can take what tells events apart, or decides, or becomes a part of a call,
// from where any stranger can write. Open makes it.
type Request struct {
	// Body is the content that was verified.
	Body []byte
	// Query is the URL's query, encoded, where it is covered. It is the payload where the body is empty (a webhook sent
	// with GET or DELETE).
	Query string
	// EventID is the id of the event that the signature covers beside the body; empty where the scheme signs none.
	EventID string
}

// Identity tells one event from another.
type Identity struct {
	// EventType is the provider's name for the event.
	EventType string
	// EventID is the same for every delivery of one event and for no other event. It is empty where the provider
	// sends nothing of the kind: the hash of the body must serve.
	EventID string
	// CallID is the provider's id of the call.
	CallID string
}

// Parser reads the payloads of one provider. It is safe for concurrent use and keeps no reference to a Request.
type Parser interface {
	// Parse turns one payload into a call record.
	Parse(r *Request) (*call.Call, error)
	// Identify reads the identity alone, which is cheaper. It gives what the record of Parse holds.
	Identify(r *Request) (Identity, error)
	// Require reads the identity and gives the first of the fields that the record of Parse would not have, or empty.
	// It is cheaper than Parse: whether a call is urgent is told of every call, so nobody has to look for it.
	Require(r *Request, fields []string) (id Identity, missing string, err error)
}

// Options are the settings of a source that bear on parsing. The zero Options are the defaults.
type Options struct {
	// Region is the ISO 3166 code in whose numbering plan national numbers are read; default call.DefaultRegion.
	Region string
	// OwnNumbers are the numbers of the business. Where one side of a call has one of them, the other side is the
	// customer, whatever direction the provider reports.
	OwnNumbers []string

	// UrgentWords make a call urgent where the caller's words, the summary or a parameter has one of them as a whole
	// word, in any case; "no emergency" and "not urgent" do not count. nil means "emergency", "urgent" and "ASAP".
	UrgentWords []string
	// UrgentFields are parameters that make a call urgent when true or, of a level, high. nil means the names that
	// call.FieldOf knows for "urgent", such as "is_emergency" and "priority".
	UrgentFields []string
	// CallbackWords are phrases by which a caller asks to be called back; nil means "callback", "call me back" and
	// the like.
	CallbackWords []string
	// CallbackFields are parameters that ask for a callback unless they say no. nil means the names that call.FieldOf
	// knows for "callback_requested", such as "preferred_callback_time".
	CallbackFields []string

	// Map overrides the parser's own reading, field by field, and adds parameters.
	Map *Mapping
}

// New builds the parser of a preset. An unknown preset and settings that cannot work are ErrConfig.
func New(preset string, o Options) (Parser, error) {
	p, ok := Find(preset)
	if !ok {
		return nil, fmt.Errorf("%w: no source preset %q", ErrConfig, preset)
	}
	if !call.ValidRegion(o.Region) {
		return nil, fmt.Errorf("%w: region %q is not an ISO 3166 code such as US", ErrConfig, o.Region)
	}
	s := &settings{region: o.Region, own: make(map[string]bool)}
	for _, n := range o.OwnNumbers {
		e164, ok := call.NormalizeNumber(n, o.Region)
		if !ok {
			return nil, fmt.Errorf("%w: own number %q is not a phone number; write it as +15551234567", ErrConfig, n)
		}
		s.own[e164] = true
	}
	s.detectors.add(urgency, urgentMark, o.UrgentWords, o.UrgentFields)
	s.detectors.add(callback, callbackMark, o.CallbackWords, o.CallbackFields)
	if o.Map != nil {
		m, err := o.Map.compile()
		if err != nil {
			return nil, err
		}
		s.maps = append(s.maps, m)
	}
	return &parser{name: p.Name, format: p.format, settings: s}, nil
}

// format is what is particular to a provider.
type format struct {
	// open reads the body; nil means openObject.
	open func(d *document, r *Request) error
	// identify reads the identity. Its texts need not be bounded: the parser sees to that.
	identify func(d *document) Identity
	// split takes a body of several events apart; nil where the sender sends one at a time. See Preset.Split.
	split func(root jsonscan.Value) [][]byte
	// splitOne takes a single event apart too, since its array is the body.
	splitOne bool
	// read fills the record, whose identity is there already.
	read func(d *draft, doc *document)
	// readsAll tells that it reads nearly all that a body says.
	readsAll bool
	// audio is the path of the member that holds a recording of the call as base64; nil where there is none. Nothing is
	// read from it.
	audio []string
}

type parser struct {
	name     string
	format   *format
	settings *settings
}

func (p *parser) document(r *Request) (*document, error) {
	doc := newDocument(r)
	open := p.format.open
	if open == nil {
		open = openObject
	}
	if err := open(doc, r); err != nil {
		doc.release()
		return nil, err
	}
	return doc, nil
}

func (p *parser) identify(doc *document) Identity {
	id := p.format.identify(doc)
	if signed := doc.req.EventID; signed != "" {
		id.EventID = signed
	}
	for _, m := range p.settings.maps {
		m.identify(doc, &id)
	}
	return id.bounded()
}

func (p *parser) Identify(r *Request) (Identity, error) {
	doc, err := p.document(r)
	if err != nil {
		return Identity{}, err
	}
	defer doc.release()
	return p.identify(doc), nil
}

func (p *parser) Parse(r *Request) (*call.Call, error) {
	doc, err := p.document(r)
	if err != nil {
		return nil, err
	}
	defer doc.release()
	d := p.read(doc)
	d.signs()
	return d.record(), nil
}

func (p *parser) Require(r *Request, fields []string) (id Identity, missing string, err error) {
	doc, err := p.document(r)
	if err != nil {
		return Identity{}, "", err
	}
	defer doc.release()
	d := p.read(doc)
	if missing = d.Missing(fields); missing != "" { // among the fields; a parameter may have that name
		missing = d.record().Missing(fields)
	}
	return Identity{EventType: d.EventType, EventID: d.EventID, CallID: d.ID}, missing, nil
}

// read fills a record but for the signs.
func (p *parser) read(doc *document) *draft {
	if p.format.readsAll {
		doc.scan.ShareAll()
	} else {
		doc.scan.Share()
	}
	id := p.identify(doc)
	// These are kept for longer than the record, whose other texts lie beside them.
	id.EventID, id.CallID = strings.Clone(id.EventID), strings.Clone(id.CallID)
	d := &doc.draft
	d.settings, d.files = p.settings, doc.files
	d.Call = &call.Call{Provider: p.name, EventType: id.EventType, EventID: id.EventID, ID: id.CallID}
	p.format.read(d, doc)
	for _, m := range p.settings.maps {
		m.apply(d, doc)
	}
	d.fromParams()
	d.times()
	return d
}
