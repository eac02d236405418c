package commands

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/callgate/callgate/caddymodule/gatewaytest"
	"github.com/callgate/callgate/internal/pgtest"
	"github.com/callgate/callgate/internal/standin"
)

const keysConfig = `{
	callgate {
		store KEPT
		encryption_key ` + firstKey + `
		data_keys {
			transit TRANSIT
			key callgate
			key_per_tenant
			token hvs.token
			timeout 1s
			wrap_with WRAPPER
		}
		tenant acme
		tenant globex
		tenant initech
		destination crm http {
			url RECEIVER
			pass_through
			retry 0s
			breaker off
		}
	}
}
http:// {
	bind SOCKET
	callgate /hook/* nextphone {
		name NAME
		secret ` + gatewaytest.Secret + `
		shared_secret
		tenant {path.1}
		deliver crm
	}
}`

// TestDataKeysOfAGateway follows the data keys of a gateway's tenants: wrapped by Transit, listed, checked, rotated, destroyed,
// and wrapped by encryption_key in the end.
func TestDataKeysOfAGateway(t *testing.T) { followDataKeys(t, "sqlite STORE") }

// TestDataKeysOfAGatewayOnPostgreSQL does the same with the other store.
func TestDataKeysOfAGatewayOnPostgreSQL(t *testing.T) {
	if os.Getenv("CALLGATE_HEAVY") != "1" {
		t.Skip("starts a PostgreSQL server: set CALLGATE_HEAVY=1 to run it")
	}
	server := pgtest.Start(t)
	t.Setenv("DATABASE_URL", fmt.Sprintf("postgres://%s@%s/%s?sslmode=disable", pgtest.User, server.Addr(), pgtest.Database))
	followDataKeys(t, "postgres {env.DATABASE_URL}")
	if got := server.SQL("SELECT count(*) FROM callgate.data_keys WHERE wrapped IS NOT NULL AND tenant = 'acme' AND destroyed_at = 0"); got != "1" {
		t.Errorf("%s data keys of acme stand", got)
	}
}

func followDataKeys(t *testing.T, kept string) {
	vault := standin.NewTransit(t, standin.TransitConfig{Token: "hvs.token"})
	config := strings.NewReplacer("TRANSIT", vault.URL, "KEPT", kept).Replace(keysConfig)
	g := runGatewayWith(t, strings.Replace(config, "WRAPPER", "transit", 1))
	lines := func(out string) []string { return strings.Split(strings.TrimSpace(out), "\n") }
	if out := g.must(fillKeys, "list"); !strings.Contains(out, "No tenant") {
		t.Error(out)
	}
	event := g.send(1)
	g.settled(1, 0)
	if list := lines(g.must(fillKeys, "list")); len(list) != 2 || !strings.Contains(list[1], "acme") || !strings.Contains(list[1], "seals") || !strings.Contains(list[1], "transit") {
		t.Errorf("%q", list)
	}
	if out := g.must(fillKeys, "check"); out != "1 data key, and each can be unwrapped.\n" {
		t.Error(out)
	}
	if out := g.must(fillKeys, "rotate", "--tenant", "acme"); !strings.HasPrefix(out, "New calls of tenant acme are sealed with data key ") {
		t.Error(out)
	}
	for _, args := range [][]string{{"rotate", "--tenant", "acne"}, {"destroy", "--tenant", "globex"}, {"destroy"}} {
		if out, err := g.run(fillKeys, args...); err == nil {
			t.Errorf("%q: %s", args, out)
		}
	}

	// Vault goes away. Who has a key goes on; who has none is refused, and the check says so.
	vault.Seal(true)
	g.send(2)
	g.settled(2, 0)
	if status, _ := g.Send("/hook/globex", `{"lead":{"phone":"+15559876543"}}`); status != 503 {
		t.Errorf("a tenant without a key is answered %d", status)
	}
	if out, err := g.run(fillKeys, "check"); err == nil || !strings.Contains(err.Error(), "2 of 2 data keys cannot be unwrapped") || !strings.Contains(err.Error(), "unseal") {
		t.Errorf("%v: %s", err, out)
	}
	vault.Seal(false)

	if out := g.must(fillKeys, "destroy", "--tenant", "acme", "--dry-run"); out != "2 data keys of tenant acme would be destroyed; 2 events would lose their content, 0 deliveries would end.\n" {
		t.Error(out)
	}
	if keys := vault.Keys(); len(keys) != 1 || keys[0] != "callgate-acme" {
		t.Errorf("keys in Transit: %q", keys)
	}
	if out, err := g.run(fillKeys, "destroy", "--tenant", "acme", "--reason", "their contract ended"); err != nil || out != "2 data keys of tenant acme destroyed; 2 events without content, 0 deliveries ended.\n" {
		t.Errorf("%v: %s", err, out)
	}
	if keys := vault.Keys(); len(keys) != 0 {
		t.Errorf("keys left in Transit: %q", keys)
	}
	if out := g.must(fillShow, event, "--reveal", "--reason", "a test"); strings.Contains(out, "private words") {
		t.Errorf("its content is shown: %s", out)
	}
	g.send(3)
	g.settled(3, 0)
	if list := lines(g.must(fillKeys, "list")); len(list) != 4 || !strings.Contains(list[1], "destroyed") || !strings.Contains(list[2], "destroyed") || !strings.Contains(list[3], "seals") {
		t.Errorf("%q", list)
	}

	// Back to encryption_key, with which Transit is needed no more.
	g.Stop()
	back := strings.NewReplacer("STORE", g.Store, "RECEIVER", g.receiver.URL, "SOCKET", "127.0.0.1", "NAME", "x", "WRAPPER", "encryption_key").Replace(config)
	out, err := run(t, fillRekey, "", "--config", write(t, "Caddyfile", back))
	if err != nil || out != "1 record sealed again; everything is sealed with the first key.\n" {
		t.Errorf("%v: %s", err, out)
	}
	vault.Seal(true)
	if out, err := run(t, fillRekey, "", "--config", write(t, "Caddyfile", back), "--tenant", "acme"); err != nil || !strings.Contains(out, "1 tenant") {
		t.Errorf("%v: %s", err, out)
	}
	if _, err := run(t, fillRekey, "", "--config", write(t, "Caddyfile", back), "--tenant", "globex"); err == nil || !strings.Contains(err.Error(), "has no data key") {
		t.Error(err)
	}
}
