package caddymodule

import (
	"context"
	"errors"
	"net/http"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/callgate/callgate/internal/gateway"
)

// server tells the gateway what Caddy knows of a request.
type server struct{}

// ClientIP implements gateway.Server.
func (server) ClientIP(r *http.Request) string {
	if ip, ok := caddyhttp.GetVar(r.Context(), caddyhttp.ClientIPVarKey).(string); ok && ip != "" {
		return ip
	}
	return r.RemoteAddr
}

// Trusted implements gateway.Server.
func (server) Trusted(r *http.Request) bool {
	trusted, _ := caddyhttp.GetVar(r.Context(), caddyhttp.TrustedProxyVarKey).(bool)
	return trusted
}

// OriginalURI implements gateway.Server.
func (server) OriginalURI(r *http.Request) string {
	o, _ := r.Context().Value(caddyhttp.OriginalRequestCtxKey).(http.Request)
	return o.RequestURI
}

// RequestID implements gateway.Server.
func (server) RequestID(r *http.Request) string { return requestID(r.Context()) }

// requestID is the id of the request that a context belongs to, or empty. It is the one that answers and access logs have.
func requestID(ctx context.Context) string {
	repl, _ := ctx.Value(caddy.ReplacerCtxKey).(*caddy.Replacer)
	if repl == nil {
		return ""
	}
	id, _ := repl.GetString("http.request.uuid")
	return id
}

// Upstream implements gateway.Server: what reverse_proxy chose.
func (server) Upstream(r *http.Request) string {
	repl, _ := r.Context().Value(caddy.ReplacerCtxKey).(*caddy.Replacer)
	if repl == nil {
		return ""
	}
	host, _ := repl.GetString("http.reverse_proxy.upstream.hostport")
	return host
}

// StatusOf implements gateway.Server.
func (server) StatusOf(err error) int {
	if he, ok := errors.AsType[caddyhttp.HandlerError](err); ok && he.StatusCode != 0 {
		return he.StatusCode
	}
	return http.StatusInternalServerError
}

func replacerOf(r *http.Request) *caddy.Replacer {
	return r.Context().Value(caddy.ReplacerCtxKey).(*caddy.Replacer)
}

// Interface guard
var _ gateway.Server = server{}
