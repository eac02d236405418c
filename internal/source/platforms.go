package source

import (
	"slices"
	"strings"
	"time"

	"github.com/callgate/callgate/internal/jsonscan"
)

// platformPresets are senders whose events are rarely calls: CRMs, shops, calendars, and the services that sign and
// forward other people's events. Their bodies are read by the names of the members; what is particular to each is
// where its identity is.
var platformPresets = []Preset{
	{
		Name: "standard-webhooks", Scheme: "standard-webhooks", format: platform(envelope{}),
		Summary:       "any sender that follows the Standard Webhooks specification",
		EventIDHeader: "webhook-id", Retries: true, RetriesClientErrors: true, Timeout: 15 * time.Second,
	},
	{
		Name: "svix", Scheme: "svix", format: platform(envelope{}),
		Summary:       "any sender that uses Svix",
		EventIDHeader: "svix-id", Retries: true, RetriesClientErrors: true, Timeout: 15 * time.Second,
	},
	{
		Name: "github", Scheme: "github", Summary: "GitHub", Timeout: 10 * time.Second,
		format: github,
	},
	{
		Name: "stripe", Scheme: "stripe", Summary: "Stripe events", Retries: true, RetriesClientErrors: true,
		format: platform(envelope{id: []string{"id"}, typ: [][]string{{"type"}}}),
	},
	{
		Name: "slack", Scheme: "slack", Summary: "Slack events, commands and interactions",
		Retries: true, RetriesClientErrors: true, Timeout: 3 * time.Second,
		Synchronous: []string{"url_verification", "slash_command", "block_actions", "view_submission", "shortcut", "message_action"},
		format:      slack,
	},
	{
		Name: "shopify", Scheme: "shopify", Summary: "Shopify",
		Retries: true, RetriesClientErrors: true, Timeout: 5 * time.Second,
		format: shopify,
	},
	{
		Name: "hubspot", Scheme: "hubspot", Summary: "HubSpot webhooks, in batches", Retries: true, Timeout: 5 * time.Second,
		format: hubspot,
	},
	{
		Name: "calendly", Scheme: "calendly", Summary: "Calendly: invitees", Retries: true,
		format: &format{identify: calendlyIdentity, read: readAny},
	},
	{
		Name: "zendesk", Scheme: "zendesk", Summary: "Zendesk webhooks",
		Timeout: 12 * time.Second, format: zendesk,
	},
	{
		Name: "intercom", Scheme: "intercom", Summary: "Intercom notifications", Retries: true, Timeout: 5 * time.Second,
		format: platform(envelope{id: []string{"id"}, typ: [][]string{{"topic"}}}),
	},
}

// envelope says where in a body a platform's identity is.
type envelope struct {
	id  []string   // path of the event's id
	typ [][]string // paths of the event's type
}

// platform is the format of a platform. Where no place of the type is given, it is "type" or one of the usual names.
func platform(e envelope) *format {
	return &format{
		open: openPayload,
		identify: func(d *document) Identity {
			var id Identity
			if e.id != nil {
				id.EventID = d.text(e.id...)
			}
			for _, p := range e.typ {
				if id.EventType == "" {
					id.EventType = d.text(p...)
				}
			}
			t := templated(d)
			if id.EventType == "" && e.typ == nil {
				if id.EventType = d.text("type"); id.EventType == "" {
					id.EventType = t.EventType
				}
			}
			id.CallID = t.CallID
			return id
		},
		read: readAny,
	}
}

// github reads GitHub's events. Their name and the delivery's id are in headers that the signature does not cover, so
// the name is that of the object that the event is about, and the id is the hash of the body.
var github = &format{
	open: openPayload,
	identify: func(d *document) Identity {
		if d.get("zen").Kind() == jsonscan.String {
			return Identity{EventType: "ping"}
		}
		if d.get("commits").Kind() == jsonscan.Array && d.text("ref") != "" {
			return Identity{EventType: "push"}
		}
		for _, k := range githubObjects {
			if d.get(k).Kind() == jsonscan.Object {
				if k == "comment" && d.get("issue").Kind() == jsonscan.Object {
					k = "issue_comment"
				}
				return Identity{EventType: k}
			}
		}
		return Identity{EventType: d.text("action")}
	},
	read: readAny,
}

// githubObjects are the objects after which events are named, the more telling first: a review holds its pull request
// too.
var githubObjects = []string{
	"comment", "review", "check_run", "check_suite", "workflow_job", "workflow_run", "deployment_status", "deployment",
	"discussion", "release", "pull_request", "issue", "alert", "package", "milestone", "label",
}

// shopify reads Shopify's events. Topic and id are in headers that the signature does not cover: what happened, and to
// what, only the body's own members tell.
var shopify = platform(envelope{})

// slack reads Slack's events, whose type is that of the event within; commands and interactions, which are forms, have
// a trigger instead of an id.
var slack = &format{
	open: openPayload,
	identify: func(d *document) Identity {
		id := Identity{EventID: d.text("event_id"), EventType: d.text("event", "type")}
		if id.EventType == "" {
			id.EventType = d.text("type")
		}
		if id.EventType == "" && d.text("command") != "" {
			id.EventType = "slash_command"
		}
		if id.EventID == "" {
			id.EventID = d.text("trigger_id")
		}
		return id
	},
	read: func(d *draft, doc *document) {
		readAny(d, doc)
		d.drop("token") // the retired way of telling Slack from others, and a secret
	},
}

// hubspot reads HubSpot's batches of events. The number of the attempt is in the body, so that its hash differs from
// one attempt to the next; and an eventId alone is not unique (developers.hubspot.com, "Webhooks API").
var hubspot = &format{
	open:  openPayload,
	split: splitArray,
	identify: func(d *document) Identity {
		if d.root.Kind() != jsonscan.Array {
			return Identity{EventType: d.text("subscriptionType"), EventID: hubspotID(d.root)}
		}
		id := Identity{EventType: text(d.root.Index(0).Get("subscriptionType"))}
		var all []string
		for e := range d.root.Elements() {
			one := hubspotID(e)
			if one == "" {
				return id
			}
			all = append(all, one)
		}
		slices.Sort(all) // the order within a batch is not promised
		id.EventID = strings.Join(all, ",")
		return id
	},
	read: readAny,
}

func hubspotID(e jsonscan.Value) string {
	return eventID(text(e.Get("eventId")), text(e.Get("subscriptionId")), text(e.Get("objectId")), text(e.Get("occurredAt")))
}

// calendlyIdentity is made of the event and the invitee's address, which is the same for all that happens to an
// invitee.
func calendlyIdentity(d *document) Identity {
	id := Identity{EventType: d.text("event")}
	if uri := d.text("payload", "uri"); uri != "" {
		id.EventID = eventID(id.EventType, uri, d.text("created_at"))
	}
	return id
}

// zendesk reads Zendesk's webhooks. An "id" in the body is the event's only in the bodies that Zendesk itself makes,
// which name their version; in one that an operator's trigger makes it is most likely the ticket's.
var zendesk = &format{
	open: openPayload,
	identify: func(d *document) Identity {
		id := Identity{EventType: first(d.get("type"), d.get("event"))}
		if d.text("zendesk_event_version") != "" {
			id.EventID = d.text("id")
		}
		return id
	},
	read: readAny,
}
