package fhir

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"reflect"

	"github.com/callgate/callgate/internal/destination"
	"github.com/callgate/callgate/internal/outbound"
)

// maxRounds bounds how often a call is read and merged anew because somebody else changes the same records.
const maxRounds = 3

// stored is a resource that the EHR has of the call already.
type stored struct {
	id string
	// version is the resource's, empty when the EHR keeps none. Written back as If-Match, it keeps a change that was made
	// meanwhile from being lost.
	version string
	body    map[string]any
}

// existing looks for what the EHR has of the call from earlier events, and gives it to the resources. A failure is the
// delivery's result. Where the EHR cannot search for a kind at all, it is created where it is not there, as without update.
func (d *Destination) existing(ctx context.Context, v *view, all []resource) *destination.Result {
	for i := range all {
		r := &all[i]
		req, err := d.searchFor(ctx, v, r)
		if err != nil {
			return &destination.Result{Outcome: destination.Dead, Reason: err.Error()}
		}
		a, err := d.cfg.Client.Send(ctx, d.cfg.Auth, req)
		res := d.judge(a, err)
		switch {
		case res.Outcome == destination.Retry, res.Outcome == destination.Dead && res.Pause:
			res.Reason = "looking for the call's " + string(r.kind) + ": " + res.Reason
			return &res
		case res.Outcome == destination.Dead:
			v.warnings = append(v.warnings, "what the EHR may have of the call's "+string(r.kind)+" was left as it is, because it refuses the search: "+res.Reason)
			v.unasked = append(v.unasked, r.kind)
			continue
		}
		found, ok := foundOf(a, r.kind)
		switch {
		case !ok:
			return &destination.Result{Status: a.Status, Unhealthy: true, Excerpt: res.Excerpt,
				Reason: "looking for the call's " + string(r.kind) + ": the answer is no search result; check that the base URL is a FHIR R4 server"}
		case len(found) > 1:
			return &destination.Result{Outcome: destination.Dead, Status: a.Status, Excerpt: res.Excerpt,
				Reason: string(r.kind) + ": several records in the EHR have this call's identifier; merge them there, then replay"}
		case len(found) == 1:
			r.old = &found[0]
		}
	}
	return nil
}

// searchFor makes the request that looks for a resource by its identifier.
func (d *Destination) searchFor(ctx context.Context, v *view, r *resource) (*http.Request, error) {
	return d.searchKind(ctx, v, r.kind, searchForm(r.id))
}

// searchForm is the form that finds a resource by its identifier.
func searchForm(id identifier) string {
	return url.Values{"identifier": {searchEscape(id.System) + "|" + searchEscape(id.Value)}, "_count": {"2"}}.Encode()
}

// foundOf are the resources in a search's answer.
func foundOf(a *outbound.Answer, kind Kind) (all []stored, ok bool) {
	var answer struct {
		ResourceType string `json:"resourceType"`
		Entry        []struct {
			Resource json.RawMessage `json:"resource"`
		} `json:"entry"`
	}
	if a.Truncated || json.Unmarshal(a.Body, &answer) != nil || answer.ResourceType != "Bundle" {
		return nil, false
	}
	for _, e := range answer.Entry {
		body, ok := object(e.Resource)
		id, _ := body["id"].(string)
		if !ok || body["resourceType"] != string(kind) || word(id, lower+upper+digits+"-.", 64) == "" {
			continue // an OperationOutcome of the search
		}
		s := stored{id: id, body: body}
		if meta, _ := body["meta"].(map[string]any); meta != nil {
			version, _ := meta["versionId"].(string)
			s.version = word(version, lower+upper+digits+"-.", 64)
		}
		all = append(all, s)
	}
	return all, true
}

// object reads a JSON object. Numbers keep their digits: 1.50 is not 1.5 to a clinician.
func object(b []byte) (map[string]any, bool) {
	dec := json.NewDecoder(bytes.NewReader(b))
	dec.UseNumber()
	var m map[string]any
	return m, dec.Decode(&m) == nil && m != nil
}

// prepare merges what the call knows into what the EHR has, and leaves out what is there already.
func (v *view) prepare(all []resource) []resource {
	var communication *resource
	for i := range all {
		if all[i].kind == Communication {
			communication = &all[i]
		}
	}
	out := make([]resource, 0, len(all))
	// The Communication comes last, because it takes what the others may not be told any more.
	for i := range all {
		r := &all[i]
		switch t, isTask := r.body.(*task); {
		case r == communication:
			continue
		case isTask && r.old == nil && communication != nil && communication.old != nil:
			t.Focus = &reference{Reference: "Communication/" + communication.old.id}
		}
		if v.add(r, communication) {
			out = append(out, *r)
		}
	}
	if communication != nil && v.add(communication, nil) {
		out = append([]resource{*communication}, out...)
	}
	return out
}

// add makes the body of a resource that is there the merged one, and says whether there is anything to write.
func (v *view) add(r, communication *resource) bool {
	if r.old == nil {
		return true
	}
	b, err := json.Marshal(r.body)
	fresh, ok := object(b)
	if err != nil || !ok {
		return true // which fails when it is sent, with a reason
	}
	before, err := json.Marshal(r.old.body)
	merged, ok := object(before)
	if err != nil || !ok {
		return true
	}
	v.merge(r.kind, merged, fresh)
	if reflect.DeepEqual(merged, r.old.body) {
		return false
	}
	if status, _ := merged["status"].(string); settled(r.kind, status) {
		v.warnings = append(v.warnings, "the call's "+string(r.kind)+" is "+word(status, lower+"-", 30)+" in the EHR and was left as it is; a later event of the call says something else")
		if c, isOpen := bodyOfCommunication(communication); isOpen {
			c.Payload = append(c.Payload, later(fresh)...)
		}
		return false
	}
	if text, _ := merged["text"].(map[string]any); text["status"] == "generated" {
		delete(merged, "text") // it was made of what the resource said before
	}
	r.body = merged
	return true
}

func bodyOfCommunication(r *resource) (*communication, bool) {
	if r == nil {
		return nil, false
	}
	c, ok := r.body.(*communication)
	return c, ok
}
