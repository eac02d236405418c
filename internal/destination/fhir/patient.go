package fhir

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strings"

	"github.com/callgate/callgate/internal/destination"
	"github.com/callgate/callgate/internal/outbound"
)

// patientQuery is how the patient is to be found: a form to search with, or a reference that needs no search, or
// neither.
func (d *Destination) patientQuery(v *view) (form string, known *reference) {
	id := v.text(d.cfg.PatientParam)
	own := identifier{d.cfg.PatientSystem, id}
	switch d.cfg.Patient {
	case PatientNone:
		return "", nil
	case PatientReference:
		if id == "" {
			return "", nil
		}
		return "", &reference{Type: "Patient", Identifier: &own}
	case PatientCreate:
		if id == "" {
			return "", nil
		}
		if d.cfg.Separate {
			return "", &reference{Type: "Patient", Identifier: &own}
		}
		return "", &reference{Reference: v.urn("Patient")}
	}
	query := url.Values{"_elements": {"id"}, "_count": {"2"}}
	number := v.number()
	switch {
	case id != "":
		query.Set("identifier", searchEscape(own.System)+"|"+searchEscape(own.Value))
	case number != "" && d.cfg.Patient == PatientPhone:
		query.Set("phone", strings.Join(spellings(number), ","))
	default:
		return "", nil
	}
	return query.Encode(), nil
}

// spellings are the ways in which an EHR may have written a number: search compares the text.
func spellings(number string) []string {
	all := []string{searchEscape(number)}
	national, ok := strings.CutPrefix(number, "+1")
	if !ok || len(national) != 10 {
		return append(all, searchEscape(strings.TrimPrefix(number, "+")))
	}
	area, office, line := national[:3], national[3:6], national[6:]
	return append(all, "1"+national, national, area+"-"+office+"-"+line, "("+area+") "+office+"-"+line, area+"."+office+"."+line)
}

// search makes the request. It goes by POST, so that the person's number is in no log of URLs, and without the
// delivery's ids: the write that follows bears them, and a receiver that remembers them would take it for a repetition.
func (d *Destination) search(ctx context.Context, v *view, form string) (*http.Request, error) {
	return d.searchKind(ctx, v, "Patient", form)
}

func (d *Destination) searchKind(ctx context.Context, v *view, kind Kind, form string) (*http.Request, error) {
	req, err := outbound.NewRequest(ctx, http.MethodPost, d.cfg.Base+"/"+string(kind)+"/_search", []byte(form))
	if err != nil {
		return nil, err
	}
	d.headers(req, v, "application/x-www-form-urlencoded")
	req.Header.Del("Webhook-Id")
	req.Header.Del("Idempotency-Key")
	return req, nil
}

// findPatient returns the reference to the patient, or nil if there is none or several. A failure that may pass is
// returned as a result; where the search can not work at all, the call is delivered without a patient: losing it would
// be worse, and linking it to a wrong one worse still.
func (d *Destination) findPatient(ctx context.Context, v *view) (*reference, *destination.Result) {
	form, known := d.patientQuery(v)
	if form == "" {
		return known, nil
	}
	req, err := d.search(ctx, v, form)
	if err != nil {
		return nil, &destination.Result{Outcome: destination.Dead, Reason: err.Error()}
	}
	a, err := d.cfg.Client.Send(ctx, d.cfg.Auth, req)
	r := d.judge(a, err)
	// A server that is there, and lets nobody search, takes the rest all the same.
	refused := r.Astray && a != nil && a.Status >= 400
	switch {
	case r.Outcome == destination.Retry && !refused:
		r.Reason = "patient search: " + r.Reason
		return nil, &r
	case r.Outcome == destination.Dead, refused:
		v.warnings = append(v.warnings, "sent without a patient, because the EHR refuses the search: "+r.Reason)
		return nil, nil
	}
	ids, more, ok := patients(a)
	switch {
	case !ok:
		return nil, &destination.Result{
			Status: a.Status, Unhealthy: true, Excerpt: r.Excerpt,
			Reason: "patient search: the answer is no search result; check that the base URL is a FHIR R4 server",
		}
	case len(ids) == 1 && !more:
		return &reference{Reference: "Patient/" + ids[0]}, nil
	case len(ids) > 0:
		v.warnings = append(v.warnings, "sent without a patient: the search found several")
	default:
		v.warnings = append(v.warnings, "sent without a patient: the search found none")
	}
	return nil, nil
}

// patients are the ids of the patients in a search's answer; more says that there are others behind them.
func patients(a *outbound.Answer) (ids []string, more, ok bool) {
	var found struct {
		ResourceType string `json:"resourceType"`
		Total        *int   `json:"total"`
		Entry        []struct {
			Resource struct {
				ResourceType string `json:"resourceType"`
				ID           string `json:"id"`
			} `json:"resource"`
			Search struct {
				Mode string `json:"mode"`
			} `json:"search"`
		} `json:"entry"`
		Link []struct {
			Relation string `json:"relation"`
		} `json:"link"`
	}
	if a.Truncated || json.Unmarshal(a.Body, &found) != nil || found.ResourceType != "Bundle" {
		return nil, false, false
	}
	for _, e := range found.Entry {
		match := e.Search.Mode == "" || e.Search.Mode == "match"
		if match && e.Resource.ResourceType == "Patient" && word(e.Resource.ID, lower+upper+digits+"-.", 64) != "" {
			ids = append(ids, e.Resource.ID)
		}
	}
	for _, l := range found.Link {
		more = more || l.Relation == "next"
	}
	more = more || found.Total != nil && *found.Total > len(ids)
	return ids, more, true
}

// bodyOf reads a request's body and leaves it to be read again.
func bodyOf(req *http.Request) (string, error) {
	r, err := req.GetBody()
	if err != nil {
		return "", err
	}
	b, err := io.ReadAll(r)
	return string(b), err
}
