package operateapi

import (
	"encoding/json"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/callgate/callgate/internal/operate"
)

// TestTheDescriptionIsOfWhatIsServed holds the description against the table, and every reference in it against what it has.
func TestTheDescriptionIsOfWhatIsServed(t *testing.T) {
	a := &API{Prefix: "/callgate/", Actor: nil}
	w := httptest.NewRecorder()
	if err := a.Serve(w, httptest.NewRequest("GET", "/callgate/openapi.json", nil)); err != nil {
		t.Fatal(err)
	}
	var d struct {
		OpenAPI string `json:"openapi"`
		Paths   map[string]map[string]struct {
			OperationID string `json:"operationId"`
			Summary     string
			Capability  string `json:"x-capability"`
			Parameters  []struct{ Name, In string }
			RequestBody *struct {
				Content map[string]struct{ Schema map[string]any }
			}
			Responses map[string]struct {
				Content map[string]struct{ Schema map[string]any }
			}
		}
		Components struct{ Schemas map[string]any }
	}
	if err := json.Unmarshal(w.Body.Bytes(), &d); err != nil || d.OpenAPI != "3.1.0" {
		t.Fatalf("%v: %.200s", err, w.Body)
	}
	ids := map[string]bool{}
	described := 0
	for _, route := range Routes() {
		for _, method := range route.Methods {
			op, ok := d.Paths["/callgate/"+route.Pattern][strings.ToLower(method)]
			if described++; !ok || op.OperationID == "" || ids[op.OperationID] {
				t.Errorf("%s %s: operation %q, which is missing or there twice", method, route.Pattern, op.OperationID)
			}
			ids[op.OperationID] = true
			if op.Summary == "" || op.Capability != string(operate.Operations()[route.Operation]) {
				t.Errorf("%s: summary %q, capability %q", route.Operation, op.Summary, op.Capability)
			}
			if (op.RequestBody != nil) != (method == "POST") || len(op.Responses["200"].Content) != 1 {
				t.Errorf("%s %s: %+v", method, route.Pattern, op)
			}
			inPath := 0
			for _, p := range op.Parameters {
				if p.In == "path" {
					inPath++
					if !strings.Contains(route.Pattern, "{"+p.Name+"}") {
						t.Errorf("%s: %s is not in the path", route.Operation, p.Name)
					}
				}
			}
			if inPath != strings.Count(route.Pattern, "{") {
				t.Errorf("%s: %d parameters in the path", route.Operation, inPath)
			}
		}
	}
	total := 0
	for _, item := range d.Paths {
		total += len(item)
	}
	if total != described {
		t.Errorf("%d operations are described, and %d served", total, described)
	}
	refs := 0
	for part := range strings.SplitSeq(w.Body.String(), `"$ref":"#/components/schemas/`) {
		if name, _, ok := strings.Cut(part, `"`); ok && refs > 0 && d.Components.Schemas[name] == nil {
			t.Errorf("nothing is under %q", name)
		}
		refs++
	}
	if refs < 20 {
		t.Errorf("%d references", refs)
	}
	draft, _ := json.Marshal(d.Components.Schemas["Draft"])
	for _, member := range []string{"body", "secrets", "note", "base", "publish", "dry_run"} {
		if !strings.Contains(string(draft), `"`+member+`"`) {
			t.Errorf("a draft has no %s: %s", member, draft)
		}
	}
	if strings.Contains(w.Body.String(), `"Secret":`) {
		t.Error("the kept form of secrets is described")
	}
}
