package pages

import (
	"cmp"
	"net/http"
	"slices"
	"strings"

	"github.com/callgate/callgate/internal/operate"
	"github.com/callgate/callgate/internal/source"
)

var tryPages = []page{
	{methods: getPost, pattern: "try", operation: "TestDestination", section: "destinations", serve: (*request).try},
}

// tried is a request of a test as a page shows it.
type tried struct {
	operate.TestedRequest
	Headers []field
}

// try asks to which destination a test is to be sent and with what, sends it, and shows what came back.
func (q *request) try() error {
	s, err := q.service()
	if err != nil {
		return err
	}
	v := q.query()
	if q.r.Method == http.MethodPost {
		if v, err = q.form(); err != nil {
			return err
		}
	}
	data := struct {
		Destinations       []string
		Destination, Event string
		Presets            []source.Preset
		Source             string
		Sent               *operate.TestSent
		Mark               mark
		Requests           []tried
	}{Destination: v.Get("destination"), Event: v.Get("event"), Source: cmp.Or(v.Get("source"), "nextphone"), Presets: source.Presets()}
	list, err := s.Destinations(q.ctx(), q.actor)
	if err != nil {
		return err
	}
	for _, d := range list.Destinations {
		if d.Known {
			data.Destinations = append(data.Destinations, d.Name)
		}
	}
	if q.r.Method != http.MethodPost {
		return q.show("try", "Send a test", data)
	}
	if !slices.Contains(data.Destinations, data.Destination) {
		return notFound("there is no such destination in force")
	}
	in := operate.TestSending{Sample: operate.Sample{Source: data.Source, Event: strings.TrimSpace(data.Event)}}
	if in.Event != "" {
		in.Source = "" // the event's
	}
	if data.Sent, err = s.TestDestination(q.ctx(), q.actor, data.Destination, in); err != nil {
		return err
	}
	data.Mark = map[string]mark{"delivered": {"ok", "it was taken"}, "dead": {"dead", "it was refused for good"}}[data.Sent.Outcome]
	if data.Mark.Word == "" {
		data.Mark = mark{"wait", "it was not taken; a call would be tried again"}
	}
	for _, r := range data.Sent.Requests {
		t := tried{TestedRequest: r}
		for name, values := range r.Header {
			t.Headers = append(t.Headers, field{name, strings.Join(values, ", ")})
		}
		slices.SortFunc(t.Headers, func(a, b field) int { return strings.Compare(a.Name, b.Name) })
		data.Requests = append(data.Requests, t)
	}
	return q.show("try", "What came back", data)
}
