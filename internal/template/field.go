package template

import (
	"errors"
	"strings"
)

// Field is a template for one field of a record. It has no value when none of its variables has one: "Called about " is
// nothing worth sending. It is safe for concurrent use.
type Field struct {
	// strict fails when a variable is missing; lenient leaves it out.
	strict, lenient *Template
}

// CompileField compiles the template of a field, which is plain text. The error is that of Compile.
func CompileField(source string, o Options) (*Field, error) {
	f := &Field{}
	var err error
	o.Policy = Strict
	if f.strict, err = Compile(source, Text, o); err != nil {
		return nil, err
	}
	o.Policy = Empty
	f.lenient, err = Compile(source, Text, o)
	return f, err
}

// Value is the field's value, without spaces around; empty when it has none, or one that is larger than the bound.
func (f *Field) Value(v Vars) string {
	b, err := f.strict.Append(nil, v)
	if errors.Is(err, ErrMissing) {
		known := false
		for _, name := range f.strict.Variables() {
			value, ok := v.Lookup(name)
			known = known || ok && value != nil && value != ""
		}
		if !known {
			return ""
		}
		b, err = f.lenient.Append(nil, v)
	}
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(b))
}
