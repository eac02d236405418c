package pages

import (
	"errors"
	"net/http"
	"net/url"
	"strings"
)

// maxForm is more than any form of the pages needs.
const maxForm = 256 << 10

// form is what was posted. That the page it came from is one of ours is made sure of by whoever serves the pages, before
// anything of them is asked.
func (q *request) form() (url.Values, error) {
	q.r.Body = http.MaxBytesReader(q.w, q.r.Body, maxForm)
	if err := q.r.ParseForm(); err != nil {
		if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
			return nil, &problem{http.StatusRequestEntityTooLarge, "the form is larger than any of these pages"}
		}
		return nil, badRequest("the form could not be read")
	}
	return q.r.PostForm, nil
}

// query is what stands behind the question mark of the address.
func (q *request) query() url.Values { return q.r.URL.Query() }

// addQuery adds a parameter to an address.
func addQuery(address, name, value string) string {
	sign := "?"
	if strings.Contains(address, "?") {
		sign = "&"
	}
	return address + sign + name + "=" + url.QueryEscape(value)
}

// withQuery is a path with parameters, those that are empty left out.
func withQuery(path string, params url.Values) string {
	for name, v := range params {
		if len(v) == 0 || v[0] == "" {
			params.Del(name)
		}
	}
	return asked(path, params)
}

// asked is a path with parameters as they are.
func asked(path string, params url.Values) string {
	if len(params) == 0 {
		return path
	}
	return path + "?" + params.Encode()
}

// here is the address of the page, to come back to.
func (q *request) here() string {
	params := q.query()
	params.Del("note")
	return asked(q.r.URL.EscapedPath(), params)
}

// pager are the links below a list: keyset pages, newest first.
type pager struct {
	// Newest is there on every page but the first, and Older on every page but the last.
	Newest, Older string
}

// pagerOf makes the links of a list: next is what comes after the page, empty on the last.
func (q *request) pagerOf(next string) pager {
	params := q.query()
	params.Del("note")
	params.Del("live")
	var p pager
	if params.Get("before") != "" {
		params.Del("before")
		p.Newest = asked(q.r.URL.EscapedPath(), params)
	}
	if next != "" {
		params.Set("before", next)
		p.Older = asked(q.r.URL.EscapedPath(), params)
	}
	return p
}
