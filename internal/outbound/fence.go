package outbound

import (
	"errors"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
)

// Fence bounds to which hosts requests go, whatever URL, redirect or answer leads them elsewhere. A new one lets everything
// through; each Narrow leaves what it allowed before and the list has too. It is safe for concurrent use.
type Fence struct {
	mu    sync.RWMutex
	lists [][]string
}

// Narrow lets requests go only to the hosts of a list. A host is a name, or *. and a domain for all names in it; with a
// port it is that port alone. An empty list lets nothing through.
func (f *Fence) Narrow(hosts []string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.lists = append(f.lists, slices.Clone(hosts))
}

// Allows reports whether requests may go to a host, which may have a port.
func (f *Fence) Allows(host string) bool {
	if f == nil {
		return true
	}
	f.mu.RLock()
	defer f.mu.RUnlock()
	return !slices.ContainsFunc(f.lists, func(list []string) bool {
		return !slices.ContainsFunc(list, func(pattern string) bool { return matchesHost(pattern, host) })
	})
}

func matchesHost(pattern, host string) bool {
	pattern, host = strings.ToLower(pattern), strings.ToLower(host)
	if name, _, err := net.SplitHostPort(host); err == nil {
		if _, _, err := net.SplitHostPort(pattern); err != nil {
			host = name
		}
	}
	host, pattern = strings.Trim(host, "[]"), strings.Trim(pattern, "[]")
	if domain, ok := strings.CutPrefix(pattern, "*."); ok {
		name, found := strings.CutSuffix(host, "."+domain)
		return found && name != ""
	}
	return host == pattern && host != ""
}

// ErrFenced means that a request would have gone to a host that a secret of its sender may not reach.
var ErrFenced = errors.New("a secret that the destination uses is not for this host: have the host listed with the secret, or send there without it")

// fenced is a transport that keeps within a fence. It is asked for each request, also for one that a redirect led to.
type fenced struct {
	http.RoundTripper
	fence *Fence
}

// RoundTrip implements http.RoundTripper.
func (f fenced) RoundTrip(req *http.Request) (*http.Response, error) {
	if !f.fence.Allows(req.URL.Host) {
		if req.Body != nil {
			req.Body.Close()
		}
		return nil, ErrFenced
	}
	return f.RoundTripper.RoundTrip(req)
}

// CloseIdleConnections is for http.Client's.
func (f fenced) CloseIdleConnections() {
	if c, ok := f.RoundTripper.(interface{ CloseIdleConnections() }); ok {
		c.CloseIdleConnections()
	}
}
