package stores

import (
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2"
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
