package condition

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strconv"
	"strings"

	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
	"cel.dev/cel-go/common/types/traits"
	"cel.dev/cel-go/interpreter"

	"github.com/callgate/callgate/internal/call"
)

// missing is what a field that is not there evaluates to.
const missing = types.String("")

// activation gives the variables their values.
type activation struct{ in Input }

// ResolveName implements interpreter.Activation.
func (a *activation) ResolveName(name string) (any, bool) {
	switch name {
	case "call":
		return &fields{get: a.lookup}, true
	case "tenant":
		return types.String(a.in.Tenant), true
	case "source":
		return types.String(a.in.Source), true
	case "event_type":
		return types.String(a.in.EventType), true
	default:
		return nil, false
	}
}

// Parent implements interpreter.Activation.
func (a *activation) Parent() interpreter.Activation { return nil }

func (a *activation) lookup(name string) (any, bool) {
	if name == "params" {
		var params map[string]any
		if a.in.Call != nil {
			params = a.in.Call.Params
		}
		return params, len(params) > 0
	}
	if a.in.Call == nil {
		return (&call.Call{}).Lookup(name)
	}
	return a.in.Call.Lookup(name)
}

// fields is a value whose fields can be selected whether they are there or not. CEL's own maps fail on a key that is
// missing.
type fields struct {
	get func(name string) (any, bool)
	// all is the map behind it, for size(), in and comprehensions; nil for the call itself.
	all map[string]any
}

var fieldsType = types.NewObjectType("callgate.Fields", traits.IndexerType, traits.FieldTesterType,
	traits.ContainerType, traits.SizerType, traits.IterableType)

func newFields(m map[string]any) *fields {
	return &fields{all: m, get: func(name string) (any, bool) { v, ok := m[name]; return v, ok }}
}

// Get implements traits.Indexer.
func (f *fields) Get(index ref.Val) ref.Val {
	name, ok := index.(types.String)
	if !ok {
		return missing
	}
	v, ok := f.get(string(name))
	if !ok && name != "params" {
		return missing
	}
	return value(v)
}

// IsSet implements traits.FieldTester: has(call.email).
func (f *fields) IsSet(field ref.Val) ref.Val {
	name, ok := field.(types.String)
	if !ok {
		return types.False
	}
	v, ok := f.get(string(name))
	return types.Bool(ok && v != nil && v != "")
}

// Contains implements traits.Container: "email" in call.params.
func (f *fields) Contains(field ref.Val) ref.Val { return f.IsSet(field) }

// Size implements traits.Sizer.
func (f *fields) Size() ref.Val { return types.Int(len(f.all)) }

// Iterator implements traits.Iterable: call.params.exists(k, k.startsWith("vip")).
func (f *fields) Iterator() traits.Iterator {
	keys := make([]string, 0, len(f.all))
	for k := range f.all {
		keys = append(keys, k)
	}
	return types.NewStringList(types.DefaultTypeAdapter, keys).Iterator()
}

// ConvertToNative implements ref.Val.
func (f *fields) ConvertToNative(t reflect.Type) (any, error) {
	return nil, fmt.Errorf("a set of fields cannot be converted: name one of its fields")
}

// ConvertToType implements ref.Val.
func (f *fields) ConvertToType(t ref.Type) ref.Val {
	if t == types.TypeType {
		return fieldsType
	}
	return types.NewErr("no such overload")
}

// Equal implements ref.Val. Sets of fields are not compared; an empty one equals a missing field.
func (f *fields) Equal(other ref.Val) ref.Val {
	return types.Bool(f == other || f.all != nil && len(f.all) == 0 && other == ref.Val(missing))
}

// Type implements ref.Val.
func (f *fields) Type() ref.Type { return fieldsType }

// Value implements ref.Val.
func (f *fields) Value() any { return f.all }

// value turns what Lookup returns into CEL's values.
func value(v any) ref.Val {
	switch v := v.(type) {
	case nil:
		return missing
	case string:
		return types.String(v)
	case bool:
		return types.Bool(v)
	case int:
		return types.Int(v)
	case float64:
		return types.Double(v)
	case json.Number:
		if i, err := strconv.ParseInt(string(v), 10, 64); err == nil {
			return types.Int(i)
		}
		if f, err := strconv.ParseFloat(string(v), 64); err == nil {
			return types.Double(f)
		}
		return types.String(v)
	case map[string]any:
		return newFields(v)
	case []any:
		list := make([]ref.Val, len(v))
		for i, e := range v {
			list[i] = value(e)
		}
		return types.NewRefValList(types.DefaultTypeAdapter, list)
	default:
		return missing
	}
}

// truth reads a value where yes or no is asked for.
func truth(v ref.Val) ref.Val {
	switch v := v.(type) {
	case types.Bool:
		return v
	case types.String:
		switch strings.ToLower(strings.TrimSpace(string(v))) {
		case "true", "yes", "y", "1", "on":
			return types.True
		}
		return types.False
	case types.Int:
		return types.Bool(v != 0)
	case types.Uint:
		return types.Bool(v != 0)
	case types.Double:
		return types.Bool(v != 0)
	default:
		if types.IsUnknownOrError(v) {
			return v
		}
		return types.False
	}
}

// order compares two values for <, <=, > and >=; ok is false when they have no order.
func order(a, b ref.Val) (cmp int, ok bool) {
	as, aText := a.(types.String)
	bs, bText := b.(types.String)
	switch {
	case aText && bText:
		// Two texts are compared as texts, except that nothing is less or more than a missing one.
		return strings.Compare(string(as), string(bs)), as != missing && bs != missing
	case aText:
		if a, ok = number(as); !ok {
			return 0, false
		}
	case bText:
		if b, ok = number(bs); !ok {
			return 0, false
		}
	}
	c, ok := a.(traits.Comparer)
	if !ok {
		return 0, false
	}
	result, ok := c.Compare(b).(types.Int)
	return int(result), ok
}

func number(s types.String) (ref.Val, bool) {
	f, err := strconv.ParseFloat(strings.TrimSpace(string(s)), 64)
	return types.Double(f), err == nil && f == f
}
