package publish

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/callgate/callgate/internal/audit"
)

// Syslog sends checkpoints to a syslog server, in the form of RFC 5424, as {"checkpoint":"…"}. Syslog acknowledges nothing:
// over TLS and TCP it is known that the server was there, over UDP not even that.
type Syslog struct {
	network, address, name string
	tls                    *tls.Config
	hostname               string
	dialer                 net.Dialer
}

// severity is that of a notice of the facility "log audit" (RFC 5424, section 6.2.1).
const severity = 13*8 + 5

// syslogPorts are the ports that are meant when an address has none.
var syslogPorts = map[string]string{"tls": "6514", "tcp": "601", "udp": "514"}

// NewSyslog takes tls://host:port, tcp://host:port, udp://host:port or unix:///dev/log. The ports are 6514, 601 and 514
// unless one is given. conf holds own authorities and client certificates for TLS; it may be nil.
func NewSyslog(address string, conf *tls.Config) (*Syslog, error) {
	bad := errors.New("not an address of a syslog server: write tls://host:6514, tcp://host:601, udp://host:514 or unix:///dev/log")
	u, err := url.Parse(address)
	if err != nil || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return nil, bad
	}
	s := &Syslog{network: u.Scheme, hostname: "-"}
	if h, err := os.Hostname(); err == nil && len(h) <= 255 && !strings.ContainsFunc(h, func(r rune) bool { return r <= ' ' || r > '~' }) && h != "" {
		s.hostname = h
	}
	if u.Scheme == "unix" {
		if u.Host != "" || u.Path == "" {
			return nil, bad
		}
		s.address, s.name = u.Path, "syslog "+u.Path
		return s, nil
	}
	port, ok := syslogPorts[u.Scheme]
	if !ok || u.Hostname() == "" || u.Path != "" {
		return nil, bad
	}
	if u.Port() != "" {
		port = u.Port()
	}
	s.address = net.JoinHostPort(u.Hostname(), port)
	s.name = "syslog " + u.Scheme + " " + s.address
	if u.Scheme == "tls" {
		s.tls = &tls.Config{}
		if conf != nil {
			s.tls = conf.Clone()
		}
		s.tls.MinVersion = max(s.tls.MinVersion, tls.VersionTLS12)
		if s.tls.ServerName == "" {
			s.tls.ServerName = u.Hostname()
		}
	}
	return s, nil
}

// Name is the kind, the transport and the address.
func (s *Syslog) Name() string { return s.name }

// Send opens a connection for each checkpoint: there is one an hour, and on a connection that was kept nothing would say that
// the server is gone.
func (s *Syslog) Send(ctx context.Context, c Signed) (err error) {
	conn, framed, err := s.dial(ctx)
	if err != nil {
		return fmt.Errorf("the syslog server cannot be reached: %w", err)
	}
	defer func() {
		if closed := conn.Close(); err == nil && closed != nil {
			err = fmt.Errorf("the syslog server broke the connection: %w", closed)
		}
	}()
	if deadline, ok := ctx.Deadline(); ok {
		if err := conn.SetDeadline(deadline); err != nil {
			return err
		}
	}
	message := s.message(time.Now(), c)
	if framed { // octet counting, RFC 5425 and RFC 6587
		message = append([]byte(strconv.Itoa(len(message))+" "), message...)
	}
	if _, err := conn.Write(message); err != nil {
		return fmt.Errorf("the syslog server does not take it: %w", err)
	}
	return nil
}

// message is RFC 5424's, with the checkpoint in ASCII, which needs no byte order mark.
func (s *Syslog) message(now time.Time, c Signed) []byte {
	head := fmt.Sprintf("<%d>1 %s %s callgate %d audit.checkpoint - ", severity, now.UTC().Format("2006-01-02T15:04:05.000Z"), s.hostname, os.Getpid())
	return append([]byte(head), audit.Line(c.Note)...)
}

// dial says too whether messages follow each other on the connection, so that each needs its length.
func (s *Syslog) dial(ctx context.Context) (conn net.Conn, framed bool, err error) {
	switch s.network {
	case "udp":
		conn, err = s.dialer.DialContext(ctx, "udp", s.address)
		return conn, false, err
	case "unix":
		if conn, err = s.dialer.DialContext(ctx, "unixgram", s.address); err == nil {
			return conn, false, nil
		}
		conn, err = s.dialer.DialContext(ctx, "unix", s.address)
		return conn, true, err
	case "tls":
		conn, err = (&tls.Dialer{NetDialer: &s.dialer, Config: s.tls}).DialContext(ctx, "tcp", s.address)
		return conn, true, err
	}
	conn, err = s.dialer.DialContext(ctx, "tcp", s.address)
	return conn, true, err
}
