package operate

import (
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/callgate/callgate/internal/call"
	"github.com/callgate/callgate/internal/store"
)

// Filter selects events and deliveries, as it stands in a query or in JSON. Empty members match everything.
type Filter struct {
	Destination string `json:"destination,omitempty"`
	Tenant      string `json:"tenant,omitempty"`
	// State is pending, delivered or dead.
	State string `json:"state,omitempty"`
	// Reason is a part of the reason why the last attempt failed.
	Reason    string `json:"reason,omitempty"`
	Source    string `json:"source,omitempty"`
	EventType string `json:"event_type,omitempty"`
	Event     string `json:"event,omitempty"`
	Delivery  string `json:"delivery,omitempty"`
	CallID    string `json:"call_id,omitempty"`
	// Caller is the caller's number with its country. It must not stand where it is logged, as in a URL.
	Caller string `json:"caller,omitempty"`
	// Field and Value find by what the call holds in a field that a find_by line names, such as patient_id. The value must
	// not stand where it is logged either.
	Field string `json:"field,omitempty"`
	Value string `json:"value,omitempty"`
	// From and To bound when the event was received, in RFC 3339 or as a date in UTC: From is included, To is not.
	From string `json:"from,omitempty"`
	To   string `json:"to,omitempty"`
	// FailedSince is the time since which an attempt at the delivery failed, written like From.
	FailedSince string `json:"failed_since,omitempty"`
}

// Parameter finds a member by its name in JSON; nil if there is none of that name.
func (f *Filter) Parameter(name string) *string {
	switch name {
	case "destination":
		return &f.Destination
	case "tenant":
		return &f.Tenant
	case "state":
		return &f.State
	case "reason":
		return &f.Reason
	case "source":
		return &f.Source
	case "event_type":
		return &f.EventType
	case "event":
		return &f.Event
	case "delivery":
		return &f.Delivery
	case "call_id":
		return &f.CallID
	case "caller":
		return &f.Caller
	case "field":
		return &f.Field
	case "value":
		return &f.Value
	case "from":
		return &f.From
	case "to":
		return &f.To
	case "failed_since":
		return &f.FailedSince
	}
	return nil
}

// members are the names of all members.
var members = []string{
	"destination", "tenant", "state", "reason", "source", "event_type", "event", "delivery", "call_id", "caller", "field", "value",
	"from", "to", "failed_since",
}

// maxFilterText bounds each member of a filter.
const maxFilterText = 512

// isText reports whether a text can be a member of a filter.
func isText(s string) bool {
	return len(s) <= maxFilterText && utf8.ValidString(s) && !strings.ContainsFunc(s, unicode.IsControl)
}

// record is what is recorded of an operation on what a filter selects: names, and of the other members only that they are
// there.
func (f *Filter) record(operation string) Record {
	r := Record{Operation: operation, Event: f.Event, Tenant: f.Tenant, Destination: f.Destination}
	for _, name := range members {
		if *f.Parameter(name) != "" && !slices.Contains([]string{"event", "tenant", "destination"}, name) {
			r.Filter = append(r.Filter, name)
		}
	}
	return r
}

// compile checks the filter and gives what the store understands: one filter or, when events of one caller can stand
// under several hashes, one for each. Errors hold no values.
func (f *Filter) compile(callerHashes func(number string) []string, fieldHashes func(name, value string) [][16]byte) ([]store.Filter, error) {
	for _, name := range members {
		if !isText(*f.Parameter(name)) {
			return nil, badRequest("%s must be a text of up to %d bytes without control characters", name, maxFilterText)
		}
	}
	out := store.Filter{
		Destination: f.Destination, Tenant: f.Tenant, Reason: f.Reason, Source: f.Source, EventType: f.EventType,
		EventID: f.Event, DeliveryID: f.Delivery, CallID: f.CallID,
	}
	switch s := store.State(f.State); s {
	case "", store.Pending, store.Delivered, store.Dead:
		out.State = s
	default:
		return nil, badRequest("state must be pending, delivered or dead")
	}
	var err error
	if out.From, err = filterTime("from", f.From); err != nil {
		return nil, err
	}
	if out.To, err = filterTime("to", f.To); err != nil {
		return nil, err
	}
	if out.FailedSince, err = filterTime("failed_since", f.FailedSince); err != nil {
		return nil, err
	}
	if !out.From.IsZero() && !out.To.IsZero() && !out.From.Before(out.To) {
		return nil, badRequest("from must be earlier than to, or else nothing can match")
	}
	all := []store.Filter{out}
	if f.Caller != "" {
		number, err := callerNumber(f.Caller)
		if err != nil {
			return nil, err
		}
		all = each(all, callerHashes(number), func(f *store.Filter, hash string) { f.CallerHash = hash })
	}
	switch {
	case f.Field == "" && f.Value == "":
		return all, nil
	case f.Field == "" || f.Value == "":
		return nil, badRequest("field and value belong together, such as field patient_id and value PT-10023")
	}
	hashes := fieldHashes(call.Canonical(f.Field), f.Value)
	if len(hashes) == 0 {
		return nil, badRequest("nothing is found by a field where there is no encryption_key, with which its hash is made")
	}
	return each(all, hashes, func(f *store.Filter, hash [16]byte) { f.Subject = hash }), nil
}

// each gives every filter once with each value.
func each[T any](filters []store.Filter, values []T, set func(*store.Filter, T)) (all []store.Filter) {
	for _, f := range filters {
		for _, v := range values {
			set(&f, v)
			all = append(all, f)
		}
	}
	return all
}

// Private reports whether the filter holds what a caller said, which must not stand where it is logged, as in a URL.
func (f *Filter) Private() bool { return f.Caller != "" || f.Value != "" }

// filterTime reads a point in time, or a day as its beginning in UTC.
func filterTime(name, s string) (time.Time, error) {
	if s == "" {
		return time.Time{}, nil
	}
	t, err := time.Parse(time.RFC3339, s)
	if err != nil {
		t, err = time.Parse(time.DateOnly, s)
	}
	// The years that nanoseconds since 1970 can tell.
	if err != nil || t.Year() < 1970 || t.Year() > 2261 {
		return time.Time{}, badRequest("%s must be a time such as 2026-01-31T12:00:00Z or a date such as 2026-01-31", name)
	}
	return t, nil
}

// callerNumber is the number as records hold it. One that could be of several countries is refused: read in the wrong
// one it would match nobody, and an erasure would seem to be done.
func callerNumber(s string) (string, error) {
	_, national := call.NormalizeNumber(s, "")
	if strings.Contains(s, "+") || !national {
		if number, _ := call.KeepNumber(s, ""); number != "" {
			return number, nil
		}
		return "", badRequest("caller is no phone number; write it with its country, such as +15551234567")
	}
	return "", badRequest("caller must be written with its country, such as +15551234567")
}

// Listing is what a listing is asked for.
type Listing struct {
	Filter
	// Before goes on after this id, the member next of the page before.
	Before string `json:"before,omitempty"`
	// Limit is the number of rows, 1 to 500. Default: 100.
	Limit int `json:"limit,omitempty"`
	// Callers asks for the masked numbers of the callers besides, for which every event has to be opened. It is for events.
	Callers bool `json:"callers,omitempty"`
}

const (
	defaultRows = 100
	// MaxRows is the most rows of one page.
	MaxRows = 500
)

// settle checks a listing and fills in its defaults.
func (l *Listing) settle() error {
	if l.Limit == 0 {
		l.Limit = defaultRows
	}
	if l.Limit < 1 || l.Limit > MaxRows {
		return badRequest("limit must lie between 1 and %d", MaxRows)
	}
	if len(l.Before) > maxFilterText {
		return badRequest("before must be the member next of the page before")
	}
	return nil
}

// listPages runs a listing with each filter and puts the results together, newest first. more tells that there is
// another page after it.
func listPages[T any](filters []store.Filter, p store.Page, list func(store.Filter, store.Page) ([]T, error), id func(*T) string) (rows []T, more bool, err error) {
	limit := p.Limit
	p.Limit++ // one row more tells whether there is a next page
	for _, f := range filters {
		found, err := list(f, p)
		if err != nil {
			return nil, false, err
		}
		rows = append(rows, found...)
	}
	if len(filters) > 1 { // ids are ordered by time
		slices.SortStableFunc(rows, func(a, b T) int { return strings.Compare(id(&b), id(&a)) })
	}
	if len(rows) > limit {
		return rows[:limit:limit], true, nil
	}
	return rows, false, nil
}
