package caddymodule

import (
	"github.com/callgate/callgate/internal/gateway"
	"github.com/callgate/callgate/internal/operate"
)

// witness hands what routes tell to those who operate the gateway; to nobody where there is no store, and so no page.
type witness struct{ in *instance }

func (w witness) meter() *operate.Meter {
	if d := w.in.dispatcher.Load(); d != nil {
		return d.meter
	}
	return nil
}

// Refused implements gateway.Witness.
func (w witness) Refused(r gateway.Refused) {
	if m := w.meter(); m != nil {
		m.Refused(r.Source, r.Route, r.Tenant, r.Code, r.Verified)
	}
}

// Copied implements gateway.Witness.
func (w witness) Copied(route, tenant, eventID string) {
	if m := w.meter(); m != nil {
		m.Copied(route, tenant, eventID)
	}
}

// Verified implements gateway.Witness.
func (w witness) Verified(source, route, tenant string) {
	if m := w.meter(); m != nil {
		m.Verified(source, route, tenant)
	}
}

// Interface guards
var _ gateway.Witness = witness{}
