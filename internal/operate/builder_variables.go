package operate

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/callgate/callgate/internal/call"
	"github.com/callgate/callgate/internal/destination"
	"github.com/callgate/callgate/internal/store"
	"github.com/callgate/callgate/internal/template"
)

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
		if f, _ := call.FieldOf(name); f != "" && !strings.Contains(name, ".") {
			field, _ := scope.Lookup(f)
			if own, _ := scope.Lookup("params." + name); fmt.Sprint(field) == fmt.Sprint(own) {
				continue // the field says it already
			}
		}
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
