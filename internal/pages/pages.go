// Package pages is the dashboard as people see it: HTML in front of internal/operate, for whomever the face that serves it
// has made an actor of. It shows what operate answers and no more, so that nothing of what callers said is on a page but
// on the answer to a reveal.
//
// A page is a row of a table in a file of its own, with a template of its own in templates: see page. What all of them
// have in common is in layout.html, parts.html and static, which are embedded and need no build.
package pages

import (
	"bytes"
	"context"
	"fmt"
	"html/template"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"go.uber.org/zap"

	"github.com/callgate/callgate/internal/operate"
	"github.com/callgate/callgate/internal/operateapi"
)

// Options are what the pages work on.
type Options struct {
	// Prefix begins the path of every page, with a slash at both of its ends. The JSON API lies below it, at api/.
	Prefix string
	// Service gives what the configuration in force operates, or an error if that is nothing.
	Service func() (*operate.Service, error)
	// Ready gives what can tell whether calls should be sent here, also where there is no store to operate.
	Ready func() *operate.Service
	// Log is where failures of the pages' own are told. Default: nowhere.
	Log *zap.Logger
	// Now is the clock. Default: time.Now.
	Now func() time.Time
}

// UI serves the pages. It is safe for concurrent use.
type UI struct {
	o         Options
	templates map[string]*template.Template
	tokens    *tokens
}

// New makes the pages.
func New(o Options) (*UI, error) {
	if o.Log == nil {
		o.Log = zap.NewNop()
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	u := &UI{o: o, tokens: newTokens(o.Now, o.Service)}
	var err error
	u.templates, err = u.parse()
	return u, err
}

// page is a row of the table: what is served at a path.
type page struct {
	// methods are those with which it is requested; GET stands for HEAD too.
	methods []string
	// pattern is the path behind the prefix; {name} stands for any one part of it. The page for the prefix itself is "".
	pattern string
	// operation is the method of operate.Service that the page is for. Who may not carry it out is refused before the page
	// is made, which is recorded as the operation would record it, and has no link to it in the navigation.
	operation string
	// section is the page of the navigation to which it belongs, by its pattern. Default: its own.
	section string
	// nav is its name in the navigation, where it has one.
	nav string
	// unless leaves it out of the navigation for those who may carry this operation out: they have a better way there.
	unless string
	// managed leaves it out of the navigation where no documents are managed.
	managed bool
	// serve answers. An error becomes an error page, so that nothing may have been written by then.
	serve func(*request) error
}

var (
	get     = []string{http.MethodGet}
	post    = []string{http.MethodPost}
	getPost = []string{http.MethodGet, http.MethodPost}
)

// all is the table. The order is that of the navigation; the first row that fits a path and a method has it. It is filled
// in by init because what the rows serve asks the table for the navigation.
var all []page

func init() {
	all = slices.Concat(overviewPages, eventPages, deliveryPages, destinationPages, clusterPages, builderPages, tenantPages, auditPages, tryPages, actPages, jobPages, revealPages)
}

// Page is a row of the table as tests of who may see what need it.
type Page struct {
	Methods            []string
	Pattern, Operation string
}

// Pages are the rows of the table.
func Pages() []Page {
	list := make([]Page, len(all))
	for i, p := range all {
		list[i] = Page{slices.Clone(p.methods), p.pattern, p.operation}
	}
	return list
}

// request is a request for a page, and what makes its answer.
type request struct {
	ui    *UI
	w     http.ResponseWriter
	r     *http.Request
	actor operate.Actor
	page  *page
	// args are the parts of the path that stand for names, in their order.
	args []string
	// head is what the page has in its head besides the usual.
	head head
}

// head is what a page has in its head besides what every page has.
type head struct {
	// scripts are modules of static that it needs besides page.js.
	scripts []string
	// nonce, if it is set, is allowed to stand at styles of its own; see request.nonce.
	nonce string
}

// ctx is the context of the request.
func (q *request) ctx() context.Context { return q.r.Context() }

// service is what the configuration in force operates.
func (q *request) service() (*operate.Service, error) { return q.ui.o.Service() }

// now is the time, in UTC as all times that the server writes are.
func (q *request) now() time.Time { return q.ui.o.Now().UTC() }

// leads reports whether the navigation has the page for who asks.
func (p *page) leads(q *request) bool {
	return p.nav != "" && q.may(p.operation) && (p.unless == "" || !q.may(p.unless)) && (!p.managed || q.manages())
}

// manages reports whether documents are managed. While that cannot be told they may be.
func (q *request) manages() bool {
	s, err := q.service()
	return err != nil || operate.Manages(s)
}

// may reports whether the actor may carry an operation out, of any tenant at least: what they may not has no button.
func (q *request) may(operation string) bool { return may(q.actor, operation) }

func may(a operate.Actor, operation string) bool {
	needed, ok := operate.Operations()[operation]
	if !ok || a.May == nil || !a.May(needed) {
		return false
	}
	if a.Bound == nil || !operate.OfTheWhole(operation) {
		return true
	}
	_, bound := a.Bound(needed)
	return !bound
}

// Serve answers a request of an actor.
func (u *UI) Serve(w http.ResponseWriter, r *http.Request, actor operate.Actor) {
	q := &request{ui: u, w: w, r: r, actor: actor}
	if err := q.route(); err != nil {
		q.fail(err)
	}
}

// route finds the page of a request and has it served.
func (q *request) route() error {
	path, ok := strings.CutPrefix(q.r.URL.EscapedPath(), q.ui.o.Prefix)
	if !ok {
		return notFound("there is no page of the dashboard at this address")
	}
	if file, ok := strings.CutPrefix(path, staticPath); ok {
		return q.asset(file)
	}
	parts := strings.Split(path, "/")
	for i := range parts {
		var err error
		if parts[i], err = url.PathUnescape(parts[i]); err != nil {
			return &problem{http.StatusBadRequest, "the address cannot be read"}
		}
	}
	method := q.r.Method
	if method == http.MethodHead {
		method = http.MethodGet
	}
	var methods []string
	for i := range all {
		args, ok := operateapi.Match(all[i].pattern, parts)
		if !ok {
			continue
		}
		if slices.Contains(all[i].methods, method) {
			q.page, q.args = &all[i], args
			return q.enter()
		}
		methods = append(methods, all[i].methods...)
	}
	if len(methods) == 0 {
		if q.actor.May == nil {
			return q.deny("")
		}
		return notFound("there is no page of the dashboard at this address")
	}
	q.w.Header().Set("Allow", strings.Join(methods, ", "))
	return &problem{http.StatusMethodNotAllowed, "this address is not asked for in that way"}
}

// enter serves the page of a request if the actor may see it. Who begins at the front and may not see it gets to the first
// page that they may.
func (q *request) enter() error {
	if q.may(q.page.operation) {
		return q.page.serve(q)
	}
	if q.page.pattern == "" && q.actor.May != nil {
		for i := range all {
			if p := &all[i]; p.leads(q) {
				return q.redirect(asked(q.link(p.pattern), q.query()))
			}
		}
	}
	return q.deny(q.page.operation)
}

// deny refuses the actor, and has it recorded.
func (q *request) deny(operation string) error {
	s, err := q.service()
	if err != nil {
		s = nil
	}
	return operate.Deny(q.ctx(), s, q.actor, operation)
}

// link is the address of a page, whose names are escaped.
func (q *request) link(parts ...string) string { return q.ui.link(parts...) }

func (u *UI) link(parts ...string) string {
	escaped := make([]string, len(parts))
	for i, p := range parts {
		escaped[i] = url.PathEscape(p)
	}
	return u.o.Prefix + strings.Join(escaped, "/")
}

// redirect answers a form: the browser asks for a page next, and asking for that again sends no form again.
func (q *request) redirect(to string) error {
	q.w.Header().Set("Location", to)
	q.w.WriteHeader(http.StatusSeeOther)
	return nil
}

// show writes a page: the template of a name, in the layout.
func (q *request) show(name, title string, data any) error {
	return q.write(http.StatusOK, name, title, data)
}

func (q *request) write(status int, name, title string, data any) error {
	t := q.ui.templates[name]
	if t == nil {
		return fmt.Errorf("there is no template %s", name)
	}
	var text bytes.Buffer
	if err := t.ExecuteTemplate(&text, "layout", q.layout(title, data)); err != nil {
		return fmt.Errorf("template %s: %w", name, err)
	}
	h := q.w.Header()
	policy := "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
	if q.head.nonce != "" {
		policy = strings.Replace(policy, "style-src 'self'", "style-src 'self' 'nonce-"+q.head.nonce+"'", 1)
	}
	h.Set("Content-Security-Policy", policy)
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Cache-Control", "no-store")
	q.w.WriteHeader(status)
	if q.r.Method != http.MethodHead {
		_, _ = q.w.Write(text.Bytes()) // that somebody does not read it to its end is no error of it
	}
	return nil
}
