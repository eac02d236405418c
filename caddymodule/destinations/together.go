package destinations

import (
	"context"
	"net/http"
	"slices"

	"github.com/callgate/callgate/internal/outbound"
)

// several are authorizers that apply together, such as a gateway's key in a header and an OAuth token.
type several []outbound.Authorizer

// together is one authorizer for all that are not nil, or nil.
func together(all ...outbound.Authorizer) outbound.Authorizer {
	var s several
	for _, a := range all {
		if a != nil {
			s = append(s, a)
		}
	}
	switch len(s) {
	case 0:
		return nil
	case 1:
		return s[0]
	}
	if slices.ContainsFunc(s, func(a outbound.Authorizer) bool { _, ok := a.(outbound.Challenged); return ok }) {
		return challenged{s}
	}
	return s
}

// Apply implements outbound.Authorizer.
func (s several) Apply(ctx context.Context, req *http.Request) error {
	for _, a := range s {
		if err := a.Apply(ctx, req); err != nil {
			return err
		}
	}
	return nil
}

// Rejected implements outbound.Authorizer.
func (s several) Rejected(ctx context.Context, req *http.Request, status int, body []byte) bool {
	again := false
	for _, a := range s {
		again = a.Rejected(ctx, req, status, body) || again
	}
	return again
}

// Mask implements outbound.Authorizer.
func (s several) Mask(h http.Header) {
	for _, a := range s {
		a.Mask(h)
	}
}

// challenged are several of which at least one is.
type challenged struct{ several }

// Exchange implements outbound.Challenged: those that need an answer first have an exchange of their own in it.
func (c challenged) Exchange() outbound.Exchange {
	x := severalExchange{several: make(several, len(c.several))}
	for i, a := range c.several {
		if c, ok := a.(outbound.Challenged); ok {
			own := c.Exchange()
			x.heard = append(x.heard, own)
			a = own
		}
		x.several[i] = a
	}
	return x
}

// severalExchange is several for one request.
type severalExchange struct {
	several
	heard []outbound.Exchange
}

// Heard implements outbound.Exchange.
func (x severalExchange) Heard(req *http.Request, a *outbound.Answer) {
	for _, h := range x.heard {
		h.Heard(req, a)
	}
}
