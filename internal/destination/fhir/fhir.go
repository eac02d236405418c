package fhir

import (
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/callgate/callgate/internal/charset"
	"github.com/callgate/callgate/internal/destination"
	"github.com/callgate/callgate/internal/destination/keylock"
	"github.com/callgate/callgate/internal/outbound"
)

// mediaType is FHIR's JSON.
const mediaType = "application/fhir+json"

// Destination is an EHR. It implements destination.Destination.
type Destination struct {
	cfg      Config
	allowed  map[string]bool
	times    bool     // whether times may be sent
	services []string // the parameters that may hold the service
	own      []string // the fields with a place of their own
	extra    []string // the allowed ones without
	locks    keylock.Locks
}

var _ destination.Destination = (*Destination)(nil)

// MaxBatch returns 1: a transaction that held several calls would let one bad call hold up the others.
func (d *Destination) MaxBatch() int { return 1 }

// Deliver sends the items one after the other.
func (d *Destination) Deliver(ctx context.Context, items []destination.Item) []destination.Result {
	results := make([]destination.Result, len(items))
	for i, item := range items {
		results[i] = d.deliver(ctx, item)
	}
	return results
}

func (d *Destination) deliver(ctx context.Context, item destination.Item) destination.Result {
	v := &view{Item: item, d: d}
	release, err := d.locks.Acquire(ctx, v.lockKeys())
	if err != nil {
		return destination.Result{Reason: "stopped before the call's turn came: nothing was sent, another attempt follows"}
	}
	defer release()
	subject, failure := d.findPatient(ctx, v)
	if failure != nil {
		return *failure
	}
	for known := len(v.warnings); ; v.warnings = v.warnings[:known] {
		v.round++
		total, conflict := d.once(ctx, v, subject)
		if !conflict || v.round == maxRounds {
			total.Warnings = v.warnings
			return total
		}
	}
}

// lockKeys are what two deliveries must not work on at the same time: both would find no patient with an identifier and
// create one, or both would add to the same record.
func (v *view) lockKeys() []string {
	keys := []string{"call " + v.callID()}
	if id := v.text(v.d.cfg.PatientParam); id != "" {
		keys = append(keys, "patient "+id)
	} else if n := v.number(); n != "" && v.d.cfg.Patient == PatientPhone {
		keys = append(keys, "number "+n)
	}
	return keys
}

// once reads what is there, where that is wanted, and writes the call. conflict says that what was read has changed meanwhile.
func (d *Destination) once(ctx context.Context, v *view, subject *reference) (total destination.Result, conflict bool) {
	all := v.resources(subject)
	if len(all) == 0 {
		v.warnings = append(v.warnings, "nothing was sent: none of the configured resources applies to this call")
		return destination.Result{Outcome: destination.Delivered}, false
	}
	if d.cfg.Update {
		if failure := d.existing(ctx, v, all); failure != nil {
			return *failure, false
		}
		for _, r := range all {
			if r.old != nil && total.RemoteID == "" {
				total.RemoteID = string(r.kind) + "/" + r.old.id
			}
		}
		if all = v.prepare(all); len(all) == 0 {
			total.Outcome = destination.Delivered // the EHR knows all of it
			return total, false
		}
	}
	writes, err := d.write(ctx, v, all)
	if err != nil {
		return destination.Result{Outcome: destination.Dead, Reason: err.Error()}, false
	}
	for i, w := range writes {
		a, err := d.cfg.Client.Send(ctx, d.cfg.Auth, w.req)
		r := d.judge(a, err)
		if r.Outcome == destination.Delivered {
			conflict = d.read(a, v, &w, &r) || conflict
		} else {
			if w.versioned() && (r.Status == http.StatusPreconditionFailed || r.Status == http.StatusConflict) {
				r.Outcome, r.Reason, conflict = destination.Retry, strconv.Itoa(r.Status)+": the EHR's record was changed meanwhile, and is read again (or several have the patient's identifier: merge them there)", true
			}
			if len(writes) > 1 {
				r.Reason = string(w.kinds[0]) + ": " + r.Reason
			}
		}
		if total.RemoteID != "" {
			r.RemoteID = total.RemoteID
		}
		if total = r; r.Outcome != destination.Delivered {
			break
		}
		if i+1 < len(writes) && w.kinds[0] == "Patient" {
			total.RemoteID = "" // the call's own record is meant
		}
	}
	v.tellLeft()
	return total, conflict
}

// Preview lists the search for the patient, where there is one, and the write that would follow if it found one.
func (d *Destination) Preview(items []destination.Item) ([]destination.Request, error) {
	var all []destination.Request
	for _, item := range items {
		v := &view{Item: item, d: d}
		note := ""
		form, subject := d.patientQuery(v)
		if form != "" {
			req, err := d.search(context.Background(), v, form)
			if err != nil {
				return nil, err
			}
			all = append(all, d.show(req, form, "finds the patient"))
			subject = &reference{Reference: "Patient/FOUND"}
			note = "Patient/FOUND stands for the patient that the search finds; without exactly one, no patient is referred to"
		}
		resources := v.resources(subject)
		if d.cfg.Update {
			for i := range resources {
				req, err := d.searchFor(context.Background(), v, &resources[i])
				if err != nil {
					return nil, err
				}
				all = append(all, d.show(req, searchForm(resources[i].id), "finds what the EHR has of the call already"))
			}
			note = strings.TrimPrefix(note+"; if the EHR has nothing of the call yet: otherwise what this event adds is merged into what it has, and written with its version", "; ")
		}
		writes, err := d.write(context.Background(), v, resources)
		if err != nil {
			return nil, err
		}
		for _, w := range writes {
			body, err := bodyOf(w.req)
			if err != nil {
				return nil, err
			}
			all = append(all, d.show(w.req, body, note))
		}
	}
	return all, nil
}

func (d *Destination) show(req *http.Request, body, note string) destination.Request {
	outbound.MaskSecrets(req.Header)
	if d.cfg.Auth != nil {
		d.cfg.Auth.Mask(req.Header)
	}
	return destination.Request{Method: req.Method, URL: req.URL.String(), Header: req.Header, Body: body, Note: note}
}

// judge classifies an answer by its status, and by its OperationOutcome where the status leaves it open.
func (d *Destination) judge(a *outbound.Answer, err error) destination.Result {
	r := outbound.ResultFrom(a, err, d.cfg.Now())
	if err != nil {
		return r
	}
	if r.Outcome == destination.Delivered {
		if kind, _ := charset.MediaType(a.Header.Get("Content-Type")); kind == "text/html" {
			return destination.Result{
				Status: a.Status, Astray: true, Excerpt: r.Excerpt,
				Reason: strconv.Itoa(a.Status) + " with an HTML page: that is not the FHIR server; check the base URL, or the proxy before it",
			}
		}
		return r
	}
	issues := Issues(a.Body)
	switch {
	case a.Status == http.StatusPreconditionFailed:
		r.Reason = "412: several records in the EHR have the identifier of this call, or of its patient; merge them there, then replay"
	case a.Status == http.StatusConflict, r.Outcome == destination.Dead && a.Status >= 400 && passing(issues):
		r.Outcome, r.RetryAfter = destination.Retry, outbound.RetryAfter(a.Header, d.cfg.Now())
		r.Reason = strconv.Itoa(a.Status) + ": the EHR is busy with the same record"
	}
	if s := describe(issues); s != "" {
		r.Reason += " [" + s + "]"
	}
	return r
}

// read takes from a successful answer what was created, and looks into the entries of a transaction's answer. conflict says
// that something was there that the search before had not found.
func (d *Destination) read(a *outbound.Answer, v *view, w *write, r *destination.Result) (conflict bool) {
	if len(w.kinds) == 1 {
		r.RemoteID = remoteID(a.Header.Get("Location"))
		return d.known(v, w, 0, a.Status)
	}
	var answer struct {
		Type  string `json:"type"`
		Entry []struct {
			Response struct {
				Status   string          `json:"status"`
				Location string          `json:"location"`
				Outcome  json.RawMessage `json:"outcome"`
			} `json:"response"`
		} `json:"entry"`
	}
	if json.Unmarshal(a.Body, &answer) != nil || len(answer.Entry) != len(w.kinds) {
		// A transaction is atomic, and the status is its outcome; there is just nothing more to learn.
		return false
	}
	for i, e := range answer.Entry {
		if w.kinds[i] == "Patient" {
			continue
		}
		if r.RemoteID == "" {
			r.RemoteID = remoteID(e.Response.Location)
		}
	}
	// A server that takes a transaction for a batch answers 200 and fails in parts.
	for i, e := range answer.Entry {
		code, _, _ := strings.Cut(strings.TrimSpace(e.Response.Status), " ")
		status, err := strconv.Atoi(code)
		if err != nil || status < 400 {
			conflict = d.known(v, w, i, status) || conflict
			continue
		}
		failed := d.judge(&outbound.Answer{Status: status, Header: http.Header{}, Body: e.Response.Outcome}, nil)
		failed.Reason = string(w.kinds[i]) + ": " + failed.Reason
		failed.RemoteID, failed.Excerpt = r.RemoteID, r.Excerpt
		*r = failed
		return conflict
	}
	return conflict
}

// remoteID is Type/id of a location such as [base]/Communication/123/_history/1.
func remoteID(location string) string {
	location, _, _ = strings.Cut(location, "/_history/")
	parts := strings.Split(strings.TrimRight(location, "/"), "/")
	if len(parts) < 2 {
		return ""
	}
	kind, id := parts[len(parts)-2], parts[len(parts)-1]
	if word(kind, lower+upper, 64) == "" || word(id, lower+upper+digits+"-.", 64) == "" {
		return ""
	}
	return kind + "/" + id
}

// known notes that an earlier event of the call was there before this one, which has not been added then. With update it was
// written between the look-up and now, or the EHR's search lags behind: it is to be looked for again.
func (d *Destination) known(v *view, w *write, i, status int) (again bool) {
	if w.kinds[i] == "Patient" || w.olds[i] != nil || status != http.StatusOK || slices.Contains(v.unasked, w.kinds[i]) {
		return false
	}
	if !slices.Contains(v.left, w.kinds[i]) {
		v.left = append(v.left, w.kinds[i])
	}
	return d.cfg.Update
}

// tellLeft says what was not written because it was there. In a later attempt it may be this event's own.
func (v *view) tellLeft() {
	if len(v.left) == 0 || v.Attempt > 1 && !v.d.cfg.Update {
		return
	}
	kinds := make([]string, len(v.left))
	for i, k := range v.left {
		kinds[i] = string(k)
	}
	v.left = nil
	advice := "; set update to add to it"
	if v.d.cfg.Update {
		advice = ", because its search does not find it"
	}
	v.warnings = append(v.warnings, "the EHR has this call from an earlier event, and left it as it is ("+strings.Join(kinds, ", ")+")"+advice)
}
