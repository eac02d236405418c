package operate

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strings"

	"github.com/callgate/callgate/internal/call"
	"github.com/callgate/callgate/internal/condition"
	"github.com/callgate/callgate/internal/destination"
	"github.com/callgate/callgate/internal/source"
	"github.com/callgate/callgate/internal/store"
)

// PreviewInput is a payload and what it is taken for.
type PreviewInput struct {
	// Source is the name of a source of the configuration, or of a preset.
	Source string `json:"source"`
	// Tenant is a tenant of the configuration, whose variables and settings apply.
	Tenant string `json:"tenant"`
	// Route is the name of the route that takes it, where the configuration has several for the source.
	Route string `json:"route"`
	// Region is the country whose national numbers are understood. Default: as configured.
	Region string `json:"region"`
	// Destinations are what requests are wanted for, whether the call would go there or not. Default: where the route and
	// the tenant would send it.
	Destinations []string `json:"destinations"`

	// Bare asks for what reads the payload alone, and not for where it could go.
	Bare bool `json:"-"`

	// Body is the payload; in JSON it is base64.
	Body []byte `json:"body"`
	// Header is the request's. A missing Content-Type is guessed from the body.
	Header http.Header `json:"header"`
}

// Scene is what a configuration says of a payload: how it is read, and where it can go.
type Scene struct {
	Parser source.Parser
	// EventID is where an event's id is found, where the configuration says so.
	EventID source.IDFrom
	// Split takes a payload of several events apart; it gives none where it is one.
	Split func(*source.Request) [][]byte
	// Vars are the tenant's variables.
	Vars map[string]string
	// Targets are where the route and the tenant send calls, and Why is why there are none.
	Targets []Target
	Why     string
	// Synchronous are the types of events whose sender waits for what the answer says. They are not delivered.
	Synchronous []string
	// Refuses says why a destination does not take an event; empty if it does.
	Refuses func(ctx context.Context, name string, e *store.Event, c *call.Call) string
	// Render gives the requests that a destination would send. Its error says why it can send none.
	Render func(name string, item destination.Item) ([]destination.Request, error)
}

// Target is a destination that calls go to if a condition is met.
type Target struct {
	Destination string
	// Condition is nil where every call goes there. If is its text.
	Condition *condition.Condition
	If        string
}

// Preview is what a payload becomes: the call record, and the requests that each destination would send for it, with
// secrets masked.
type Preview struct {
	// Events are those of the payload, in their order: one, unless its sender puts several into a request. What follows is
	// of the first.
	Events     []PreviewedEvent     `json:"events"`
	Call       *call.Call           `json:"call"`
	Deliveries []DestinationPreview `json:"deliveries,omitempty"`
	// Nothing says why nothing would be delivered, if that is so.
	Nothing string `json:"nothing,omitempty"`
}

// PreviewedEvent is what an event is known by.
type PreviewedEvent struct {
	Type string `json:"type,omitempty"`
	// ID tells the event from others. It is empty where the payload has none: then that is the hash of what the sender
	// signed, so that two events which say the same are one.
	ID string `json:"id,omitempty"`
	// Signed is set where the id is one that the sender signs in a header, which the payload does not show.
	Signed string `json:"signed,omitempty"`
}

// event is what the gateway would know an event by.
func (sc *Scene) event(in *PreviewInput, body []byte, id source.Identity) PreviewedEvent {
	e := PreviewedEvent{Type: id.EventType, ID: id.EventID}
	switch from := sc.EventID; {
	case from.Digest:
		e.ID = ""
	case from.Path != nil:
		e.ID, _ = from.Path.ID(body)
	case from.Header != "":
		if e.ID = in.Header.Get(from.Header); e.ID == "" {
			e.Signed = from.Header
		}
	}
	return e
}

// DestinationPreview is what one destination would send.
type DestinationPreview struct {
	Destination string                `json:"destination"`
	Requests    []destination.Request `json:"requests,omitempty"`
	// Skipped says why the call would not go there.
	Skipped string `json:"skipped,omitempty"`
	// Error says why the destination could not be rendered.
	Error string `json:"error,omitempty"`
}

// Preview reads a payload and renders what would be sent for it. Nothing is sent, and nothing is stored.
func (s *Service) Preview(ctx context.Context, a Actor, in PreviewInput) (*Preview, error) {
	sc, err := s.begin(ctx, a, Record{Operation: "Preview", Tenant: in.Tenant})
	if err != nil {
		return nil, err
	}
	if sc.bound && in.Tenant == "" {
		return nil, badRequest("tenant must be one of yours: the settings of others are not shown")
	}
	if name, ok := ofOthers(sc, in.Destinations); ok {
		r := Record{Operation: "Preview", Tenant: in.Tenant, Destination: name}
		return nil, s.deny(ctx, a, r, &Error{Kind: ErrForbidden, text: "you may not do that: a destination is of a tenant that is not yours"})
	}
	if s.o.Scene == nil {
		return nil, &Error{Kind: ErrUnavailable, text: "there is no configuration whose sources and destinations could be asked"}
	}
	scene, err := s.o.Scene(&in)
	if err != nil {
		return nil, &Error{Kind: ErrBadRequest, cause: err, text: err.Error()}
	}
	p, item, err := s.read(scene, &in)
	if err != nil {
		return nil, err
	}
	if len(in.Destinations) == 0 {
		p.Deliveries = scene.chosen(ctx, &in, item.EventType, p.Call)
		p.Nothing = scene.nothing(item.EventType, p.Deliveries)
	}
	for _, name := range in.Destinations {
		p.Deliveries = append(p.Deliveries, DestinationPreview{Destination: name})
	}
	for i := range p.Deliveries {
		d := &p.Deliveries[i]
		if d.Skipped != "" {
			continue
		}
		if d.Requests, err = scene.Render(d.Destination, item); err != nil {
			d.Error = err.Error()
		}
	}
	return p, nil
}

// read reads a payload as the first of its events, and makes the item of it.
func (s *Service) read(scene *Scene, in *PreviewInput) (p *Preview, item destination.Item, err error) {
	header := in.Header.Clone()
	if header == nil {
		header = make(http.Header)
	}
	body := openToken(in.Body)
	if header.Get("Content-Type") == "" {
		header.Set("Content-Type", guessContentType(body))
	}
	parts := [][]byte{body}
	if scene.Split != nil {
		if several := scene.Split(&source.Request{Body: body}); len(several) > 0 {
			parts = several
		}
	}
	p = new(Preview)
	var identity source.Identity
	for i, part := range parts {
		id, err := scene.Parser.Identify(&source.Request{Body: part})
		if err != nil {
			return nil, item, unreadable(in.Source, err)
		}
		if i == 0 {
			identity = id
		}
		p.Events = append(p.Events, scene.event(in, part, id))
	}
	if p.Call, err = scene.Parser.Parse(&source.Request{Body: parts[0]}); err != nil {
		return nil, item, unreadable(in.Source, err)
	}
	if p.Call.EventID == "" || scene.EventID.Path != nil && p.Events[0].ID != "" {
		p.Call.EventID = p.Events[0].ID
	}
	sent := in.Body
	if len(parts[0]) != len(body) {
		sent = parts[0]
	}
	return p, destination.Item{
		DeliveryID: "preview", EventID: p.Events[0].ID, Attempt: 1, Tenant: in.Tenant, Vars: scene.Vars, Call: p.Call,
		Source: in.Source, EventType: identity.EventType,
		ReceivedAt: s.o.Now(), Body: sent, ContentType: header.Get("Content-Type"), Traceparent: header.Get("Traceparent"),
	}, nil
}

// ofOthers finds a destination that a tenant outside of a scope has for itself, TENANT/NAME, whether there is one or not.
func ofOthers(sc scope, destinations []string) (name string, found bool) {
	for _, name := range destinations {
		if tenant, _, own := strings.Cut(name, "/"); own && !sc.has(tenant) {
			return name, true
		}
	}
	return "", false
}

// chosen are the targets of a call, and which of them it would not go to for which reason. One that is named twice is
// sent to once.
func (sc *Scene) chosen(ctx context.Context, in *PreviewInput, eventType string, c *call.Call) (list []DestinationPreview) {
	at := map[string]int{}
	for _, t := range sc.Targets {
		d := DestinationPreview{Destination: t.Destination, Skipped: sc.skips(ctx, &t, in, eventType, c)}
		i, twice := at[t.Destination]
		switch {
		case !twice:
			at[t.Destination] = len(list)
			list = append(list, d)
		case d.Skipped == "":
			list[i].Skipped = ""
		case list[i].Skipped != "" && list[i].Skipped != d.Skipped:
			list[i].Skipped += "; " + d.Skipped
		}
	}
	return list
}

// skips says why a call would not go to a target.
func (sc *Scene) skips(ctx context.Context, t *Target, in *PreviewInput, eventType string, c *call.Call) string {
	if slices.Contains(sc.Synchronous, eventType) {
		return synchronous
	}
	if t.Condition != nil {
		met, err := t.Condition.Eval(ctx, condition.Input{Call: c, Tenant: in.Tenant, Source: in.Source, EventType: eventType})
		if err == nil && !met { // one that fails lets the call through
			return "its condition is not met: " + t.If
		}
	}
	return sc.Refuses(ctx, t.Destination, &store.Event{Tenant: in.Tenant, Source: in.Source, EventType: eventType}, c)
}

const synchronous = "its sender waits for what the answer says, so that it goes to the next handler"

// nothing says why nothing would be delivered; empty if something would be.
func (sc *Scene) nothing(eventType string, list []DestinationPreview) string {
	switch {
	case slices.ContainsFunc(list, func(d DestinationPreview) bool { return d.Skipped == "" }):
		return ""
	case len(list) == 0:
		return sc.Why
	case slices.Contains(sc.Synchronous, eventType):
		return synchronous
	}
	return "no destination takes this call; see at each of them why"
}

func unreadable(source string, err error) error {
	return badRequest("the payload cannot be read as one of %s: %w", source, err)
}

// guessContentType tells JSON, XML and forms apart by their first character.
func guessContentType(body []byte) string {
	switch b := bytes.TrimSpace(bytes.TrimPrefix(body, []byte("\xef\xbb\xbf"))); {
	case len(b) > 0 && b[0] == '<':
		return "application/xml"
	case len(b) > 0 && b[0] != '{' && b[0] != '[' && b[0] != '"' && bytes.IndexByte(b, '=') > 0 && !bytes.ContainsAny(b[:bytes.IndexByte(b, '=')], " {\n"):
		return "application/x-www-form-urlencoded"
	}
	return "application/json"
}

// openToken is the claims of a payload that is sent as a JSON Web Token, and any other payload as it is.
func openToken(body []byte) []byte {
	parts := bytes.Split(bytes.TrimSpace(body), []byte("."))
	if len(parts) != 3 {
		return body
	}
	claims, err := base64.RawURLEncoding.DecodeString(string(parts[1]))
	if err != nil || !json.Valid(claims) {
		return body
	}
	return claims
}

// ErrPreview says that a destination could not render its requests; the preview tells which and why.
var ErrPreview = errors.New("not every destination could be rendered; see the errors in the output")

// Err is ErrPreview if a destination could not be rendered.
func (p *Preview) Err() error {
	for i := range p.Deliveries {
		if p.Deliveries[i].Error != "" {
			return ErrPreview
		}
	}
	return nil
}
