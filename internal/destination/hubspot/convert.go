package hubspot

import (
	"context"
	"fmt"
	"net/http"
	"net/url"

	"github.com/callgate/callgate/internal/destination"
	"github.com/callgate/callgate/internal/outbound"
)

// Convert makes the one request that writes the caller's contact, signed in, for a proxy to send: an upsert by e-mail
// address, or a create for a caller without one. It looks for nothing first, so that a caller without address becomes a
// new contact each time. The answer is HubSpot's; on 207 its body tells that the contact was refused.
func (d *Destination) Convert(ctx context.Context, it destination.Item) (*http.Request, error) {
	row := d.rowsOf([]destination.Item{it})[0]
	in := &input{trace: row.trace, props: row.props}
	b, path := batch{object: contactsObject, verb: "create"}, d.objects+contactsObject+"/batch/create"
	switch {
	case row.email != "" && d.conf.API == "v1":
		path = "/contacts/v1/contact/createOrUpdate/email/" + url.PathEscape(row.email)
	case row.email != "":
		in.id, in.idProperty = row.email, "email"
		b.verb, path = "upsert", d.objects+contactsObject+"/batch/upsert"
	case row.phone == "" && !d.conf.CreateNameless:
		return nil, fmt.Errorf("%w: the call has neither an e-mail address nor a number to know the caller by", ErrConfig)
	case row.get("firstname") == "" && row.get("lastname") == "":
		in.props = append(in.props, property{"firstname", d.conf.DefaultName})
	}
	r := &run{d: d, ctx: ctx, items: []destination.Item{it}}
	r.withoutRefused(b, []*input{in})
	body := appendInputs(nil, []*input{in})
	if row.email != "" && d.conf.API == "v1" {
		body = bodyV1(in.props)
	}
	req, err := outbound.NewRequest(ctx, http.MethodPost, d.conf.BaseURL+path, body)
	if err != nil {
		return nil, err
	}
	r.headers(req.Header)
	return req, d.auth.Apply(ctx, req)
}
