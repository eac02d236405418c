package caddymodule

import (
	"context"
	"fmt"
	"net/http"

	"github.com/callgate/callgate/internal/call"
	"github.com/callgate/callgate/internal/delivery"
	"github.com/callgate/callgate/internal/destination"
	"github.com/callgate/callgate/internal/store"
)

// render makes the requests that a destination would send, secrets masked.
func (in *instance) render(name string, item destination.Item) ([]destination.Request, error) {
	c, ok := in.durable.snapshot.Destinations[name]
	if !ok {
		return in.live.render(name, item)
	}
	return preview(&c, item)
}

func preview(c *delivery.Config, item destination.Item) ([]destination.Request, error) {
	if c.Minimize != nil {
		item.Call = c.Minimize(item.Call)
	}
	return c.Destination.Preview([]destination.Item{item})
}

// deliver sends a call to a destination as the engine does; false if there is no such one.
func (in *instance) deliver(ctx context.Context, name string, item destination.Item) (destination.Result, bool) {
	c, ok := in.durable.snapshot.Destinations[name]
	if !ok {
		c = in.live.config(name)
	}
	if c.Destination == nil {
		return destination.Result{}, false
	}
	if c.Minimize != nil {
		item.Call = c.Minimize(item.Call)
	}
	return c.Destination.Deliver(ctx, []destination.Item{item})[0], true
}

// refuses says why a destination takes no such event; empty if it does.
func (in *instance) refuses(ctx context.Context, name string, e *store.Event, c *call.Call) string {
	to, ok := in.durable.snapshot.Destinations[name]
	if !ok {
		to = in.live.config(name)
	}
	return to.Refuses(ctx, e, c)
}

// converter is implemented by destinations whose request for a call can be made without asking anything first.
type converter interface {
	Convert(context.Context, destination.Item) (*http.Request, error)
}

// requester is another name for it.
type requester interface {
	Request(context.Context, destination.Item) (*http.Request, error)
}

func (in *instance) converter(name string) (func(context.Context, destination.Item) (*http.Request, error), error) {
	c, ok := in.durable.snapshot.Destinations[name]
	if !ok {
		return nil, fmt.Errorf("convert: %w", noDestination(name, namesOf(in.durable.snapshot.Destinations)))
	}
	var convert func(context.Context, destination.Item) (*http.Request, error)
	switch d := c.Destination.(type) {
	case converter:
		convert = d.Convert
	case requester:
		convert = d.Request
	default:
		return nil, fmt.Errorf("convert: destination %q asks its system before it writes or takes several requests, so it has no single one; use deliver", name)
	}
	if d, ok := c.Destination.(interface{ Convertible() error }); ok {
		if err := d.Convertible(); err != nil {
			return nil, fmt.Errorf("convert: destination %q: %w", name, err)
		}
	}
	return func(ctx context.Context, item destination.Item) (*http.Request, error) {
		if c.Minimize != nil {
			item.Call = c.Minimize(item.Call)
		}
		return convert(ctx, item)
	}, nil
}
