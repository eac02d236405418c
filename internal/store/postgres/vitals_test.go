package postgres_test

import (
	"crypto/rand"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/callgate/callgate/internal/store/postgres"
	"github.com/jackc/pgx/v5"
)

func TestVitals(t *testing.T) {
	a := start(t)
	s := openStore(t, postgres.Options{Address: a.DSN()})
	v, err := s.Vitals(t.Context())
	if err != nil || !strings.HasPrefix(v.Server, "PostgreSQL 1") || v.Schema < 1 || v.Connections < 2 || v.MaxConnections != 60 || v.Synchronous || v.Standbys != nil {
		t.Errorf("%+v, %v", v, err)
	}
	const events = 20
	body := make([]byte, 2048)
	for range events {
		_, _ = rand.Read(body) // which never fails; zeros would be packed to nothing
		if _, err := accept(t, s, randomEvent(body)); err != nil {
			t.Fatal(err)
		}
	}
	// The server says within seconds what its processes have done.
	until(t, "the log of an event", func() error {
		v, err := s.Vitals(t.Context())
		if err == nil && (v.LogEvents < events || v.LogBytes < 2048*events) {
			err = fmt.Errorf("%d bytes of log for %d events", v.LogBytes, v.LogEvents)
		}
		return err
	})
	again, err := s.Vitals(t.Context())
	if err != nil || again.LogEvents != events {
		t.Errorf("%d events, want %d, %v", again.LogEvents, events, err)
	}
	holder, err := pgx.Connect(t.Context(), a.DSN("application_name=pg_dump"))
	if err != nil {
		t.Fatal(err)
	}
	defer holder.Close(t.Context())
	if _, err := holder.Exec(t.Context(), "BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM pg_class"); err != nil {
		t.Fatal(err)
	}
	for range 5 {
		if _, err := accept(t, s, randomEvent(nil)); err != nil {
			t.Fatal(err)
		}
	}
	a.Pair()
	if v, err = s.Vitals(t.Context()); err != nil || !strings.Contains(v.OldestHolder, "(pg_dump)") || v.XminAge < 5 || v.OldestTransaction <= 0 ||
		!v.Synchronous || len(v.Standbys) != 1 || v.Standbys[0].Name != "b" || v.Standbys[0].Sync != "quorum" || v.Standbys[0].State != "streaming" || len(v.Warnings) != 0 {
		t.Errorf("%+v, %v", v, err)
	}
	a.Set("synchronous_standby_names = ''")
	if v, err = s.Vitals(t.Context()); err != nil || !slices.ContainsFunc(v.Warnings, func(w string) bool { return strings.Contains(w, "synchronous_standby_names is empty") }) {
		t.Errorf("%+v, %v", v, err)
	}
}
