package caddymodule

import (
	"net/http"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

// ownPrefix is of the headers that receivers may trust because only this handler sets them.
const ownPrefix = "X-Callgate-"

// stripOwnHeaders removes headers that a stranger might have sent to pass for us.
func stripOwnHeaders(h http.Header) {
	for name := range h {
		if len(name) >= len(ownPrefix) && strings.EqualFold(name[:len(ownPrefix)], ownPrefix) {
			delete(h, name)
		}
	}
}

// handOn makes the request what the receiver is to get: headers that say what is known of it and, if wanted, a
// signature of our own.
func (rq *request) handOn() error {
	h := rq.r.Header
	rq.sent = [4]string{rq.plan.tenant, rq.h.Source, headerText(rq.eventID), headerText(rq.identity.EventType)}
	for i, name := range [...]string{
		"X-Callgate-Tenant", "X-Callgate-Source", "X-Callgate-Event-Id", "X-Callgate-Event-Type",
	} {
		if rq.sent[i] != "" {
			h[name] = rq.sent[i : i+1 : i+1]
		}
	}
	if rq.plan.signer == nil {
		return nil
	}
	m, called := &rq.message, publicURL(rq.r, rq.plan.publicURL)
	m.Method, m.URL, m.Header, m.Body = rq.r.Method, called, h, rq.body
	if err := rq.plan.signer.Sign(m, rq.eventID, time.Now()); err != nil {
		return err
	}
	takeQuery(rq.r, called, m.URL)
	if len(m.Body) != len(rq.body) || (len(m.Body) > 0 && &m.Body[0] != &rq.body[0]) {
		// Some schemes put the signature into the body.
		rq.setBody(m.Body)
		h.Set("Content-Length", strconv.Itoa(len(m.Body)))
	}
	return nil
}

// takeQuery gives a request the query that was signed, if the scheme has changed it: Twilio's puts a hash of the body
// there. Otherwise the query stays, which need not be the sender's any more.
func takeQuery(r *http.Request, called, signed string) {
	if _, query, ok := strings.Cut(signed, "?"); ok && signed != called {
		r.URL.RawQuery = query
	}
}

// headerText makes text from a request fit for a header or a log line.
func headerText(s string) string {
	if strings.IndexFunc(s, unprintable) < 0 {
		return s
	}
	return strings.Map(func(r rune) rune {
		if unprintable(r) {
			return ' '
		}
		return r
	}, s)
}

func unprintable(r rune) bool { return r < ' ' || r == 0x7f }

// publicURL is the URL that the sender sent the request to, which some schemes sign: before any rewriting, and as it
// was before a trusted proxy or, with base, whatever is in front of us.
func publicURL(r *http.Request, base string) string {
	uri := r.RequestURI
	if o, ok := r.Context().Value(caddyhttp.OriginalRequestCtxKey).(http.Request); ok && o.RequestURI != "" {
		uri = o.RequestURI
	}
	if !strings.HasPrefix(uri, "/") { // in absolute form, as to a proxy
		uri = r.URL.RequestURI()
	}
	if base != "" {
		return base + uri
	}
	scheme, host := "http", r.Host
	if r.TLS != nil {
		scheme = "https"
	}
	if trusted, _ := caddyhttp.GetVar(r.Context(), caddyhttp.TrustedProxyVarKey).(bool); trusted {
		if s := firstOf(r.Header.Get("X-Forwarded-Proto")); s == "http" || s == "https" {
			scheme = s
		}
		if s := firstOf(r.Header.Get("X-Forwarded-Host")); s != "" {
			host = s
		}
	}
	return scheme + "://" + host + uri
}

func firstOf(list string) string {
	s, _, _ := strings.Cut(list, ",")
	return strings.TrimSpace(s)
}

// clientIP is the client's address as Caddy sees it through trusted proxies.
func clientIP(r *http.Request) string {
	if ip, ok := caddyhttp.GetVar(r.Context(), caddyhttp.ClientIPVarKey).(string); ok && ip != "" {
		return ip
	}
	return r.RemoteAddr
}

// addressKey names the client for its limit. Who has an IPv6 address usually has 2^64 of them.
func (h *Handler) addressKey(r *http.Request) string {
	ip := clientIP(r)
	if a, err := netip.ParseAddr(ip); err == nil && a.Is6() && !a.Is4In6() {
		if p, err := a.WithZone("").Prefix(64); err == nil {
			ip = p.String()
		}
	}
	return h.Name + "\x00" + ip
}

func (h *Handler) addressRefusal(wait time.Duration) *refusal {
	f := &refusal{
		outcome: addressLimited, retryAfter: wait,
		message: "too many requests from this address; send again later",
	}
	if h.preset.RetriesClientErrors {
		f.status = http.StatusTooManyRequests
	}
	return f
}
