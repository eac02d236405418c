package outbound

import (
	"errors"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
)

// Errors of CheckURL. None of them quotes the URL: its path and query can hold secrets.
var (
	ErrBadURL       = errors.New("not a usable URL: write https://host/path")
	ErrPlainHTTP    = errors.New("http:// would send callers' data in the clear: use https://, or allow_http for this destination")
	ErrUserinfo     = errors.New("user name or password in the URL: configure them as basic authentication instead")
	ErrVariableHost = errors.New("variable in the scheme or host of the URL: only path and query may hold variables")
	ErrPrivateHost  = errors.New("the URL's host is local or private: only the operator's own configuration may name it")
)

// CheckURL checks the URL of a receiver or token server when it is configured: https (http is accepted for hosts that
// are loopback or private by their literal address or the name localhost, and anywhere with allowPlainHTTP), a host
// and no variable in it, no user name or password. Without allowPrivate a local or private host is refused. The path
// and the query may hold {{variables}}.
//
// Names are not resolved here; the client checks the address of every connection that it makes.
func CheckURL(raw string, allowPlainHTTP, allowPrivate bool) error {
	scheme, rest, found := strings.Cut(raw, "://")
	if !found || strings.ContainsAny(raw, " \t\r\n\\") && !strings.Contains(raw, "{{") {
		return ErrBadURL
	}
	authority := rest
	if i := strings.IndexAny(rest, "/?#"); i >= 0 {
		authority = rest[:i]
	}
	// A "{{" alone opens a variable whose name might hold the slash that ended the authority.
	if strings.ContainsAny(scheme+authority, "{}") {
		return ErrVariableHost
	}
	u, err := url.Parse(scheme + "://" + authority)
	switch {
	case err != nil, u.Hostname() == "", strings.ContainsAny(authority, " \t\r\n\\%") && !strings.HasPrefix(authority, "["):
		return ErrBadURL
	case u.User != nil:
		return ErrUserinfo
	case u.Scheme != "http" && u.Scheme != "https":
		return ErrBadURL
	}
	if p := u.Port(); p != "" {
		if n, err := strconv.Atoi(p); err != nil || n < 1 || n > 65535 {
			return ErrBadURL
		}
	}
	local := localHost(u.Hostname())
	if ip, err := netip.ParseAddr(u.Hostname()); err == nil && !reachable(ip, true) {
		return ErrAddressRefused
	}
	if local && !allowPrivate {
		return ErrPrivateHost
	}
	if u.Scheme == "http" && !allowPlainHTTP && !local {
		return ErrPlainHTTP
	}
	return nil
}

// InClear reports whether what is sent to a URL leaves the machine unencrypted: http:// to a host that is not loopback by its
// literal address or the name localhost. It takes no URL for safe that it cannot read.
func InClear(raw string) bool {
	scheme, rest, found := strings.Cut(raw, "://")
	if found && strings.EqualFold(scheme, "https") {
		return false
	}
	if i := strings.IndexAny(rest, "/?#"); i >= 0 {
		rest = rest[:i]
	}
	u, err := url.Parse("http://" + rest)
	return err != nil || !found || !Loopback(u.Hostname())
}

// Loopback reports whether a host is the machine itself by its literal address or the name localhost.
func Loopback(host string) bool {
	if ip, err := netip.ParseAddr(host); err == nil {
		return ip.Unmap().IsLoopback()
	}
	host = strings.ToLower(strings.TrimSuffix(host, "."))
	return host == "localhost" || strings.HasSuffix(host, ".localhost")
}

// localHost reports whether a host is in the own machine or network by its literal address or by the name localhost
// (RFC 6761). Names of one's own network can not be told from others.
func localHost(host string) bool {
	if ip, err := netip.ParseAddr(host); err == nil {
		return private(ip.WithZone("").Unmap())
	}
	host = strings.ToLower(strings.TrimSuffix(host, "."))
	return host == "localhost" || strings.HasSuffix(host, ".localhost")
}
