package hubspot

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strings"

	"github.com/callgate/callgate/internal/destination"
	"github.com/callgate/callgate/internal/outbound"
)

// AccountFields implements destination.Describer: the contact properties that can be written (HubSpot, "Read all properties").
func (d *Destination) AccountFields(ctx context.Context) ([]destination.Field, error) {
	path := strings.Replace(d.objects, "/objects/", "/properties/", 1) + "contacts"
	if version, dated := strings.CutPrefix(d.objects, "/crm/objects/"); dated {
		path = "/crm/properties/" + version + "contacts"
	}
	req, err := outbound.NewRequest(ctx, http.MethodGet, d.conf.BaseURL+path, nil)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Accept", "application/json")
	a, err := d.conf.Client.Send(ctx, d.auth, req)
	if res := d.judge(a, err); res.Outcome != destination.Delivered {
		return nil, errors.New(res.Reason)
	}
	var list struct {
		Results []struct {
			Name       string `json:"name"`
			Label      string `json:"label"`
			Type       string `json:"type"`
			Hidden     bool   `json:"hidden"`
			Calculated bool   `json:"calculated"`
			Modified   struct {
				ReadOnly bool `json:"readOnlyValue"`
			} `json:"modificationMetadata"`
			Options []struct {
				Value  string `json:"value"`
				Hidden bool   `json:"hidden"`
			} `json:"options"`
		} `json:"results"`
	}
	if json.Unmarshal(a.Body, &list) != nil || list.Results == nil {
		return nil, errors.New(unreadable(a.Status).Reason)
	}
	fields := []destination.Field{}
	for _, p := range list.Results {
		if p.Hidden || p.Calculated || p.Modified.ReadOnly {
			continue
		}
		f := destination.Field{Name: p.Name, Label: p.Label, Type: p.Type}
		for _, o := range p.Options {
			if !o.Hidden {
				f.Values = append(f.Values, o.Value)
			}
		}
		fields = append(fields, f)
	}
	slices.SortFunc(fields, func(a, b destination.Field) int { return strings.Compare(a.Name, b.Name) })
	return fields, nil
}

var _ destination.Describer = (*Destination)(nil)
