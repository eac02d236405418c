package pages

import (
	"github.com/callgate/callgate/internal/delivery"
)

var overviewPages = []page{
	{methods: get, pattern: "", operation: "Destinations", nav: "Overview", serve: (*request).overview},
}

// overview is the page that needs no looking for: what needs somebody, and how each destination stands.
func (q *request) overview() error {
	s, err := q.service()
	if err != nil {
		return err
	}
	list, err := s.Destinations(q.ctx(), q.actor)
	if err != nil {
		return err
	}
	data := struct {
		Title        string
		Destinations []destinationRow
	}{Title: "All is well"}
	for i := range list.Destinations {
		data.Destinations = append(data.Destinations, destinationRow{list.Destinations[i], standing(&list.Destinations[i])})
	}
	return q.show("overview", data.Title, data)
}

type destinationRow struct {
	delivery.DestinationStatus
	Mark mark
}

// standing is how a destination stands.
func standing(d *delivery.DestinationStatus) mark {
	switch {
	case !d.Known:
		return mark{"dead", "not configured"}
	case d.Paused:
		return mark{"off", "paused by hand"}
	case d.Held != "":
		return mark{"dead", "held"}
	case d.Trouble != "":
		return mark{"dead", "in trouble"}
	case d.Breaker == "open":
		return mark{"dead", "not answering"}
	case d.Breaker == "half-open":
		return mark{"wait", "being tried"}
	}
	return mark{"ok", "well"}
}
