package standin

import (
	"encoding/json"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
)

func (s *HubSpot) add(object string) *HubSpotObject {
	s.lastID++
	o := &HubSpotObject{ID: strconv.Itoa(s.lastID), Properties: map[string]string{}}
	s.objects[object] = append(s.objects[object], o)
	return o
}

// write sets the properties of a record; nil makes a new one.
func (s *HubSpot) write(object string, o *HubSpotObject, in hubSpotInput) *HubSpotObject {
	if o == nil {
		o = s.add(object)
		if in.IDProperty != "" {
			s.set(object, o, map[string]string{in.IDProperty: in.ID})
		}
	}
	s.set(object, o, in.Properties)
	o.Writes++
	for _, a := range in.Associations {
		for _, t := range a.Types {
			s.associate(o, hubSpotAssociations[object][t.TypeID], a.To.ID)
		}
	}
	return o
}

// set sets properties; the empty text clears one, as in HubSpot.
func (s *HubSpot) set(object string, o *HubSpotObject, properties map[string]string) {
	if s.searchable(o) {
		o.indexed = maps.Clone(o.Properties)
	}
	for n, v := range properties {
		if n == "email" {
			v = strings.ToLower(v)
		}
		o.Properties[n] = v
		if v == "" {
			delete(o.Properties, n)
		}
	}
	o.written = s.cfg.Now()
	if object != "contacts" {
		return
	}
	for from, to := range map[string]string{"phone": "hs_searchable_calculated_phone_number", "mobilephone": "hs_searchable_calculated_mobile_number"} {
		// The national digits: the tests' numbers are North American.
		if d := hubSpotDigits.ReplaceAllString(o.Properties[from], ""); len(d) >= 10 {
			o.Properties[to] = d[len(d)-10:]
		}
	}
}

// searchable reports whether searches know all of a record.
func (s *HubSpot) searchable(o *HubSpotObject) bool {
	return len(o.Properties) > 0 && (o.written.IsZero() || s.cfg.Now().Sub(o.written) >= s.cfg.SearchLag)
}

// secondary returns the contact that has an address beside its primary one.
func (s *HubSpot) secondary(address string) *HubSpotObject {
	for _, o := range s.objects["contacts"] {
		for a := range strings.SplitSeq(o.Properties["hs_additional_emails"], ";") {
			if a != "" && strings.EqualFold(a, address) {
				return o
			}
		}
	}
	return nil
}

// find returns the record with an id, or with a value of a unique property.
func (s *HubSpot) find(object, property, id string) *HubSpotObject {
	for _, o := range s.objects[object] {
		switch property {
		case "":
			if o.ID == id {
				return o
			}
		case "email":
			if id != "" && o.Properties["email"] == strings.ToLower(id) {
				return o
			}
		default:
			if id != "" && o.Properties[property] == id {
				return o
			}
		}
	}
	return nil
}

func (o *HubSpotObject) render(only []string) map[string]any {
	ps := map[string]any{"hs_object_id": o.ID}
	for n, v := range o.Properties {
		if only == nil || slices.Contains(only, n) {
			ps[n] = v
		}
	}
	for _, n := range only {
		if _, ok := o.Properties[n]; !ok {
			ps[n] = nil
		}
	}
	return map[string]any{"id": o.ID, "properties": ps, "createdAt": "2026-10-01T12:00:00.000Z", "updatedAt": "2026-10-01T12:00:00.000Z", "archived": false}
}

type hubSpotFilter struct {
	Property string   `json:"propertyName"`
	Operator string   `json:"operator"`
	Value    string   `json:"value"`
	Values   []string `json:"values"`
}

// search carries out a search: five groups of filters, six filters in a group, a hundred values in a list.
func (s *HubSpot) search(object string, body []byte) hubSpotAnswer {
	var req struct {
		Groups []struct {
			Filters []hubSpotFilter `json:"filters"`
		} `json:"filterGroups"`
		Properties []string `json:"properties"`
		Limit      int      `json:"limit"`
	}
	bad := func(why string) hubSpotAnswer { return hubSpotError(400, "VALIDATION_ERROR", why, nil) }
	if err := json.Unmarshal(body, &req); err != nil || req.Limit < 1 || req.Limit > 200 {
		return bad("There was a problem with the request.")
	}
	if len(req.Groups) < 1 || len(req.Groups) > 5 {
		return bad("there may be 1 to 5 filterGroups")
	}
	for _, g := range req.Groups {
		if len(g.Filters) > 6 {
			return bad("there may be at most 6 filters in a group")
		}
		for _, f := range g.Filters {
			if _, ok := s.schema[object][f.Property]; !ok {
				return bad("There was a problem with the request. Property " + f.Property + " does not exist")
			}
			if f.Operator == "IN" && (len(f.Values) == 0 || len(f.Values) > 100) {
				return bad("IN takes 1 to 100 values")
			}
			for _, v := range f.Values {
				if v != strings.ToLower(v) {
					return bad("values of IN must be lower case")
				}
			}
		}
	}
	results := []any{}
	// The latest change first, as the destination asks for.
	for _, o := range slices.Backward(s.objects[object]) {
		if !s.searchable(o) {
			o = &HubSpotObject{ID: o.ID, Properties: o.indexed}
		}
		if o.Properties == nil || len(results) == req.Limit {
			continue
		}
		for _, g := range req.Groups {
			if !slices.ContainsFunc(g.Filters, func(f hubSpotFilter) bool { return !f.matches(o) }) {
				results = append(results, o.render(req.Properties))
				break
			}
		}
	}
	return hubSpotAnswer{status: http.StatusOK, body: map[string]any{"total": len(results), "results": results}}
}

func (f hubSpotFilter) matches(o *HubSpotObject) bool {
	v, has := o.Properties[f.Property]
	switch f.Operator {
	case "EQ":
		return has && strings.EqualFold(v, f.Value)
	case "IN":
		return has && slices.Contains(f.Values, strings.ToLower(v))
	case "HAS_PROPERTY":
		return has
	case "NOT_HAS_PROPERTY":
		return !has
	case "CONTAINS_TOKEN":
		words := strings.FieldsFunc(v, func(r rune) bool { return strings.ContainsRune(" <>/.,;:!?\n\t", r) })
		return slices.ContainsFunc(words, func(w string) bool { return strings.EqualFold(w, f.Value) })
	default:
		return false
	}
}

// contactV1 is contacts/v1 createOrUpdate.
func (s *HubSpot) contactV1(method, email string, body []byte) hubSpotAnswer {
	if method != http.MethodPost {
		return hubSpotError(405, "VALIDATION_ERROR", "method not allowed", nil)
	}
	var req struct {
		Properties []struct {
			Property string `json:"property"`
			Value    string `json:"value"`
		} `json:"properties"`
	}
	if err := json.Unmarshal(body, &req); err != nil {
		return hubSpotError(400, "VALIDATION_ERROR", "Invalid input JSON", nil)
	}
	in := hubSpotInput{ID: email, IDProperty: "email", Properties: map[string]string{}}
	for _, p := range req.Properties {
		in.Properties[p.Property] = p.Value
	}
	o := s.find("contacts", "email", email)
	if bad := s.invalid("contacts", in, o == nil); len(bad) > 0 {
		e := hubSpotError(400, "VALIDATION_ERROR", "Property values were not valid", nil)
		e.body.(map[string]any)["validationResults"] = bad
		return e
	}
	if other := s.find("contacts", "email", in.Properties["email"]); other != nil && other != o {
		return hubSpotError(409, "CONFLICT", "Contact already exists. Existing ID: "+other.ID, nil)
	}
	isNew := o == nil
	o = s.write("contacts", o, in)
	vid, _ := strconv.Atoi(o.ID)
	return hubSpotAnswer{status: http.StatusOK, body: map[string]any{"vid": vid, "isNew": isNew}}
}
