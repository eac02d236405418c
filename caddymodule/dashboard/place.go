package dashboard

import (
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"strings"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/callgate/callgate/caddymodule"
)

// placeholder is one in a text.
var placeholder = regexp.MustCompile(`\{([^{}]*)\}`)

// What identities may come from. A client can choose none of the first three.
const (
	placeholderAuth   = "http.auth.user."
	placeholderTLS    = "http.request.tls.client."
	placeholderProxy  = "http.reverse_proxy.header."
	placeholderHeader = "http.request.header."
)

// fromHeaders are the headers of the request that a text with placeholders takes its value from. It is an error if the
// client can choose the value in another way.
func fromHeaders(line, text string) (headers []string, err error) {
	found := placeholder.FindAllStringSubmatch(text, -1)
	if len(found) == 0 {
		return nil, fmt.Errorf("%s has to be a placeholder with what an authentication has found out, such as {http.auth.user.id}: as a fixed text it would be the same for everybody", line)
	}
	for _, f := range found {
		switch name := f[1]; {
		case strings.HasPrefix(name, placeholderAuth), strings.HasPrefix(name, placeholderTLS), strings.HasPrefix(name, placeholderProxy):
		case strings.HasPrefix(name, placeholderHeader):
			headers = append(headers, http.CanonicalHeaderKey(strings.TrimPrefix(name, placeholderHeader)))
		default:
			return nil, fmt.Errorf("%s: {%s} is nothing that an authentication has found out, and a client may be able to choose it; use {http.auth.user.id} and the like, {http.request.tls.client.subject}, or {http.request.header.NAME} behind a forward_auth that copies it", line, name)
		}
	}
	return headers, nil
}

// checkPlace refuses to be served where somebody could read along, and to believe headers that a client can choose.
func (h *Handler) checkPlace(ctx caddy.Context) error {
	server, _ := ctx.Value(caddyhttp.ServerCtxKey).(*caddyhttp.Server)
	if server != nil {
		var app *caddyhttp.App
		if parents := ctx.Modules(); len(parents) > 0 {
			app, _ = parents[0].(*caddyhttp.App)
		}
		if err := checkListeners(app, server); err != nil {
			return err
		}
	}
	believed, err := h.believed()
	if err != nil || len(believed) == 0 {
		return err
	}
	if server == nil {
		return errUnseen
	}
	w := new(walk)
	w.server(server)
	switch {
	case w.err != nil:
		return w.err
	case !w.found:
		return errUnseen
	}
	return nil
}

var errUnseen = errors.New("user or groups name a header, and it cannot be seen whether a forward_auth before the dashboard copies it; put both into the same site or route")

// believed are the headers that user and groups take their value from.
func (h *Handler) believed() (headers []string, err error) {
	for line, text := range map[string]string{"user": h.User, "groups": h.Groups} {
		if text == "" {
			continue // the default
		}
		more, err := fromHeaders(line, text)
		if err != nil {
			return nil, err
		}
		headers = append(headers, more...)
	}
	return headers, nil
}

// checkListeners refuses plain HTTP at addresses that others can reach.
func checkListeners(app *caddyhttp.App, s *caddyhttp.Server) error {
	listen, err := caddymodule.PlainListener(app, s)
	if err != nil || listen == "" {
		return err // what a file descriptor is, is seen with each request
	}
	return fmt.Errorf("at %s it would be served over plain HTTP, where everybody between can read passwords and calls: give the site a name for which Caddy has a certificate (ops.example.com), or tls internal, or bind 127.0.0.1 or a unix socket", listen)
}
