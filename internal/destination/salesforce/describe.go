package salesforce

import (
	"context"
	"encoding/json"
	"net/http"
	"sync"
	"time"
)

// How long a description serves, and how long the next try waits after a failure.
const (
	describeEvery = 24 * time.Hour
	describeAgain = time.Hour
)

// describer fetches the lengths of an object's fields now and then.
type describer struct {
	mu   sync.Mutex
	next time.Time
}

// describe asks Salesforce for the lengths of the mapped fields, once a day. The first delivery waits for the answer, and
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
	for _, f := range object.Fields {
		if f.Length > 0 && f.Type != "reference" && f.Type != "id" {
			sizes[f.Name] = f.Length
		}
	}
	for i := range d.sources {
		if n := sizes[d.sources[i].Name]; n > 0 {
			d.lengths.learn(d.sources[i].Name, n)
		}
	}
	d.describer.next = now.Add(describeEvery)
}
