package postgres_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/callgate/callgate/internal/seal"
	"github.com/callgate/callgate/internal/store"
	"github.com/callgate/callgate/internal/store/postgres"
)

// TestTheDatabaseIsAwayAtTheStart: the store opens, refuses everything, and works when the database is there.
func TestTheDatabaseIsAwayAtTheStart(t *testing.T) {
	a := start(t)
	a.Stop()
	s := openStore(t, postgres.Options{Address: a.DSN(), Patience: time.Second})
	_, err := accept(t, s, randomEvent(nil))
	unavailable(t, "while it is away", err)
	if err == nil || !strings.Contains(err.Error(), "not reached yet") {
		t.Errorf("while it is away: %v", err)
	}
	a.Run()
	until(t, "when it is there", func() error {
		_, err := accept(t, s, randomEvent(nil))
		return err
	})
}

// TestOpenSaysWhatAPersonHasToMend has the database be one that cannot be used as it is.
func TestOpenSaysWhatAPersonHasToMend(t *testing.T) {
	a := start(t)
	a.SQL("CREATE ROLE clerk LOGIN PASSWORD 'right'")
	a.SQL("REVOKE CREATE ON DATABASE postgres FROM PUBLIC")
	a.SQL("CREATE SCHEMA theirs; CREATE TABLE theirs.t (n int); GRANT USAGE ON SCHEMA theirs TO clerk")
	openStore(t, postgres.Options{Address: a.DSN(), Schema: "newer"}).Close()
	openStore(t, postgres.Options{Address: a.DSN(), Schema: "sealed", Keys: ring(t, keyA)}).Close()
	a.SQL("INSERT INTO newer.goose_db_version (version_id, is_applied) VALUES (99, true)")
	openStore(t, postgres.Options{Address: a.DSN(), Schema: "newer"}).Close() // the newer tables say that this program can use them
	a.SQL("UPDATE newer.meta SET compatible_from = 99")
	sealedStore := openStore(t, postgres.Options{Address: a.DSN(), Schema: "sealed", Keys: ring(t, keyA)})
	if _, err := accept(t, sealedStore, randomEvent([]byte("x"))); err != nil {
		t.Fatal(err)
	}
	sealedStore.Close()
	for _, c := range []struct {
		what string
		o    postgres.Options
		is   error
		says string
	}{
		{"no right to make a schema", postgres.Options{Address: a.DSN("user=clerk"), Schema: "new"}, postgres.ErrRights, ""},
		{"no right in the schema", postgres.Options{Address: a.DSN("user=clerk"), Schema: "theirs"}, postgres.ErrRights, ""},
		{"no such database", postgres.Options{Address: a.DSN("dbname=nowhere")}, nil, "CREATE DATABASE"},
		{"no such user", postgres.Options{Address: a.DSN("user=nobody")}, nil, "refuses the user or the password"},
		{"newer tables", postgres.Options{Address: a.DSN(), Schema: "newer"}, postgres.ErrNewer, "version 99"},
		{"another key", postgres.Options{Address: a.DSN(), Schema: "sealed", Keys: ring(t, keyB)}, seal.ErrNoKey, ""},
		{"no key", postgres.Options{Address: a.DSN(), Schema: "sealed"}, seal.ErrNoKey, ""},
		{"no address", postgres.Options{}, nil, "needs the address"},
		{"no name of a schema", postgres.Options{Address: a.DSN(), Schema: `x"; DROP`}, nil, "letters, digits and underscores"},
		{"an address that is none", postgres.Options{Address: "postgres://u:s3cret@[half"}, nil, "cannot be read"},
	} {
		s, err := postgres.Open(c.o)
		if err == nil {
			s.Close()
		}
		if err == nil || c.is != nil && !errors.Is(err, c.is) || !strings.Contains(err.Error(), c.says) || strings.Contains(err.Error(), "s3cret") {
			t.Errorf("%s: %v", c.what, err)
		}
	}
}

// TestADatabaseThatTakesNoWrites is read-only when the store has it open.
func TestADatabaseThatTakesNoWrites(t *testing.T) {
	a := start(t)
	s := openStore(t, postgres.Options{Address: a.DSN("target_session_attrs=any"), Patience: time.Second})
	a.Set("default_transaction_read_only = on")
	_, err := accept(t, s, randomEvent(nil))
	unavailable(t, "read-only", err)
	if !errors.Is(err, postgres.ErrReadOnly) {
		t.Errorf("read-only: %v", err)
	}
	a.Set("default_transaction_read_only = off")
	until(t, "writable again", func() error {
		_, err := accept(t, s, randomEvent(nil))
		return err
	})
}

// TestTooManyConnections leaves the store none when its own were lost.
func TestTooManyConnections(t *testing.T) {
	a := start(t, "max_connections = 12", "superuser_reserved_connections = 3")
	a.SQL("CREATE ROLE clerk LOGIN; GRANT CREATE ON DATABASE postgres TO clerk")
	s := openStore(t, postgres.Options{Address: a.DSN("user=clerk"), Schema: "few", Patience: time.Second})
	a.SQL("ALTER ROLE clerk CONNECTION LIMIT 0")
	a.SQL("SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE usename = 'clerk'")
	_, err := accept(t, s, randomEvent(nil))
	unavailable(t, "without a connection", err)
	if !strings.Contains(err.Error(), "too many connections") {
		t.Errorf("without a connection: %v", err)
	}
	a.SQL("ALTER ROLE clerk CONNECTION LIMIT -1")
	until(t, "with connections", func() error {
		_, err := accept(t, s, randomEvent(nil))
		return err
	})
}

// TestTheDatabasesDiskIsFull fills a file system that the tables are on.
func TestTheDatabasesDiskIsFull(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("needs to mount a small file system, which only root may")
	}
	a := start(t)
	disk := filepath.Join(a.Dir(), "small")
	if err := os.Mkdir(disk, 0o777); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("mount", "-t", "tmpfs", "-o", "size=24m,mode=0777", "tmpfs", disk).CombinedOutput(); err != nil {
		t.Skipf("a small file system cannot be mounted here: %s", out)
	}
	t.Cleanup(func() {
		a.Kill()
		if out, err := exec.Command("umount", disk).CombinedOutput(); err != nil {
			t.Errorf("umount: %s", out)
		}
	})
	a.Own(disk)
	a.SQL(fmt.Sprintf("CREATE TABLESPACE small LOCATION '%s'", disk))
	a.SQL("ALTER DATABASE postgres SET default_tablespace = small")
	s := openStore(t, postgres.Options{Address: a.DSN(), Patience: time.Second})
	body := make([]byte, 64<<10)
	rand.NewChaCha8([32]byte{1}).Read(body) // what can be compressed takes no room
	var full error
	for range 1000 {
		if _, full = accept(t, s, randomEvent(body)); full != nil {
			break
		}
	}
	if !errors.Is(full, store.ErrFull) || !strings.Contains(full.Error(), "make room") {
		t.Fatalf("when its disk is full: %v", full)
	}
	claimed, err := s.Claim(t.Context(), "crm", time.Now(), time.Minute, 1, nil)
	if err != nil || len(claimed) != 1 {
		t.Errorf("what is stored cannot be delivered: %d, %v", len(claimed), err)
	}
}

// TestAPasswordThatChanges needs no restart.
func TestAPasswordThatChanges(t *testing.T) {
	a := start(t, "password_encryption = 'scram-sha-256'")
	a.SQL("CREATE ROLE clerk LOGIN PASSWORD 'one'; GRANT CREATE ON DATABASE postgres TO clerk")
	a.Trust("clerk", "scram-sha-256")
	password := "one"
	s := openStore(t, postgres.Options{Address: a.DSN("user=clerk"), Schema: "secret", Patience: time.Second, Password: passwordOf(&password)})
	if _, err := accept(t, s, randomEvent(nil)); err != nil {
		t.Fatal(err)
	}
	a.SQL("ALTER ROLE clerk PASSWORD 'two'")
	a.SQL("SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE usename = 'clerk'")
	_, err := accept(t, s, randomEvent(nil))
	unavailable(t, "with the old password", err)
	setPassword(&password, "two")
	until(t, "with the new one", func() error {
		_, err := accept(t, s, randomEvent(nil))
		return err
	})
}

// TestWhoMayDoLessRunsTheGateway has one user own the tables, and another one, who may only read and write them, use them.
func TestWhoMayDoLessRunsTheGateway(t *testing.T) {
	a := start(t)
	a.SQL("CREATE ROLE owner LOGIN; GRANT CREATE ON DATABASE postgres TO owner; CREATE ROLE clerk LOGIN; REVOKE CREATE ON DATABASE postgres FROM PUBLIC")
	o := postgres.Options{Address: a.DSN("user=clerk"), MigrateAddress: a.DSN("user=owner"), Schema: "lent", Keys: ring(t, keyA)}
	s := openStore(t, o)
	taken(t, s, s)
	if got := a.SQL("SELECT tableowner, has_schema_privilege('clerk', 'lent', 'CREATE'), has_table_privilege('clerk', 'lent.events', 'TRUNCATE') FROM pg_tables WHERE schemaname = 'lent' AND tablename = 'events'"); got != "owner|f|f" {
		t.Errorf("owner, CREATE, TRUNCATE: %s", got)
	}
	if _, err := s.OpenAudit("boot"); err != nil {
		t.Fatal(err)
	}
	present(t, s, "clerk's")
	e := randomEvent([]byte("a body"))
	if _, err := accept(t, s, e); err != nil {
		t.Fatal(err)
	}
	if n, err := s.Erase(t.Context(), store.Filter{EventID: e.ID}, false); n != 1 || err != nil {
		t.Errorf("erased %d, %v", n, err)
	}
	// A day of long ago, which the owner has to drop.
	a.SQL("SET ROLE owner; CREATE TABLE lent.events_1000 (LIKE lent.events INCLUDING ALL); ALTER TABLE lent.events ATTACH PARTITION lent.events_1000 FOR VALUES FROM (1000) TO (1001)")
	for _, table := range []string{"payloads", "settled", "attempts", "keys", "subjects"} {
		a.SQL(fmt.Sprintf("SET ROLE owner; CREATE TABLE lent.%[1]s_1000 (LIKE lent.%[1]s INCLUDING ALL); ALTER TABLE lent.%[1]s ATTACH PARTITION lent.%[1]s_1000 FOR VALUES FROM (1000) TO (1001)", table))
	}
	s.Close()
	s = openStore(t, o)
	if _, err := s.Expire(t.Context(), store.Retention{Done: time.Hour}, time.Now(), 100); err != nil {
		t.Fatal(err)
	}
	if got := a.SQL("SELECT count(*) FROM pg_tables WHERE schemaname = 'lent' AND tablename LIKE '%\\_1000'"); got != "0" {
		t.Errorf("%s tables of a day of long ago are left", got)
	}
	// Also where the tables are there already, and the clerk may not even look into their schema.
	o.Schema = "older"
	openStore(t, postgres.Options{Address: a.DSN("user=owner"), Schema: o.Schema, Keys: ring(t, keyA)}).Close()
	s = openStore(t, o)
	taken(t, s, s)
	a.SQL("SET ROLE owner; CREATE SCHEMA made")
	o.Schema = "made"
	s = openStore(t, o)
	taken(t, s, s)
	// Somebody else owns what is to be migrated.
	_, err := postgres.Open(postgres.Options{Address: a.DSN("user=clerk"), MigrateAddress: a.DSN("user=clerk"), Schema: "other"})
	if !errors.Is(err, postgres.ErrRights) || !strings.Contains(err.Error(), "migrate_address") {
		t.Errorf("without rights: %v", err)
	}
}
