package pages

import (
	"cmp"
	"slices"
	"strings"
	"time"

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
	// Sampled is how many dead letters the groups are of, if there are more.
	Sampled int
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
}

// group are dead letters of one destination and one reason.
type group struct {
	Destination, Reason string
	Count               int
	Oldest, Newest      time.Time
	// Look is the list of its events, and Replay the question before it is sent again; empty for those who may not.
	Look, Replay string
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
		data.Tabs = append(data.Tabs, tab{t.name, link, t.state == f.State})
	}
	for i := range list.Deliveries {
		d := &list.Deliveries[i]
		data.Rows = append(data.Rows, deliveryRow{*d, markOf(d.State, d.Leased), known(d)})
	}
	if f.State == string(store.Dead) && v.Get("before") == "" && len(list.Deliveries) > 0 {
		if err := q.group(&data, s, sought, f); err != nil {
			return err
		}
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

// grouped is how many dead letters are looked at for groups.
const grouped = operate.MaxRows

// group puts dead letters together by where they went and what was wrong.
func (q *request) group(data *deliveryList, s *operate.Service, sought *search, f operate.Filter) error {
	list, err := s.Deliveries(q.ctx(), q.actor, operate.Listing{Filter: f, Limit: grouped})
	if err != nil {
		return err
	}
	if list.Next != "" {
		data.Sampled = len(list.Deliveries)
	}
	at := map[[2]string]int{}
	for i := range list.Deliveries {
		d := &list.Deliveries[i]
		key := [2]string{d.Destination, d.Reason}
		n, known := at[key]
		if !known {
			n = len(data.Groups)
			at[key] = n
			data.Groups = append(data.Groups, group{Destination: d.Destination, Reason: d.Reason, Oldest: d.UpdatedAt, Newest: d.UpdatedAt})
		}
		g := &data.Groups[n]
		g.Count++
		g.Oldest, g.Newest = earlier(g.Oldest, d.UpdatedAt), later(g.Newest, d.UpdatedAt)
	}
	slices.SortStableFunc(data.Groups, func(a, b group) int { return cmp.Compare(b.Count, a.Count) })
	for i := range data.Groups {
		g := &data.Groups[i]
		of := sought.without("destination").without("reason")
		of.terms = append(of.terms, term{"destination", "destination", g.Destination})
		if g.Reason != "" {
			of.terms = append(of.terms, term{"reason", "reason", partOf(g.Reason)})
		}
		g.Look = of.address(q.link("events"))
		if q.may("Replay") {
			g.Replay = q.actAll("replay", of)
		}
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

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}
