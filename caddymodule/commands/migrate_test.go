package commands

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/callgate/callgate/internal/pgtest"
	"github.com/callgate/callgate/internal/seal"
	"github.com/callgate/callgate/internal/standin"
	"github.com/callgate/callgate/internal/store"
	"github.com/callgate/callgate/internal/store/postgres"
)

func TestMigrateRefusesBeforeItTouchesAnything(t *testing.T) {
	g := runGateway(t)
	g.send(1)
	g.settled(1, 0)
	config := func(more string) string {
		return write(t, "Caddyfile", "{\n\tcallgate {\n\t\tstore sqlite "+g.Store+"\n\t\tencryption_key "+firstKey+"\n"+more+"\t}\n}\n")
	}
	const nowhere = "postgres://callgate@127.0.0.1:1/callgate"
	if _, err := run(t, fillMigrate, "", "--config", config(""), "--to", nowhere); err == nil || !strings.Contains(err.Error(), "stop it first") {
		t.Fatalf("while the gateway runs: %v", err)
	}
	g.Stop()
	memory := "{\n\tcallgate {\n\t\tstore postgres {env.NOWHERE}\n\t}\n}\n"
	for _, tt := range []struct{ name, config, to, says string }{
		{"without an address", config(""), "", "where to? give --to"},
		{"an address that is none", config(""), "db.example.com", "the database's address cannot be read"},
		{"a database that is not there", config(""), nowhere, "127.0.0.1"},
		{"no file with the address", config(""), "@" + t.TempDir() + "/none", "no such file"},
		{"with another key", "{\n\tcallgate {\n\t\tstore sqlite " + g.Store + "\n\t\tencryption_key " + strings.Repeat("0a", 32) + "\n\t}\n}\n", nowhere, "add the key it was sealed with to encryption_key"},
		{"no store", memory, nowhere, "address"},
	} {
		file := tt.config
		if strings.HasPrefix(file, "{") {
			file = write(t, "Caddyfile", file)
		}
		if out, err := run(t, fillMigrate, "", "--config", file, "--to", tt.to); err == nil || !strings.Contains(err.Error(), tt.says) || out != "" {
			t.Errorf("%s: %v: %s", tt.name, err, out)
		}
	}
}

func TestMigrateCarriesAStoppedGatewaysStoreOver(t *testing.T) {
	if os.Getenv("CALLGATE_HEAVY") != "1" {
		t.Skip("starts a PostgreSQL server: set CALLGATE_HEAVY=1 to run it")
	}
	server := pgtest.Start(t)
	g := runGateway(t)
	ids := []string{g.send(1), g.send(2), g.send(3)}
	g.settled(3, 0)
	g.Stop()
	config := write(t, "Caddyfile", "{\n\tcallgate {\n\t\tstore sqlite "+g.Store+"\n\t\tencryption_key "+firstKey+"\n\t}\n}\n")
	address := write(t, "address", fmt.Sprintf("postgres://%s@%s/%s?sslmode=disable\n", pgtest.User, server.Addr(), pgtest.Database))
	args := []string{"--config", config, "--to", "@" + address, "--schema", "calls"}
	if out, err := run(t, fillMigrate, "", append(args, "--dry-run")...); err != nil || !strings.Contains(out, "deliveries delivered  3\n") || !strings.Contains(out, "Nothing was carried over") {
		t.Fatalf("%v: %s", err, out)
	}
	for range 2 { // the second time there is nothing left to do
		if out, err := run(t, fillMigrate, "", args...); err != nil || !strings.Contains(out, "events                3\n") || !strings.Contains(out, "start the gateways") {
			t.Fatalf("%v: %s", err, out)
		}
	}
	keys, err := seal.ParseRing(firstKey)
	if err != nil {
		t.Fatal(err)
	}
	s, err := postgres.Open(postgres.Options{Address: server.DSN(), Schema: "calls", Keys: keys})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	for _, id := range ids {
		if e, err := s.Event(t.Context(), id); err != nil || !strings.Contains(string(e.Body), "private words") {
			t.Errorf("%v", err)
		}
	}
	// Its sender repeats a call.
	first, err := s.Event(t.Context(), ids[0])
	if err != nil {
		t.Fatal(err)
	}
	first.ID = ids[0][:25] + "0"
	if first.ID == ids[0] {
		first.ID = ids[0][:25] + "1"
	}
	if a, err := s.Accept(t.Context(), first, []string{"crm"}); err != nil || !a.Duplicate || a.EventID != ids[0] {
		t.Errorf("%+v, %v", a, err)
	}
	if list, err := s.Deliveries(t.Context(), store.Filter{State: store.Delivered}, store.Page{}); err != nil || len(list) != 3 {
		t.Errorf("%d, %v", len(list), err)
	}
}

// TestMigrateCarriesDataKeysOver carries the store of a gateway over whose tenants' data keys Transit has wrapped. A gateway goes on
// with it with the same lines, and with nothing less.
func TestMigrateCarriesDataKeysOver(t *testing.T) {
	if os.Getenv("CALLGATE_HEAVY") != "1" {
		t.Skip("starts a PostgreSQL server: set CALLGATE_HEAVY=1 to run it")
	}
	server := pgtest.Start(t)
	t.Setenv("DATABASE_URL", fmt.Sprintf("postgres://%s@%s/%s?sslmode=disable", pgtest.User, server.Addr(), pgtest.Database))
	vault := standin.NewTransit(t, standin.TransitConfig{Token: "hvs.token"})
	config := strings.NewReplacer("TRANSIT", vault.URL, "WRAPPER", "transit").Replace(keysConfig)
	g := runGatewayWith(t, strings.Replace(config, "KEPT", "sqlite STORE", 1))
	event := g.send(1)
	g.settled(1, 0)
	g.must(fillKeys, "rotate", "--tenant", "acme")
	if status, body := g.Send("/hook/globex", `{"lead":{"phone":"+15559876543"}}`); status != 200 {
		t.Fatal(status, body)
	}
	g.settled(2, 0)
	g.must(fillKeys, "destroy", "--tenant", "globex", "--reason", "their contract ended")
	keys := g.must(fillKeys, "list")
	g.Stop()
	old := strings.NewReplacer("KEPT", "sqlite "+g.Store, "RECEIVER", g.receiver.URL, "SOCKET", "127.0.0.1", "NAME", "x").Replace(config)
	migrate := func(config string) (string, error) {
		return run(t, fillMigrate, "", "--config", write(t, "Caddyfile", config), "--to", os.Getenv("DATABASE_URL"))
	}
	without := "{\n\tcallgate {\n\t\tstore sqlite " + g.Store + "\n\t\tencryption_key " + firstKey + "\n\t\tdata_keys\n\t}\n}\n"
	if out, err := migrate(without); err == nil || !strings.Contains(err.Error(), "leave transit in data_keys") || out != "" {
		t.Errorf("without Transit: %v: %s", err, out)
	}
	for range 2 {
		if out, err := migrate(old); err != nil || !strings.Contains(out, "data keys             3\ndata keys destroyed   1\n") {
			t.Fatalf("%v: %s", err, out)
		}
	}
	g = runGatewayWith(t, strings.Replace(config, "KEPT", "postgres {env.DATABASE_URL}", 1))
	if got := g.must(fillKeys, "list"); got != keys {
		t.Errorf("data keys:\n%s\nand there were:\n%s", got, keys)
	}
	if out := g.must(fillKeys, "check"); out != "2 data keys, and each can be unwrapped.\n" {
		t.Error(out)
	}
	if out := g.must(fillShow, event, "--reveal", "--reason", "a test"); !strings.Contains(out, "private words") {
		t.Errorf("its content is not shown: %s", out)
	}
	g.send(2)
	g.settled(3, 0)
}
