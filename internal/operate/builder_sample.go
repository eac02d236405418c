package operate

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"time"

	"go.uber.org/zap"

	"github.com/callgate/callgate/internal/call"
	"github.com/callgate/callgate/internal/destination"
	"github.com/callgate/callgate/internal/minimize"
	"github.com/callgate/callgate/internal/source/samples"
	"github.com/callgate/callgate/internal/store"
	"github.com/callgate/callgate/internal/template"
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

// Variable is a variable with its value in a sample.
type Variable struct {
	Name string `json:"name"`
	// Kind is call for a field of the record, parameter for what was collected, tenant for a variable of the tenant, and
	// gateway for what the gateway knows.
	Kind string `json:"kind"`
	// Type is string, number, boolean, array or object; empty where the sample has no value.
	Type string `json:"type,omitempty"`
	// Value is the value as text, numbers as they were written; of a long one the beginning.
	Value string `json:"value,omitempty"`
}

// SampleVariables are the variables of a sample.
type SampleVariables struct {
	Variables []Variable `json:"variables"`
	Masked    bool       `json:"masked,omitempty"`
	// Source and Tenant are the sample's.
	Source string `json:"source"`
	Tenant string `json:"tenant,omitempty"`
}

// BuilderSample gives the variables of a sample: those that have a value in their order, and then the fields that it lacks.
func (s *Service) BuilderSample(ctx context.Context, a Actor, in Sample) (*SampleVariables, error) {
	if _, err := s.permit(ctx, a, Record{Operation: "BuilderSample", Event: in.Event}); err != nil {
		return nil, err
	}
	got, err := s.sample(ctx, a, "BuilderSample", &in)
	if err != nil {
		return nil, err
	}
	return &SampleVariables{Variables: variablesOf(&got.item), Masked: got.masked, Source: got.item.Source, Tenant: got.item.Tenant}, nil
}

// variablesOf are the variables of an item.
func variablesOf(item *destination.Item) []Variable {
	scope := &template.Scope{Call: item.Call, Vars: item.Vars, ReceivedAt: item.ReceivedAt}
	var have, lack []Variable
	for _, f := range call.Fields() {
		v := Variable{Name: f, Kind: "call"}
		value, ok := scope.Lookup(f)
		if v.Type, v.Value = shownAs(value, ok); ok && v.Type != "" {
			have = append(have, v)
		} else if f != "params" {
			lack = append(lack, v)
		}
	}
	for _, name := range paths(item.Call.Params, "") {
		full := name
		if template.Known(name) || item.Vars[name] != "" {
			full = "params." + name
		}
		value, ok := scope.Lookup(full)
		v := Variable{Name: full, Kind: "parameter"}
		if v.Type, v.Value = shownAs(value, ok); v.Type != "" {
			have = append(have, v)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(item.Vars)) {
		v := Variable{Name: name, Kind: "tenant"}
		if call.IsField(name) {
			v.Name = "vars." + name
		}
		v.Type, v.Value = shownAs(item.Vars[name], true)
		have = append(have, v)
	}
	for _, name := range []string{"owner_name", "website", "booking_url"} {
		if item.Vars[name] == "" {
			lack = append(lack, Variable{Name: name, Kind: "tenant"})
		}
	}
	v := Variable{Name: "received_at", Kind: "gateway"}
	value, ok := scope.Lookup(v.Name)
	v.Type, v.Value = shownAs(value, ok)
	return slices.Concat(have, []Variable{v}, lack)
}

// paths are the names of parameters, those in objects along a path of dots.
func paths(params map[string]any, before string) (names []string) {
	for _, k := range slices.Sorted(maps.Keys(params)) {
		if inner, ok := params[k].(map[string]any); ok && strings.Count(before, ".") < 3 {
			names = append(names, paths(inner, before+k+".")...)
			continue
		}
		if _, err := template.Compile("{{"+before+k+"}}", template.Text, template.Options{}); err == nil && !strings.ContainsAny(k, "|{}'\"") {
			names = append(names, before+k)
		}
	}
	return names
}

// maxShown bounds the value of a variable as it is listed.
const maxShown = 200

// shownAs is the type of a value and its text; none of a value that counts as missing.
func shownAs(value any, ok bool) (kind, text string) {
	if !ok || value == nil || value == "" {
		return "", ""
	}
	switch v := value.(type) {
	case string:
		kind, text = "string", v
	case bool:
		kind, text = "boolean", fmt.Sprint(v)
	case time.Time:
		kind, text = "string", v.Format(time.RFC3339)
	case []any:
		kind, text = "array", asJSON(v)
	case map[string]any:
		kind, text = "object", asJSON(v)
	default:
		kind, text = "number", fmt.Sprint(v)
	}
	if r := []rune(text); len(r) > maxShown {
		text = string(r[:maxShown]) + "…"
	}
	return kind, text
}

func asJSON(v any) string {
	text, err := json.Marshal(v)
	if err != nil {
		return ""
	}
	return string(text)
}

// variableRef finds the variables that a document's templates use.
var variableRef = regexp.MustCompile(`\{\{\s*([A-Za-z_][A-Za-z0-9_. -]*?)\s*(\|[^{}]*)?\}\}`)

// lastCalls are how many calls are asked for a variable, and enoughCalls how many there have to be to say anything.
const (
	lastCalls   = 50
	enoughCalls = 5
)

// absent are the variables of a draft that none of the last calls of the sample's source and tenant has. A default makes up
// for it.
func (s *Service) absent(ctx context.Context, in *DraftInput, sample *sampled) (names []string) {
	for _, m := range variableRef.FindAllSubmatch(in.Body, -1) {
		name := string(m[1])
		if !strings.Contains(string(m[2]), "default:") && !strings.HasPrefix(name, template.Steps) && !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	if s.o.Store == nil || len(names) == 0 {
		return nil
	}
	f := store.Filter{Tenant: in.Sample.Tenant, Source: sample.item.Source}
	events, err := s.o.Store.Events(ctx, f, store.Page{Limit: lastCalls})
	if err != nil || len(events) < enoughCalls { // nothing can be said of it, and the preview is none the worse
		return nil
	}
	for i := range events {
		e, err := s.o.Store.Event(ctx, events[i].ID)
		if err != nil {
			continue
		}
		c, err := recordOf(e)
		if err != nil {
			continue
		}
		scope := &template.Scope{Call: c, Vars: sample.item.Vars, ReceivedAt: e.ReceivedAt}
		names = slices.DeleteFunc(names, func(name string) bool {
			value, ok := scope.Lookup(name)
			return ok && value != nil && value != ""
		})
	}
	return names
}
