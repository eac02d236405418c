package standin

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
)

func (s *FHIR) create(kind string, resource map[string]any, condition string) (*done, *Problem) {
	if p := CheckResource(resource, kind); p != nil {
		return nil, p
	}
	if condition != "" {
		found, p := s.matches(kind, condition)
		switch {
		case p != nil:
			return nil, p
		case len(found) > 1:
			return nil, &Problem{412, "multiple-matches", "several match " + condition, ""}
		case len(found) == 1:
			return &done{200, fmt.Sprintf("%s/%s", kind, found[0]["id"]), nil}, nil
		}
	}
	return &done{201, kind + "/" + s.insert(resource), nil}, nil
}

func (s *FHIR) update(kind string, resource map[string]any, condition string) (*done, *Problem) {
	if p := CheckResource(resource, kind); p != nil {
		return nil, p
	}
	found, p := s.matches(kind, condition)
	switch {
	case p != nil:
		return nil, p
	case len(found) > 1:
		return nil, &Problem{412, "multiple-matches", "several match " + condition, ""}
	case len(found) == 0:
		return &done{201, kind + "/" + s.insert(resource), nil}, nil
	}
	id := found[0]["id"]
	resource["id"] = id
	s.replace(kind, found[0], resource)
	return &done{200, fmt.Sprintf("%s/%s", kind, id), nil}, nil
}

func (s *FHIR) replace(kind string, old, resource map[string]any) {
	for i, r := range s.stored[kind] {
		if r["id"] == old["id"] {
			s.stored[kind][i] = s.versioned(resource, old)
		}
	}
}

// put updates the resource at kind/id. With If-Match it is refused when the version is another one (R4, "Managing Resource
// Contention").
func (s *FHIR) put(path string, resource map[string]any, match string) (*done, *Problem) {
	kind, id, _ := strings.Cut(path, "/")
	if p := CheckResource(resource, kind); p != nil {
		return nil, p
	}
	if resource["id"] != id {
		return nil, &Problem{400, "invalid", "the resource's id is not that of the URL", kind + ".id"}
	}
	for _, r := range s.stored[kind] {
		if r["id"] != id {
			continue
		}
		meta, _ := r["meta"].(map[string]any)
		if match != "" && match != fmt.Sprintf(`W/"%v"`, meta["versionId"]) {
			return nil, &Problem{412, "conflict", "version " + match, ""}
		}
		s.replace(kind, r, resource)
		return &done{200, kind + "/" + id, nil}, nil
	}
	return nil, &Problem{405, "not-supported", "ids are the server's to give", ""}
}

func (s *FHIR) insert(resource map[string]any) string {
	s.nextID++
	id := strconv.Itoa(s.nextID)
	resource["id"] = id
	kind, _ := resource["resourceType"].(string)
	s.stored[kind] = append(s.stored[kind], s.versioned(resource, nil))
	return id
}

// transaction does all entries or none.
func (s *FHIR) transaction(b map[string]any) (*done, *Problem) {
	if b["resourceType"] != "Bundle" || b["type"] != "transaction" {
		return nil, &Problem{400, "invalid", "not a transaction", "Bundle.type"}
	}
	if p := checkValues(b, "Bundle"); p != nil {
		return nil, p
	}
	entries, _ := b["entry"].([]any)
	before, nextID := map[string][]map[string]any{}, s.nextID
	for k, v := range s.stored {
		before[k] = append([]map[string]any(nil), v...) // stored resources are replaced, never changed
	}
	undo := func(p *Problem) (*done, *Problem) { s.stored, s.nextID = before, nextID; return nil, p }
	urns := map[string]string{}
	answers := make([]any, 0, len(entries))
	for i, one := range entries {
		e, _ := one.(map[string]any)
		resource, _ := e["resource"].(map[string]any)
		request, _ := e["request"].(map[string]any)
		address, _ := request["url"].(string)
		urn, _ := e["fullUrl"].(string)
		own := strings.HasPrefix(urn, "urn:uuid:") || request["method"] == "PUT" && urn == s.Base()+"/"+address
		if !own || urns[urn] != "" {
			return undo(&Problem{400, "invalid", "fullUrl " + urn, fmt.Sprintf("Bundle.entry[%d].fullUrl", i)})
		}
		var d *done
		var p *Problem
		switch request["method"] {
		case "POST":
			condition, _ := request["ifNoneExist"].(string)
			d, p = s.create(address, resource, condition)
		case "PUT":
			kind, condition, conditional := strings.Cut(address, "?")
			if conditional {
				d, p = s.update(kind, resource, condition)
				break
			}
			match, _ := request["ifMatch"].(string)
			d, p = s.put(address, resource, match)
		default:
			p = &Problem{400, "not-supported", "method", fmt.Sprintf("Bundle.entry[%d].request.method", i)}
		}
		if p != nil {
			return undo(p)
		}
		urns[urn] = d.location
		answers = append(answers, map[string]any{"response": map[string]any{
			"status": strconv.Itoa(d.status) + " " + http.StatusText(d.status), "location": d.location + "/_history/1",
		}})
	}
	for _, one := range entries {
		if unknown := resolve(one.(map[string]any)["resource"], urns); unknown != "" {
			return undo(&Problem{400, "invalid", "reference to " + unknown, ""})
		}
	}
	return &done{200, "", map[string]any{"resourceType": "Bundle", "type": "transaction-response", "entry": answers}}, nil
}

// resolve replaces references within the transaction, and returns one that leads nowhere.
func resolve(v any, urns map[string]string) (unknown string) {
	switch v := v.(type) {
	case map[string]any:
		if ref, ok := v["reference"].(string); ok && strings.HasPrefix(ref, "urn:") {
			if urns[ref] == "" {
				return ref
			}
			v["reference"] = urns[ref]
		}
		for _, child := range v {
			if unknown = resolve(child, urns); unknown != "" {
				return unknown
			}
		}
	case []any:
		for _, child := range v {
			if unknown = resolve(child, urns); unknown != "" {
				return unknown
			}
		}
	}
	return ""
}
