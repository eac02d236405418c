package fhir

import (
	"context"
	"errors"
	"net/http"

	"github.com/callgate/callgate/internal/destination"
	"github.com/callgate/callgate/internal/outbound"
)

// Errors of Convert.
var (
	ErrSeveral = errors.New("this call becomes several resources, which cannot go on as one request while separate is set; take it away, or deliver")
	ErrNothing = errors.New("none of the configured resources applies to this call")
)

// Convert makes the one request that writes the call, signed in, for a proxy to send. It looks for nothing first: what the
// EHR has of an earlier event stays as it is, with Update too. It searches for no patient: where
// the configuration would, the resources refer to the patient by the identifier that was collected, and a
// caller's number alone refers to nobody. The answer is the EHR's.
func (d *Destination) Convert(ctx context.Context, item destination.Item) (*http.Request, error) {
	v := &view{Item: item, d: d}
	search, subject := d.patientQuery(v)
	if id := v.text(d.cfg.PatientParam); search != "" && id != "" {
		subject = &reference{Type: "Patient", Identifier: &identifier{d.cfg.PatientSystem, id}}
	}
	writes, err := d.write(ctx, v, v.resources(subject))
	switch {
	case err != nil:
		return nil, err
	case len(writes) == 0:
		return nil, ErrNothing
	case len(writes) > 1:
		return nil, ErrSeveral
	}
	req := writes[0].req
	if d.cfg.Auth != nil {
		err = d.cfg.Auth.Apply(ctx, req)
	}
	return req, err
}

// Convertible says why Convert cannot serve; nil if it can.
func (d *Destination) Convertible() error { return outbound.Alone(d.cfg.Auth) }
