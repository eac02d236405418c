package operate

import (
	"bytes"
	"context"
	"encoding/csv"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/callgate/callgate/internal/audit"
	"github.com/callgate/callgate/internal/auditor"
	"github.com/callgate/callgate/internal/delivery"
	"github.com/callgate/callgate/internal/seal"
	"github.com/callgate/callgate/internal/store"
	"github.com/callgate/callgate/internal/store/sqlite"
)

const delivered = "01JC0Q4Z6W5P9G2N8S3T7V1X0Y"

// deliverOne stores an event of a caller, and one attempt that delivered it.
func deliverOne(t *testing.T, s store.Store) {
	t.Helper()
	e := &store.Event{ID: delivered, Key: [16]byte{1}, Source: "nextphone", Route: "r", CallerHash: "c0ffee"}
	if _, err := s.Accept(t.Context(), e, []string{"crm"}); err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	got, err := s.Claim(t.Context(), "crm", now, time.Minute, 1, nil)
	if err != nil || len(got) != 1 {
		t.Fatal(got, err)
	}
	sent := &store.Sent{Requests: []store.SentRequest{{Method: "POST", Host: "crm.example:8443", Bytes: 20, Fields: []string{"first_name"}}}}
	err = s.Finish(t.Context(), []store.Attempt{{DeliveryID: got[0].ID, Number: 1, At: now, Status: 200, State: store.Delivered, Sent: sent,
		Audit: store.AuditAttempt{Destination: "crm", Kind: "http"}}})
	if err != nil {
		t.Fatal(err)
	}
}

// keyed is a service on a store that has a key, without which no caller has a pseudonym, and keeps an audit log.
func keyed(t *testing.T) (*Service, store.Store) {
	t.Helper()
	ring, err := seal.NewRing(bytes.Repeat([]byte{7}, 32))
	if err != nil {
		t.Fatal(err)
	}
	events, err := sqlite.Open(sqlite.Options{Path: filepath.Join(t.TempDir(), "store.db"), Keys: ring})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := events.OpenAudit("boot"); err != nil {
		t.Fatal(err)
	}
	private, _, err := audit.GenerateKey("clinic.example/1")
	if err != nil {
		t.Fatal(err)
	}
	signer, err := audit.NewSigner(private)
	if err != nil {
		t.Fatal(err)
	}
	e := delivery.New(delivery.Options{Store: events})
	t.Cleanup(func() {
		if err := errors.Join(e.Close(context.Background()), events.Close()); err != nil {
			t.Error(err)
		}
	})
	return New(Options{Store: events, Engine: e, AuditLog: &auditor.Log{Store: events, Signer: signer}}), events
}

func TestTheAuditLogInFormsOfOthers(t *testing.T) {
	s, events := keyed(t)
	deliverOne(t, events)
	var out bytes.Buffer
	n, err := s.AuditExport(t.Context(), somebody, AuditExporting{Format: "csv", First: 1}, &out)
	rows, readErr := csv.NewReader(&out).ReadAll()
	if err != nil || readErr != nil || n != int64(len(rows)-1) || rows[1][0] != "1" || rows[len(rows)-1][2] != string(audit.Exported) {
		t.Errorf("%d records, %v, %v:\n%v", n, err, readErr, rows)
	}
	disclosures := func() (all []string) {
		var out bytes.Buffer
		n, err := s.AuditExport(t.Context(), somebody, AuditExporting{Format: "fhir"}, &out)
		if err != nil || n != int64(strings.Count(out.String(), "\n")) {
			t.Errorf("%d records, %v", n, err)
		}
		for line := range strings.Lines(out.String()) {
			if strings.Contains(line, "PrivacyDisclosure.Source") {
				all = append(all, line)
			}
		}
		return all
	}
	if host, err := os.Hostname(); err != nil || host == "" {
		t.Fatal("the machine has no name, and no event can claim the profile: ", err)
	}
	if all := disclosures(); len(all) != 1 || !strings.Contains(all[0], `"address":"crm.example"`) || !strings.Contains(all[0], `"value":"c0ffee"`) {
		t.Errorf("the disclosures are\n%s", all)
	}
	if _, err := s.Erase(t.Context(), somebody, EraseSelection{Selection: Selection{All: true}}); err != nil {
		t.Fatal(err)
	}
	if all := disclosures(); len(all) != 0 {
		t.Errorf("of a caller who was erased there are\n%s", all)
	}
	if _, err := s.AuditExport(t.Context(), somebody, AuditExporting{Format: "xml"}, &out); !errors.Is(err, ErrBadRequest) {
		t.Errorf("another form says %v", err)
	}
}

func TestTheAuditLogIsFollowed(t *testing.T) {
	s, events, _ := audited(t)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	seen, calls := []string{}, 0
	err := s.AuditTail(ctx, somebody, AuditSelection{Newest: 1, Kind: "start,pause,event.accepted"}, func(records []json.RawMessage) error {
		for _, line := range records {
			l, err := audit.ParseLine(line)
			if err != nil {
				return err
			}
			seen = append(seen, string(l.Kind))
		}
		switch calls++; calls { // what happens while somebody follows
		case 1:
			deliverOne(t, events)
		case 2:
			if _, err := s.Pause(t.Context(), somebody, "crm", "lunch"); err != nil {
				t.Error(err)
			}
		case 3:
			cancel()
		}
		return nil
	})
	if got := strings.Join(seen, " "); err != nil || got != "start event.accepted pause" {
		t.Errorf("what came is %q, %v", got, err)
	}
	gone := errors.New("nobody reads")
	if err := s.AuditTail(t.Context(), somebody, AuditSelection{}, func([]json.RawMessage) error { return gone }); !errors.Is(err, gone) {
		t.Errorf("when nobody reads it says %v", err)
	}
	if err := s.AuditTail(t.Context(), somebody, AuditSelection{From: "soon"}, nil); !errors.Is(err, ErrBadRequest) {
		t.Errorf("a mistake says %v", err)
	}
}
