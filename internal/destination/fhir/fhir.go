package fhir

import (
	"context"
	"encoding/json"
	"fmt"
	"mime"
	"net/http"
	"strconv"
	"strings"

	"github.com/callgate/callgate/internal/destination"
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
	subject, failure := d.findPatient(ctx, v)
	if failure != nil {
		return *failure
	}
	writes, err := d.write(ctx, v, subject)
	if err != nil {
		return destination.Result{Outcome: destination.Dead, Reason: err.Error(), Warnings: v.warnings}
	}
	if len(writes) == 0 {
		v.warnings = append(v.warnings, "nothing was sent: none of the configured resources applies to this call")
		return destination.Result{Outcome: destination.Delivered, Warnings: v.warnings}
	}
	var total destination.Result
	for i, w := range writes {
		a, err := d.cfg.Client.Send(ctx, d.cfg.Auth, w.req)
		r := d.judge(a, err)
		if r.Outcome == destination.Delivered {
			d.read(a, v, w.kinds, &r)
		} else if len(writes) > 1 {
			r.Reason = string(w.kinds[0]) + ": " + r.Reason
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
	total.Warnings = v.warnings
	return total
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
		writes, err := d.write(context.Background(), v, subject)
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

// write is one request that writes, and the kinds of its resources in their order.
type write struct {
	req   *http.Request
	kinds []Kind
}

// write makes the requests for the call's resources: one, or several with Separate, or none.
func (d *Destination) write(ctx context.Context, v *view, subject *reference) ([]write, error) {
	all := v.resources(subject)
	if len(all) == 0 {
		return nil, nil
	}
	if id := v.text(d.cfg.PatientParam); d.cfg.Patient == PatientCreate && id != "" {
		all = append([]resource{v.newPatient(identifier{d.cfg.PatientSystem, id})}, all...)
	}
	if len(all) == 1 || d.cfg.Separate {
		writes := make([]write, len(all))
		for i, r := range all {
			req, err := d.single(ctx, v, r)
			if err != nil {
				return nil, err
			}
			if len(all) > 1 && i > 0 {
				// One delivery, several requests: a receiver that remembers the key would answer them alike.
				req.Header.Set("Idempotency-Key", v.DeliveryID+"-"+strings.ToLower(string(r.kind)))
			}
			writes[i] = write{req, []Kind{r.kind}}
		}
		return writes, nil
	}
	kinds := make([]Kind, len(all))
	b := bundle{ResourceType: "Bundle", Type: "transaction", Entry: make([]entry, len(all))}
	for i, r := range all {
		kinds[i] = r.kind
		e := entry{FullURL: v.urn(r.kind), Resource: r.body, Request: entryRequest{Method: "POST", URL: string(r.kind), IfNoneExist: r.condition}}
		if r.update {
			e.Request = entryRequest{Method: "PUT", URL: string(r.kind) + "?" + r.condition}
		}
		b.Entry[i] = e
	}
	req, err := d.request(ctx, v, http.MethodPost, d.cfg.Base, b)
	if err != nil {
		return nil, err
	}
	return []write{{req, kinds}}, nil
}

func (d *Destination) single(ctx context.Context, v *view, r resource) (*http.Request, error) {
	address := d.cfg.Base + "/" + string(r.kind)
	if r.update {
		return d.request(ctx, v, http.MethodPut, address+"?"+r.condition, r.body)
	}
	req, err := d.request(ctx, v, http.MethodPost, address, r.body)
	if err == nil {
		req.Header.Set("If-None-Exist", r.condition)
	}
	return req, err
}

func (d *Destination) request(ctx context.Context, v *view, method, address string, body any) (*http.Request, error) {
	b, err := json.Marshal(body)
	if err != nil {
		return nil, fmt.Errorf("the call can not be written as FHIR: %w", err)
	}
	req, err := outbound.NewRequest(ctx, method, address, b)
	if err != nil {
		return nil, err
	}
	d.headers(req, v, mediaType)
	// What was written would come back with it otherwise: personal data that nobody reads.
	req.Header.Set("Prefer", "return=minimal")
	return req, nil
}

func (d *Destination) headers(req *http.Request, v *view, contentType string) {
	for name, values := range d.cfg.Header {
		req.Header[name] = append([]string(nil), values...)
	}
	req.Header.Set("Content-Type", contentType)
	req.Header.Set("Accept", mediaType)
	outbound.StampHeaders(req.Header, v.Item)
}

// judge classifies an answer by its status, and by its OperationOutcome where the status leaves it open.
func (d *Destination) judge(a *outbound.Answer, err error) destination.Result {
	r := outbound.ResultFrom(a, err, d.cfg.Now())
	if err != nil {
		return r
	}
	if r.Outcome == destination.Delivered {
		if kind, _, _ := mime.ParseMediaType(a.Header.Get("Content-Type")); kind == "text/html" {
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
		r.Reason = "412: several records in the EHR have this call's identifier; merge them there, then replay"
	case a.Status == http.StatusConflict, r.Outcome == destination.Dead && a.Status >= 400 && passing(issues):
		r.Outcome, r.RetryAfter = destination.Retry, outbound.RetryAfter(a.Header, d.cfg.Now())
		r.Reason = strconv.Itoa(a.Status) + ": the EHR is busy with the same record"
	}
	if s := describe(issues); s != "" {
		r.Reason += " [" + s + "]"
	}
	return r
}

// read takes from a successful answer what was created, and looks into the entries of a transaction's answer.
func (d *Destination) read(a *outbound.Answer, v *view, kinds []Kind, r *destination.Result) {
	if len(kinds) == 1 {
		r.RemoteID = remoteID(a.Header.Get("Location"))
		d.known(v, kinds[0], a.Status)
		return
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
	if json.Unmarshal(a.Body, &answer) != nil || len(answer.Entry) != len(kinds) {
		// A transaction is atomic, and the status is its outcome; there is just nothing more to learn.
		return
	}
	for i, e := range answer.Entry {
		if kinds[i] == "Patient" {
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
			d.known(v, kinds[i], status)
			continue
		}
		failed := d.judge(&outbound.Answer{Status: status, Header: http.Header{}, Body: e.Response.Outcome}, nil)
		failed.Reason = string(kinds[i]) + ": " + failed.Reason
		failed.RemoteID, failed.Excerpt = r.RemoteID, r.Excerpt
		*r = failed
		return
	}
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

// known notes that an earlier event of the call was there before this one, whose text has not been added then.
func (d *Destination) known(v *view, kind Kind, status int) {
	if kind == Communication && status == http.StatusOK && v.Attempt <= 1 && !d.cfg.Update {
		v.warnings = append(v.warnings, "the EHR has this call from an earlier event and was left as it is; set update to replace it")
	}
}
