package source

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"

	"github.com/ohler55/ojg/jp"

	"github.com/callgate/callgate/internal/jsonscan"
)

// maxPath bounds a path in the configuration, in bytes.
const maxPath = 500

// path leads to one value of a document.
type path struct {
	steps []step
	// expr is the path where it is more than steps. It is evaluated on the decoded body.
	expr jp.Expr
	// name is the path where it is the name of a form's field or of an XML element.
	name string
}

// step is one move: into an object by key, or into an array by index.
type step struct {
	key     string
	index   int
	isIndex bool
}

// compilePath reads a path. With a dollar sign in front it is a JSONPath (RFC 9535, as ojg understands it); without,
// the name of a form field or of a top-level JSON member, or the way to an XML element: "Lead/Contact/Phone",
// "Lead/Phone[2]", "Lead/@id".
func compilePath(text string) (path, error) {
	text = strings.TrimSpace(text)
	switch {
	case text == "":
		return path{}, fmt.Errorf("%w: the path is empty", ErrConfig)
	case len(text) > maxPath:
		return path{}, fmt.Errorf("%w: the path is longer than %d bytes", ErrConfig, maxPath)
	case text[0] != '$':
		return compileName(text), nil
	}
	expr, err := jp.ParseString(text)
	if err != nil {
		return path{}, fmt.Errorf("%w: %q is not a JSONPath: %v; write it as %s", ErrConfig, text, err, meant(text))
	}
	p := path{}
	for _, f := range expr {
		switch f := f.(type) {
		case jp.Root, jp.Bracket:
		case jp.Child:
			p.steps = append(p.steps, step{key: string(f)})
		case jp.Nth:
			p.steps = append(p.steps, step{index: int(f), isIndex: true})
		default:
			return path{expr: expr}, nil
		}
	}
	return p, nil
}

// meant is how a JSONPath is written that is none: a name with a hyphen or a space in it stands in brackets.
func meant(text string) string {
	names, ok := strings.CutPrefix(text, "$.")
	if !ok || strings.ContainsAny(names, "[]()?@*'\"\\") || strings.Contains(names, "..") {
		return "$.lead.phone or $.items[0].id"
	}
	b := []byte("$")
	for name := range strings.SplitSeq(names, ".") {
		if strings.Trim(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_") == "" {
			b = append(append(b, '.'), name...)
			continue
		}
		b = append(append(append(b, "['"...), name...), "']"...)
	}
	return string(b)
}

// compileName reads a path without a dollar sign.
func compileName(text string) path {
	p := path{name: text}
	for part := range strings.SplitSeq(strings.Trim(text, "/"), "/") {
		name, index, ok := strings.Cut(part, "[")
		n, err := strconv.Atoi(strings.TrimSuffix(index, "]"))
		if !ok || err != nil || n < 1 || !strings.HasSuffix(index, "]") {
			p.steps = append(p.steps, step{key: part})
			continue
		}
		p.steps = append(p.steps, step{key: name}, step{index: n - 1, isIndex: true}) // XPath counts from one
	}
	return p
}

// value finds what the path leads to; missing if there is nothing.
func (p *path) value(d *document) jsonscan.Value {
	if p.name == "" {
		v := walk(d.root, p.steps, false)
		if v.Kind() == jsonscan.Missing && d.form {
			v = walk(d.shaped(), p.steps, false)
		}
		return v
	}
	if d.form {
		if list, ok := strings.CutSuffix(p.name, "[]"); ok { // all that came under the name, and not the last
			parts := bracketed(list)
			if v := d.shaped().Path(parts...); v.Kind() == jsonscan.Array {
				return v
			}
		}
	}
	return p.named(d)
}

func (p *path) named(d *document) jsonscan.Value {
	if d.xmlRoot == "" {
		if v := d.root.Get(p.name); v.Kind() != jsonscan.Missing || len(p.steps) == 1 {
			return v
		}
		return walk(d.root, p.steps, true)
	}
	root := d.root.Get(d.xmlRoot)
	if p.steps[0].key == d.xmlRoot {
		return walk(root, p.steps[1:], true)
	}
	return walk(root, p.steps, true)
}

// walk follows the steps. Where first is set, an array stands for its first element unless a step picks another, since
// whether an XML element is repeated is not for its path to know, and an element with attributes stands for its text.
func walk(v jsonscan.Value, steps []step, first bool) jsonscan.Value {
	for i, s := range steps {
		if s.isIndex {
			if first && v.Kind() != jsonscan.Array && s.index == 0 {
				continue
			}
			v = v.Index(s.index)
			continue
		}
		v = v.Get(s.key)
		if first && v.Kind() == jsonscan.Array && (i+1 == len(steps) || !steps[i+1].isIndex) {
			v = v.Index(0)
		}
	}
	if t := v.Get("#text"); first && t.Kind() == jsonscan.String {
		return t
	}
	return v
}

// text is the text at the path.
func (p *path) text(d *document) string {
	if p.expr == nil {
		return text(p.value(d))
	}
	switch v := p.collected(d).(type) {
	case string:
		return v
	case json.Number:
		return v.String()
	default:
		return ""
	}
}

// collected is the value at the path as a parameter holds it; nil when there is none.
func (p *path) collected(d *document) any {
	if p.expr == nil {
		return collected(p.value(d))
	}
	if d.decoded == nil {
		d.decoded = decoded(d.root)
	}
	return fromDecoded(p.first(d.decoded))
}

// first evaluates the expression. It is the operator's and was parsed, but the data is a stranger's: whatever the
// library does not foresee in it counts as nothing found.
func (p *path) first(data any) (v any) {
	defer func() {
		if recover() != nil {
			v = nil
		}
	}()
	return p.expr.First(data)
}

// decoded is a value as the library compares it in filters: whole numbers are int64, others float64. A number that
// fits neither exactly stays text, so that a long id loses no digits.
func decoded(v jsonscan.Value) any {
	switch v.Kind() {
	case jsonscan.Number:
		raw := string(v.Raw())
		if n, err := strconv.ParseInt(raw, 10, 64); err == nil {
			return n
		}
		if f, err := strconv.ParseFloat(raw, 64); err == nil && strconv.FormatFloat(f, 'f', -1, 64) == raw {
			return f
		}
		return raw
	case jsonscan.Array:
		list := make([]any, 0, v.Len())
		for e := range v.Elements() {
			list = append(list, decoded(e))
		}
		return list
	case jsonscan.Object:
		o := &object{keys: make([]string, 0, v.Len()), values: make(map[string]any, v.Len())}
		for k, e := range v.Members() {
			o.SetValueForKey(k, decoded(e))
		}
		return o
	default:
		return v.Interface()
	}
}

// object is a JSON object whose members keep their order: of a Go map the library would take a random member as the
// first match of "$..id", and an event would change its id from one delivery to the next.
type object struct {
	keys   []string
	values map[string]any
}

var _ jp.Keyed = (*object)(nil)

// Keys are the names of the members, in their order.
func (o *object) Keys() []string { return o.keys }

// ValueForKey is the member of that name.
func (o *object) ValueForKey(key string) (any, bool) {
	v, ok := o.values[key]
	return v, ok
}

// SetValueForKey adds or replaces a member.
func (o *object) SetValueForKey(key string, v any) {
	if _, ok := o.values[key]; !ok {
		o.keys = append(o.keys, key)
	}
	o.values[key] = v
}

// RemoveValueForKey does nothing: paths only read.
func (o *object) RemoveValueForKey(string) {}

// fromDecoded is what was found as a parameter holds it.
func fromDecoded(v any) any {
	switch v := v.(type) {
	case string:
		if s := clean(v); s != "" {
			return s
		}
	case int64:
		return json.Number(strconv.FormatInt(v, 10))
	case int: // of length(), and of the numbers in a filter
		return json.Number(strconv.Itoa(v))
	case float64:
		return json.Number(strconv.FormatFloat(v, 'f', -1, 64))
	case bool:
		return v
	case []any:
		if len(v) == 0 {
			return nil
		}
		list := make([]any, 0, len(v))
		for _, e := range v {
			list = append(list, fromDecoded(e))
		}
		return list
	case *object:
		m := make(map[string]any, len(v.keys))
		for k, e := range v.values {
			if e = fromDecoded(e); e != nil {
				m[k] = e
			}
		}
		if len(m) > 0 {
			return m
		}
	}
	return nil
}
