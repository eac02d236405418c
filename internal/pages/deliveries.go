package pages

import (
	"strings"

	"github.com/callgate/callgate/internal/operate"
	"github.com/callgate/callgate/internal/store"
)

var deliveryPages = []page{
	{methods: get, pattern: "deliveries", operation: "Deliveries", nav: "Deliveries", serve: (*request).deliveries},
}

// deliveryList is what the page of deliveries shows.
type deliveryList struct {
	Search searchBox
	Tabs   []tab
	State  string
	Groups []group
	// Partial tells that only the newest are counted.
	Partial bool
	Rows    []deliveryRow
	Pager   pager
	Back    string
	// Act tells that rows can be chosen.
	Act                                   bool
	MayReplay, MaySend, MayCancel         bool
	ReplayAll, SendAll, CancelAll, Caller string
}

type tab struct {
	Name, Link string
	Current    bool
	// Count is how many there are, if that is counted.
	Count   int64
	Counted bool
}

// group are deliveries to one destination that wait or are dead for one reason.
type group struct {
	store.Group
	// Look is the list of its events, and Act the question before something is done to them, which Does names; empty for
	// those who may not.
	Look, Act, Does string
}

type deliveryRow struct {
	operate.DeliveryRow
	Mark mark
	Says string
}

// states are the tabs.
var states = []struct{ name, state string }{{"Dead", "dead"}, {"Waiting", "pending"}, {"Delivered", "delivered"}, {"All", ""}}

// deliveries lists deliveries, newest first, and the dead ones by what was wrong with them.
func (q *request) deliveries() error {
	s, err := q.service()
	if err != nil {
		return err
	}
	v := q.query()
	sought, err := q.searched(v)
	if err != nil {
		return err
	}
	if !v.Has("q") && !v.Has("with") { // what needs somebody
		sought.terms = []term{{"state", "state", "dead"}}
	}
	f, hidden, err := q.filter(sought)
	if err != nil {
		return err
	}
	list, err := s.Deliveries(q.ctx(), q.actor, operate.Listing{Filter: f, Before: v.Get("before"), Limit: eventRows})
	if err != nil {
		return err
	}
	data := deliveryList{
		Search: q.searchBox(sought, hidden, "deliveries"), State: f.State, Pager: q.pagerOf(list.Next), Back: q.here(),
		MayReplay: q.may("Replay") && f.State != "pending", MaySend: q.may("SendNow") && (f.State == "pending" || f.State == ""),
		MayCancel: q.may("Cancel") && (f.State == "pending" || f.State == ""),
	}
	data.Act = len(list.Deliveries) > 0 && (data.MayReplay || data.MaySend)
	q.actOnAll(&data, sought)
	for _, t := range states {
		other := sought.without("state")
		if t.state != "" {
			other.terms = append(other.terms, term{"state", "state", t.state})
		}
		link := other.address(q.link("deliveries"))
		if t.state == "" && len(other.terms) == 0 {
			link = addQuery(link, "q", "")
		}
		data.Tabs = append(data.Tabs, tab{Name: t.name, Link: link, Current: t.state == f.State})
	}
	for i := range list.Deliveries {
		d := &list.Deliveries[i]
		data.Rows = append(data.Rows, deliveryRow{*d, markOf(d.State, d.Leased), known(d)})
	}
	if err := q.count(&data, s, sought, f); err != nil {
		return err
	}
	return q.show("deliveries", "Deliveries", data)
}

// actOnAll sets the questions before something is done to everything that matches.
func (q *request) actOnAll(data *deliveryList, sought *search) {
	if !data.Act {
		return
	}
	if data.State == "pending" {
		data.SendAll, data.CancelAll = q.actAll("send", sought), q.actAll("cancel", sought)
		return
	}
	data.ReplayAll = q.actAll("replay", sought)
}

// known says of a delivery in a list what there is to say.
func known(d *operate.DeliveryRow) string {
	switch {
	case d.State == store.Pending && !d.Leased && d.Reason == "":
		return waits(d)
	case d.Reason != "" || d.LastStatus != 0 && d.State != store.Delivered:
		return answered(d.LastStatus, d.Reason, "", 160)
	}
	return plain(d.RemoteID)
}

// count counts what matches by state, for the tabs, and puts together what waits or is dead by where it goes and what is wrong.
func (q *request) count(data *deliveryList, s *operate.Service, sought *search, f operate.Filter) error {
	any := f
	any.State = ""
	facets, err := s.Facets(q.ctx(), q.actor, any)
	if err != nil {
		return err
	}
	data.Partial = facets.Partial
	for i := range data.Tabs {
		if state := store.State(states[i].state); state != "" && !facets.Partial {
			data.Tabs[i].Count, data.Tabs[i].Counted = facets.States[state], true
		}
	}
	for _, found := range facets.Groups {
		if string(found.State) != f.State || found.Reason == "" && found.State == store.Pending {
			continue
		}
		of := sought.without("destination").without("reason")
		of.terms = append(of.terms, term{"destination", "destination", found.Destination})
		if found.Reason != "" {
			of.terms = append(of.terms, term{"reason", "reason", partOf(found.Reason)})
		}
		g := group{Group: found, Look: of.address(q.link("events"))}
		if found.State == store.Dead && q.may("Replay") {
			g.Act, g.Does = q.actAll("replay", of), "Send again…"
		} else if found.State == store.Pending && q.may("SendNow") {
			g.Act, g.Does = q.actAll("send", of), "Send now…"
		}
		data.Groups = append(data.Groups, g)
	}
	return nil
}

// partOf is a part of a reason that can be searched for: the longest without quotes and control characters, which cannot stand
// in a search.
func partOf(reason string) string {
	const most = 200
	best := ""
	for _, part := range strings.FieldsFunc(reason, func(r rune) bool { return r == '"' || r < ' ' || r == 0x7f || r == 0xfffd }) {
		if part = strings.TrimSpace(part); len(part) > len(best) {
			best = part
		}
	}
	if len(best) > most {
		best = strings.ToValidUTF8(best[:most], "") // a character may have been cut in two
	}
	return strings.TrimSpace(best)
}
