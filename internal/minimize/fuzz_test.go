package minimize

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"

	"github.com/callgate/callgate/internal/call"
)

// What a policy drops is nowhere in the parameters, at no depth; the original stays as it is.
func FuzzApply(f *testing.F) {
	f.Add(`{"a":{"S-S-N":"1","b":[{"ssn":2}]},"ssn":null}`, "ssn", "a.b")
	f.Add(`{"phone":"1","from":{"x":1}}`, "caller_number", "params")
	f.Add(`{"a.b":1,"a":{"b":2}}`, "params.a.b", "a")
	f.Fuzz(func(t *testing.T, params, drop, allow string) {
		var m, same map[string]any
		if json.Unmarshal([]byte(params), &m) != nil || json.Unmarshal([]byte(params), &same) != nil {
			return
		}
		original := &call.Call{CallerNumber: "+15559876543", Email: "a@x.example", Params: m}
		for _, policy := range []Policy{{Drop: []string{drop}}, {Drop: []string{drop}, Fields: []string{allow}, Mask: []string{"email"}}} {
			p, err := Compile(policy)
			if err != nil {
				continue
			}
			out := p.Apply(original)
			if name := strings.TrimPrefix(drop, "params."); drop != "params" && hasKey(out.Params, bare(name)) {
				t.Fatalf("drop %q, allow %q: %v", drop, allow, out.Params)
			}
			if drop == "params" && out.Params != nil {
				t.Fatalf("parameters are left: %v", out.Params)
			}
		}
		if !reflect.DeepEqual(m, same) || original.Email != "a@x.example" {
			t.Fatal("the original was changed")
		}
	})
}

func hasKey(v any, name string) bool {
	switch v := v.(type) {
	case map[string]any:
		for k, e := range v {
			if bare(k) == name || hasKey(e, name) {
				return true
			}
		}
	case []any:
		for _, e := range v {
			if hasKey(e, name) {
				return true
			}
		}
	}
	return false
}
