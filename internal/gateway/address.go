package gateway

import (
	"net/http"
	"net/netip"
	"strings"
	"time"
)

// publicURL is the URL that the sender sent the request to, which some schemes sign: before any rewriting, and as it
// was before a trusted proxy or, with base, whatever is in front of us.
func (rt *Route) publicURL(r *http.Request, base string) string {
	uri := rt.calledURI(r)
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
	if rt.Server.Trusted(r) {
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

// addressKey names the client for its limit.
func (rt *Route) addressKey(r *http.Request) string {
	ip := rt.Server.ClientIP(r)
	if n := network(ip); n.IsValid() && strings.Contains(ip, ":") {
		ip = n.String()
	}
	return rt.Name + "\x00" + ip
}

// network is what counts as one client: an IPv4 address, and the /64 of an IPv6 address, since who has one usually has
// 2^64 of them. It is not valid if the text is no address, with or without a port.
func network(ip string) netip.Addr {
	a := address(ip)
	if a.Is6() {
		if p, err := a.Prefix(64); err == nil {
			a = p.Addr()
		}
	}
	return a
}

// address is an address, with or without a port; it is not valid if the text is none.
func address(ip string) netip.Addr {
	a, err := netip.ParseAddr(ip)
	if err != nil {
		with, err := netip.ParseAddrPort(ip)
		if err != nil {
			return netip.Addr{}
		}
		a = with.Addr()
	}
	return a.Unmap().WithZone("")
}

// checkAddress refuses requests from where the sender is not.
func (rq *Request) checkAddress() *refusal {
	if len(rq.plan.Addresses) == 0 {
		return nil
	}
	a := address(rq.route.Server.ClientIP(rq.r))
	for _, p := range rq.plan.Addresses {
		if p.Contains(a) {
			return nil
		}
	}
	return &refusal{outcome: addressRefused, message: "requests from this address are not let in"}
}

func (rt *Route) addressRefusal(wait time.Duration) *refusal {
	f := &refusal{
		outcome: addressLimited, retryAfter: wait,
		message: "too many requests from this address; send again later",
	}
	f.status = rt.overloadStatus()
	return f
}

// calledURI is the URI that the sender called.
func (rt *Route) calledURI(r *http.Request) string {
	if uri := rt.Server.OriginalURI(r); uri != "" {
		return uri
	}
	return r.RequestURI
}
