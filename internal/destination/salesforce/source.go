package salesforce

import (
	"fmt"
	"strings"
	"time"

	"github.com/callgate/callgate/internal/destination"
	"github.com/callgate/callgate/internal/template"
)

// source is a Field, prepared.
type source struct {
	Field
	from     []string
	template *template.Field
}

// fromCall says that the value depends on the call.
func (s *source) fromCall() bool { return s.from != nil || s.template != nil }

func prepare(fields []Field, zone *time.Location, region string) ([]source, error) {
	out := make([]source, len(fields))
	for i, f := range fields {
		s := source{Field: f}
		if inner, ok := soleVariable(f.From); ok {
			for n := range strings.SplitSeq(inner, "|") {
				if n = strings.TrimSpace(n); n != "" {
					s.from = append(s.from, n)
				}
			}
		} else {
			var err error
			if s.template, err = template.CompileField(f.From, template.Options{Name: "field " + f.Name, Zone: zone, Region: region, List: ";"}); err != nil {
				return nil, fmt.Errorf("%w: %w", ErrConfig, err)
			}
		}
		out[i] = s
	}
	return out, nil
}

// soleVariable returns what stands in from if that is variables only: "a", "a|b" or "{{a}}".
func soleVariable(from string) (inner string, ok bool) {
	if !strings.Contains(from, "{{") {
		return from, true
	}
	inner, ok = strings.CutPrefix(strings.TrimSpace(from), "{{")
	if !ok {
		return "", false
	}
	inner, ok = strings.CutSuffix(inner, "}}")
	return inner, ok && !strings.ContainsAny(inner, "{}|")
}

// value is what the call has for the field; empty when it has nothing.
func (s *source) value(it *destination.Item) (text string, raw bool) {
	for _, name := range s.from {
		if text, raw = lookup(it, name); text != "" {
			return text, raw
		}
	}
	if s.template == nil {
		return "", false
	}
	return s.template.Value((*variables)(it)), false
}

// variables are an item's variables as templates see them.
type variables destination.Item

// Lookup is lookup, with empty values missing, and lists as they are.
func (v *variables) Lookup(name string) (any, bool) {
	it := (*destination.Item)(v)
	text, _ := lookup(it, name)
	if value, _ := it.Call.Lookup(name); text != "" {
		if list, ok := value.([]any); ok {
			return list, true
		}
	}
	return text, text != ""
}
