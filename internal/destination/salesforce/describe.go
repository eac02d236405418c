package salesforce

import (
	"context"
	"encoding/json"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// How long a description serves, and how long the next try waits after a failure.
const (
	describeEvery = 24 * time.Hour
	describeAgain = time.Hour
)

// describer fetches the lengths and types of an object's fields now and then.
type describer struct {
	mu   sync.Mutex
	next time.Time
	// dates are the fields that hold a day without a time; nil as long as nothing is known.
	dates atomic.Pointer[map[string]bool]
}

// day is text as the named field takes it: a moment becomes the account's day where the field holds a day.
func (d *Destination) day(name, text string) string {
	dates := d.describer.dates.Load()
	if dates == nil || !(*dates)[name] {
		return text
	}
	at, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return text
	}
	return at.In(d.cfg.TimeZone).Format(time.DateOnly)
}

// describe asks Salesforce for the lengths and types of the mapped fields, once a day. The first delivery waits for the answer, and
// others do not. A failure is no reason to hold up a call: the table of standard lengths serves, and
// Salesforce's own complaints.
func (d *Destination) describe(ctx context.Context) {
	if !d.cfg.Describe || !d.describer.mu.TryLock() {
		return
	}
	defer d.describer.mu.Unlock()
	now := d.now()
	if now.Before(d.describer.next) {
		return
	}
	d.describer.next = now.Add(describeAgain)
	a, err := d.send(ctx, request{method: http.MethodGet, path: d.prefix + "/sobjects/" + d.cfg.Object + "/describe"}, nil)
	if err != nil || a.Status != http.StatusOK {
		return
	}
	var object struct {
		Fields []struct {
			Name   string `json:"name"`
			Type   string `json:"type"`
			Length int    `json:"length"`
		} `json:"fields"`
	}
	if json.Unmarshal(a.Body, &object) != nil || len(object.Fields) == 0 {
		return
	}
	sizes := make(map[string]int, len(object.Fields))
	dates := map[string]bool{}
	for _, f := range object.Fields {
		if f.Type == "date" {
			dates[f.Name] = true
		}
		if f.Length > 0 && f.Type != "reference" && f.Type != "id" {
			sizes[f.Name] = f.Length
		}
	}
	for i := range d.sources {
		if n := sizes[d.sources[i].Name]; n > 0 {
			d.lengths.learn(d.sources[i].Name, n)
		}
	}
	d.describer.dates.Store(&dates)
	d.describer.next = now.Add(describeEvery)
}
