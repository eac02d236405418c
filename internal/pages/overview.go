package pages

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/callgate/callgate/internal/operate"
)

var overviewPages = []page{
	{methods: get, pattern: "", operation: "Overview", nav: "Overview", serve: (*request).overview},
}

// overviewPage is the page that needs no looking for: what needs somebody, and how each destination stands.
type overviewPage struct {
	*operate.Overview
	Title   string
	Windows []tab
	Needs   []need
	Rows    []overviewRow
	// Fill is how full the store is, per cent, if that is bounded.
	Fill int
	// Every says of which time a part of a sparkline is.
	Every string
	// Refusals says how many requests were refused, and why; empty for none.
	Refusals string
}

type overviewRow struct {
	destinationRow
	View  *operate.DestinationView
	Spark spark
	// Oldest is for how long what waits longest waits; empty for nothing.
	Oldest string
}

// need is a line of what needs somebody: what happened, that nothing is lost, and what to do.
type need struct {
	Mark mark
	// Link is where the name leads; empty for none.
	Link string
	// What is said before the time since when, and Then after it.
	What  string
	Since time.Time
	Then  string
	// Detail is in the words of whoever said it.
	Detail string
	Do     []do
}

// do is something to do about a need. First is the likely one, and Ask that a question comes first.
type do struct {
	Name, Link string
	First, Ask bool
}

// windowNames are the windows of an overview.
var windowNames = []struct{ window, name, every string }{{"hour", "Hour", "5 minutes"}, {"day", "Day", "hour"}, {"week", "Week", "6 hours"}}

func (q *request) overview() error {
	s, err := q.service()
	if err != nil {
		return err
	}
	window := q.query().Get("window")
	o, err := s.Overview(q.ctx(), q.actor, operate.OverviewChoice{Window: window})
	if err != nil {
		return err
	}
	data := overviewPage{Overview: o, Refusals: refusedLine(o.Refused)}
	for _, w := range windowNames {
		link := q.link("")
		if w.window != "day" {
			link = addQuery(link, "window", w.window)
		}
		data.Windows = append(data.Windows, tab{Name: w.name, Link: link, Current: w.window == o.Window})
		if w.window == o.Window {
			data.Every = w.every
		}
	}
	data.Needs = q.needs(o.Needs)
	data.Title = needed(len(data.Needs))
	for i := range o.Destinations {
		d := &o.Destinations[i]
		row := overviewRow{destinationRow: q.destinationRow(&d.DestinationStatus), View: d, Spark: sparkOf(d.Buckets)}
		if d.Pending > 0 && !d.OldestPending.IsZero() {
			row.Oldest = lasted(max(o.At.Sub(d.OldestPending), 0))
		}
		if row.Mark.Shape == "ok" {
			row.Mark = worry(o.Needs, d.Name)
		}
		data.Rows = append(data.Rows, row)
	}
	if o.Store != nil && o.Store.MaxBytes > 0 {
		data.Fill = int(min(100*o.Store.Bytes/o.Store.MaxBytes, 100))
	}
	return q.show("overview", data.Title, data)
}

// needed is the title: how much there is to do.
func needed(n int) string {
	words := []string{"All is well", "One thing needs you", "Two things need you", "Three things need you", "Four things need you", "Five things need you"}
	if n < len(words) {
		return words[n]
	}
	return count(n) + " things need you"
}

// worry is how a destination stands in whose way nothing is, by what it needs somebody for.
func worry(list []operate.Need, destination string) mark {
	for i := range list {
		if list[i].Destination != destination {
			continue
		}
		switch list[i].Kind {
		case operate.NeedNotTaken:
			return mark{"dead", "takes nothing"}
		case operate.NeedLowSuccess, operate.NeedSlow, operate.NeedRetrySpike:
			return mark{"wait", "worth a look"}
		case operate.NeedWarning:
			return mark{"wait", "warns"}
		}
	}
	return mark{"ok", "well"}
}

// needs puts all of them into words. That a destination takes nothing, and that what it did not take was given up, is one thing.
func (q *request) needs(list []operate.Need) (lines []need) {
	given := map[string]int64{}
	for i := range list {
		if list[i].Kind == operate.NeedDead {
			given[list[i].Destination] = list[i].Count
		}
	}
	for i := range list {
		n := &list[i]
		l := q.need(n)
		switch {
		case n.Kind == operate.NeedNotTaken && n.Count == 0 && given[n.Destination] > 0:
			dead := q.need(&operate.Need{Kind: operate.NeedDead, Destination: n.Destination, Count: given[n.Destination]})
			l.Then, l.Do = sentence(dead.What)+" "+dead.Then+" "+hint(n.Status), dead.Do
			delete(given, n.Destination)
		case n.Kind == operate.NeedDead && given[n.Destination] == 0:
			continue
		}
		lines = append(lines, l)
	}
	firstOnly(lines)
	return lines
}

// need puts a need into words.
func (q *request) need(n *operate.Need) need {
	l := need{Mark: mark{"wait", plain(n.Destination)}, Since: n.Since}
	if n.Destination != "" {
		l.Link = q.link("destinations", n.Destination)
	}
	put := sentences[n.Kind]
	if put == nil {
		l.What = plain(strings.ReplaceAll(string(n.Kind), "_", " "))
	} else {
		put(q, n, &l)
	}
	return l
}

// firstOnly leaves one likely next step on the page: the first.
func firstOnly(list []need) {
	found := false
	for i := range list {
		for j := range list[i].Do {
			d := &list[i].Do[j]
			d.First, found = d.First && !found, found || d.First
		}
	}
}

// none says that waiting calls are not lost.
func none(n int64) string {
	switch n {
	case 0:
		return "No call waits for it."
	case 1:
		return "1 call waits and is not lost."
	}
	return count(n) + " calls wait, none is lost."
}

// hint asks what may be wrong where a destination answers with a status.
func hint(status int) string {
	switch {
	case status == http.StatusNotFound || status == http.StatusGone || status == http.StatusMethodNotAllowed:
		return "Was its address changed?"
	case status == http.StatusUnauthorized || status == http.StatusForbidden:
		return "Is its key or password still valid?"
	case status == http.StatusTooManyRequests:
		return "It asks for fewer calls at a time; a pace for it helps."
	case status >= 500:
		return "Whoever runs it has to mend it; then everything goes on by itself."
	case status == 0:
		return "Does it run, and can it be reached from here?"
	}
	return "Did it change what it takes?"
}

// listOf is the list of what a destination has in a state.
func (q *request) listOf(list, destination, state string) string {
	return about(destination, state).address(q.link(list))
}

// everything is the question before something is done to what a destination has in a state.
func (q *request) everything(action, destination, state, back string) string {
	return withQuery(q.link("act", action), url.Values{"q": {about(destination, state).public()}, "back": {back}})
}

// about is the search for what a destination has in a state; an empty one is any.
func about(destination, state string) *search {
	s := &search{terms: []term{{"destination", "destination", destination}}, zone: time.UTC}
	if state != "" {
		s.terms = append(s.terms, term{"state", "state", state})
	}
	return s
}

// sentences put each kind of need into words.
var sentences = map[operate.NeedKind]func(q *request, n *operate.Need, l *need){
	operate.NeedNotTaken: func(q *request, n *operate.Need, l *need) {
		l.Mark.Shape, l.What = "dead", "does not answer"
		if n.Status != 0 {
			l.What = "answers " + statusText(n.Status)
		}
		l.Then = none(n.Count) + " " + hint(n.Status)
		l.Detail = beyond(n.Status, n.Reason, 200)
		if n.Count > 0 {
			l.Do = append(l.Do, do{Name: "Look at them", Link: q.listOf("deliveries", n.Destination, "pending")})
			if q.may("SendNow") {
				l.Do = append(l.Do, do{Name: "Try now", Link: q.everything("send", n.Destination, "pending", q.link("")), First: true, Ask: true})
			}
		}
	},
	operate.NeedDead: func(q *request, n *operate.Need, l *need) {
		l.Mark.Shape = "dead"
		l.What, l.Then = plural(int(n.Count), "delivery")+" given up", "The calls are kept until somebody sends them again."
		l.Do = append(l.Do, do{Name: "See why", Link: q.listOf("deliveries", n.Destination, "dead"), First: !q.may("Replay")})
		if q.may("Replay") {
			l.Do = append(l.Do, do{Name: "Send again", Link: q.everything("replay", n.Destination, "dead", q.link("")), First: true, Ask: true})
		}
	},
	operate.NeedTrouble: func(_ *request, n *operate.Need, l *need) {
		l.Mark.Shape, l.What, l.Then, l.Detail = "dead", "cannot be sent to, because the gateway itself is in trouble", none(n.Count), plain(n.Reason)
	},
	operate.NeedUnknownName: func(q *request, n *operate.Need, l *need) {
		l.Mark.Shape, l.What = "dead", plural(int(n.Count), "delivery")+" for a name that the configuration does not know"
		l.Then, l.Detail = "They are kept, none is lost. Put the name back, or cancel them.", plain(n.Reason)
		l.Do = append(l.Do, do{Name: "Look at them", Link: q.listOf("deliveries", n.Destination, "pending")})
	},
	operate.NeedDiskLow: func(_ *request, n *operate.Need, l *need) {
		l.Mark = mark{"dead", "The disk"}
		l.What = fmt.Sprintf("has %s free, and should have %s", size(int64(n.Value)), size(int64(n.Threshold)))
		l.Then = "When it is full, calls are refused, and their senders have to send them again. Make room on it."
	},
	operate.NeedStoreFull: func(_ *request, n *operate.Need, l *need) {
		l.Mark = mark{"dead", "The store"}
		l.What = fmt.Sprintf("has %s of the %s that it may have", size(int64(n.Value)), size(int64(n.Threshold)))
		l.Then = "Then what was delivered loses its content first; when nothing of that is left, calls are refused. Raise max_size, or keep events for less long."
	},
	operate.NeedFaultyTenant: func(_ *request, n *operate.Need, l *need) {
		l.Mark = mark{"dead", plain(n.Tenant)}
		l.What, l.Then = "is left out, because there is a mistake in its settings", "Its calls are refused until that is mended; the gateway's log says what is wrong."
	},
	operate.NeedLowSuccess: func(q *request, n *operate.Need, l *need) {
		l.What = fmt.Sprintf("took %s of what was sent in the last hour", percent(n.Value/100))
		l.Then = fmt.Sprintf("Under %s it is worth a look. What failed is sent again.", percent(n.Threshold/100))
		l.Do = append(l.Do, do{Name: "Look", Link: l.Link, First: true})
	},
	operate.NeedSlow: func(_ *request, n *operate.Need, l *need) {
		l.What = fmt.Sprintf("takes up to %s for 95 of 100 calls in the last hour", took(n.Value))
		l.Then = fmt.Sprintf("Over %s it is worth a look at the receiver. Nothing is lost.", took(n.Threshold))
		l.Do = append(l.Do, do{Name: "Look", Link: l.Link, First: true})
	},
	operate.NeedRetrySpike: func(q *request, n *operate.Need, l *need) {
		l.What = fmt.Sprintf("needs %.0f times as many retries as usual in the last hour", n.Value)
		l.Then = "What failed is sent again. Is something wrong with the receiver?"
		l.Do = append(l.Do, do{Name: "Look", Link: l.Link, First: true})
	},
	operate.NeedWarning: func(_ *request, n *operate.Need, l *need) {
		l.What, l.Detail = "takes calls with a warning", plain(n.Reason)
		l.Then = plural(int(n.Count), "delivery") + " went so."
		l.Do = append(l.Do, do{Name: "Look", Link: l.Link, First: true})
	},
	operate.NeedCheckpointLate: func(_ *request, n *operate.Need, l *need) {
		l.Mark.Word, l.What = plain(n.Name), "takes no checkpoints of the audit log"
		l.Then, l.Detail = plural(int(n.Count), "record")+" are in none that it has. They are kept here.", plain(n.Reason)
	},
	operate.NeedTestMode: func(_ *request, _ *operate.Need, l *need) {
		l.Mark.Shape, l.What, l.Then = "off", "is in test mode", "Calls are taken in and made ready, and nothing is sent."
	},
	operate.NeedPaused: func(q *request, n *operate.Need, l *need) {
		l.Mark.Shape, l.What, l.Then, l.Detail = "off", "is paused by hand", none(n.Count), plain(n.Reason)
		if q.may("Resume") {
			l.Do = append(l.Do, do{Name: "Resume", Link: q.link("destinations", n.Destination, "resume"), First: true, Ask: true})
		}
	},
	operate.NeedSecretUnused: func(_ *request, n *operate.Need, l *need) {
		l.Mark = mark{"wait", plain(n.Tenant)}
		l.What = fmt.Sprintf("does not use secret %s of %s", plain(n.Name), plain(n.Source))
		if n.Since.IsZero() {
			l.What += ", since the gateway began"
		}
		l.Then = "It uses another one, so that this one can be taken out."
	},
}
