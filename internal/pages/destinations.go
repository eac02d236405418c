package pages

import (
	"net/http"
	"slices"
	"strings"

	"github.com/callgate/callgate/internal/delivery"
	"github.com/callgate/callgate/internal/operate"
)

var destinationPages = []page{
	{methods: get, pattern: "destinations", operation: "Destinations", nav: "Destinations", serve: (*request).destinations},
	{methods: get, pattern: "destinations/{name}", operation: "Destinations", section: "destinations", serve: (*request).destination},
	{methods: getPost, pattern: "destinations/{name}/pause", operation: "Pause", section: "destinations", serve: (*request).pause},
	{methods: getPost, pattern: "destinations/{name}/resume", operation: "Resume", section: "destinations", serve: (*request).resume},
}

// destinationRow is a destination in a list.
type destinationRow struct {
	delivery.DestinationStatus
	Mark mark
	// Says says what stands in the way, in words.
	Says string
	// Pause and Resume are the addresses of what can be done; empty for what cannot, or for those who may not.
	Pause, Resume string
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
	case d.TestMode:
		return mark{"off", "test mode"}
	}
	return mark{"ok", "well"}
}

// obstacle says what stands between a destination and its calls.
func obstacle(d *delivery.DestinationStatus) string {
	reason := func(text string) string {
		if text == "" {
			return "."
		}
		return ": " + sentence(plain(text))
	}
	switch {
	case !d.Known:
		return "The configuration does not know it any more. What waits for it is kept until one does, or until somebody cancels it."
	case d.Paused:
		return "Somebody paused it" + reason(d.PauseReason)
	case d.Held != "":
		return "It takes no call, so nothing is sent but a try now and then" + reason(d.Held)
	case d.Trouble != "":
		return "The gateway itself is in trouble" + reason(d.Trouble)
	case d.Breaker == "open":
		return "It did not answer several times in a row, so it is left alone for a while and tried then."
	case d.Breaker == "half-open":
		return "It is being tried whether it is back."
	case d.TestMode:
		return "It is in test mode: nothing leaves."
	}
	return ""
}

func (q *request) destinationRow(d *delivery.DestinationStatus) destinationRow {
	row := destinationRow{DestinationStatus: *d, Mark: standing(d), Says: obstacle(d)}
	if q.may("Pause") && !d.Paused && d.Known {
		row.Pause = q.link("destinations", d.Name, "pause")
	}
	if q.may("Resume") && d.Paused {
		row.Resume = q.link("destinations", d.Name, "resume")
	}
	return row
}

// destinations lists them.
func (q *request) destinations() error {
	s, err := q.service()
	if err != nil {
		return err
	}
	list, err := s.Destinations(q.ctx(), q.actor)
	if err != nil {
		return err
	}
	var rows []destinationRow
	for i := range list.Destinations {
		rows = append(rows, q.destinationRow(&list.Destinations[i]))
	}
	return q.show("destinations", "Destinations", struct{ Rows []destinationRow }{rows})
}

// find is the destination of the address.
func (q *request) find(s *operate.Service) (*delivery.DestinationStatus, error) {
	list, err := s.Destinations(q.ctx(), q.actor)
	if err != nil {
		return nil, err
	}
	i := slices.IndexFunc(list.Destinations, func(d delivery.DestinationStatus) bool { return d.Name == q.args[0] })
	if i < 0 {
		return nil, notFound("there is no such destination, or none that calls of yours go to")
	}
	return &list.Destinations[i], nil
}

// destination shows one.
func (q *request) destination() error {
	s, err := q.service()
	if err != nil {
		return err
	}
	d, err := q.find(s)
	if err != nil {
		return err
	}
	dead := &search{terms: []term{{"destination", "destination", d.Name}, {"state", "state", "dead"}}}
	waiting := &search{terms: []term{{"destination", "destination", d.Name}, {"state", "state", "waiting"}}}
	all := &search{terms: []term{{"destination", "destination", d.Name}}}
	data := struct {
		destinationRow
		Dead, Waiting, All string
		// Replay and Now are the questions before what is dead, or waits, is sent; Build is the builder with it.
		Replay, Now, Build string
	}{
		destinationRow: q.destinationRow(d),
		Dead:           dead.address(q.link("deliveries")), Waiting: waiting.address(q.link("deliveries")), All: all.address(q.link("events")),
	}
	if q.may("Replay") && d.Dead > 0 {
		data.Replay = q.actAll("replay", dead)
	}
	if q.may("SendNow") && d.Pending > 0 {
		data.Now = q.actAll("send", all)
	}
	data.Build = q.buildLink(d.Name, "")
	return q.show("destination", d.Name, data)
}

// pause asks why a destination is to be paused, and pauses it.
func (q *request) pause() error {
	name, back := q.args[0], q.link("destinations", q.args[0])
	s, err := q.service()
	if err != nil {
		return err
	}
	if q.r.Method != http.MethodPost {
		if _, err := q.find(s); err != nil {
			return err
		}
		return q.show("ask", "Pause "+plain(name)+"?", question{
			Title: "Pause " + plain(name) + "?", Button: "Pause", Action: q.link("destinations", name, "pause"), Back: back,
			Text:   "Calls are still taken in. They wait until somebody resumes the destination, also over restarts. None is lost.",
			Reason: "Why?", Hint: "Whoever finds it paused reads this, such as: the CRM is being moved until noon.",
		})
	}
	form, err := q.form()
	if err != nil {
		return err
	}
	if _, err := s.Pause(q.ctx(), q.actor, name, strings.TrimSpace(form.Get("reason"))); err != nil {
		return err
	}
	return q.done(back, plain(name)+" is paused. Its calls wait.")
}

// resume asks whether a destination is to be resumed, and resumes it.
func (q *request) resume() error {
	name, back := q.args[0], q.link("destinations", q.args[0])
	s, err := q.service()
	if err != nil {
		return err
	}
	if q.r.Method != http.MethodPost {
		d, err := q.find(s)
		if err != nil {
			return err
		}
		return q.show("ask", "Resume "+plain(name)+"?", question{
			Title: "Resume " + plain(name) + "?", Button: "Resume", Action: q.link("destinations", name, "resume"), Back: back,
			Text: "The " + plural(int(d.Pending), "call") + " that wait will be sent, at the destination's own pace.",
		})
	}
	if _, err := s.Resume(q.ctx(), q.actor, name); err != nil {
		return err
	}
	return q.done(back, plain(name)+" goes on.")
}
