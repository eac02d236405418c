package caddymodule

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"strings"

	"github.com/caddyserver/caddy/v2"
	"go.uber.org/zap"

	"github.com/callgate/callgate/caddymodule/secret"
	"github.com/callgate/callgate/internal/forward"
	"github.com/callgate/callgate/internal/wire"
)

// receiverAddress is where a forward line leads: what is dialled, and the host that requests name.
type receiverAddress struct {
	target wire.Target
	host   string
}

// Reasons why an address is none for forward. They do not quote it: it may hold a password, or come from a file.
var (
	errForwardNone    = errors.New("it is empty; write the receiver's address, such as localhost:3000")
	errForwardPath    = errors.New("a receiver is an address without a path or query, such as http://localhost:3000: requests keep their own; for another path write a rewrite before the route, or use reverse_proxy")
	errForwardUser    = errors.New("a receiver's address has no user and no password; for a token use reverse_proxy with header_up")
	errForwardScheme  = errors.New("forward speaks HTTP/1.1 and HTTPS; write http://, https://, unix/ or HOST:PORT, and use reverse_proxy for anything else, such as h2c:// or srv")
	errForwardPort    = errors.New("a receiver has one port, from 1 to 65535, such as localhost:3000; for several use reverse_proxy")
	errForwardRequest = errors.New("placeholders in it are resolved once, when the configuration is loaded, such as {env.RECEIVER}; for a receiver that each request chooses use reverse_proxy")
	errForwardSeveral = errors.New("forward has one receiver; for several use reverse_proxy")
)

// parseReceiver reads an address as reverse_proxy does, and refuses what only that can do.
func parseReceiver(text string) (to receiverAddress, err error) {
	if text, err = secret.ResolveText(text); err != nil {
		if errors.Is(err, secret.ErrNoValue) {
			return to, err
		}
		return to, errForwardRequest
	}
	switch {
	case text == "":
		return to, errForwardNone
	case strings.ContainsAny(text, " \t\r\n,"):
		return to, errForwardSeveral
	case strings.ContainsAny(text, "{}"):
		return to, errForwardRequest
	case strings.Contains(text, "://"):
		return parseReceiverURL(text)
	}
	network, host, port, err := caddy.SplitNetworkAddress(text)
	if err != nil {
		network, host = "", text
	}
	switch network {
	case "unix":
		if host == "" {
			return to, errForwardNone
		}
		return receiverAddress{wire.Target{Network: network, Address: host}, "localhost"}, nil
	case "tcp", "tcp4", "tcp6":
	case "":
		network = "tcp"
	default:
		if strings.Contains(network, "unix") || strings.Contains(network, "udp") || caddy.IsFdNetwork(network) {
			return to, errForwardScheme
		}
		return to, errForwardPath // what is before the first slash is a host
	}
	if strings.Contains(host, "/") {
		return to, errForwardPath
	}
	return receiverAt(network, host, port, false)
}

func parseReceiverURL(text string) (to receiverAddress, err error) {
	u, err := url.Parse(text)
	switch {
	case err != nil && strings.Contains(err.Error(), "port"):
		return to, errForwardPort
	case err != nil:
		return to, errors.New("it is not an address such as http://localhost:3000")
	case u.Scheme != "http" && u.Scheme != "https":
		return to, errForwardScheme
	case u.User != nil:
		return to, errForwardUser
	case u.Path != "" || u.RawQuery != "" || u.ForceQuery || u.Fragment != "":
		return to, errForwardPath
	case u.Hostname() == "" && u.Port() == "":
		return to, errForwardNone
	case u.Scheme == "http" && u.Port() == "443", u.Scheme == "https" && u.Port() == "80":
		return to, fmt.Errorf("its scheme is %s and its port %s, which is the other one's; write the one that is meant", u.Scheme, u.Port())
	}
	port := u.Port()
	if port == "" && u.Scheme == "https" {
		port = "443"
	}
	return receiverAt("tcp", u.Hostname(), port, u.Scheme == "https")
}

func receiverAt(network, host, port string, tls bool) (to receiverAddress, err error) {
	if port == "" {
		port = "80"
	}
	if n, err := net.LookupPort(network, port); err != nil || n == 0 || strings.Trim(port, "0123456789") != "" {
		return to, errForwardPort
	}
	if strings.ContainsAny(host, "@?#") {
		return to, errForwardPath
	}
	to.target = wire.Target{Network: network, Address: net.JoinHostPort(host, port), TLS: tls}
	to.host = to.target.Address
	switch {
	case tls:
		to.target.ServerName = host
		if host == "" {
			return to, errForwardNone
		}
	case port == "80":
		if to.host = host; strings.Contains(host, ":") {
			to.host = "[" + host + "]"
		}
	}
	return to, nil
}

// receiver makes the receiver of a forward line; nil without one.
func (h *Handler) receiver(log *zap.Logger) (*forward.Receiver, error) {
	if h.Forward == "" {
		return nil, nil
	}
	to, err := parseReceiver(h.Forward)
	if err != nil {
		return nil, fmt.Errorf("forward: %w", err)
	}
	return forward.New(to.target, to.host, log), nil
}

// plainForward is what to write where a forward line leads to another machine without TLS.
func plainForward(line string) (missing []string) {
	if line == "" {
		return nil
	}
	to, err := parseReceiver(line)
	if err != nil || to.target.TLS || to.target.Network == "unix" || staysHere(to.target.Address) {
		return nil // a mistake is found where the route is provisioned
	}
	return []string{"forward to " + to.target.Address + withoutTLS}
}
