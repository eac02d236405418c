package main

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/callgate/callgate/bench/commandtest"
)

// TestMany measures gateways of two tenants with two destinations, for a moment each.
func TestMany(t *testing.T) {
	dir, kept := onDisk(t), filepath.Join(t.TempDir(), "store.db")
	var r manyResult
	stdout, stderr := commandtest.Run(t, run, &r, "-dir", dir, "-keep", kept, "-tenants", "2", "-destinations", "2", "-rows", "0,300", "-rounds", "1", "-seconds", "50ms", "-singles", "3")
	if len(r.Sites) != 3 || r.Rows != 300 || r.FillPerSecond <= 0 || r.AskedGrown != nil {
		t.Fatalf("%+v\n%s", r, stderr)
	}
	for i, s := range r.Sites {
		if len(s.Rounds) != 1 {
			t.Fatalf("%s: %d rounds", s.Name, len(s.Rounds))
		}
		m := s.Rounds[0]
		if len(m.StartMillis) != 2 || slices.Min(m.StartMillis) <= 0 || len(m.StartRSSBytes) != 2 || m.StartRSSBytes[0] < 1<<20 || m.Acks.PerSecond <= 0 || m.Acks.P99 < m.Acks.P50 ||
			m.Delivered.DeliveriesPerSecond <= 0 || m.Delivered.CPUEvent < m.Delivered.CPU || m.ToAck.P50 <= 0 || m.Fresh.P50 <= 0 || m.FileBytes == 0 ||
			(m.Duplicate.P50 > 0) != (i == 0) || len(m.Asked) != len(questions) || m.Asked["metrics"].Millis <= 0 {
			t.Errorf("%s: %+v", s.Name, m)
		}
	}
	for _, line := range []string{"many, empty", "CPU µs an ack", "old duplicate p50 ms", "metrics, CPU ms", "start to ready, ms"} {
		if !strings.Contains(stdout, line) {
			t.Errorf("the table does not have %q:\n%s", line, stdout)
		}
	}
	st, err := openStore(kept)
	if err != nil {
		t.Fatal(err)
	}
	defer st.Close()
	// One in a hundred waits, all of them of the second tenant and its two destinations, and nothing that was sent is left.
	if w, err := st.Waiting(t.Context()); err != nil || len(w) != 2 || w[0].Tenant != "t1" || w[0].Pending != 3 || w[1].Pending != 3 {
		t.Errorf("%+v, %v", w, err)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
		t.Errorf("it leaves %v behind, %v", left, err)
	}
}

// TestShape counts the deliveries of events one by one.
func TestShape(t *testing.T) {
	for _, s := range []shape{{1, 1}, {3, 1}, {1, 4}, {3, 4}, {100, 10}} {
		want, most := int64(0), int64(2*s.tenants*s.destinations+3)
		for n := range most {
			if got := s.deliveries(n); got != want {
				t.Fatalf("%+v: %d events have %d deliveries, want %d", s, n, got, want)
			}
			if want++; s.desk(n) > 0 {
				want++
			}
		}
	}
}

// TestNumberOf reads the number back from what is sent, and none from a copy of what the store was filled with.
func TestNumberOf(t *testing.T) {
	s := newSite(&options{size: 300}, "many, empty", "", shape{3, 4})
	if b := s.body(123456789012, ""); len(b) != 300 {
		t.Errorf("%d bytes", len(b))
	} else if n, ok := numberOf(b); n != 123456789012 || !ok {
		t.Errorf("%d, %v", n, ok)
	}
	for _, b := range [][]byte{s.body(7, fillID(7)), []byte(numberPrefix), []byte(numberPrefix + "12345678901x"), nil} {
		if n, ok := numberOf(b); ok {
			t.Errorf("%q has number %d", b, n)
		}
	}
}

func TestManyFlags(t *testing.T) {
	for _, args := range [][]string{
		{"-callgate", "x"}, {"-against", "x"}, {"-keep", "x"}, {"-tenants", "-1"}, {"-tenants", "10001"}, {"-tenants", "2", "-destinations", "0"}, {"-tenants", "2", "-destinations", "101"},
		{"-tenants", "2", "-size", "100"}, {"-tenants", "2", "-rate", "0"}, {"-tenants", "2", "-store", "postgres"},
	} {
		if args[len(args)-1] == "postgres" {
			t.Setenv(databaseVariable, "postgres://bench@127.0.0.1/bench")
		}
		if _, err := parseFlags(args, new(bytes.Buffer)); err == nil {
			t.Errorf("%q is taken", args)
		}
	}
	if o, err := parseFlags([]string{"-tenants", "100"}, new(bytes.Buffer)); err != nil || o.destinations != 10 {
		t.Errorf("%+v, %v", o, err)
	}
}
