package operateapi

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strconv"

	"github.com/callgate/callgate/internal/operate"
	"github.com/callgate/callgate/internal/strictjson"
)

func badRequest(text string) error {
	return &Error{http.StatusBadRequest, errors.New(text)}
}

// maxBody is more than any filter needs, maxPreview room for a payload of 8 MiB in base64, and maxDocument for any document
// with its secrets.
const (
	maxBody     = 64 << 10
	maxPreview  = 11 << 20
	maxDocument = 4 << 20
)

// readJSON reads the object of a POST of up to max bytes. A web page can send other content types anywhere without the browser
// asking first, so they are refused, also with an empty body: that is a request too.
func readJSON(w http.ResponseWriter, r *http.Request, max int64, into any) error {
	text, err := io.ReadAll(http.MaxBytesReader(w, r.Body, max))
	if err != nil {
		if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
			return &Error{http.StatusRequestEntityTooLarge, fmt.Errorf("the body is larger than %d bytes", max)}
		}
		return badRequest("the body could not be read to its end")
	}
	if kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || kind != "application/json" {
		return &Error{
			http.StatusUnsupportedMediaType, errors.New("a POST has to be of JSON, with Content-Type: application/json, also without a body"),
		}
	}
	if len(bytes.TrimSpace(text)) == 0 {
		return nil
	}
	if err := strictjson.Decode(text, into); err != nil {
		return badRequest(err.Error())
	}
	return nil
}

// readQuery reads the query of a request, in which every parameter may stand once.
func readQuery(r *http.Request, known func(name string) (into *string)) error {
	q, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return badRequest("the query of the URL cannot be read")
	}
	for name, values := range q {
		into := known(name)
		if into == nil {
			return badRequest(fmt.Sprintf("there is no query parameter %.100q here", name))
		}
		if len(values) != 1 {
			return badRequest(fmt.Sprintf("query parameter %s is given more than once", name))
		}
		*into = values[0]
	}
	return nil
}

// noQuery is for resources that take no parameters.
func noQuery(string) *string { return nil }

// writeJSON writes an answer. That somebody does not read it to its end is no error of it.
func writeJSON(w http.ResponseWriter, v any) error {
	var text bytes.Buffer
	enc := json.NewEncoder(&text)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return err
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(text.Bytes())
	return nil
}

// readListing reads a listing's query, or its JSON object if it is posted.
func readListing(w http.ResponseWriter, r *http.Request) (l operate.Listing, err error) {
	if r.Method == http.MethodPost {
		return l, readPosted(w, r, &l)
	}
	var limit, callers string
	err = readQuery(r, func(name string) *string {
		switch name {
		case "callers":
			return &callers
		case "before":
			return &l.Before
		case "limit":
			return &limit
		}
		return l.Parameter(name)
	})
	if err != nil {
		return l, err
	}
	if l.Private() {
		return l, badRequest("URIs are logged, so a caller's number or another value of theirs must not stand in one; POST the filter as JSON instead")
	}
	if callers != "" {
		if l.Callers, err = strconv.ParseBool(callers); err != nil {
			return l, badRequest("callers is true or false")
		}
	}
	if limit != "" {
		if l.Limit, err = strconv.Atoi(limit); err != nil || l.Limit < 1 {
			return l, badRequest(fmt.Sprintf("limit must lie between 1 and %d", operate.MaxRows))
		}
	}
	return l, nil
}

// readPosted reads the JSON object of a request that takes no query.
func readPosted(w http.ResponseWriter, r *http.Request, into any) error {
	if err := readQuery(r, noQuery); err != nil {
		return err
	}
	return readJSON(w, r, maxBody, into)
}
