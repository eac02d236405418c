package salesforce

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/callgate/callgate/internal/destination"
	"github.com/callgate/callgate/internal/outbound"
)

// AccountFields implements destination.Describer: the object's fields that a record can be made with.
// Guessed: the members of a description are known from use; Salesforce's page of sObject Describe was not opened.
func (d *Destination) AccountFields(ctx context.Context) ([]destination.Field, error) {
	a, err := d.send(ctx, request{method: http.MethodGet, path: d.prefix + "/sobjects/" + d.cfg.Object + "/describe"}, nil)
	if err != nil {
		return nil, errors.New(outbound.ResultFrom(a, err, d.now()).Reason)
	}
	if a.Status != http.StatusOK {
		if r := readReply(a.Status, a.Body); len(r.errs) > 0 {
			return nil, errors.New(verdict(a.Status, r.errs).Reason)
		}
		return nil, errors.New(strconv.Itoa(a.Status) + ": Salesforce does not describe " + d.cfg.Object + "; look whether the organization has that object and the user may see it")
	}
	var object struct {
		Fields []struct {
			Name       string `json:"name"`
			Label      string `json:"label"`
			Type       string `json:"type"`
			Createable bool   `json:"createable"`
			Nillable   bool   `json:"nillable"`
			Defaulted  bool   `json:"defaultedOnCreate"`
			Restricted bool   `json:"restrictedPicklist"`
			Values     []struct {
				Value  string `json:"value"`
				Active bool   `json:"active"`
			} `json:"picklistValues"`
		} `json:"fields"`
	}
	if json.Unmarshal(a.Body, &object) != nil || object.Fields == nil {
		return nil, errors.New("Salesforce's description of " + d.cfg.Object + " cannot be read; look whether the instance is its address, and no proxy stands between")
	}
	fields := []destination.Field{}
	for _, f := range object.Fields {
		if !f.Createable {
			continue
		}
		one := destination.Field{Name: f.Name, Label: f.Label, Type: f.Type, Required: !f.Nillable && !f.Defaulted}
		for _, v := range f.Values {
			if v.Active && f.Restricted {
				one.Values = append(one.Values, v.Value)
			}
		}
		fields = append(fields, one)
	}
	slices.SortFunc(fields, func(a, b destination.Field) int { return strings.Compare(a.Name, b.Name) })
	return fields, nil
}

var _ destination.Describer = (*Destination)(nil)
