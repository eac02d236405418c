package postgres

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

const (
	// connectTimeout bounds one server's part of connecting, unless the address says otherwise.
	connectTimeout = 3 * time.Second
	// deadPeer is how long what was sent may go unacknowledged by the other machine before a connection counts as dead.
	deadPeer = 10 * time.Second
)

// parseAddress reads an address, a URL or key=value pairs as libpq has them. What it does not say is set as a store needs it.
// Its error quotes nothing of it, since there may be a password in it.
func parseAddress(o *Options) (*pgx.ConnConfig, error) {
	if strings.TrimSpace(o.Address) == "" {
		return nil, errors.New("the store needs the address of its database, such as postgres://user@host/name")
	}
	c, err := pgx.ParseConfig(o.Address)
	if err != nil {
		if parse, ok := errors.AsType[*pgconn.ParseConfigError](err); ok {
			return nil, fmt.Errorf("the database's address cannot be read: %s", problem(parse))
		}
		return nil, errors.New("the database's address cannot be read")
	}
	if o.lookup != nil {
		c.LookupFunc = o.lookup
	}
	if c.ConnectTimeout == 0 || c.ConnectTimeout == 2*time.Minute { // what pgx takes where nothing is said
		c.ConnectTimeout = connectTimeout
	}
	if !strings.Contains(o.Address, "target_session_attrs") {
		c.ValidateConnect = pgconn.ValidateConnectTargetSessionAttrsReadWrite
	}
	if c.RuntimeParams["application_name"] == "" {
		c.RuntimeParams["application_name"] = "callgate"
	}
	return c, nil
}

// Name names the store that an address and a schema lead to, without a password: the same for the same store.
func Name(address, schema string) (string, error) {
	c, err := parseAddress(&Options{Address: address})
	if err != nil {
		return "", err
	}
	hosts := []string{net.JoinHostPort(c.Host, strconv.Itoa(int(c.Port)))}
	for _, f := range c.Fallbacks {
		if host := net.JoinHostPort(f.Host, strconv.Itoa(int(f.Port))); !slices.Contains(hosts, host) {
			hosts = append(hosts, host)
		}
	}
	return strings.Join(hosts, ",") + "/" + c.Database + "/" + cmp.Or(schema, defaultSchema), nil
}

// problem is what is wrong with an address, without the address.
func problem(err *pgconn.ParseConfigError) string {
	if inner := errors.Unwrap(err); inner != nil {
		for _, known := range []string{"sslmode", "target_session_attrs", "port", "connect_timeout", "sslrootcert", "sslcert", "sslkey", "service", "CA file"} {
			if strings.Contains(inner.Error(), known) {
				return "look at " + known
			}
		}
	}
	return "it is neither a URL (postgres://…) nor key=value pairs"
}

// tlsWarning says what is wrong with how connections are secured; empty if nothing is.
func tlsWarning(c *pgx.ConnConfig) string {
	says := func(host string, secured *tls.Config) string {
		switch {
		case local(host):
			return ""
		case secured == nil:
			return "connections to the database at " + host + " may be in plain text: write sslmode=verify-full"
		case secured.InsecureSkipVerify && secured.VerifyPeerCertificate == nil && secured.VerifyConnection == nil:
			return "connections to the database at " + host + " are encrypted, but whoever answers there is believed: write sslmode=verify-full"
		}
		return ""
	}
	warning := says(c.Host, c.TLSConfig)
	for _, f := range c.Fallbacks {
		if w := says(f.Host, f.TLSConfig); warning == "" || f.TLSConfig == nil && w != "" {
			warning = w
		}
	}
	return warning
}

// local tells whether a server is on this machine.
func local(host string) bool { return strings.HasPrefix(host, "/") || isLoopback(host) }

func isLoopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

var quoted = regexp.MustCompile(`'(?:\\.|[^'\\])*'`)

// saysHow tells whether an address says how connections are to be secured.
func saysHow(address string) bool {
	if isURL(address) {
		_, query, _ := strings.Cut(address, "?")
		values, err := url.ParseQuery(query)
		return err == nil && values.Has("sslmode")
	}
	for _, field := range strings.Fields(quoted.ReplaceAllString(address, "''")) {
		if name, _, _ := strings.Cut(field, "="); name == "sslmode" {
			return true
		}
	}
	return false
}

func isURL(address string) bool {
	return strings.HasPrefix(address, "postgres://") || strings.HasPrefix(address, "postgresql://")
}

// secure has connections be verified, unless the address says how they are to be secured or all servers are on this machine.
// PostgreSQL's own default falls back to plain text.
func secure(address string) string {
	if saysHow(address) || os.Getenv("PGSSLMODE") != "" {
		return address
	}
	c, err := pgx.ParseConfig(address)
	if err != nil || local(c.Host) && !slices.ContainsFunc(c.Fallbacks, func(f *pgconn.FallbackConfig) bool { return !local(f.Host) }) {
		return address
	}
	switch {
	case !isURL(address):
		return address + " sslmode=verify-full"
	case strings.Contains(address, "?"):
		return address + "&sslmode=verify-full"
	}
	return address + "?sslmode=verify-full"
}

// errDisarmed is what a dialer answers that has made its connection.
var errDisarmed = errors.New("no cancel is sent")

// dial makes a connection of its own, with a dialer that makes this one only. pgx answers an error or a deadline with a
// request to cancel on another connection; and a cancelled COMMIT is one that took place without its standby, and looks like
// any other. warned is set when the server warns of something.
func (s *Store) dial(ctx context.Context, warned *atomic.Bool) (*pgx.Conn, error) {
	c, err := s.connConfig(ctx)
	if err != nil {
		return nil, err
	}
	return dialAs(ctx, c, warned)
}

func dialAs(ctx context.Context, c *pgx.ConnConfig, warned *atomic.Bool) (*pgx.Conn, error) {
	var armed atomic.Bool
	armed.Store(true)
	dialer := newDialer()
	c.DialFunc = func(ctx context.Context, network, addr string) (net.Conn, error) {
		if !armed.Load() {
			return nil, errDisarmed
		}
		return dialer.DialContext(ctx, network, addr)
	}
	if warned != nil {
		c.OnNotice = func(_ *pgconn.PgConn, n *pgconn.Notice) {
			if n.SeverityUnlocalized != "NOTICE" && n.SeverityUnlocalized != "INFO" && n.SeverityUnlocalized != "DEBUG" && n.SeverityUnlocalized != "LOG" {
				warned.Store(true)
			}
		}
	}
	conn, err := pgx.ConnectConfig(ctx, c)
	armed.Store(false)
	return conn, err
}

// connConfig is how connections are made now: the password may have changed.
func (s *Store) connConfig(ctx context.Context) (*pgx.ConnConfig, error) {
	c := s.config.Copy()
	return c, s.setPassword(ctx, c)
}

func (s *Store) setPassword(ctx context.Context, c *pgx.ConnConfig) error {
	if s.o.Password == nil {
		return nil
	}
	password, err := s.o.Password(ctx)
	if err != nil {
		return fmt.Errorf("the database's password cannot be had: %w", err)
	}
	c.Password = password
	return nil
}

func newDialer() *net.Dialer {
	return &net.Dialer{
		KeepAliveConfig: net.KeepAliveConfig{Enable: true, Idle: 5 * time.Second, Interval: 2 * time.Second, Count: 3},
		Control:         userTimeout,
	}
}
