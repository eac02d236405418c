package stores

import (
	"crypto/rand"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/oklog/ulid/v2"
	"go.uber.org/zap"

	"github.com/callgate/callgate/caddymodule/guest"
	"github.com/callgate/callgate/internal/pgtest"
	"github.com/callgate/callgate/internal/store"
)

func TestPostgresIsNamedByWhereItsTablesAre(t *testing.T) {
	t.Setenv("DATABASE_URL", "postgres://clerk:s3cret@a.example,b.example:6432/calls?sslmode=verify-full")
	p := &Postgres{Address: "{env.DATABASE_URL}", Schema: "north"}
	if err := p.Provision(caddy.Context{}); err != nil {
		t.Fatal(err)
	}
	if got, want := p.StoreKey(), "postgres:a.example:5432,b.example:6432/calls/north"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

func TestPostgresRefusesWhatCannotBe(t *testing.T) {
	t.Setenv("DATABASE_URL", "")
	for want, p := range map[string]*Postgres{
		"needs that of its database":      {},
		"it has a password in it":         {Address: "postgres://clerk:s3cret@db/calls"},
		"write it as a placeholder":       {Address: "host=db password=s3cret"},
		"password: write it as":           {Address: "host=db", Password: "s3cret"},
		"migrate_address: the database's": {Address: "host=db", MigrateAddress: "mysql//db"},
		"cannot be negative":              {Address: "host=db", MaxSize: -1},
		`a tenant ("acme") may hold`:      {Address: "host=db", TenantLimits: map[string]StoreLimits{"acme": {MaxEvents: -1}}},
		"address: ":                       {Address: "{env.DATABASE_URL}"},
		"look at sslmode":                 {Address: "host=db sslmode=sometimes"},
		"it is neither a URL":             {Address: "mysql//db"},
		"the database's address cannot ":  {Address: "postgres://db:port/calls"},
	} {
		err := p.Provision(caddy.Context{})
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "s3cret") {
			t.Errorf("%v, want %q", err, want)
		}
	}
}

// TestAPasswordInAFileIsReadAnew: the file is written anew, and the password changed, while the store is open.
func TestAPasswordInAFileIsReadAnew(t *testing.T) {
	if os.Getenv("CALLGATE_HEAVY") != "1" {
		t.Skip("starts a PostgreSQL server: set CALLGATE_HEAVY=1 to run it")
	}
	server := pgtest.Start(t, "password_encryption = 'scram-sha-256'")
	server.SQL("CREATE ROLE clerk LOGIN PASSWORD 'one'; GRANT CREATE ON DATABASE postgres TO clerk")
	server.Trust("clerk", "scram-sha-256")
	file := filepath.Join(t.TempDir(), "password")
	write := func(password string) {
		t.Helper()
		if err := os.WriteFile(file, []byte(password+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("one")
	p := &Postgres{Address: server.DSN("user=clerk"), Password: "{file." + file + "}", Schema: "rotated"}
	if err := p.Provision(caddy.Context{}); err != nil {
		t.Fatal(err)
	}
	s, err := p.OpenStore(guest.StoreOptions{Logger: zap.NewNop()})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	accept := func() error {
		e := &store.Event{ID: ulid.MustNew(ulid.Now(), rand.Reader).String(), Source: "nextphone", Route: "calls", ReceivedAt: time.Now()}
		_, _ = rand.Read(e.Key[:])
		_, err := s.Accept(t.Context(), e, []string{"crm"})
		return err
	}
	if err := accept(); err != nil {
		t.Fatal(err)
	}
	server.SQL("ALTER ROLE clerk PASSWORD 'two'")
	write("two")
	server.SQL("SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE usename = 'clerk'")
	for late := time.Now().Add(30 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		err := accept()
		if err == nil {
			break
		}
		if time.Now().After(late) {
			t.Fatal(err)
		}
	}
	if got := server.SQL("SELECT count(*) > 0 FROM pg_stat_activity WHERE usename = 'clerk'"); got != "t" {
		t.Errorf("nobody is connected: %s", got)
	}
}
