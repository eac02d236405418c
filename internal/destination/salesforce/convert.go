package salesforce

import (
	"context"
	"net/http"

	"github.com/callgate/callgate/internal/destination"
	"github.com/callgate/callgate/internal/outbound"
)

// Convert makes the one request that writes the call's record, signed in, for a proxy to send: an upsert by the external
// id, or a create where none is configured. It looks for nothing first, so that without an external id each call becomes
// a new record. Required fields have their defaults, because nobody is there to try again with them; the call is not
// logged. The answer is Salesforce's.
func (d *Destination) Convert(ctx context.Context, it destination.Item) (*http.Request, error) {
	r := d.newRecord(&it)
	if d.cfg.ExternalID == "" {
		d.decide(r, absent)
	} else {
		d.decide(r, unknown)
		d.addDefaults(r, nil)
	}
	q := d.recordRequest(r)
	req, err := outbound.NewRequest(ctx, q.method, d.cfg.Instance+q.path, q.body)
	if err != nil {
		return nil, err
	}
	d.dress(req.Header, q, &it)
	return req, d.auth.Apply(ctx, req)
}
