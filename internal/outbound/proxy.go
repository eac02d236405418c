package outbound

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strconv"

	"golang.org/x/net/http/httpproxy"
)

// Which address the guard sees behind a proxy: the proxy's own. The proxy resolves the receiver's name, perhaps to another
// address than the gateway would, so that looking the name up here would prove nothing. What the operator has named
// (AllowPrivate) may go there, as it may go anywhere. A client without AllowPrivate, whose URLs others set, uses no proxy:
// nothing could keep them from the addresses of the proxy's network.

// Errors of ParseProxy and of the guard. None of them quotes the address, which can hold a password.
var (
	ErrBadProxy = errors.New("not the address of a proxy: write http://host:port or https://host:port, with user:password@ before the host where it wants them, percent-encoded")
	// ErrUnguardedProxy means that a client which must not reach private addresses would have to leave that to a proxy.
	ErrUnguardedProxy = errors.New("a proxy would resolve the host's name, so that private addresses could not be kept out: exempt the host by NO_PROXY, or let the operator allow private addresses for this destination")
)

// ParseProxy reads the address of an HTTP proxy: http or https, a host, a port (80 and 443 by default), and perhaps a user
// name and a password, which go to the proxy as Basic authentication. The error is ErrBadProxy.
func ParseProxy(raw string) (*url.URL, error) {
	u, err := url.Parse(raw)
	switch {
	case err != nil, u.Scheme != "http" && u.Scheme != "https", u.Hostname() == "", u.Opaque != "",
		u.Path != "" && u.Path != "/", u.RawQuery != "", u.Fragment != "":
		return nil, ErrBadProxy
	}
	if p := u.Port(); p != "" {
		if n, err := strconv.Atoi(p); err != nil || n < 1 || n > 65535 {
			return nil, ErrBadProxy
		}
	}
	u.Path = ""
	return u, nil
}

// EnvironmentProxy chooses the proxy that HTTPS_PROXY, HTTP_PROXY and NO_PROXY name in the environment of now, as other
// programs understand them: in capitals or small letters; hosts of NO_PROXY, and localhost, are reached without. proxies are
// those that it names, at most one of each; empty if there are none. One that ParseProxy cannot read is an error.
func EnvironmentProxy() (choose func(*http.Request) (*url.URL, error), proxies []*url.URL, err error) {
	env := httpproxy.FromEnvironment()
	for _, raw := range []*string{&env.HTTPSProxy, &env.HTTPProxy} {
		if *raw == "" {
			continue
		}
		u, err := ParseProxy(*raw)
		if err != nil { // host:port alone is usual too
			u, err = ParseProxy("http://" + *raw)
		}
		if err != nil {
			return nil, nil, fmt.Errorf("HTTPS_PROXY or HTTP_PROXY in the environment: %w", err)
		}
		*raw = u.String()
		if len(proxies) == 0 || proxies[0].String() != *raw {
			proxies = append(proxies, u)
		}
	}
	if len(proxies) == 0 {
		return nil, nil, nil
	}
	of := env.ProxyFunc()
	return func(req *http.Request) (*url.URL, error) { return of(req.URL) }, proxies, nil
}

// unguarded refuses a proxy for a client that must keep to public addresses.
func unguarded(choose func(*http.Request) (*url.URL, error)) func(*http.Request) (*url.URL, error) {
	return func(req *http.Request) (*url.URL, error) {
		u, err := choose(req)
		if u != nil || err != nil {
			return nil, ErrUnguardedProxy
		}
		return nil, nil
	}
}

// connectRefused is an answer of a proxy to CONNECT other than 200.
type connectRefused struct {
	status int
	ask    []string // what it says of how to sign in
}

// Error tells the status alone.
func (e *connectRefused) Error() string { return fmt.Sprintf("the proxy answered %d", e.status) }

// heardConnect turns a proxy's refusal into a *connectRefused; net/http keeps only the words of it.
func heardConnect(_ context.Context, _ *url.URL, _ *http.Request, res *http.Response) error {
	if res.StatusCode == http.StatusOK {
		return nil
	}
	return &connectRefused{res.StatusCode, res.Header.Values("Proxy-Authenticate")}
}

// explainProxy says what went wrong on the way to the receiver, if it was at the proxy.
func explainProxy(err error) (kind Kind, text string, ok bool) {
	var refused *connectRefused
	var op *net.OpError
	switch {
	case errors.As(err, &refused):
		s := refused.status
		switch {
		case s == http.StatusProxyAuthRequired:
			return ProxyLogin, proxyLogin(refused.ask), true
		case s >= 500:
			return Refused, fmt.Sprintf("the proxy did not reach the receiver (%d): is the host right, and the receiver running?", s), true
		default:
			return Barred, fmt.Sprintf("the proxy does not let the gateway go there (%d): have it allow the host and port", s), true
		}
	case errors.Is(err, ErrUnguardedProxy):
		return Forbidden, ErrUnguardedProxy.Error(), true
	case errors.As(err, &op) && op.Op == "proxyconnect":
		return Barred, "the proxy was not reached: check its address and that it runs", true
	}
	return 0, "", false
}

// proxyLogin is the reason of a 407, by what the proxy asks for.
func proxyLogin(ask []string) string {
	const text = "407: the proxy refuses our credentials; correct them, then resume the destination"
	if schemes := schemesOf(ask); len(schemes) > 0 && !schemes["basic"] {
		return "407: the proxy wants " + schemes.String() + ", and the gateway signs in at proxies with Basic only: have it take that, or let it know the gateway by its address; then resume the destination"
	}
	return text
}
