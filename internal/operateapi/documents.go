package operateapi

import (
	"context"
	"encoding/json"
	"net/http"
	"reflect"
	"strconv"

	"github.com/callgate/callgate/internal/operate"
)

// onKind and onDocument make handlers of operations on documents, whose path has the kind and perhaps the name. What else
// they are told stands in the query of a GET and in the object of a POST, under the same names.
func onKind[S, T any](op func(*operate.Service, context.Context, operate.Actor, string, S) (T, error)) handler {
	return func(a *API, w http.ResponseWriter, r *http.Request, args []string) error {
		var in S
		if err := readEither(w, r, &in); err != nil {
			return err
		}
		return answer(a, w, func(s *operate.Service) (T, error) { return op(s, r.Context(), a.Actor(r), args[0], in) })
	}
}

func onDocument[S, T any](op func(*operate.Service, context.Context, operate.Actor, string, string, S) (T, error)) handler {
	return func(a *API, w http.ResponseWriter, r *http.Request, args []string) error {
		var in S
		if err := readEither(w, r, &in); err != nil {
			return err
		}
		return answer(a, w, func(s *operate.Service) (T, error) { return op(s, r.Context(), a.Actor(r), args[0], args[1], in) })
	}
}

func versions(a *API, w http.ResponseWriter, r *http.Request, args []string) error {
	if err := readQuery(r, noQuery); err != nil {
		return err
	}
	return answer(a, w, func(s *operate.Service) (*operate.DocumentList, error) {
		return s.DocumentVersions(r.Context(), a.Actor(r), args[0], args[1])
	})
}

// readEither reads the object of a POST, or the query of a GET into the members of these names, which are texts and numbers.
func readEither(w http.ResponseWriter, r *http.Request, into any) error {
	if r.Method == http.MethodPost {
		if err := readQuery(r, noQuery); err != nil {
			return err
		}
		return readJSON(w, r, maxDocument, into)
	}
	t := reflect.TypeOf(into).Elem()
	given := make(map[string]*string)
	err := readQuery(r, func(name string) *string {
		for i := range t.NumField() {
			if memberOf(t.Field(i)) == name {
				given[name] = new(string)
				return given[name]
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	v := reflect.ValueOf(into).Elem()
	for i := range t.NumField() {
		text := given[memberOf(t.Field(i))]
		if text == nil {
			continue
		}
		if v.Field(i).Kind() == reflect.String {
			v.Field(i).SetString(*text)
			continue
		}
		n, err := strconv.Atoi(*text)
		if err != nil || n < 0 {
			return badRequest("query parameter " + memberOf(t.Field(i)) + " has to be a number")
		}
		v.Field(i).SetInt(int64(n))
	}
	return nil
}

// openapi serves the description of the API. It says nothing of this gateway, so that whoever comes so far may have it.
func openapi(a *API, w http.ResponseWriter, r *http.Request) error {
	if err := readQuery(r, noQuery); err != nil {
		return err
	}
	return writeJSON(w, json.RawMessage(OpenAPI(a.Prefix)))
}
