package call

import (
	"encoding/json"
	"reflect"
	"testing"
	"time"
)

func TestCloneSharesNothingThatChanges(t *testing.T) {
	full := func() *Call {
		n := 42
		return &Call{
			Provider: "nextphone", Message: "a leak", StartedAt: time.Unix(1767225600, 0).UTC(), Duration: &n,
			Params: map[string]any{"n": json.Number("5"), "list": []any{"a", map[string]any{"b": true}}, "nil": nil, "in": map[string]any{"x": "y"}},
		}
	}
	for _, c := range []*Call{full(), {}, {Params: map[string]any{}}} {
		if d := c.Clone(); !reflect.DeepEqual(c, d) {
			t.Errorf("the copy of %#v is %#v", c, d)
		}
	}
	c := full()
	d := c.Clone()
	*d.Duration, d.Message = 1, "another"
	d.Params["new"] = 1
	d.Params["in"].(map[string]any)["x"] = "z"
	d.Params["list"].([]any)[1].(map[string]any)["b"] = false
	if !reflect.DeepEqual(c, full()) {
		t.Errorf("what a copy does is seen: %#v", c)
	}
}

func TestSize(t *testing.T) {
	for _, text := range records(t) {
		c := checkDecode(t, text)
		b, err := c.Encode()
		if err != nil {
			t.Fatal(err)
		}
		if n := c.Size(); n < len(b)-200 || n > 2000+20*len(b) { // the names of the fields take no memory
			t.Errorf("%d bytes of JSON take %d", len(b), n)
		}
	}
	if n := (*Call)(nil).Size(); n != 0 {
		t.Errorf("none takes %d", n)
	}
}
