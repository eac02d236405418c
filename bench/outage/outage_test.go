package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
)

// TestRun measures everything, for a moment each.
func TestRun(t *testing.T) {
	dir := t.TempDir()
	out := filepath.Join(dir, "result.json")
	var stdout, stderr bytes.Buffer
	err := run(t.Context(), []string{"-dir", dir, "-rate", "100", "-seconds", "1s", "-poison", "20", "-waiting", "50", "-down", "100ms", "-o", out}, &stdout, &stderr)
	if err != nil {
		t.Fatalf("%v\n%s", err, stderr.Bytes())
	}
	text, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	var r result
	if err := json.Unmarshal(text, &r); err != nil {
		t.Fatal(err)
	}
	if r.Without.Good != 100 || r.With.Good != 95 || r.Without.P99 <= 0 || r.Ratio <= 0 {
		t.Errorf("%+v", r)
	}
	if h := r.Herd; h == nil || h.Waiting != 50 || h.Missing+h.Copies+h.OutOfOrder != 0 || h.DoneSeconds <= 0 || h.FirstSecond < 1 || h.FirstSecond > 5 {
		t.Errorf("%+v", h)
	}
	if !bytes.Contains(stdout.Bytes(), []byte("herd of 50")) {
		t.Errorf("%s", stdout.Bytes())
	}
}

func TestOutOfOrder(t *testing.T) {
	for _, c := range []struct {
		order []int
		want  int
	}{{[]int{5, 6, 7, 0, 1, 8}, 0}, {[]int{5, 7, 6, 8}, 1}, {nil, 0}} {
		if got := outOfOrder(c.order); got != c.want {
			t.Errorf("%v: %d, want %d", c.order, got, c.want)
		}
	}
}

func TestFlagsThatMakeNoSense(t *testing.T) {
	for _, args := range [][]string{{"-rate", "0"}, {"-poison", "1"}, {"-concurrency", "0"}, {"-seconds", "0s"}, {"x"}} {
		if _, err := parseFlags(args, new(bytes.Buffer)); err == nil {
			t.Errorf("%v: no error", args)
		}
	}
}
