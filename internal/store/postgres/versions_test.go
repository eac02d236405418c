package postgres_test

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"regexp"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/callgate/callgate/internal/store"
	"github.com/callgate/callgate/internal/store/postgres"
)

// TestMigrationsSayWhoCanWorkWithThem holds those that let older programs go on to adding only.
func TestMigrationsSayWhoCanWorkWithThem(t *testing.T) {
	files, err := fs.Glob(postgres.Migrations, "migrations/*.sql")
	if err != nil || len(files) < 4 {
		t.Fatal(files, err)
	}
	says := regexp.MustCompile(`(?m)^-- compatible_from: (\d+)$`)
	takesAway := regexp.MustCompile(`(?i)\b(DROP|RENAME|TRUNCATE)\b|\bSET\s+NOT\s+NULL\b|\bALTER\s+(COLUMN\s+)?\w+\s+(SET\s+DATA\s+)?TYPE\b|\bADD\s+(CONSTRAINT|CHECK|UNIQUE|PRIMARY|FOREIGN)\b`)
	before := ""
	for _, file := range files {
		text, err := fs.ReadFile(postgres.Migrations, file)
		if err != nil {
			t.Fatal(err)
		}
		m := says.FindStringSubmatch(string(text))
		if m == nil {
			t.Errorf("%s has no line like -- compatible_from: 1", file)
			continue
		}
		sql := regexp.MustCompile(`(?m)--.*$`).ReplaceAllString(string(text), "")
		if before == m[1] {
			if found := takesAway.FindString(sql); found != "" {
				t.Errorf("%s: %s is nothing that an older program can bear: raise compatible_from", file, found)
			}
			for _, column := range regexp.MustCompile(`(?i)\bADD\s+COLUMN\s[^;,]*`).FindAllString(sql, -1) {
				if strings.Contains(column, "NOT NULL") && !strings.Contains(column, "DEFAULT") {
					t.Errorf("%s: %s: an older program gives no value to it", file, column)
				}
			}
		}
		before = m[1]
	}
}

// after are this program's migrations and one more.
func after(t *testing.T, more string) fs.FS {
	t.Helper()
	all := fstest.MapFS{"migrations/00099_next.sql": {Data: []byte(more)}}
	files, err := fs.Glob(postgres.Migrations, "migrations/*.sql")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		text, err := fs.ReadFile(postgres.Migrations, file)
		if err != nil {
			t.Fatal(err)
		}
		all[path.Clean(file)] = &fstest.MapFile{Data: text}
	}
	return all
}

// What a next version might do to the tables.
const (
	adds = "-- compatible_from: 1\nALTER TABLE {schema}.events ADD COLUMN note text NOT NULL DEFAULT '';\nALTER TABLE {schema}.live ADD COLUMN note text;\n" +
		"CREATE INDEX live_note ON {schema}.live (note);\nCREATE TABLE {schema}.next (n bigint);\n"
	// takes says that it takes something away, and does not, since the program is the same.
	takes = "-- compatible_from: 99\nCREATE TABLE {schema}.next (n bigint);\n"
)

func present(t *testing.T, s store.Shared, name string) {
	t.Helper()
	if _, err := s.Heartbeat(t.Context(), store.Presence{Name: name, TTL: time.Hour}); err != nil {
		t.Fatal(err)
	}
}

// taken accepts an event with one store and has another one deliver it.
func taken(t *testing.T, from, by store.Store) {
	t.Helper()
	if _, err := accept(t, from, randomEvent([]byte("a body"))); err != nil {
		t.Fatal(err)
	}
	claimed, err := by.Claim(t.Context(), "crm", time.Now(), time.Minute, 1, nil)
	if err != nil || len(claimed) != 1 {
		t.Fatalf("claimed %d, %v", len(claimed), err)
	}
	if err := by.Finish(t.Context(), []store.Attempt{{DeliveryID: claimed[0].ID, Number: 1, State: store.Delivered, At: time.Now(), Status: 200}}); err != nil {
		t.Fatal(err)
	}
}

// TestOldAndNewRunTogether has a newer program add to the tables under an older one that is running, and starts the older one
// again with them.
func TestOldAndNewRunTogether(t *testing.T) {
	a := start(t)
	old := postgres.Options{Address: a.DSN(), Schema: "rolled", Gateway: "old"}
	s := openStore(t, old)
	present(t, s, "old")
	taken(t, s, s)
	newer := openStore(t, postgres.WithMigrations(postgres.Options{Address: a.DSN(), Schema: "rolled", Gateway: "new"}, after(t, adds)))
	present(t, newer, "new")
	if v, err := newer.Vitals(t.Context()); err != nil || v.Schema != 99 {
		t.Fatalf("%+v, %v", v, err)
	}
	taken(t, s, newer)
	taken(t, newer, s)
	s.Close()
	again := openStore(t, old)
	taken(t, again, newer)
	taken(t, newer, again)
}

// TestANewerProgramWaitsForThoseThatCouldNotBearIt has one take something away.
func TestANewerProgramWaitsForThoseThatCouldNotBearIt(t *testing.T) {
	a := start(t)
	old := postgres.Options{Address: a.DSN(), Schema: "rolled", Gateway: "old"}
	s := openStore(t, old)
	present(t, s, "the old one")
	newer := openStore(t, postgres.WithMigrations(postgres.Options{Address: a.DSN(), Schema: "rolled", Gateway: "new"}, after(t, takes)))
	_, err := accept(t, newer, randomEvent(nil))
	unavailable(t, "while an older one runs", err)
	if !errors.Is(err, postgres.ErrOlderRun) || !strings.HasSuffix(err.Error(), ": the old one") {
		t.Errorf("while an older one runs: %v", err)
	}
	taken(t, s, s)
	if err := s.Leave(t.Context()); err != nil {
		t.Fatal(err)
	}
	// One that was not heard of, as behind a network that was cut, finds out by itself.
	until(t, "the newer one goes on", func() error {
		_, err := accept(t, newer, randomEvent(nil))
		return err
	})
	until(t, "the older one stops", func() error {
		_, err := accept(t, s, randomEvent(nil))
		if errors.Is(err, store.ErrUnavailable) && errors.Is(err, postgres.ErrNewer) {
			return nil
		}
		return fmt.Errorf("it says %v", err)
	})
	if again, err := postgres.Open(old); !errors.Is(err, postgres.ErrNewer) {
		if err == nil {
			again.Close()
		}
		t.Errorf("an older one is started: %v", err)
	}
}

// TestNobodyWaitsForWhoCanBearIt has gateways run that know what is taken away already.
func TestNobodyWaitsForWhoCanBearIt(t *testing.T) {
	a := start(t)
	s := openStore(t, postgres.Options{Address: a.DSN(), Schema: "rolled", Gateway: "old"})
	present(t, s, "old")
	knows := a.SQL("SELECT knows FROM rolled.gateways")
	newer := openStore(t, postgres.WithMigrations(postgres.Options{Address: a.DSN(), Schema: "rolled", Gateway: "new"},
		after(t, "-- compatible_from: "+knows+"\nDROP TABLE {schema}.jobs;\nCREATE TABLE {schema}.jobs (name text PRIMARY KEY, owner text NOT NULL, until timestamptz NOT NULL);\n")))
	taken(t, newer, newer)
	taken(t, s, s)
	if got := a.SQL("SELECT compatible_from FROM rolled.meta"); got != knows {
		t.Errorf("compatible_from is %s, want %s", got, knows)
	}
}

// TestANewFormIsWrittenWhenAllCanReadIt has an older gateway be there, which says nothing of what it knows, and go.
func TestANewFormIsWrittenWhenAllCanReadIt(t *testing.T) {
	a := start(t)
	openStore(t, postgres.Options{Address: a.DSN(), Schema: "packed"}).Close()
	// As a program of before has it.
	a.SQL("UPDATE packed.meta SET compatible_from = 1")
	a.SQL("INSERT INTO packed.gateways (id, name, version, started, since, until) VALUES ('01OLD', 'old', 'v1', 0, 0, (extract(epoch FROM now() + interval '1 hour') * 1000000)::bigint * 1000)")
	s := openStore(t, postgres.Options{Address: a.DSN(), Schema: "packed"})
	e := randomEvent([]byte("in the old form"))
	if _, err := accept(t, s, e); err != nil {
		t.Fatal(err)
	}
	if got := a.SQL("SELECT body FROM packed.payloads"); postgres.Packs(s) || got != "\\x"+fmt.Sprintf("%x", "in the old form") {
		t.Errorf("the body is stored as %s, which an older gateway cannot read", got)
	}
	a.SQL("DELETE FROM packed.gateways WHERE id = '01OLD'")
	until(t, "the new form", func() error {
		if !postgres.Packs(s) {
			return errors.New("is not written")
		}
		return nil
	})
	if got := a.SQL("SELECT compatible_from FROM packed.meta"); got != fmt.Sprint(postgres.PackedSince) {
		t.Errorf("programs that know version %s are let in", got)
	}
	other := randomEvent([]byte("in the new form"))
	if _, err := accept(t, s, other); err != nil {
		t.Fatal(err)
	}
	for _, one := range []*store.Event{e, other} {
		if got, err := s.Event(t.Context(), one.ID); err != nil || string(got.Body) != string(one.Body) {
			t.Errorf("%q, %v", got.Body, err)
		}
	}
}
