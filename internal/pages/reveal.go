package pages

import (
	"bytes"
	"encoding/json"
	"fmt"
	"html/template"
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/callgate/callgate/internal/operate"
)

var revealPages = []page{
	{methods: get, pattern: "reveal", operation: "RevealEvent", nav: "Reveal", unless: "Event", serve: (*request).revealOne},
	{methods: post, pattern: "reveal", operation: "RevealEvent", section: "reveal", serve: (*request).revealTo},
	{methods: getPost, pattern: "events/{id}/reveal", operation: "RevealEvent", section: "events", serve: (*request).reveal},
}

const (
	// revealSeconds is for how long what was revealed stands on the page.
	revealSeconds = 300
	// maxRevealed is how many characters of one text are on the page, and maxRevealedPage how many bytes all of them take there;
	// the file has the rest.
	maxRevealed, maxRevealedPage = 6000, 34000
)

// revealOne asks for which event, for those who may reveal and not look through lists.
func (q *request) revealOne() error {
	return q.show("reveal_one", "Reveal", nil)
}

// revealTo leads to the question for the event whose id was typed.
func (q *request) revealTo() error {
	form, err := q.form()
	if err != nil {
		return err
	}
	id := strings.ToUpper(strings.TrimSpace(form.Get("event")))
	if !eventID.MatchString(id) {
		return badRequest("the id of an event has 26 letters and digits, such as 01JC0Q4Z6W5P9G2N8S3T7V1X0Y; somebody who sees the events can tell you")
	}
	return q.redirect(q.link("events", id, "reveal"))
}

// revealedPage is what was revealed.
type revealedPage struct {
	Title, ID, Back, Reason, Action string
	Seconds                         int
	Call, Rest                      []revealed
	// Cut tells that not everything is on the page.
	Cut bool
	// Curls are the requests as commands: the one that came, and those that go to the destinations, for who may see these.
	Curls []curlCommand

	left int
}

type revealed struct {
	Name, Text string
	// Long texts stand in a box.
	Long bool
}

// reveal asks for the reason, and shows what was said in the answer to it, and nowhere else.
func (q *request) reveal() error {
	id := q.args[0]
	back := q.link("events", id)
	if !q.may("Event") {
		back = q.link("reveal")
	}
	if q.r.Method != http.MethodPost {
		return q.show("ask", "Reveal what was said?", question{
			Title: "Reveal what was said?", Button: "Reveal", Action: q.link("events", id, "reveal"), Back: back,
			Text:   "The page shows the call in the clear for five minutes. That you looked, when and why is recorded first.",
			Reason: "Why do you look?", Hint: "A line without what the caller said, such as: the customer asks for a copy.", Needed: true,
		})
	}
	form, err := q.form()
	if err != nil {
		return err
	}
	s, err := q.service()
	if err != nil {
		return err
	}
	reason := strings.TrimSpace(form.Get("reason"))
	e, err := s.RevealEvent(q.ctx(), q.actor, id, reason)
	if err != nil {
		return err
	}
	if form.Get("as") == "file" {
		return q.file(e)
	}
	data := revealedPage{Title: titleOf(e.EventType), ID: e.ID, Back: back, Reason: reason, Action: q.link("events", id, "reveal"), Seconds: revealSeconds}
	data.fill(e)
	q.fillCurls(s, &data, e)
	q.w.Header().Set("Refresh", fmt.Sprintf("%d; url=%s", revealSeconds, back))
	q.addScript("reveal.js")
	return q.show("reveal", "Revealed: "+data.Title, data)
}

// file answers with all that was revealed, to be kept as a file.
func (q *request) file(e *operate.EventDetail) error {
	text, err := json.MarshalIndent(e, "", "  ")
	if err != nil {
		return err
	}
	h := q.w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Cache-Control", "no-store")
	h.Set("Content-Disposition", `attachment; filename="callgate-`+e.ID+`.json"`)
	_, _ = q.w.Write(append(text, '\n'))
	return nil
}

// fill puts what was said in order: the call first, then how it came and what receivers answered.
func (p *revealedPage) fill(e *operate.EventDetail) {
	p.left = maxRevealedPage
	add := func(to *[]revealed, name, text string) {
		if text == "" {
			return
		}
		shown := read(maxRevealed, text)
		if size := escaped(shown); size > p.left {
			shown = read(len([]rune(shown))*p.left/size, text)
		}
		p.left = max(p.left-escaped(shown), 0)
		p.Cut = p.Cut || strings.HasSuffix(shown, "…") && !strings.HasSuffix(text, "…")
		*to = append(*to, revealed{name, shown, len(text) > 120 || strings.Contains(text, "\n")})
	}
	c := e.Content
	record := map[string]any{}
	d := json.NewDecoder(bytes.NewReader(c.Record))
	d.UseNumber() // numbers as they came
	_ = d.Decode(&record)
	params, _ := record["params"].(map[string]any)
	delete(record, "params")
	for _, name := range slices.SortedFunc(maps.Keys(record), byRank) {
		add(&p.Call, labelOf(name), value(record[name]))
	}
	for _, name := range slices.Sorted(maps.Keys(params)) {
		add(&p.Call, short(80, name), value(params[name]))
	}
	for i := range e.Deliveries {
		for j := range e.Deliveries[i].History {
			a := &e.Deliveries[i].History[j]
			add(&p.Rest, fmt.Sprintf("Answer of %s to attempt %d", plain(e.Deliveries[i].Destination), a.Number), a.Excerpt)
		}
	}
	add(&p.Rest, "Address", c.URI)
	for _, name := range slices.Sorted(maps.Keys(c.Header)) {
		add(&p.Rest, "Header "+short(80, name), strings.Join(c.Header[name], ", "))
	}
	body := c.Body
	if len(c.BodyBase64) > 0 {
		body = plural(len(c.BodyBase64), "byte") + " that are no text; the file has them"
	}
	add(&p.Rest, "Body", body)
}

// escaped is how many bytes a text takes in a page.
func escaped(text string) int { return len(template.HTMLEscapeString(text)) }

// ranks are the fields that come first.
var ranks = []string{"caller_number", "first_name", "last_name", "company", "email", "message", "summary", "transcript", "recording_url", "receiving_number"}

func byRank(a, b string) int {
	at := func(name string) int {
		if i := slices.Index(ranks, name); i >= 0 {
			return i
		}
		return len(ranks)
	}
	if at(a) != at(b) {
		return at(a) - at(b)
	}
	return strings.Compare(a, b)
}

// value is a value of JSON as a text.
func value(v any) string {
	switch v := v.(type) {
	case string:
		return v
	case bool:
		if v {
			return "yes"
		}
		return "no"
	case nil:
		return ""
	}
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if enc.Encode(v) != nil {
		return ""
	}
	return strings.TrimSpace(b.String())
}
