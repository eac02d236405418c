// Package pager is a kind of destination in one file: it pages whoever is on duty, by a gateway that takes a text as a form.
// Nothing in Callgate names it. See README.md beside it, and the package guest for what a guest module is.
package pager

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/callgate/callgate/caddymodule/grammar"
	"github.com/callgate/callgate/caddymodule/guest"
)

func init() {
	caddy.RegisterModule(new(Pager))
}

// Pager pages one number for each call. Its settings are the struct's exported fields.
type Pager struct {
	// URL is the address of the pager gateway. Required.
	URL string `json:"url,omitempty"`

	// Token is sent as "Authorization: Bearer …". Placeholders are resolved. Required.
	Token string `json:"token,omitempty"`

	// Number is the pager that is called. Required.
	Number string `json:"number,omitempty"`

	// Length is how many characters a page has at most. Default: 160.
	Length int `json:"length,omitempty"`
}

// CaddyModule returns the Caddy module information.
func (*Pager) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "callgate.destinations.pager", New: func() caddy.Module { return new(Pager) }}
}

// UnmarshalCaddyfile sets up the destination from Caddyfile tokens. Syntax:
//
//	destination <name> pager [<url>] {
//		token  <token>
//		number <number>
//		length <characters>
//	}
func (p *Pager) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	d.Next() // consume the kind's name
	if err := grammar.Optional(d, &p.URL); err != nil {
		return err
	}
	return grammar.Block(d, grammar.Lines{
		"token":  grammar.Text(&p.Token),
		"number": grammar.Text(&p.Number),
		"length": grammar.Count(&p.Length),
	})
}

// NewDestination implements guest.Destination: it says what is wrong with the settings, and opens no connection.
func (p *Pager) NewDestination(o guest.DestinationOptions) (guest.Receiver, error) {
	if o.Sign != nil {
		return nil, errors.New("sign: the pager gateway knows no signatures")
	}
	if p.URL == "" || p.Token == "" || p.Number == "" {
		return nil, errors.New("a pager needs a url, a token and a number")
	}
	token, err := o.Resolve(p.Token)
	if err != nil {
		return nil, fmt.Errorf("token: %w", err)
	}
	r := &receiver{url: p.URL, token: token, number: p.Number, length: p.Length, client: &http.Client{Timeout: o.Timeout}}
	if r.length == 0 {
		r.length = 160
	}
	return r, nil
}

// receiver is what the settings make. It holds nothing that a restart could lose, and serves several deliveries at once.
type receiver struct {
	url, token, number string
	length             int
	client             *http.Client
}

// form is what is sent for a call.
func (r *receiver) form(item guest.Item) string {
	text := item.Call.FirstName + " " + item.Call.CallerNumber + ": " + item.Call.Message
	if runes := []rune(text); len(runes) > r.length {
		text = string(runes[:r.length])
	}
	return url.Values{"to": {r.number}, "text": {text}}.Encode()
}

// Deliver implements guest.Receiver.
func (r *receiver) Deliver(ctx context.Context, items []guest.Item) []guest.Result {
	results := make([]guest.Result, len(items))
	for i, item := range items {
		results[i] = r.page(ctx, item)
	}
	return results
}

func (r *receiver) page(ctx context.Context, item guest.Item) guest.Result {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, r.url, strings.NewReader(r.form(item)))
	if err != nil {
		return guest.Result{Outcome: guest.Dead, Reason: "the url is not one"}
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("Authorization", "Bearer "+r.token)
	req.Header.Set("Idempotency-Key", item.DeliveryID) // a delivery may come twice
	res, err := r.client.Do(req)
	if err != nil {
		// The error of the client quotes the URL, which is no secret here.
		return guest.Result{Unhealthy: true, Reason: err.Error()}
	}
	defer res.Body.Close()
	_, _ = io.Copy(io.Discard, io.LimitReader(res.Body, 64<<10)) // so that the connection serves again
	result := guest.Result{Status: res.StatusCode}
	switch {
	case res.StatusCode < 300:
		result.Outcome = guest.Delivered
	case res.StatusCode == http.StatusUnauthorized || res.StatusCode == http.StatusForbidden:
		result.Pause = true // nothing is lost while somebody sets the token right
		result.Reason = "the pager gateway refuses the token"
	case res.StatusCode == http.StatusBadRequest || res.StatusCode == http.StatusUnprocessableEntity:
		result.Outcome = guest.Dead
		result.Reason = "the pager gateway can not send this text"
	default:
		result.Unhealthy = res.StatusCode >= 500
		result.Reason = "the pager gateway answered " + res.Status
	}
	return result
}

// Preview implements guest.Receiver.
func (r *receiver) Preview(items []guest.Item) ([]guest.Request, error) {
	var all []guest.Request
	for _, item := range items {
		all = append(all, guest.Request{
			Method: http.MethodPost, URL: r.url, Body: r.form(item),
			Header: http.Header{"Content-Type": {"application/x-www-form-urlencoded"}, "Authorization": {"Bearer ***"}},
		})
	}
	return all, nil
}

// MaxBatch implements guest.Receiver.
func (*receiver) MaxBatch() int { return 1 }

// Interface guards
var (
	_ guest.Destination     = (*Pager)(nil)
	_ guest.Receiver        = (*receiver)(nil)
	_ caddyfile.Unmarshaler = (*Pager)(nil)
)
