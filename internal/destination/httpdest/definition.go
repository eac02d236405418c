package httpdest

import (
	"github.com/callgate/callgate/internal/definition"
	"github.com/callgate/callgate/internal/destination"
	"github.com/callgate/callgate/internal/template"
)

// FromDefinition is a Renderer of a webhook document. Beside the call's fields and the tenant's variables its templates
// have tenant and delivery_id; nothing that differs between attempts, so that each sends the same bytes.
func FromDefinition(d *definition.Definition) *Document { return &Document{d} }

// Document is the Renderer of a webhook document.
type Document struct{ *definition.Definition }

// Render implements Renderer.
func (d *Document) Render(item destination.Item) (Rendered, error) {
	r, err := d.Definition.Render(scope(item))
	if err != nil {
		return Rendered{}, err
	}
	return Rendered{Method: r.Method, URL: r.URL, Header: r.Header, Body: r.Body, Warnings: r.Warnings}, nil
}

// ShowURL implements Shower.
func (d *Document) ShowURL(item destination.Item) (string, error) {
	return d.Definition.ShowURL(scope(item))
}

func scope(item destination.Item) *template.Scope {
	return &template.Scope{
		Call: item.Call, Vars: item.Vars, ReceivedAt: item.ReceivedAt, Tenant: item.Tenant, DeliveryID: item.DeliveryID, Steps: item.Steps,
	}
}

// Shower is a Renderer that knows which parts of its URLs are secret besides query parameters that are called so.
type Shower interface {
	// ShowURL is the URL of Render, with its secrets masked.
	ShowURL(item destination.Item) (string, error)
}

// secretive is a Renderer that knows which of its headers are secret besides those whose name says so.
type secretive interface {
	Secret(header string) bool
}
