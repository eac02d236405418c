package pages

import (
	"slices"
	"strings"
	"unicode"

	"github.com/callgate/callgate/internal/operate"
	"github.com/callgate/callgate/internal/store"
)

var eventPages = []page{
	{methods: get, pattern: "events", operation: "Events", nav: "Events", serve: (*request).events},
	{methods: post, pattern: "events/search", operation: "Events", section: "events", serve: (*request).searchEvents},
	{methods: get, pattern: "events/{id}", operation: "Event", section: "events", serve: (*request).event},
}

// eventRows is how many events are on a page.
const eventRows = 50

// eventList is what the page of events shows.
type eventList struct {
	Search searchBox
	Rows   []eventRow
	Pager  pager
	// Live is the address of the stream that tells of new ones; empty where the list is none of the newest.
	Live string
	// Act tells that rows can be chosen, for what the fields say.
	Act, MayReplay, MaySend, MayCancel, MayErase bool
	// ReplayAll and EraseAll are the questions before something is done to everything that matches.
	ReplayAll, EraseAll string
	// Back is where actions lead back to.
	Back string
}

// searchBox is the box, with what is searched for.
type searchBox struct {
	Action, Text, With, Hidden string
	// Any tells that something is searched for. Chips are what the box does not show, each with the search without it.
	Any     bool
	Chips   []chip
	Suggest []string
	Help    [][2]string
}

type chip struct{ Text, Without string }

type eventRow struct {
	store.EventInfo
	Title, Caller string
	Mark          mark
}

// events lists events, newest first.
func (q *request) events() error {
	s, err := q.service()
	if err != nil {
		return err
	}
	sought, err := q.searched(q.query())
	if err != nil {
		return err
	}
	f, hidden, err := q.filter(sought)
	if err != nil {
		return err
	}
	before := q.query().Get("before")
	list, err := s.Events(q.ctx(), q.actor, operate.Listing{Filter: f, Before: before, Limit: eventRows, Callers: true})
	if err != nil {
		return err
	}
	data := eventList{
		Search: q.searchBox(sought, hidden, "events"), Pager: q.pagerOf(list.Next), Back: q.here(),
		MayReplay: q.may("Replay"), MaySend: q.may("SendNow"), MayCancel: q.may("Cancel"), MayErase: q.may("Erase"),
	}
	data.Act = len(list.Events) > 0 && (data.MayReplay || data.MayErase)
	if data.Act && data.MayReplay && f.State != string(store.Pending) {
		data.ReplayAll = q.actAll("replay", sought)
	}
	if data.Act && data.MayErase {
		data.EraseAll = q.actAll("erase", sought)
	}
	if before == "" {
		data.Live = q.tailOf(&f)
		q.addScript("live.js")
	}
	for i := range list.Events {
		e := &list.Events[i]
		data.Rows = append(data.Rows, eventRow{*e, titleOf(e.EventType), list.Callers[e.ID], overall(e.States)})
		for _, t := range []term{{"tenant", "tenant", e.Tenant}, {"source", "source", e.Source}, {"type", "event_type", e.EventType}} {
			if t.value != "" && short(60, t.value) == t.value && !slices.Contains(data.Search.Suggest, t.String()) {
				data.Search.Suggest = append(data.Search.Suggest, t.String())
			}
		}
	}
	return q.show("events", "Events", data)
}

// actAll is the address of the question before something is done to everything that a search finds.
func (q *request) actAll(action string, s *search) string {
	to := s.address(q.link("act", action))
	if !strings.Contains(to, "?q=") {
		to = addQuery(to, "q", s.public())
	}
	return addQuery(to, "back", q.here())
}

// tailOf is the stream that tells of what a filter selects, as far as streams can be narrowed; see operate.TailMembers.
func (q *request) tailOf(f *operate.Filter) string {
	v := map[string][]string{}
	for _, name := range operate.TailMembers {
		v[name] = []string{*f.Parameter(name)}
	}
	return withQuery(q.ui.o.Prefix+"api/tail", v)
}

// searchEvents takes a search from the box to its address, in which nothing of a caller stands.
func (q *request) searchEvents() error {
	form, err := q.form()
	if err != nil {
		return err
	}
	sought, err := q.searched(form)
	if err != nil {
		return err
	}
	if err := q.hide(sought); err != nil {
		return err
	}
	if one := sought.terms; len(one) == 1 && one[0].member == "event" && sought.with == "" {
		return q.redirect(q.link("events", one[0].value))
	}
	to := "events"
	if form.Get("in") == "deliveries" {
		to = "deliveries"
	}
	return q.redirect(sought.address(q.link(to)))
}

// searchBox is the box of a list.
func (q *request) searchBox(s *search, hidden, list string) searchBox {
	b := searchBox{Action: list, Text: s.public(), With: s.with, Hidden: hidden}
	b.Any = len(s.terms) > 0 || hidden != ""
	if hidden != "" {
		less := *s
		less.with = ""
		b.Chips = append(b.Chips, chip{hidden, less.address(q.link(list))})
	}
	b.Suggest = q.suggestions()
	for _, one := range qualifiers {
		b.Help = append(b.Help, [2]string{one.name + ":", one.help})
	}
	return b
}

// suggestions are searches that are offered as one types.
func (q *request) suggestions() []string {
	all := []string{"state:dead", "state:waiting", "state:delivered", "since:today", "since:yesterday", "since:2h", "since:7d", "failed:2h"}
	s, err := q.service()
	if err != nil {
		return all
	}
	list, err := s.Destinations(q.ctx(), q.actor)
	if err != nil {
		return all // the box works without
	}
	for i := range list.Destinations {
		all = append(all, term{"destination", "destination", list.Destinations[i].Name}.String())
	}
	return slices.Compact(all)
}

// titleOf is the type of an event as a title.
func titleOf(eventType string) string {
	words := strings.FieldsFunc(short(40, eventType), func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) })
	if len(words) == 0 {
		return "Call"
	}
	text := strings.ToLower(strings.Join(words, " "))
	return strings.TrimSuffix(sentence(text), ".")
}
