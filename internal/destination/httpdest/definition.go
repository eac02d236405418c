package httpdest

import (
	"github.com/callgate/callgate/internal/definition"
	"github.com/callgate/callgate/internal/destination"
	"github.com/callgate/callgate/internal/template"
)

// FromDefinition is a Renderer of a webhook document. Beside the call's fields and the tenant's variables its templates
// have tenant and delivery_id; nothing that differs between attempts, so that each sends the same bytes.
func FromDefinition(d *definition.Definition) Renderer { return document{d} }

type document struct{ *definition.Definition }

func (d document) Render(item destination.Item) (Rendered, error) {
	r, err := d.Definition.Render(&template.Scope{
		Call: item.Call, Vars: item.Vars, ReceivedAt: item.ReceivedAt,
		Extra: map[string]string{"tenant": item.Tenant, "delivery_id": item.DeliveryID},
	})
	if err != nil {
		return Rendered{}, err
	}
	return Rendered{Method: r.Method, URL: r.URL, Header: r.Header, Body: r.Body}, nil
}

// secretive is a Renderer that knows which of its headers are secret besides those whose name says so.
type secretive interface {
	Secret(header string) bool
}
