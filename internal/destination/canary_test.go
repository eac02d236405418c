package destination_test

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/oklog/ulid/v2"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/callgate/callgate/internal/audit"
	"github.com/callgate/callgate/internal/delivery"
	"github.com/callgate/callgate/internal/destination"
	"github.com/callgate/callgate/internal/outbound"
	"github.com/callgate/callgate/internal/store"
	"github.com/callgate/callgate/internal/store/sqlite"
)

// sends is a destination that notes the requests of its preview as sent. Its receiver repeats what it got in its answer.
type sends struct{ destination.Destination }

func (s sends) Deliver(ctx context.Context, items []destination.Item) []destination.Result {
	requests, err := s.Preview(items)
	if err != nil {
		return []destination.Result{{Outcome: destination.Delivered, Warnings: []string{err.Error()}}}
	}
	for _, q := range requests {
		r, err := http.NewRequestWithContext(ctx, q.Method, q.URL, strings.NewReader(q.Body))
		if err != nil {
			continue // a URL of a sample that is none
		}
		for name, value := range q.Header {
			r.Header[name] = value
		}
		outbound.NoteSent(ctx, r, nil)
	}
	return []destination.Result{{Outcome: destination.Delivered, Status: 200, Reason: "got " + string(items[0].Body), RemoteID: items[0].Call.CallerNumber}}
}

// values are the texts of a call record that tell of somebody: names, and whatever has a space, an at sign or many digits.
// Single words such as lead.created stand in the names of fields too.
func values(v any, name string, into map[string]bool) {
	switch v := v.(type) {
	case map[string]any:
		for key, member := range v {
			values(member, key, into)
		}
	case []any:
		for _, e := range v {
			values(e, name, into)
		}
	case string:
		digits := len(v) - len(strings.Map(func(r rune) rune {
			if r >= '0' && r <= '9' {
				return -1
			}
			return r
		}, v))
		if len(v) >= 4 && (name == "first_name" || name == "last_name" || strings.ContainsAny(v, " @") || digits >= 6) {
			into[v] = true
		}
	}
}

// TestNoValueIsInTheAuditLog sends every sample through every kind of destination, and finds nothing of what the caller said
// in any record, in the gateway's log, or in what the store says of the attempts.
func TestNoValueIsInTheAuditLog(t *testing.T) {
	s, err := sqlite.Open(sqlite.Options{Path: filepath.Join(t.TempDir(), "store.db")})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if _, err := s.OpenAudit("boot"); err != nil {
		t.Fatal(err)
	}
	var text bytes.Buffer
	log := zap.New(zapcore.NewCore(zapcore.NewJSONEncoder(zap.NewProductionEncoderConfig()), zapcore.Lock(zapcore.AddSync(&text)), zap.DebugLevel))
	snapshot := &delivery.Snapshot{Destinations: map[string]delivery.Config{}}
	var names []string
	for _, d := range destinations(t) {
		snapshot.Destinations[d.name] = delivery.Config{Destination: sends{d}, Kind: d.name, Concurrency: 8}
		names = append(names, d.name)
	}
	e := delivery.New(delivery.Options{Store: s, Log: log})
	e.Attach(snapshot)
	secret, sample := map[string]bool{}, map[string]string{}
	for _, file := range sampleFiles(t, payloads) {
		preset, r := readSample(t, file)
		it := item(t, preset, r)
		record, err := it.Call.Encode()
		if err != nil {
			t.Fatal(err)
		}
		var all any
		if err := json.Unmarshal(record, &all); err != nil {
			t.Fatal(err)
		}
		values(all, "", secret)
		id := ulid.Make()
		if _, err := e.Accept(t.Context(), &store.Event{
			ID: id.String(), Key: id, Tenant: "acme", Source: preset, Route: "r", EventType: it.Call.EventType, EventID: it.Call.EventID, CallID: it.Call.ID,
			CallerHash: it.Call.CallerNumber, ReceivedAt: time.Now(), Body: r.Body, Record: record,
			Header: map[string][]string{"Content-Type": {it.ContentType}},
		}, names); err != nil {
			t.Fatal(err)
		}
		sample[id.String()] = filepath.Base(file)
	}
	want := int64(len(sample) * (1 + len(names)))
	for began := time.Now(); ; time.Sleep(10 * time.Millisecond) {
		status, err := s.AuditStatus(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if status.State.Size >= want {
			break
		}
		if time.Since(began) > time.Minute {
			t.Fatalf("%d records of %d", status.State.Size, want)
		}
	}
	fields := 0
	look := func(where, text string) {
		t.Helper()
		for value := range secret {
			quoted, err := json.Marshal(value)
			if err != nil {
				t.Fatal(err)
			}
			if strings.Contains(text, value) || strings.Contains(text, strings.Trim(string(quoted), `"`)) {
				t.Errorf("%s holds %q: %.300s", where, value, text)
			}
		}
	}
	if err := s.AuditLines(t.Context(), 0, func(_ int64, line []byte) error {
		l, err := audit.ParseLine(line)
		if err != nil {
			return err
		}
		fields += len(l.Fields)
		// Commitments are hashes under a random salt, in which a short name stands by chance now and then.
		l.Sent, l.Subject = audit.Commitment{}, audit.Commitment{}
		look("the record of "+sample[l.Event], string(audit.AppendLine(nil, l)))
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if len(secret) < 150 || fields < 1000 {
		t.Errorf("%d values were looked for, beside the names of %d fields", len(secret), fields)
	}
	if err := e.Close(context.Background()); err != nil {
		t.Error(err)
	}
	look("the gateway's log", text.String())
}
