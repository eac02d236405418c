package pages

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/callgate/callgate/internal/operate"
	"github.com/callgate/callgate/internal/store"
)

// eventPage is what the page of an event shows.
type eventPage struct {
	*operate.EventDetail
	Title, Caller string
	// Fields are those of the call, and Params what was collected on it.
	Fields, Params []eventField
	Received       string
	Ways           []way
	JSON           string
	// Replay, Erase and Reveal are the addresses of what can be done; empty for what the actor may not.
	Replay, Erase, Reveal string
	// Leads tells that the actor may see the destinations, whose names lead there.
	Leads bool
	// Waits tells that something is going to happen, so that the page is looked at again.
	Waits bool
	// MoreCopies tells that more copies came than there are times of.
	MoreCopies bool
}

type eventField struct {
	Label, Shown string
	Masked       bool
	// At is set where the value is a time.
	At time.Time
}

// way is a delivery on its way, for the timeline.
type way struct {
	*operate.DeliveryDetail
	// Class is of the style sheet: done, failed or next.
	Class, Says, Next string
	At                time.Time
	// Again is when it is tried again, if that is known.
	Again    time.Time
	Attempts []attempt
	// Now, Cancel and Replay are the addresses of what can be done. First tells that it is the likely next step.
	Now, Cancel, Replay string
	First               bool
	// Build is the builder with the destination and this call in it.
	Build string
}

type attempt struct {
	operate.AttemptDetail
	Mark mark
	Says string
	Sent []string
}

// event shows an event: the call, masked, and its way.
func (q *request) event() error {
	s, err := q.service()
	if err != nil {
		return err
	}
	id := q.args[0]
	e, err := s.Event(q.ctx(), q.actor, id)
	if err != nil {
		return err
	}
	data := q.eventPage(e)
	return q.show("event", strings.TrimSpace(data.Title+" "+data.Caller), data)
}

func (q *request) eventPage(e *operate.EventDetail) *eventPage {
	data := &eventPage{EventDetail: e, Title: titleOf(e.EventType), Received: received(e), JSON: q.link("api", "events", e.ID)}
	for _, m := range e.Call {
		if m.Name == "caller_number" {
			data.Caller = m.Shown
		}
		f := eventField{Label: labelOf(m.Name), Shown: m.Shown, Masked: !m.Clear}
		if at, err := time.Parse(time.RFC3339, m.Shown); err == nil && m.Clear {
			f.At = at
		}
		if strings.HasPrefix(m.Name, "params.") {
			data.Params = append(data.Params, f)
		} else {
			data.Fields = append(data.Fields, f)
		}
	}
	data.MoreCopies = e.Copies != nil && e.Copies.Count > int64(len(e.Copies.Times))
	back := q.link("events", e.ID)
	data.Leads = q.may("Destination")
	if q.may("Replay") && len(e.Deliveries) > 0 {
		data.Replay = q.actLink("replay", "event", e.ID, back)
	}
	if q.may("Erase") {
		data.Erase = q.actLink("erase", "event", e.ID, q.link("events"))
	}
	if q.may("RevealEvent") && !e.Dropped {
		data.Reveal = q.link("events", e.ID, "reveal")
	}
	for i := range e.Deliveries {
		data.Ways = append(data.Ways, q.way(&e.Deliveries[i], back))
		data.Waits = data.Waits || e.Deliveries[i].State == store.Pending
	}
	for _, state := range []store.State{store.Dead, store.Pending} {
		i := slices.IndexFunc(data.Ways, func(w way) bool { return w.State == state && !w.Leased && w.Now+w.Replay != "" })
		if i >= 0 {
			data.Ways[i].First = true
			break
		}
	}
	return data
}

// actLink is the address of the question before something is done to one thing.
func (q *request) actLink(action, name, value, back string) string {
	return withQuery(q.link("act", action), url.Values{name: {value}, "back": {back}})
}

// labels are the names of fields for people, where they are not the names themselves.
var labels = map[string]string{"caller_number": "Caller", "receiving_number": "Called", "email": "E-mail", "callback_requested": "Wants to be called back"}

// labelOf is the name of a field as people read it.
func labelOf(name string) string {
	if l := labels[name]; l != "" {
		return l
	}
	if rest, ok := strings.CutPrefix(name, "params."); ok {
		return short(80, rest)
	}
	return titleOf(name)
}

// forms are the forms of a body that are signed, in words.
var forms = map[string]string{"js": "JavaScript's form", "python": "Python's form", "compact": "the compact form"}

// received says how an event was taken in.
func received(e *operate.EventDetail) string {
	v := e.Verified
	if v == nil {
		return "by the route " + plain(e.Route)
	}
	var parts []string
	if v.Scheme == "none" {
		return "by the route " + plain(e.Route) + ", which checks no signature"
	}
	parts = append(parts, "scheme "+plain(v.Scheme))
	if form := forms[v.Form]; form != "" {
		parts = append(parts, form)
	}
	if v.Secret > 0 {
		parts = append(parts, fmt.Sprintf("secret %d", v.Secret))
	}
	return strings.Join(parts, ", ")
}

// way tells of a delivery.
func (q *request) way(d *operate.DeliveryDetail, back string) way {
	w := way{DeliveryDetail: d, At: d.UpdatedAt}
	n := d.Attempts
	again := slices.ContainsFunc(d.History, func(a operate.AttemptDetail) bool { return a.Replay > 0 })
	switch {
	case d.State == store.Delivered && again: // tries are counted anew, and "the first" would not be true
		w.Class, w.Says = "done", "delivered after it was sent again"
	case d.State == store.Delivered && n <= 1:
		w.Class, w.Says = "done", "delivered at the first try"
	case d.State == store.Delivered:
		w.Class, w.Says = "done", "delivered at the "+ordinal(n)+" try"
	case d.State == store.Dead && d.Reason == store.Cancelled:
		w.Class, w.Says = "failed", "cancelled"
	case d.State == store.Dead:
		w.Class, w.Says = "failed", "given up after "+plural(n, "try")
	case d.Leased:
		w.Class, w.Says = "next", "on its way now"
	default:
		w.Class, w.Says, w.Next = "next", "waiting", waits(&d.DeliveryRow)
		if d.NextAt.After(q.now()) {
			w.Again = d.NextAt
		}
	}
	if q.may("Replay") {
		switch d.State {
		case store.Dead:
			w.Replay = q.actLink("replay", "delivery", d.ID, back)
		case store.Pending:
			w.Now = q.actLink("send", "delivery", d.ID, back)
			w.Cancel = q.actLink("cancel", "delivery", d.ID, back)
		}
	}
	if w.Class != "done" {
		w.Build = q.buildLink(d.Destination, d.EventID)
	}
	for i := range d.History {
		w.Attempts = append(w.Attempts, attemptOf(&d.History[i]))
	}
	return w
}

// waits says what a delivery waits for.
func waits(d *operate.DeliveryRow) string {
	why := ""
	if d.WaitReason != "" {
		why = ": " + plain(d.WaitReason)
	}
	switch d.WaitsFor {
	case operate.WaitConfiguration:
		return "It waits for a configuration that knows it" + why + ". Nothing is lost."
	case operate.WaitResume:
		return "The destination is paused by hand" + why + ". It goes on when somebody resumes it."
	case operate.WaitHold:
		return "The destination takes no call, so it is held" + why + ". It goes on when one try succeeds; no try is counted."
	case operate.WaitGateway:
		return "The gateway itself is in trouble" + why + ". It goes on when that is over."
	case operate.WaitBreaker:
		return "The destination does not answer. It is tried now and then, and goes on when it is back."
	case operate.WaitRetryAfter:
		return "The receiver asked to be left alone for a while."
	case operate.WaitSchedule:
		return "It is tried again by itself."
	}
	return "It is its turn soon."
}

// ordinal is a small number as an ordinal.
func ordinal(n int) string {
	switch {
	case n%100 >= 11 && n%100 <= 13:
		return fmt.Sprintf("%dth", n)
	case n%10 == 1:
		return fmt.Sprintf("%dst", n)
	case n%10 == 2:
		return fmt.Sprintf("%dnd", n)
	case n%10 == 3:
		return fmt.Sprintf("%drd", n)
	}
	return fmt.Sprintf("%dth", n)
}

// attemptOf tells of an attempt.
func attemptOf(a *operate.AttemptDetail) attempt {
	out := attempt{AttemptDetail: *a, Mark: mark{"ok", "delivered"}}
	switch {
	case a.State == store.Delivered:
	case a.State == store.Dead:
		out.Mark = mark{"dead", "given up"}
	default:
		out.Mark = mark{"wait", "failed"}
	}
	out.Says = answered(a.Status, a.Reason, " in "+took(a.TookMS), 600)
	if a.Sent != nil {
		for _, r := range a.Sent.Requests {
			out.Sent = append(out.Sent, sent(&r))
		}
		if a.Sent.More > 0 {
			out.Sent = append(out.Sent, plural(a.Sent.More, "more request"))
		}
	}
	return out
}

// answered says what a receiver answered, when, and what is known of it. Reasons that begin with the status do not say it twice.
func answered(status int, reason, when string, most int) string {
	known := beyond(status, reason, most)
	answer := "no answer"
	if status != 0 {
		answer = statusText(status)
	}
	if known == "" {
		return answer + when
	}
	return answer + when + ": " + known
}

// beyond is what a reason says besides the status.
func beyond(status int, reason string, most int) string {
	known := short(most, reason)
	if status == 0 {
		return known
	}
	for _, begin := range []string{statusText(status), strconv.Itoa(status)} {
		if rest, ok := strings.CutPrefix(known, begin); ok {
			known = strings.TrimLeft(rest, ": ")
		}
	}
	return known
}

// statusText is a status of HTTP with its words.
func statusText(status int) string {
	return strings.TrimSpace(strconv.Itoa(status) + " " + http.StatusText(status))
}

// sent says what left in a request: names and sizes.
func sent(r *store.SentRequest) string {
	parts := []string{strings.TrimSpace(short(10, r.Method) + " " + plain(r.Host))}
	if r.Bytes > 0 {
		parts = append(parts, size(r.Bytes))
	}
	if n := len(r.Fields) + r.MoreFields; n > 0 {
		names := make([]string, 0, len(r.Fields))
		for _, f := range r.Fields {
			names = append(names, short(40, f))
		}
		parts = append(parts, plural(n, "field")+" ("+enumerate(names, 12)+")")
	}
	return strings.Join(parts, ", ")
}
