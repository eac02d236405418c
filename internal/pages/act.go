package pages

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strings"

	"github.com/callgate/callgate/internal/operate"
	"github.com/callgate/callgate/internal/operateapi"
)

// action is something that is done to what was chosen, after a question.
type action struct {
	operation string
	// title and button are of the question; what says what is done to how many.
	title, button string
	what          func(n int) string
	done          func(n int) string
	// none says why nothing would be done.
	none string
	// grave tells that it cannot be undone.
	grave bool
	// run carries it out, or counts.
	run func(ctx context.Context, s *operate.Service, a operate.Actor, f operate.Filter, all, dryRun bool) (int, error)
}

// actions are all that there are, by the last part of their paths.
var actions = map[string]*action{
	"replay": {
		operation: "Replay", title: "Send again?", button: "Send again",
		what: func(n int) string {
			return plural(n, "delivery") + " will be sent again, from the first attempt on."
		},
		done: func(n int) string { return plural(n, "delivery") + " will be sent again now." },
		none: "Nothing of it is dead, so there is nothing to send again.",
		run: func(ctx context.Context, s *operate.Service, a operate.Actor, f operate.Filter, all, dryRun bool) (int, error) {
			c, err := s.Replay(ctx, a, operate.ReplaySelection{Selection: operate.Selection{Filter: f, All: all, DryRun: dryRun}})
			if err != nil {
				return 0, err
			}
			return c.Deliveries, nil
		},
	},
	"send": {
		operation: "SendNow", title: "Send now?", button: "Send now",
		what: func(n int) string {
			return plural(n, "delivery") + " will not wait for the next attempt. A destination that is paused or held stays so."
		},
		done: func(n int) string { return plural(n, "delivery") + " will be sent now." },
		none: "Nothing of it waits, so there is nothing to send.",
		run: func(ctx context.Context, s *operate.Service, a operate.Actor, f operate.Filter, all, dryRun bool) (int, error) {
			return deliveries(s.SendNow(ctx, a, operate.Selection{Filter: f, All: all, DryRun: dryRun}))
		},
	},
	"cancel": {
		operation: "Cancel", title: "Cancel?", button: "Cancel deliveries",
		what: func(n int) string {
			return plural(n, "delivery") + " will not be sent. The calls are kept, and can be sent again later."
		},
		done: func(n int) string { return plural(n, "delivery") + " will not be sent. They can be sent again later." },
		none: "Nothing of it waits, so there is nothing to cancel.",
		run: func(ctx context.Context, s *operate.Service, a operate.Actor, f operate.Filter, all, dryRun bool) (int, error) {
			return deliveries(s.Cancel(ctx, a, operate.Selection{Filter: f, All: all, DryRun: dryRun}))
		},
	},
	"erase": {
		operation: "Erase", title: "Erase for good?", button: "Erase for good", grave: true,
		what: func(n int) string {
			return plural(n, "event") + " will be deleted, with what was said and with all deliveries and attempts. What was delivered stays where it was delivered. This cannot be undone."
		},
		done: func(n int) string { return plural(n, "event") + " erased." },
		none: "Nothing matches, so there is nothing to erase.",
		run: func(ctx context.Context, s *operate.Service, a operate.Actor, f operate.Filter, all, dryRun bool) (int, error) {
			c, err := s.Erase(ctx, a, operate.EraseSelection{Selection: operate.Selection{Filter: f, All: all, DryRun: dryRun}})
			if err != nil {
				return 0, err
			}
			return c.Events, nil
		},
	},
}

func deliveries(c *operate.DeliveryCount, err error) (int, error) {
	if err != nil {
		return 0, err
	}
	return c.Deliveries, nil
}

var actPages = []page{
	{methods: get, pattern: "erase", operation: "Erase", nav: "Erase", unless: "Events", serve: (*request).eraseWhat},
	{methods: getPost, pattern: "act/replay", operation: "Replay", section: "events", serve: (*request).act},
	{methods: getPost, pattern: "act/send", operation: "SendNow", section: "events", serve: (*request).act},
	{methods: getPost, pattern: "act/cancel", operation: "Cancel", section: "events", serve: (*request).act},
	{methods: getPost, pattern: "act/erase", operation: "Erase", section: "events", serve: (*request).act},
}

// eraseWhat asks what is to be erased, for those who erase and see no lists.
func (q *request) eraseWhat() error { return q.show("erase", "Erase", nil) }

// choice is what an action is of: events and deliveries by their ids, or what a search finds.
type choice struct {
	Events, Deliveries []string
	search             *search
	// Delivered takes what was delivered already in, for a replay.
	Delivered bool
	// Keys has a tenant's data keys destroyed, for an erasure of all that it has.
	Keys bool
}

// chosen reads a choice from a form or an address.
func (q *request) chosen(v url.Values) (*choice, error) {
	c := &choice{Events: v["event"], Deliveries: v["delivery"], Delivered: v.Get("delivered") == "yes", Keys: v.Get("keys") == "yes"}
	if len(c.Events)+len(c.Deliveries) > operate.MaxRows {
		return nil, badRequest("choose up to %d at once, or everything that matches a search", operate.MaxRows)
	}
	if len(c.Events)+len(c.Deliveries) > 0 {
		return c, nil
	}
	if !v.Has("q") && !v.Has("with") {
		return nil, badRequest("nothing was chosen; tick some lines, or take everything that matches")
	}
	var err error
	if c.search, err = q.searched(v); err != nil {
		return nil, err
	}
	return c, q.hide(c.search)
}

// filters are the filters of a choice. all tells that one without any member means everything.
func (q *request) filters(c *choice) (list []operate.Filter, all bool, hidden string, err error) {
	if c.search != nil {
		f, hidden, err := q.filter(c.search)
		return []operate.Filter{f}, f == operate.Filter{}, hidden, err
	}
	for _, id := range c.Events {
		list = append(list, operate.Filter{Event: id})
	}
	for _, id := range c.Deliveries {
		list = append(list, operate.Filter{Delivery: id})
	}
	return list, false, "", nil
}

// carry carries an action out for each filter, or counts. What was done before an error stays done.
func (q *request) carry(s *operate.Service, do *action, filters []operate.Filter, all, delivered, dryRun bool) (n int, err error) {
	for _, f := range filters {
		if delivered && do.operation == "Replay" {
			f.State = operate.AnyEnded
			all = false // the state is a filter
		}
		one, err := do.run(q.ctx(), s, q.actor, f, all, dryRun)
		n += one
		if e, ok := errors.AsType[*operate.Error](err); ok && n > 0 && !dryRun {
			return n, &problem{operateapi.StatusOf(e), do.done(n) + " Then it stopped: " + e.Error()}
		}
		if err != nil {
			return n, err
		}
	}
	return n, nil
}

// question is what a page that asks before something is done shows.
type question struct {
	Title, Text, Button, Action, Back string
	Grave, Nothing                    bool
	// Names and values of what is asked about.
	Fields []field
	// Delivered offers to take in what was delivered already, and how many that would be.
	Delivered int
	// Keys offers to destroy as many data keys of a tenant too.
	Keys int
	// Reason asks for one, with what it is for; see the form.
	Reason, Hint string
	Needed       bool
	// About are the searched terms, for everything that matches.
	About string
}

type field struct{ Name, Value string }

// act asks, and does what was asked when it is confirmed.
func (q *request) act() error {
	do := actions[strings.TrimPrefix(q.page.pattern, "act/")]
	v := q.query()
	if q.r.Method == http.MethodPost {
		var err error
		if v, err = q.form(); err != nil {
			return err
		}
	}
	s, err := q.service()
	if err != nil {
		return err
	}
	c, err := q.chosen(v)
	if err != nil {
		return err
	}
	filters, all, hidden, err := q.filters(c)
	if err != nil {
		return err
	}
	back := q.local(v.Get("back"), q.front())
	if q.r.Method == http.MethodPost && v.Get("sure") == "yes" {
		if c.search != nil { // which can take longer than somebody waits
			return q.begin(s, strings.TrimPrefix(q.page.pattern, "act/"), filters[0], c)
		}
		n, err := q.carry(s, do, filters, all, c.Delivered, false)
		if err != nil {
			return err
		}
		return q.done(back, do.done(n))
	}
	return q.question(s, do, c, filters, all, hidden, back)
}

// question asks whether something is to be done, with the number of what it would be done to.
func (q *request) question(s *operate.Service, do *action, c *choice, filters []operate.Filter, all bool, hidden, back string) error {
	n, err := q.carry(s, do, filters, all, false, true)
	if err != nil {
		return err
	}
	data := question{
		Title: do.title, Text: do.what(n), Button: do.button, Action: q.link(strings.Split(q.page.pattern, "/")...), Back: back, Grave: do.grave,
		Fields: []field{{"sure", "yes"}, {"back", back}},
	}
	if do.operation == "Replay" && (c.search == nil || filters[0].State == "") {
		ended, err := q.carry(s, do, filters, all, true, true)
		if err != nil {
			return err
		}
		data.Delivered = ended - n
	}
	if do.operation == "Erase" && c.search != nil && filters[0] == (operate.Filter{Tenant: filters[0].Tenant}) && filters[0].Tenant != "" {
		data.Keys = q.keysOf(s, filters[0].Tenant)
	}
	if n == 0 {
		data.Text = do.none
		data.Nothing = data.Delivered+data.Keys == 0
	}
	for _, id := range c.Events {
		data.Fields = append(data.Fields, field{"event", id})
	}
	for _, id := range c.Deliveries {
		data.Fields = append(data.Fields, field{"delivery", id})
	}
	if c.search != nil {
		data.Fields = append(data.Fields, field{"q", c.search.public()}, field{"with", c.search.with}, field{"zone", c.search.zone.String()})
		if data.About = strings.TrimSpace(c.search.public() + " " + hidden); data.About == "" {
			data.About = "everything there is"
		}
	}
	return q.show("ask", do.title, data)
}

// keysOf is how many data keys a tenant has that can be destroyed by who asks.
func (q *request) keysOf(s *operate.Service, tenant string) int {
	d, err := s.DestroyDataKeys(q.ctx(), q.actor, operate.Destruction{TenantChoice: operate.TenantChoice{Tenant: tenant}, DryRun: true})
	if err != nil { // as where there are no data keys at all
		return 0
	}
	return d.Keys
}

// front is where somebody goes who came from nowhere.
func (q *request) front() string {
	if q.may("Events") {
		return q.link("events")
	}
	return q.link("")
}

// local is an address if it is one of the dashboard's, and else another one.
func (q *request) local(address, otherwise string) string {
	u, err := url.Parse(address)
	if err != nil || u.IsAbs() || u.Host != "" || u.User != nil || !strings.HasPrefix(u.EscapedPath(), q.ui.o.Prefix) ||
		strings.HasPrefix(address, "//") || strings.ContainsAny(address, "\\\r\n") || strings.Contains(u.Path, "..") {
		return otherwise
	}
	params := u.Query()
	params.Del("note")
	return asked(u.EscapedPath(), params)
}
