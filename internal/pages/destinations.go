package pages

import (
	"net/http"
	"net/url"
	"strings"

	"github.com/callgate/callgate/internal/delivery"
	"github.com/callgate/callgate/internal/operate"
)

var destinationPages = []page{
	{methods: get, pattern: "destinations", operation: "Destinations", nav: "Destinations", serve: (*request).destinations},
	{methods: get, pattern: "destinations/{name}", operation: "Destination", section: "destinations", serve: (*request).destination},
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
	// What the overview says of one, its line here does not contradict.
	o, err := s.Overview(q.ctx(), q.actor, operate.OverviewChoice{})
	if err != nil {
		return err
	}
	var rows []destinationRow
	for i := range list.Destinations {
		row := q.destinationRow(&list.Destinations[i])
		if row.Mark.Shape == "ok" {
			row.Mark = worry(o.Needs, row.Name)
		}
		rows = append(rows, row)
	}
	data := struct {
		Rows []destinationRow
		// Cluster is the page that tells which gateway delivers where; empty for those who may not.
		Cluster string
	}{Rows: rows}
	if q.may("Cluster") {
		data.Cluster = q.link("cluster")
	}
	return q.show("destinations", "Destinations", data)
}

// destinationPage is what the page of one shows.
type destinationPage struct {
	destinationRow
	operate.Settings
	Dead, Waiting, All string
	// Replay and Now are the questions before what is dead, or waits, is sent.
	Replay, Now string
	// Build is the builder with it; empty for those who may not build.
	Build string
	// Try is where a test is sent to it; empty for those who may not.
	Try string
	// Day are its figures of the last day; nil where they are not counted.
	Day   *operate.DestinationView
	Spark spark
}

// destination shows one.
func (q *request) destination() error {
	s, err := q.service()
	if err != nil {
		return err
	}
	d, err := s.Destination(q.ctx(), q.actor, q.args[0])
	if err != nil {
		return err
	}
	data := destinationPage{
		destinationRow: q.destinationRow(&d.DestinationStatus), Settings: d.Settings,
		Dead: q.listOf("deliveries", d.Name, "dead"), Waiting: q.listOf("deliveries", d.Name, "pending"), All: q.listOf("events", d.Name, ""),
	}
	if q.may("Replay") && d.Dead > 0 {
		data.Replay = q.everything("replay", d.Name, "dead", q.here())
	}
	if q.may("SendNow") && d.Pending > 0 {
		data.Now = q.everything("send", d.Name, "pending", q.here())
	}
	if d.Known && q.may("TestDestination") {
		data.Try = q.link("try") + "?" + url.Values{"destination": {d.Name}}.Encode()
	}
	o, err := s.Overview(q.ctx(), q.actor, operate.OverviewChoice{})
	if err != nil {
		return err
	}
	for i := range o.Destinations {
		if o.Destinations[i].Name == d.Name {
			data.Day, data.Spark = &o.Destinations[i], sparkOf(o.Destinations[i].Buckets)
		}
	}
	if data.Mark.Shape == "ok" {
		data.Mark = worry(o.Needs, d.Name)
	}
	data.Build = q.buildLink(d.Name, "")
	return q.show("destination", plain(d.Name), data)
}

// pause asks why a destination is to be paused, and pauses it.
func (q *request) pause() error {
	name, back := q.args[0], q.link("destinations", q.args[0])
	s, err := q.service()
	if err != nil {
		return err
	}
	if q.r.Method != http.MethodPost {
		if _, err := s.Destination(q.ctx(), q.actor, name); err != nil {
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
		d, err := s.Destination(q.ctx(), q.actor, name)
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
