package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestRun asks everything once of a small store, and again of what was kept of it.
func TestRun(t *testing.T) {
	dir := t.TempDir()
	out, file := filepath.Join(dir, "result.json"), filepath.Join(dir, "store.db")
	for _, filled := range []bool{true, false} {
		var stdout, stderr bytes.Buffer
		if err := run(t.Context(), []string{"-store", file, "-events", "600", "-rounds", "1", "-o", out}, &stdout, &stderr); err != nil {
			t.Fatalf("%v\n%s", err, stderr.Bytes())
		}
		text, err := os.ReadFile(out)
		if err != nil {
			t.Fatal(err)
		}
		var r result
		if err := json.Unmarshal(text, &r); err != nil || r.Events != 600 || (r.Filled > 0) != filled || len(r.Questions) < 100 {
			t.Fatalf("%v: %+v", err, r)
		}
		rows := map[string]int{}
		for _, q := range r.Questions {
			rows[q.Name] = q.Rows
		}
		for name, want := range map[string]int{
			"events: everything": 100, "events: a call id": 1, "events: a caller that there is not": 0, "deliveries: a call id": 2, "count to erase: all": 600,
			"events: a tenant (bound to three tenants)": 11, "overview: week": 2,
		} {
			if got, ok := rows[name]; !ok || got != want {
				t.Errorf("%s: %d rows, want %d", name, got, want)
			}
		}
		if !strings.Contains(stdout.String(), "600 events") {
			t.Errorf("%s", stdout.String())
		}
	}
	if err := run(t.Context(), []string{"-events", "0"}, new(bytes.Buffer), new(bytes.Buffer)); err == nil {
		t.Error("no events")
	}
}
