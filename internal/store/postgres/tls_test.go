package postgres_test

import (
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"

	"github.com/callgate/callgate/internal/store/postgres"
)

// unset takes a variable out of the environment until the test ends.
func unset(t *testing.T, name string) {
	t.Helper()
	t.Setenv(name, "")
	if err := os.Unsetenv(name); err != nil {
		t.Fatal(err)
	}
}

func TestServersHaveToProveWhoTheyAre(t *testing.T) {
	unset(t, "PGSSLMODE")
	for address, want := range map[string]struct{ secured, warning string }{
		"host=db.example":                               {"host=db.example sslmode=verify-full", ""},
		"postgres://db.example/calls":                   {"postgres://db.example/calls?sslmode=verify-full", ""},
		"postgres://db.example/calls?connect_timeout=3": {"postgres://db.example/calls?connect_timeout=3&sslmode=verify-full", ""},
		"host=localhost":                                {"host=localhost", ""},
		"postgres://127.0.0.1,[::1]/calls":              {"postgres://127.0.0.1,[::1]/calls", ""},
		"host=/var/run/postgresql":                      {"host=/var/run/postgresql", ""},
		"host=localhost,db.example":                     {"host=localhost,db.example sslmode=verify-full", ""},
		"host=db.example password=sslmode":              {"host=db.example password=sslmode sslmode=verify-full", ""},
		"host=db.example password='x sslmode=disable'":  {"host=db.example password='x sslmode=disable' sslmode=verify-full", ""},
		"postgres://u:sslmode=disable@db.example/x":     {"postgres://u:sslmode=disable@db.example/x?sslmode=verify-full", ""},
		"host=db.example sslmode=disable":               {"host=db.example sslmode=disable", "may be in plain text"},
		"host=localhost,db.example sslmode=disable":     {"host=localhost,db.example sslmode=disable", "db.example may be in plain text"},
		"host=db.example sslmode=prefer":                {"host=db.example sslmode=prefer", "may be in plain text"},
		"host=db.example sslmode=allow":                 {"host=db.example sslmode=allow", "may be in plain text"},
		"postgres://db.example/x?sslmode=require":       {"postgres://db.example/x?sslmode=require", "whoever answers there is believed"},
		"postgres://db.example/x?sslmode=verify-ca":     {"postgres://db.example/x?sslmode=verify-ca", ""},
	} {
		secured, warning, err := postgres.Secure(address)
		if err != nil || secured != want.secured || (want.warning == "") != (warning == "") || !strings.Contains(warning, want.warning) {
			t.Errorf("%s: %s, %q, %v", address, secured, warning, err)
		}
	}
}

// TestEncryptedConnections has a server with a certificate for db.example, and one without any.
func TestEncryptedConnections(t *testing.T) {
	unset(t, "PGSSLMODE")
	a, plain := start(t), start(t)
	authority := a.Encrypt("db.example")
	a.SQL("CREATE ROLE clerk LOGIN SUPERUSER")
	a.Rule("hostnossl all clerk 127.0.0.1/32 reject")
	at := func(host string, port int, more string) postgres.Options {
		return postgres.Here(postgres.Options{Address: fmt.Sprintf("host=%s port=%d user=postgres dbname=postgres %s", host, port, more), Schema: schema()})
	}
	s := openStore(t, at("db.example", a.Port, "sslrootcert="+authority))
	taken(t, s, s)
	if got := a.SQL("SELECT count(*) > 2, bool_and(ssl) FROM pg_stat_activity JOIN pg_stat_ssl USING (pid) WHERE application_name = 'callgate'"); got != "t|t" {
		t.Errorf("connections, all of them encrypted: %s", got)
	}
	for _, c := range []struct {
		what string
		o    postgres.Options
		says string
	}{
		{"another name", at("other.example", a.Port, "sslrootcert="+authority), "a certificate that is not of other.example"},
		{"an authority that is not known", at("db.example", a.Port, ""), "sslrootcert"},
		{"a server without TLS", at("db.example", plain.Port, "sslrootcert="+authority), "takes no encrypted connections"},
		{"a server for TLS only", at("db.example", a.Port, "user=clerk sslmode=disable"), "takes encrypted connections only"},
	} {
		s, err := postgres.Open(c.o)
		if err == nil {
			s.Close()
		}
		if err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v", c.what, err)
		}
	}
	if got := plain.SQL("SELECT count(*) FROM pg_stat_activity WHERE application_name = 'callgate'"); got != "0" {
		t.Errorf("%s connections in plain text", got)
	}
	// Who says so gets less, and is warned.
	var mu sync.Mutex
	var told string
	o := at("other.example", a.Port, "sslmode=require")
	o.Log = func(_ string, err error) {
		mu.Lock()
		defer mu.Unlock()
		told += fmt.Sprint(err)
	}
	s = openStore(t, o)
	taken(t, s, s)
	mu.Lock()
	defer mu.Unlock()
	if !strings.Contains(told, "other.example are encrypted, but whoever answers there is believed") {
		t.Errorf("told %q", told)
	}
}
