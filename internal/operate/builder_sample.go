package operate

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"go.uber.org/zap"

	"github.com/callgate/callgate/internal/call"
	"github.com/callgate/callgate/internal/destination"
	"github.com/callgate/callgate/internal/minimize"
	"github.com/callgate/callgate/internal/source/samples"
	"github.com/callgate/callgate/internal/store"
)

// Sample is the call that a draft is looked at with: a payload, or a stored event. Without either it is the guide's example.
type Sample struct {
	// Source is the name of a source of the configuration, or of a preset. Default: nextphone, or the event's.
	Source string `json:"source,omitempty"`
	// Tenant is whose variables apply.
	Tenant string `json:"tenant,omitempty"`
	// Name is that of one of the samples that the gateway has of a preset. Default: the preset's own choice.
	Name string `json:"name,omitempty"`
	// Payload is a text as the source sends it.
	Payload string `json:"payload,omitempty"`
	// Event is the id of a stored event. Its values are masked, unless Reason says why they are wanted.
	Event  string `json:"event,omitempty"`
	Reason string `json:"reason,omitempty"`
}

// maxPayload bounds a payload that is pasted.
const maxPayload = 4 << 20

// guidePayload is the guide's example of what was collected on a call, with what its other templates use besides.
const guidePayload = `{
  "first_name": "Mike",
  "last_name": "Johnson",
  "email": "mjohnson@email.com",
  "issue": "leaky pipe in kitchen",
  "address": "123 Main Street",
  "caller_number": "+15559876543",
  "receiving_number": "+15551234567"
}`

// sampled is a call as a draft is rendered with it.
type sampled struct {
	item   destination.Item
	masked bool
	// stored tells that it is a call that there was.
	stored bool
}

// sample finds the call. What a caller said is masked before anything is made of it, unless the actor may see it and says why.
func (s *Service) sample(ctx context.Context, a Actor, operation string, in *Sample) (sampled, error) {
	if in.Event != "" {
		return s.sampleStored(ctx, a, operation, in)
	}
	if len(in.Payload) > maxPayload {
		return sampled{}, badRequest("the payload is larger than %d bytes", maxPayload)
	}
	p := PreviewInput{Source: in.Source, Tenant: in.Tenant, Body: []byte(in.Payload), Bare: true}
	if p.Source == "" {
		p.Source = "nextphone"
	}
	if strings.TrimSpace(in.Payload) == "" {
		if err := builtIn(&p, in.Name); err != nil {
			return sampled{}, err
		}
	}
	scene, err := s.scene(&p)
	if err != nil {
		return sampled{}, err
	}
	_, item, err := s.read(scene, &p)
	return sampled{item: item}, err
}

// builtIn makes the payload one that the gateway has.
func builtIn(p *PreviewInput, name string) error {
	if p.Source == "nextphone" && name == "" {
		p.Body = []byte(guidePayload)
		return nil
	}
	one, ok := samples.Find(p.Source, name)
	if !ok {
		return badRequest("there is no such sample of %.60q; paste a payload, or choose a call", p.Source)
	}
	p.Body, p.Header = one.Body, make(http.Header)
	if one.ContentType != "" {
		p.Header.Set("Content-Type", one.ContentType)
	}
	if one.Query != "" && len(one.Body) == 0 {
		p.Body = []byte(one.Query)
		p.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	return nil
}

func (s *Service) scene(p *PreviewInput) (*Scene, error) {
	if s.o.Scene == nil {
		return nil, &Error{Kind: ErrUnavailable, text: "there is no configuration whose sources and destinations could be asked"}
	}
	scene, err := s.o.Scene(p)
	if err != nil {
		return nil, &Error{Kind: ErrBadRequest, cause: err, text: err.Error()}
	}
	return scene, nil
}

// sampleStored is a stored call.
func (s *Service) sampleStored(ctx context.Context, a Actor, operation string, in *Sample) (sampled, error) {
	if s.o.Store == nil {
		return sampled{}, NoStore()
	}
	r := Record{Operation: operation, Event: in.Event}
	if in.Reason != "" {
		r = Record{Operation: "RevealEvent", Event: in.Event, Reason: in.Reason}
		if !isNote(in.Reason) {
			return sampled{}, badRequest("reason must say why you look, in a line of up to %d bytes; it is logged", maxNote)
		}
	}
	sc, err := s.permit(ctx, a, r)
	if err != nil {
		return sampled{}, err
	}
	if len(in.Event) > maxFilterText {
		return sampled{}, stored(store.ErrNotFound)
	}
	_, err = s.oneOfTheirs(ctx, a, sc, &r)
	if errors.Is(err, errTheirs) {
		return sampled{}, stored(store.ErrNotFound)
	}
	// A preview follows each key that is pressed; that somebody looks at a call is recorded once for a while.
	if key := fmt.Sprintf("%q %q %q %q", a.Via, a.Name, in.Event, in.Reason); !s.looked(key) {
		if err := s.note(ctx, a, r); err != nil {
			return sampled{}, err
		}
		if in.Reason != "" {
			s.o.Log.Warn("an operator looks at what a caller said", zap.String("event", in.Event), zap.String("reason", in.Reason), zap.String("by", a.Name), zap.String("via", a.Via))
		}
		s.nowLooks(key)
	}
	if err != nil {
		return sampled{}, stored(err)
	}
	e, err := s.o.Store.Event(ctx, in.Event)
	if err != nil {
		return sampled{}, stored(err)
	}
	c, err := recordOf(e)
	if err != nil {
		return sampled{}, err
	}
	out := sampled{stored: true, masked: in.Reason == ""}
	if out.masked {
		c = masks.Apply(c)
	}
	in.Source, in.Tenant = e.Source, e.Tenant
	var vars map[string]string
	if scene, err := s.scene(&PreviewInput{Source: e.Source, Tenant: e.Tenant, Bare: true}); err == nil { // else the source is gone
		vars = scene.Vars
	}
	out.item = destination.Item{
		EventID: e.ID, Attempt: 1, Tenant: e.Tenant, Vars: vars, Call: c, Source: e.Source, EventType: e.EventType, ReceivedAt: e.ReceivedAt,
	}
	return out, nil
}

// recordOf is the call record of an event.
func recordOf(e *store.Event) (*call.Call, error) {
	if len(e.Record) == 0 {
		return &call.Call{Provider: e.Source, EventType: e.EventType, EventID: e.EventID, ID: e.CallID}, nil
	}
	c, err := call.Decode(e.Record)
	if err != nil { // whose text may quote the record
		return nil, &Error{text: "the stored call record cannot be read: it was written by another version or is damaged"}
	}
	return c, nil
}

// masks keeps of a call what says nothing of the caller.
var masks = func() *minimize.Compiled {
	p := minimize.Policy{Mask: []string{"params"}}
	for _, f := range call.Fields() {
		switch f {
		case "provider", "event_type", "event_id", "call_id", "direction", "timestamp", "started_at", "ended_at":
		default:
			if call.IsText(f) {
				p.Mask = append(p.Mask, f)
			}
		}
	}
	c, err := minimize.Compile(p)
	if err != nil {
		panic(err) // of names that there are
	}
	return c
}()

// lookAgain is how long it is known that somebody looks at a call.
const lookAgain = 5 * time.Minute

// looked reports whether it was recorded a moment ago that somebody looks at a call.
func (s *Service) looked(key string) bool {
	s.looks.Lock()
	defer s.looks.Unlock()
	at, ok := s.looks.at[key]
	return ok && s.o.Now().Sub(at) < lookAgain
}

func (s *Service) nowLooks(key string) {
	s.looks.Lock()
	defer s.looks.Unlock()
	if s.looks.at == nil || len(s.looks.at) > 1000 {
		s.looks.at = make(map[string]time.Time)
	}
	s.looks.at[key] = s.o.Now()
}
