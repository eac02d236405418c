package standin

import (
	"cmp"
	"net/http"
	"slices"
	"strings"
)

// propertiesRoute answers what properties an object type has: GET /crm/v3/properties/{objectType}, or with the date of a version
// in place of v3. Its members are those of the API reference.
func (s *HubSpot) propertiesRoute(method string, parts []string) (a hubSpotAnswer, ok bool) {
	var object string
	switch {
	case method != http.MethodGet || len(parts) != 4 || parts[0] != "crm":
		return a, false
	case parts[1] == "v3" && parts[2] == "properties":
		object = parts[3]
	case parts[1] == "properties" && strings.HasPrefix(parts[2], "20"):
		object = parts[3]
	default:
		return a, false
	}
	if s.schema[object] == nil {
		return hubSpotError(http.StatusNotFound, "OBJECT_NOT_FOUND", "Unable to infer object type from: "+object, nil), true
	}
	results := []any{}
	for _, p := range s.schema[object] {
		options := []any{}
		for i, o := range p.Options {
			label := o
			if i < len(p.Labels) {
				label = p.Labels[i]
			}
			options = append(options, map[string]any{"label": label, "value": o, "displayOrder": i, "hidden": false})
		}
		results = append(results, map[string]any{
			"name": p.Name, "label": p.Name, "type": cmp.Or(p.Type, "string"), "fieldType": "text", "description": "", "groupName": "contactinformation",
			"options": options, "displayOrder": -1, "calculated": strings.Contains(p.Name, "_calculated_"), "externalOptions": false, "hasUniqueValue": p.Unique,
			"hidden": false, "hubspotDefined": true, "formField": !p.ReadOnly, "archived": false,
			"modificationMetadata": map[string]any{"archivable": false, "readOnlyDefinition": true, "readOnlyValue": p.ReadOnly},
		})
	}
	slices.SortFunc(results, func(a, b any) int {
		return strings.Compare(a.(map[string]any)["name"].(string), b.(map[string]any)["name"].(string))
	})
	return hubSpotAnswer{status: http.StatusOK, body: map[string]any{"results": results}}, true
}
