package pages

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/callgate/callgate/internal/access"
	"github.com/callgate/callgate/internal/audit"
	"github.com/callgate/callgate/internal/auditor"
	"github.com/callgate/callgate/internal/delivery"
	"github.com/callgate/callgate/internal/operate"
	"github.com/callgate/callgate/internal/store/sqlite"
)

// audited is a desk whose gateway keeps an audit log in a file.
func audited(t *testing.T) (d *desk, path string) {
	t.Helper()
	private, _, err := audit.GenerateKey("clinic.example/1")
	if err != nil {
		t.Fatal(err)
	}
	signer, err := audit.NewSigner(private)
	if err != nil {
		t.Fatal(err)
	}
	path = filepath.Join(t.TempDir(), "store.db")
	s, err := sqlite.Open(sqlite.Options{Path: path})
	if err != nil {
		t.Fatal(err)
	}
	keeper, err := auditor.Open(t.Context(), auditor.Options{Store: s, Boot: "boot"}, auditor.Settings{Signer: signer})
	if err != nil {
		t.Fatal(err)
	}
	d = &desk{t: t, store: s, engine: delivery.New(delivery.Options{Store: s})}
	t.Cleanup(func() {
		ctx := context.Background()
		if err := errors.Join(d.engine.Close(ctx), keeper.Close(ctx, true), s.Close()); err != nil {
			t.Error(err)
		}
	})
	d.service = operate.New(operate.Options{Store: s, Engine: d.engine, Auditor: func() *auditor.Auditor { return keeper },
		Record: func(ctx context.Context, r operate.Record) error {
			if l, ok := r.Leaf(ctx); ok {
				return keeper.Record(ctx, l)
			}
			return nil
		}})
	if d.policy, err = access.New(append(grants, access.Grant{Role: "auditor", Users: []string{"anna"}, Tenants: []string{"acme"}})); err != nil {
		t.Fatal(err)
	}
	if d.ui, err = New(Options{Prefix: "/ops/", Service: func() (*operate.Service, error) { return d.service, nil }, Ready: func() *operate.Service { return d.service }}); err != nil {
		t.Fatal(err)
	}
	return d, path
}

const hostileWhy = `=HYPERLINK("http://evil.example")<script>alert(1)</script>` + "\u202e"

func TestAuditIsSearchedVerifiedAndExported(t *testing.T) {
	d, _ := audited(t)
	for i, l := range []audit.Leaf{
		{Kind: audit.Erase, Tenant: "acme", Outcome: "done", Why: hostileWhy, Actor: audit.Actor{Type: audit.ActorUser, ID: "erna"}},
		{Kind: audit.Reveal, Tenant: "beta", Event: "01JC0Q4Z6W5P9G2N8S3T7V1X0Y", Outcome: "asked", Actor: audit.Actor{Type: audit.ActorUser, ID: "rita"}},
	} {
		l.At = time.Date(2026, 3, 1, 9, i, 0, 0, time.UTC)
		if err := d.store.(*sqlite.Store).Record(t.Context(), l); err != nil {
			t.Fatal(err)
		}
	}
	got := d.as("audrey", "audit")
	if !says(t, got, "The newest records, the last first") || !says(t, got, "rita") || !says(t, got, "clinic.example/1") || !says(t, got, "Nobody gets checkpoints") ||
		strings.Contains(got.body, "<script>alert") || strings.Contains(got.body, "\u202e") || strings.Index(got.body, "rita") > strings.Index(got.body, "erna") {
		t.Errorf("%s", text(t, got.body))
	}
	got = d.post("audrey", "audit", url.Values{"kind": {"erase"}, "from": {"2026-03-01"}, "to": {"2026-03-02"}})
	if !says(t, got, "erna") || says(t, got, "rita") || !strings.Contains(got.body, `value="2026-03-01"`) {
		t.Errorf("%s", text(t, got.body))
	}
	for _, wrong := range []url.Values{{"kind": {"nothing"}}, {"from": {"soon"}}, {"after": {"-1"}}, {"with": {"forged"}}, {"caller": {"5551234"}}} {
		if got := d.post("audrey", "audit", wrong); got.status != 400 {
			t.Errorf("%v: %d", wrong, got.status)
		}
	}
	if got := d.as("audrey", "audit?caller=%2B15551234567"); got.status != 400 || !says(t, got, "must not stand in one") {
		t.Errorf("a number in an address: %d %s", got.status, text(t, got.body))
	}
	if got := d.as("audrey", "audit/verify"); !says(t, got, "Every record is read") {
		t.Errorf("%s", text(t, got.body))
	}
	if got := d.post("audrey", "audit/verify", url.Values{}); !says(t, got, "The log is as it was written: 3 records") {
		t.Errorf("%s", text(t, got.body))
	}
	if got := d.follow("audrey", "audit/checkpoint", url.Values{}); !says(t, got, "A checkpoint of 3 records is signed") {
		t.Errorf("%s", text(t, got.body))
	}
	for format, want := range map[string]string{"jsonl": `"kind":"erase"`, "csv": "'=HYPERLINK", "fhir": `"resourceType":"AuditEvent"`} {
		got := d.post("audrey", "audit/export", url.Values{"format": {format}})
		if got.status != 200 || !strings.Contains(got.body, want) || !strings.HasPrefix(got.header.Get("Content-Disposition"), `attachment; filename="audit-`) || strings.Contains(got.header.Get("Content-Type"), "html") {
			t.Errorf("%s: %d %v %.300s", format, got.status, got.header, got.body)
		}
	}
	if got := d.post("audrey", "audit/export", url.Values{"format": {"pdf"}}); got.status != 400 {
		t.Errorf("%d", got.status)
	}
	// Who is bound to a tenant has the records of that, and nothing of the whole.
	got = d.as("anna", "audit")
	if !says(t, got, "erna") || says(t, got, "rita") || strings.Contains(got.body, "audit/verify") || strings.Contains(got.body, "audit/export") || says(t, got, "clinic.example/1") {
		t.Errorf("%s", text(t, got.body))
	}
	if got := d.post("anna", "audit/export", url.Values{"format": {"csv"}}); got.status != 403 {
		t.Errorf("%d", got.status)
	}
}

// TestALogThatWasChangedIsTold as what the check came to, not as a page that could not be made.
func TestALogThatWasChangedIsTold(t *testing.T) {
	d, path := audited(t)
	for range 3 {
		if err := d.store.(*sqlite.Store).Record(t.Context(), audit.Leaf{Kind: audit.Erase, Tenant: "acme"}); err != nil {
			t.Fatal(err)
		}
	}
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	res, err := db.Exec("UPDATE audit_bundles SET lines = CAST(replace(CAST(lines AS TEXT), 'acme', 'evil') AS BLOB) WHERE first = 2")
	if err != nil {
		t.Fatal(err)
	}
	if n, _ := res.RowsAffected(); n != 1 {
		t.Fatal(fmt.Errorf("%d rows", n))
	}
	if got := d.post("audrey", "audit/verify", url.Values{}); got.status != 200 || !says(t, got, "not whole") {
		t.Errorf("%d %s", got.status, text(t, got.body))
	}
}
