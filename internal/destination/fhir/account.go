package fhir

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"slices"

	"github.com/callgate/callgate/internal/destination"
	"github.com/callgate/callgate/internal/outbound"
)

// AccountFields implements destination.Describer: the resources that the server lets be created, by its capability statement
// (FHIR R4, "capabilities").
func (d *Destination) AccountFields(ctx context.Context) ([]destination.Field, error) {
	req, err := outbound.NewRequest(ctx, http.MethodGet, d.cfg.Base+"/metadata", nil)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Accept", "application/fhir+json")
	a, err := d.cfg.Client.Send(ctx, d.cfg.Auth, req)
	if r := d.judge(a, err); r.Outcome != destination.Delivered {
		return nil, errors.New(r.Reason)
	}
	var statement struct {
		Type string `json:"resourceType"`
		Rest []struct {
			Mode     string `json:"mode"`
			Resource []struct {
				Type        string `json:"type"`
				Interaction []struct {
					Code string `json:"code"`
				} `json:"interaction"`
			} `json:"resource"`
		} `json:"rest"`
	}
	if json.Unmarshal(a.Body, &statement) != nil || statement.Type != "CapabilityStatement" {
		return nil, errors.New("the server's capability statement cannot be read; look whether base is the address of its FHIR API")
	}
	fields := []destination.Field{}
	for _, rest := range statement.Rest {
		for _, r := range rest.Resource {
			can := false
			for _, i := range r.Interaction {
				can = can || i.Code == "create"
			}
			if can && rest.Mode == "server" {
				fields = append(fields, destination.Field{Name: r.Type})
			}
		}
	}
	slices.SortFunc(fields, func(a, b destination.Field) int {
		if a.Name < b.Name {
			return -1
		}
		return 1
	})
	return fields, nil
}

var _ destination.Describer = (*Destination)(nil)
