package pages

import (
	"net/http"
	"strings"
)

// The builder is the only page that needs scripts: its sources are in builder, and what was built of them in assets.
var builderPages = []page{
	{methods: get, pattern: "builder", operation: "BuilderKit", nav: "Builder", managed: true, serve: (*request).builder},
	{methods: get, pattern: "builder/{name}", operation: "BuilderKit", section: "builder", serve: (*request).builder},
}

// buildLink is the builder with a destination, and a call to look at it with; empty where it cannot be built, or by this actor.
func (q *request) buildLink(destination, event string) string {
	if !q.may("BuilderKit") || !q.manages() || len(builderFiles) == 0 || strings.Contains(destination, "/") { // of a tenant's own document
		return ""
	}
	link := q.link("builder", destination)
	if event != "" {
		link = addQuery(link, "event", event)
	}
	return link
}

// builder shows the page in which a destination is built, with the call that the parameter event names. What it works on
// comes and goes through the JSON API.
func (q *request) builder() error {
	if len(builderFiles) == 0 {
		return &problem{http.StatusNotFound, "this gateway was built without the builder; write destinations as documents, or in the Caddyfile"}
	}
	s, err := q.service()
	if err != nil {
		return err
	}
	if _, err := s.BuilderKit(q.ctx(), q.actor); err != nil { // says why nothing can be built, where that is so
		return err
	}
	name, title := "", "New destination"
	if len(q.args) > 0 && q.args[0] != "" {
		name, title = q.args[0], q.args[0]
	}
	q.useNonce()
	q.addScript("builder.js")
	return q.show("builder", title, struct{ Prefix, Name, Event, Nonce string }{q.ui.o.Prefix, name, q.query().Get("event"), q.head.nonce})
}
