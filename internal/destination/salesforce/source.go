package salesforce

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/callgate/callgate/internal/destination"
	"github.com/callgate/callgate/internal/template"
)

// source is a Field, prepared.
type source struct {
	Field
	from []string
	// strict fails when a variable is missing; lenient leaves it out.
	strict, lenient *template.Template
}

// fromCall says that the value depends on the call.
func (s *source) fromCall() bool { return s.from != nil || s.strict != nil }

func prepare(fields []Field, zone *time.Location) ([]source, error) {
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
			name := "field " + f.Name
			var err error
			if s.strict, err = template.Compile(f.From, template.Text, template.Options{Name: name, Policy: template.Strict, Zone: zone}); err != nil {
				return nil, fmt.Errorf("%w: %w", ErrConfig, err)
			}
			if s.lenient, err = template.Compile(f.From, template.Text, template.Options{Name: name, Zone: zone}); err != nil {
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
	if s.strict == nil {
		return "", false
	}
	vars := (*variables)(it)
	b, err := s.strict.Append(nil, vars)
	if errors.Is(err, template.ErrMissing) {
		known := false
		for _, name := range s.strict.Variables() {
			_, ok := vars.Lookup(name)
			known = known || ok
		}
		if !known {
			return "", false // "Called about " is nothing worth sending
		}
		b, err = s.lenient.Append(nil, vars)
	}
	if err != nil {
		return "", false
	}
	return strings.TrimSpace(string(b)), false
}

// variables are an item's variables as templates see them.
type variables destination.Item

// Lookup is lookup, with empty values missing.
func (v *variables) Lookup(name string) (any, bool) {
	text, _ := lookup((*destination.Item)(v), name)
	return text, text != ""
}
