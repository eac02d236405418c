// Package pgtest runs real PostgreSQL servers for tests: a primary, standbys that stream from it, and what goes wrong with
// them: killed as by a power cut, frozen, promoted, behind a network that swallows what is sent. It uses the programs of an
// installed PostgreSQL, and skips tests, saying why, where there are none. Only tests import it.
//
// Servers listen on the loopback interface and on a Unix socket in their own directory, trust everybody there, and end with
// the test. initdb refuses to run as root; then the servers run as the system's user postgres, or else nobody.
package pgtest

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/callgate/callgate/internal/pgprograms"
)

// Server is one PostgreSQL server.
type Server struct {
	t    testing.TB
	bin  string
	dir  string // everything of it lives here
	name string // application_name as a standby
	Port int
	cmd  *exec.Cmd
	done chan struct{} // closed when cmd has ended
}

// User is the superuser of every server, and Database the database that is there.
const (
	User     = "postgres"
	Database = "postgres"
)

// patience is how long a server may take to do something.
const patience = time.Minute

// find is the directory of the newest PostgreSQL's programs.
func find(t testing.TB) string {
	t.Helper()
	if dir := os.Getenv("CALLGATE_PG_BIN"); dir != "" {
		return dir
	}
	if dir := pgprograms.Find(); dir != "" {
		return dir
	}
	if os.Getenv("CALLGATE_HEAVY") == "1" {
		t.Fatal("CALLGATE_HEAVY=1 asks for tests that need a PostgreSQL server's programs, such as those of Debian's package postgresql")
	}
	t.Skip("needs the programs of a PostgreSQL server, such as those of Debian's package postgresql; CALLGATE_PG_BIN names their directory")
	return ""
}

// Start makes a cluster and starts it. Settings are lines for postgresql.conf, which win over those for tests: without fsync,
// since no test here cuts the power, and what a killed process has written stays.
func Start(t testing.TB, settings ...string) *Server {
	t.Helper()
	s := prepare(t, find(t), "primary")
	s.run("initdb", "-D", s.data(), "-U", User, "--auth=trust", "--no-sync", "--encoding=UTF8", "--locale=C")
	s.configure(append([]string{"fsync = off", "full_page_writes = off", "max_connections = 60", "shared_buffers = 64MB", "max_wal_senders = 5", "wal_level = replica",
		"wal_keep_size = 256MB", "max_wal_size = 2GB", "log_min_messages = warning", "timezone = UTC"}, settings...)...)
	s.Run()
	return s
}

// prepare makes a server's directory and finds a port for it.
func prepare(t testing.TB, bin, name string) *Server {
	t.Helper()
	// Not t.TempDir, whose parent nobody else may enter. Paths of sockets have to be short.
	dir, err := os.MkdirTemp("/tmp", "callgate-pg")
	if err != nil {
		t.Fatal(err)
	}
	s := &Server{t: t, bin: bin, dir: dir, name: name, Port: freePort(t)}
	t.Cleanup(func() {
		s.Kill()
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	if err := own(dir); err != nil {
		t.Fatal(err)
	}
	return s
}

func freePort(t testing.TB) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}

func (s *Server) data() string { return filepath.Join(s.dir, "data") }

// Dir is the directory that holds all of the server, the socket too.
func (s *Server) Dir() string { return s.dir }

// Addr is where the server listens.
func (s *Server) Addr() string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(s.Port)) }

// DSN is how the server is reached, with more settings of a connection string such as "user=clerk".
func (s *Server) DSN(more ...string) string {
	return strings.Join(append([]string{fmt.Sprintf("host=127.0.0.1 port=%d user=%s dbname=%s sslmode=disable", s.Port, User, Database)}, more...), " ")
}

// Behind is how the server is reached through a network.
func (s *Server) Behind(p *Proxy, more ...string) string {
	return strings.Join(append([]string{fmt.Sprintf("host=127.0.0.1 port=%d user=%s dbname=%s sslmode=disable", p.Port(), User, Database)}, more...), " ")
}

// Several is how the writable one of several servers is reached.
func Several(servers ...*Server) string {
	var hosts, ports []string
	for _, s := range servers {
		hosts, ports = append(hosts, "127.0.0.1"), append(ports, strconv.Itoa(s.Port))
	}
	return fmt.Sprintf("host=%s port=%s user=%s dbname=%s sslmode=disable target_session_attrs=read-write connect_timeout=3",
		strings.Join(hosts, ","), strings.Join(ports, ","), User, Database)
}

// configure adds lines to the configuration, which take effect at the next start or Reload.
func (s *Server) configure(lines ...string) {
	s.t.Helper()
	f, err := os.OpenFile(filepath.Join(s.data(), "postgresql.auto.conf"), os.O_APPEND|os.O_WRONLY, 0)
	if err == nil {
		_, err = fmt.Fprintf(f, "%s\nport = %d\nlisten_addresses = '127.0.0.1'\nunix_socket_directories = '%s'\n", strings.Join(lines, "\n"), s.Port, s.dir)
		err = errors.Join(err, f.Close())
	}
	if err != nil {
		s.t.Fatal(err)
	}
}

// run runs one of PostgreSQL's programs to its end.
func (s *Server) run(program string, args ...string) string {
	s.t.Helper()
	cmd := exec.Command(filepath.Join(s.bin, program), args...)
	cmd.Dir = s.dir
	cmd.Env = append(os.Environ(), "LC_ALL=C")
	if err := asUser(cmd); err != nil {
		s.t.Skip(err)
	}
	out, err := cmd.CombinedOutput()
	if err != nil {
		s.t.Fatalf("%s: %v\n%s", program, err, out)
	}
	return string(out)
}

// Run starts the server's process, at first or after it was killed, and waits until it answers.
func (s *Server) Run() {
	s.t.Helper()
	s.Launch()
	s.await("start", func() bool {
		_, err := s.query("SELECT 1")
		return err == nil
	})
}

// Launch is Run without waiting.
func (s *Server) Launch() {
	s.t.Helper()
	log, err := os.OpenFile(s.logFile(), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		s.t.Fatal(err)
	}
	defer log.Close()
	cmd := exec.Command(filepath.Join(s.bin, "postgres"), "-D", s.data())
	cmd.Stdout, cmd.Stderr, cmd.Dir = log, log, s.dir
	if err := asUser(cmd); err != nil {
		s.t.Skip(err)
	}
	if err := cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	s.cmd, s.done = cmd, make(chan struct{})
	go func(done chan struct{}) {
		defer close(done)
		_ = cmd.Wait() // how it ended the test knows, which ended it
	}(s.done)
}

func (s *Server) logFile() string { return filepath.Join(s.dir, "log") }

// Log is what the server has logged.
func (s *Server) Log() string {
	text, _ := os.ReadFile(s.logFile())
	return string(text)
}

// Own gives a file or directory to the user that the server runs as.
func (s *Server) Own(path string) {
	s.t.Helper()
	if err := own(path); err != nil {
		s.t.Fatal(err)
	}
}

// Trust has a user be known by a method of pg_hba.conf, such as scram-sha-256; everybody else is trusted.
func (s *Server) Trust(user, method string) {
	s.t.Helper()
	s.Rule("host all " + user + " 127.0.0.1/32 " + method)
}

// Rule puts a line in front of those of pg_hba.conf.
func (s *Server) Rule(line string) {
	s.t.Helper()
	file := s.Path("pg_hba.conf")
	rules, err := os.ReadFile(file)
	if err == nil {
		err = os.WriteFile(file, append([]byte(line+"\n"), rules...), 0o600)
	}
	if err != nil {
		s.t.Fatal(err)
	}
	s.SQL("SELECT pg_reload_conf()")
}

// await waits until something has come about.
func (s *Server) await(what string, came func() bool) {
	s.t.Helper()
	for start := time.Now(); !came(); {
		select {
		case <-s.done:
			s.t.Fatalf("the server ended and did not %s:\n%s", what, s.Log())
		case <-time.After(20 * time.Millisecond):
		}
		if time.Since(start) > patience {
			s.t.Fatalf("the server did not %s within %s:\n%s", what, patience, s.Log())
		}
	}
}

// query runs SQL as superuser, over the socket.
func (s *Server) query(sql string) (string, error) {
	cmd := exec.Command(filepath.Join(s.bin, "psql"), "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-h", s.dir, "-p", strconv.Itoa(s.Port), "-U", User, "-d", Database, "-c", sql)
	cmd.Dir = s.dir
	cmd.Env = append(os.Environ(), "LC_ALL=C", "PGCONNECT_TIMEOUT=5")
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("%w: %s", err, errs.String())
	}
	return strings.TrimSpace(out.String()), nil
}

// SQL runs statements as superuser and gives what they print, columns with | between them.
func (s *Server) SQL(sql string) string {
	s.t.Helper()
	out, err := s.query(sql)
	if err != nil {
		s.t.Fatalf("%s: %v", sql, err)
	}
	return out
}

// Set changes settings that need no restart, each like "synchronous_standby_names = ”".
func (s *Server) Set(settings ...string) {
	s.t.Helper()
	for _, setting := range settings {
		s.SQL("ALTER SYSTEM SET " + setting)
	}
	s.SQL("SELECT pg_reload_conf()")
	for _, setting := range settings {
		name, value, _ := strings.Cut(setting, "=")
		s.await("take "+setting+" over", func() bool {
			now, err := s.query("SELECT setting FROM pg_settings WHERE name = '" + strings.TrimSpace(name) + "'")
			return err == nil && now == strings.Trim(strings.TrimSpace(value), "'")
		})
	}
}
