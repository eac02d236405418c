package outbound

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/url"
	"os"
	"strings"
	"syscall"
)

// ErrAddressRefused is the guard's refusal to connect.
var ErrAddressRefused = errors.New("the host's address is local, private or reserved: name a public host, or let the operator allow private addresses for this destination")

// Kind says why there was no answer.
type Kind uint8

// The kinds of failure.
const (
	// Broken is any failure of the connection that has no kind of its own.
	Broken Kind = iota
	// Refused means that nothing accepts connections there.
	Refused
	// DNS means that there is no host of that name.
	DNS
	// TLS means that the handshake failed or the certificate is not to be trusted.
	TLS
	// TimedOut means that there was no full answer in time.
	TimedOut
	// Stopped means that the gateway gave up the request itself: it shuts down or reloads.
	Stopped
	// Forbidden means that the guard does not let connections go to that address.
	Forbidden
	// Own means that the gateway itself was in trouble: it has no descriptors, memory, ports or network left, or no name
	// server answers. Nothing is known of the receiver.
	Own
	// Barred means that a proxy before the receiver was not reached, or does not let requests go there.
	Barred
	// ProxyLogin means that a proxy refuses the gateway's credentials.
	ProxyLogin
)

// Error is a request without an answer. Its text is a reason with a hint for the operator, and names at most the
// receiver's host.
type Error struct {
	Kind Kind
	// Host is the receiver's host and port as configured.
	Host  string
	text  string
	cause error
}

// Error returns the reason.
func (e *Error) Error() string { return e.text }

// Unwrap returns the cause, which may quote addresses: do not print it.
func (e *Error) Unwrap() error { return e.cause }

// OwnTrouble says in a reason that the gateway itself was in trouble, if an error of a connection says so: it has no
// descriptors, memory, ports, network or name server left. Nothing is known of the receiver then.
func OwnTrouble(err error) (reason string, own bool) {
	var dns *net.DNSError
	is := func(code syscall.Errno) bool {
		// Proxies wrap what a dial said in errors of their own, of which some cannot be unwrapped.
		return errors.Is(err, code) || strings.HasSuffix(err.Error(), ": "+code.Error())
	}
	switch asked := errors.As(err, &dns); {
	case is(syscall.EMFILE), is(syscall.ENFILE), asked && strings.Contains(dns.Err, syscall.EMFILE.Error()):
		return "the gateway has no file descriptors left: raise its limit (LimitNOFILE, ulimit -n)", true
	case is(syscall.ENOMEM), is(syscall.ENOBUFS):
		return "the gateway's machine has no memory left for a connection: look at what uses it", true
	case is(syscall.EADDRNOTAVAIL):
		return "the gateway has no local address or port left for a connection: check its network, and how many connections are open", true
	case is(syscall.EHOSTUNREACH), is(syscall.ENETUNREACH), is(syscall.ENETDOWN):
		return "there is no route to the receiver: check the gateway's network or firewall", true
	case asked && !dns.IsNotFound:
		return "no name server told the address of the receiver's host: check the gateway's name servers", true
	}
	return "", false
}

// explain turns an error of net/http into an *Error. ctx is the caller's own context.
func explain(ctx context.Context, err error, host string) *Error {
	var (
		ue     *url.Error
		dns    *net.DNSError
		record tls.RecordHeaderError
		op     *net.OpError
		netErr net.Error
		is     = func(target error) bool { return errors.Is(err, target) }
		as     = func(kind Kind, text string) *Error { return &Error{kind, host, text + " (" + host + ")", err} }
	)
	if errors.As(err, &ue) {
		err = ue.Err // without the URL
	}
	trouble, own := OwnTrouble(err)
	proxyKind, proxyText, atProxy := explainProxy(err)
	tlsText, ofTLS := explainTLS(err)
	switch {
	case errors.Is(ctx.Err(), context.Canceled):
		return as(Stopped, "given up because the gateway stops or reloads")
	case is(ErrFenced):
		return as(Forbidden, ErrFenced.Error())
	case is(ErrAddressRefused):
		return as(Forbidden, ErrAddressRefused.Error())
	case atProxy && !(proxyKind == Barred && own):
		return as(proxyKind, proxyText)
	case ofTLS:
		return as(TLS, tlsText)
	case errors.As(err, &record), strings.Contains(err.Error(), "HTTP response to HTTPS client"):
		return as(TLS, "the receiver does not speak TLS on this port: check scheme and port of the URL")
	// Alerts of the other side have no type of their own in crypto/tls, nor do its own refusals.
	case errors.As(err, &op) && op.Op == "remote error", strings.HasPrefix(err.Error(), "tls: "):
		return as(TLS, "the receiver refused the TLS handshake: it may want a client certificate or another TLS version")
	case errors.As(err, &dns) && dns.IsNotFound:
		return as(DNS, "the receiver's host name does not exist: check the host in the URL")
	case own:
		return as(Own, trouble)
	case is(context.DeadlineExceeded), is(os.ErrDeadlineExceeded), errors.As(err, &netErr) && netErr.Timeout():
		return as(TimedOut, "no answer in time")
	case is(syscall.ECONNREFUSED):
		return as(Refused, "connection refused: nothing listens there; is the receiver running?")
	case is(syscall.ECONNRESET), is(syscall.EPIPE), is(io.EOF), is(io.ErrUnexpectedEOF):
		return as(Broken, "the receiver closed the connection before it answered")
	default:
		return as(Broken, "the connection to the receiver failed")
	}
}
