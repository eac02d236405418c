package httpdest

import (
	"context"
	"errors"
	"strings"

	"github.com/callgate/callgate/internal/destination"
	"github.com/callgate/callgate/internal/template"
)

// Placeholder stands in a preview for what a step keeps of an answer that nobody has got: STEP_CONTACT_ID for the id of
// the step contact.
func Placeholder(step, name string) string {
	return strings.Map(func(r rune) rune {
		if r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' {
			return r
		}
		return '_'
	}, strings.ToUpper("step_"+step+"_"+name))
}

// Preview renders the requests of all steps as they are when nothing was carried out yet, every answer is the expected one
// and nothing is found, with a Placeholder for each value of an answer.
func (c *Chain) Preview(items []destination.Item) ([]destination.Request, error) {
	var requests []destination.Request
	for _, item := range items {
		item.Steps = make(map[string]string)
		for _, s := range c.steps {
			if !s.wanted(context.Background(), &item) {
				continue
			}
			list, err := s.preview(item)
			if errors.Is(err, template.ErrType) { // a number is wanted, or yes or no
				list, err = s.preview(withZeros(item))
			}
			if err != nil {
				return nil, s.within(err)
			}
			requests = append(requests, list...)
			for _, k := range s.Keep {
				item.Steps[s.Name+"."+k.Name] = Placeholder(s.Name, k.Name)
			}
		}
	}
	return requests, nil
}

// withZeros is an item with 0 for what the steps before keep.
func withZeros(item destination.Item) destination.Item {
	zeros := make(map[string]string, len(item.Steps))
	for name := range item.Steps {
		zeros[name] = "0"
	}
	item.Steps = zeros
	return item
}

func (s *step) preview(item destination.Item) (list []destination.Request, err error) {
	note := s.where()
	if s.Find != nil {
		r, err := s.Find.destination.show(item, "")
		if err != nil {
			return nil, err
		}
		r.Note = note + "looks whether it is there; then the step is done"
		list = append(list, r)
		note += "if nothing is found"
	}
	r, err := s.destination.show(item, s.id(&item))
	if err != nil {
		return nil, err
	}
	var kept []string
	for _, k := range s.Keep {
		kept = append(kept, Placeholder(s.Name, k.Name)+" is "+k.Value.String()+" of its answer")
	}
	if text := strings.Join(kept, ", "); text != "" {
		if note != s.where() {
			note += "; "
		}
		note += text
	}
	r.Note = strings.TrimSuffix(note, ": ")
	list = append(list, r)
	if s.Poll == nil {
		return list, nil
	}
	ask, err := s.askFor(context.Background(), item, r.URL)
	if err != nil {
		return nil, err
	}
	s.destination.mask(ask.Header)
	return append(list, destination.Request{
		Method: ask.Method, URL: askPlace, Header: ask.Header,
		Note: s.where() + "if the answer is 202, until the outcome is there; the URL stands in the answer before",
	}), nil
}
