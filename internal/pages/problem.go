package pages

import (
	"errors"
	"fmt"
	"net/http"

	"go.uber.org/zap"

	"github.com/callgate/callgate/internal/operate"
	"github.com/callgate/callgate/internal/operateapi"
)

// problem is why there is no page, with its status. Its text is for whoever asked.
type problem struct {
	status int
	text   string
}

// Error implements error.
func (p *problem) Error() string { return p.text }

func notFound(text string) error { return &problem{http.StatusNotFound, text} }

func badRequest(format string, args ...any) error {
	return &problem{http.StatusBadRequest, fmt.Sprintf(format, args...)}
}

// fail writes the error page.
func (q *request) fail(err error) {
	status := http.StatusInternalServerError
	text := "the page could not be made; the gateway's log says why"
	if p, ok := errors.AsType[*problem](err); ok {
		status, text = p.status, p.text
	} else if e, ok := errors.AsType[*operate.Error](err); ok {
		status, text = operateapi.StatusOf(e), e.Error()
	}
	if q.ctx().Err() != nil {
		return // nobody waits for it
	}
	if status == http.StatusInternalServerError {
		q.ui.o.Log.Error("a page of the dashboard could not be made", zap.String("path", q.pattern()), zap.Error(err))
	}
	q.problem(status, text)
}

// pattern is the path of the page without names.
func (q *request) pattern() string {
	if q.page == nil {
		return ""
	}
	return q.page.pattern
}

// Problem writes an error page for a face that refuses a request before it has an actor.
func (u *UI) Problem(w http.ResponseWriter, r *http.Request, status int, text string) {
	q := &request{ui: u, w: w, r: r}
	q.problem(status, text)
}

// problems are the titles of error pages.
var problems = map[int]string{
	http.StatusBadRequest:            "That could not be understood",
	http.StatusForbidden:             "You may not do that",
	http.StatusNotFound:              "Not found",
	http.StatusMethodNotAllowed:      "That cannot be done here",
	http.StatusConflict:              "It has changed meanwhile",
	http.StatusRequestEntityTooLarge: "That is too much at once",
	http.StatusServiceUnavailable:    "Not available just now",
	http.StatusInternalServerError:   "Something went wrong",
}

func (q *request) problem(status int, text string) {
	title := problems[status]
	if title == "" {
		title = http.StatusText(status)
	}
	data := struct {
		Title, Text string
		// Retry tells that the page tries again by itself: what is wrong passes.
		Retry bool
		// Home is there for those who have a page to go to.
		Home bool
	}{title, sentence(text), status == http.StatusServiceUnavailable && q.r.Method == http.MethodGet, q.actor.May != nil}
	if err := q.write(status, "problem", title, data); err != nil {
		q.ui.o.Log.Error("the error page of the dashboard could not be made", zap.Error(err))
		http.Error(q.w, text, status)
	}
}
