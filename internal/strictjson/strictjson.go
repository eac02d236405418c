// Package strictjson reads JSON in which a member that nobody knows is an error, and says what is wrong in the words of
// JSON. Its errors name members and no values, because a value might be a secret or a caller's.
package strictjson

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"reflect"
	"slices"
	"strings"
)

// Decode reads one object into a struct. An error's text is a whole sentence for whoever wrote the object.
func Decode(text []byte, into any) error {
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.DisallowUnknownFields()
	if err := dec.Decode(into); err != nil {
		if wrong, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
			return errors.New(DescribeType(wrong))
		}
		if name, ok := strings.CutPrefix(err.Error(), "json: unknown field "); ok {
			return fmt.Errorf("there is no member %.100s here; see the list of members in the documentation of the admin API", name)
		}
		return errors.New("the body is not a JSON object")
	}
	if _, err := dec.Token(); err != io.EOF {
		return errors.New("the body holds something after its JSON object")
	}
	return nil
}

// DescribeType says what a member must be in the words of JSON. The path that Go gives has the names of embedded
// structs in it, which are no members.
func DescribeType(wrong *json.UnmarshalTypeError) string {
	path := slices.DeleteFunc(strings.Split(wrong.Field, "."), func(name string) bool { return name != strings.ToLower(name) })
	must := "a number"
	switch wrong.Type.Kind() {
	case reflect.Struct, reflect.Map:
		must = "an object"
	case reflect.Slice, reflect.Array:
		must = "a list"
	case reflect.String:
		must = "a text"
	case reflect.Bool:
		must = "true or false"
	}
	if member := strings.Join(path, "."); member != "" {
		return fmt.Sprintf("member %q must be %s", member, must)
	}
	return "the whole must be " + must
}
