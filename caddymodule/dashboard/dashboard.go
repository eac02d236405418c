// Package dashboard is the handler callgate_dashboard, which serves what operators see and do in a site, to those whom
// Caddy has authenticated. Who may do what is internal/access's, and what is served internal/pages' and, in JSON,
// internal/operateapi's.
package dashboard

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"unicode"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"go.uber.org/zap"

	"github.com/callgate/callgate/caddymodule"
	"github.com/callgate/callgate/internal/access"
	"github.com/callgate/callgate/internal/operate"
	"github.com/callgate/callgate/internal/operateapi"
	"github.com/callgate/callgate/internal/pages"
)

func init() {
	caddy.RegisterModule(new(Handler))
}

// Handler serves operators in a site, behind whatever Caddy authenticates with there: basic_auth, forward_auth with
// copy_headers, client certificates, or a plugin that sets {http.auth.user.id}. Its pages begin at its path, such as
// https://ops.example.com/callgate/ for a matcher of /callgate/*. They work without scripts, and load nothing from elsewhere.
// Under api/ are the resources of the admin API in JSON: /callgate/api/events. The commands speak to that with
// --address https://ops.example.com/callgate.
//
// It comes after the directives that authenticate, and authenticates nobody itself: a request without a user gets a 403,
// and so does one whose user has no role. It is served over TLS, a unix socket, or plain HTTP at a loopback address only,
// else the configuration is refused.
//
// A role is given to users or to groups, by their whole names, of all tenants or, with a line tenants in its braces, of
// some. Whoever has several roles may do what any of them may.
//
// A user of the name development, as Caddyfile.example has it with a password that everybody knows, is let in from the same
// machine only.
//
// Who is bound to tenants sees and does nothing of others: lists and counts leave them out, an event of theirs is not
// found, and what is of the whole gateway, such as pausing a destination, is refused.
//
// What comes from the header of a request is the client's own word unless forward_auth has replaced it. So user and groups
// may name one only if a forward_auth before the dashboard in the same block copies it (copy_headers) for every request
// that gets there.
type Handler struct {
	// User is a placeholder with the name of whoever asks. Default: {http.auth.user.id}, which basic_auth and others set.
	// {http.request.tls.client.subject} is that of a client certificate, which has to be verified against trusted
	// authorities, and {http.request.header.Remote-User} one that forward_auth has copied.
	User string `json:"user,omitempty"`
	// Groups is a placeholder with the names of their groups, which commas divide. Default: {http.auth.user.groups}.
	Groups string `json:"groups,omitempty"`
	// Prefix is the path below which the dashboard lies, such as /callgate. Default: that of its matcher if that is one
	// path with /* at its end, or else /.
	Prefix string `json:"prefix,omitempty"`
	// Viewer is to see events, deliveries and destinations, without what callers said.
	Viewer []Grant `json:"viewer,omitempty"`
	// Operator is to see what a viewer sees, to replay, to send now, to cancel, and to pause destinations.
	Operator []Grant `json:"operator,omitempty"`
	// Builder is to see what a viewer sees, and to work on destinations and tenants.
	Builder []Grant `json:"builder,omitempty"`
	// Auditor is to read who did what, and no calls.
	Auditor []Grant `json:"auditor,omitempty"`
	// Eraser is to delete events for good. It does not see them: a dry run counts what would go.
	Eraser []Grant `json:"eraser,omitempty"`
	// Admin is to do all that the other roles may, but not to see what callers said.
	Admin []Grant `json:"admin,omitempty"`
	// Reveal is to see what a caller said, one event at a time, with a reason that is recorded first. No role implies it.
	Reveal []Grant `json:"reveal,omitempty"`

	app    *caddymodule.App
	policy *access.Policy
	api    operateapi.API
	pages  *pages.UI
	cross  *http.CrossOriginProtection
	log    *zap.Logger
}

// Grant gives a role to users or groups.
type Grant struct {
	// Users are those who have it.
	Users []string `json:"users,omitempty"`
	// Groups are those whose members have it.
	Groups []string `json:"groups,omitempty"`
	// Tenants are the only ones of which they have it. Default: all.
	Tenants []string `json:"tenants,omitempty"`
}

// CaddyModule returns the Caddy module information.
func (*Handler) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "http.handlers.callgate_dashboard", New: func() caddy.Module { return new(Handler) }}
}

// apiPath is where the resources lie below the prefix.
const apiPath = "api/"

// Provision checks who has which role, and where the dashboard is served.
func (h *Handler) Provision(ctx caddy.Context) error {
	app, err := ctx.App("callgate")
	if err != nil {
		return err
	}
	h.app, h.log = app.(*caddymodule.App), ctx.Logger()
	if h.User == "" {
		h.User = "{http.auth.user.id}"
	}
	if h.Groups == "" {
		h.Groups = "{http.auth.user.groups}"
	}
	prefix := "/" + strings.Trim(h.Prefix, "/") + "/"
	if prefix == "//" {
		prefix = "/"
	}
	var grants []access.Grant
	for _, role := range access.RoleNames() {
		for _, g := range *h.roles()[role] {
			grants = append(grants, access.Grant{Role: role, Users: g.Users, Groups: g.Groups, Tenants: g.Tenants})
		}
	}
	if h.policy, err = access.New(grants); err != nil {
		return fmt.Errorf("callgate_dashboard: %w", err)
	}
	if err := h.checkPlace(ctx); err != nil {
		return fmt.Errorf("callgate_dashboard: %w", err)
	}
	h.cross = http.NewCrossOriginProtection()
	h.api = operateapi.API{
		Prefix: prefix + apiPath, Service: h.service, Ready: func() (*operate.Service, error) { return h.app.Ready(), nil },
		Ended: ctx, Exiting: caddy.Exiting,
	}
	h.pages, err = pages.New(pages.Options{Prefix: prefix, Service: h.service, Ready: h.app.Ready, Log: h.log})
	return err
}

// roles are the grants of each role.
func (h *Handler) roles() map[string]*[]Grant {
	return map[string]*[]Grant{
		"viewer": &h.Viewer, "operator": &h.Operator, "builder": &h.Builder, "auditor": &h.Auditor, "eraser": &h.Eraser,
		"admin": &h.Admin, "reveal": &h.Reveal,
	}
}

func (h *Handler) service() (*operate.Service, error) {
	if s, ok := h.app.Operate(); ok {
		return s, nil
	}
	return nil, operate.NoStore()
}

// ServeHTTP implements caddyhttp.MiddlewareHandler.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request, _ caddyhttp.Handler) error {
	strict(w.Header())
	err := h.serve(w, r)
	switch e, ok := errors.AsType[*operateapi.Error](err); {
	case err == nil:
		return nil
	case ok && !h.isAPI(r):
		h.pages.Problem(w, r, e.Status, e.Error())
		return nil
	}
	return writeError(w, err)
}

// isAPI reports whether a request is for JSON.
func (h *Handler) isAPI(r *http.Request) bool {
	return strings.HasPrefix(r.URL.EscapedPath(), h.api.Prefix)
}

// serve answers a request, or says why not.
func (h *Handler) serve(w http.ResponseWriter, r *http.Request) error {
	if !private(r) {
		return refusal("the dashboard is served over TLS only, or at a loopback address")
	}
	if err := h.cross.Check(r); err != nil {
		return refusal("the request comes from another site's page")
	}
	user, groups := h.identity(r)
	if user == "" {
		h.log.Warn("a request to the dashboard has no user: nothing before it has authenticated one", zap.String("remote", r.RemoteAddr))
		return refusal("nobody has authenticated you; whoever runs the gateway has to put basic_auth, forward_auth or another authentication in front of callgate_dashboard")
	}
	if user == developer && !local(r) {
		return refusal("the user development is for trying the gateway on the machine where it runs; give people users of their own")
	}
	actor := h.policy.Actor(user, groups, "dashboard")
	if !h.isAPI(r) {
		h.pages.Serve(w, r, actor)
		return nil
	}
	api := h.api
	api.Actor = func(*http.Request) operate.Actor { return actor }
	return api.Serve(w, r)
}

func refusal(text string) error {
	return &operateapi.Error{Status: http.StatusForbidden, Err: errors.New(text)}
}

// maxName bounds the names of users, and maxGroups the text with those of groups.
const (
	maxName   = 256
	maxGroups = 16 << 10
)

// identity is who asks, as whatever authenticates here has it; empty for nobody.
func (h *Handler) identity(r *http.Request) (user string, groups []string) {
	repl, ok := r.Context().Value(caddy.ReplacerCtxKey).(*caddy.Replacer)
	if !ok {
		return "", nil
	}
	user, ok = found(r, repl, h.User)
	user = strings.TrimSpace(user)
	if !ok || len(user) > maxName || strings.ContainsFunc(user, unicode.IsControl) {
		return "", nil
	}
	if text, ok := found(r, repl, h.Groups); ok && len(text) <= maxGroups {
		groups = access.Groups(text)
	}
	return user, groups
}

// found is what an authentication has found out, by a text with placeholders. Where one of them has no value there is
// nothing: what stands around it says nothing of anybody. Nor is there of a certificate that nobody has verified, which
// whoever asks may have made.
func found(r *http.Request, repl *caddy.Replacer, text string) (value string, ok bool) {
	if strings.Contains(text, placeholderTLS) && (r.TLS == nil || len(r.TLS.VerifiedChains) == 0) {
		return "", false
	}
	value, err := repl.ReplaceOrErr(text, true, true)
	return value, err == nil
}

// private reports whether nobody between could read along: the connection has TLS, or does not leave the machine.
func private(r *http.Request) bool {
	if r.TLS != nil {
		return true
	}
	switch at := r.Context().Value(http.LocalAddrContextKey).(type) {
	case *net.UnixAddr:
		return true
	case *net.TCPAddr:
		return at.IP.IsLoopback()
	}
	return false
}

// developer is the user of Caddyfile.example, whose password everybody knows.
const developer = "development"

// local reports whether a request comes from this machine, to an address of it that others do not reach.
func local(r *http.Request) bool {
	switch at := r.Context().Value(http.LocalAddrContextKey).(type) {
	case *net.UnixAddr:
		return true
	case *net.TCPAddr:
		host, _, err := net.SplitHostPort(r.RemoteAddr)
		from := net.ParseIP(host)
		return err == nil && at.IP.IsLoopback() && from != nil && from.IsLoopback()
	}
	return false
}

// strict are the headers of every answer: nothing of it is run, framed, stored or read by another site.
func strict(h http.Header) {
	for name, value := range map[string]string{
		"Cache-Control":                "no-store",
		"Content-Security-Policy":      "default-src 'none'; form-action 'none'; base-uri 'none'; frame-ancestors 'none'",
		"Cross-Origin-Opener-Policy":   "same-origin",
		"Cross-Origin-Resource-Policy": "same-origin",
		"Referrer-Policy":              "same-origin",
		"X-Content-Type-Options":       "nosniff",
		"X-Frame-Options":              "DENY",
	} {
		h.Set(name, value)
	}
}

// writeError writes why a request was not answered, in the form of the admin API.
func writeError(w http.ResponseWriter, err error) error {
	status := http.StatusInternalServerError
	if e, ok := errors.AsType[*operateapi.Error](err); ok {
		status = e.Status
	}
	body, err := json.Marshal(struct {
		Error string `json:"error"`
	}{err.Error()})
	if err != nil {
		return caddyhttp.Error(http.StatusInternalServerError, err)
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(append(body, '\n'))
	return nil
}

// Interface guards
var (
	_ caddy.Provisioner           = (*Handler)(nil)
	_ caddyhttp.MiddlewareHandler = (*Handler)(nil)
)
