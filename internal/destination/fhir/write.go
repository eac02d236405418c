package fhir

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/callgate/callgate/internal/outbound"
)

// write is one request that writes, and the kinds of its resources in their order.
type write struct {
	req   *http.Request
	kinds []Kind
	olds  []*stored // what each of them is written over, nil for what is created
}

// versioned says that the request changes what is there, on the condition that it has not changed.
func (w *write) versioned() bool {
	return slices.ContainsFunc(w.olds, func(o *stored) bool { return o != nil })
}

// write makes the requests for the call's resources: one, or several with Separate, or none.
func (d *Destination) write(ctx context.Context, v *view, all []resource) ([]write, error) {
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
			writes[i] = write{req, []Kind{r.kind}, []*stored{r.old}}
		}
		return writes, nil
	}
	kinds, olds := make([]Kind, len(all)), make([]*stored, len(all))
	b := bundle{ResourceType: "Bundle", Type: "transaction", Entry: make([]entry, len(all))}
	for i, r := range all {
		kinds[i], olds[i] = r.kind, r.old
		e := entry{FullURL: v.urn(r.kind), Resource: r.body, Request: entryRequest{Method: "POST", URL: string(r.kind), IfNoneExist: r.condition}}
		if r.old != nil {
			e.FullURL = d.cfg.Base + "/" + string(r.kind) + "/" + r.old.id
			e.Request = entryRequest{Method: "PUT", URL: string(r.kind) + "/" + r.old.id, IfMatch: r.old.etag()}
		}
		b.Entry[i] = e
	}
	req, err := d.request(ctx, v, http.MethodPost, d.cfg.Base, b)
	if err != nil {
		return nil, err
	}
	return []write{{req, kinds, olds}}, nil
}

// etag is the version as If-Match wants it (R4, "Managing Resource Contention"); empty when there is none.
func (s *stored) etag() string {
	if s.version == "" {
		return ""
	}
	return `W/"` + s.version + `"`
}

func (d *Destination) single(ctx context.Context, v *view, r resource) (*http.Request, error) {
	address := d.cfg.Base + "/" + string(r.kind)
	if r.old != nil {
		req, err := d.request(ctx, v, http.MethodPut, address+"/"+r.old.id, r.body)
		if err == nil && r.old.version != "" {
			req.Header.Set("If-Match", r.old.etag())
		}
		return req, err
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
	if v.round > 1 && req.Header.Get("Idempotency-Key") != "" {
		// Another request than the one that was refused: a receiver that remembers the key would answer them alike.
		req.Header.Set("Idempotency-Key", v.DeliveryID+"-"+strconv.Itoa(v.round))
	}
}
