package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/callgate/callgate/bench/machine"
)

// TestMain lets the test open the store in a process of its own, as the program does.
func TestMain(m *testing.M) {
	if len(os.Args) == 4 && os.Args[1] == openFlag {
		if err := openAndReport(os.Args[2], os.Args[3], os.Stdin, os.Stdout); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

func onDisk(t *testing.T) (dir string) {
	dir = t.TempDir()
	if machine.InMemory(dir) != "" {
		t.Skip("the directory for temporary files is in memory, where the program rightly refuses to measure")
	}
	return dir
}

// TestRun measures everything, for a moment each.
func TestRun(t *testing.T) {
	dir := onDisk(t)
	t.Setenv("GORACE", "atexit_sleep_ms=0") // a process with the race detector takes a second to end by default
	out := filepath.Join(dir, "result.json")
	var stdout, stderr bytes.Buffer
	err := run(t.Context(), []string{"-dir", dir, "-rows", "0,600", "-waiting", "200", "-producers", "2,8", "-rounds", "2", "-seconds", "50ms",
		"-warmup", "20ms", "-singles", "5", "-before-kill", "20", "-profile", filepath.Join(dir, "cpu.pprof"), "-o", out}, &stdout, &stderr)
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
	var rows, waiting []int64
	for _, s := range r.Steps {
		rows, waiting = append(rows, s.Rows), append(waiting, s.Waiting)
		if len(s.Measured) != 2 || s.Rows > 0 && s.FillPerSecond <= 0 {
			t.Errorf("%d events: %+v", s.Rows, s)
		}
		for _, m := range s.Measured {
			if m.CloseMillis <= 0 || m.OpenMillis <= 0 || m.FirstMillis <= 0 || m.OpenAfterKillMillis <= 0 || m.LogAtKillBytes == 0 || m.DeliveriesPerSecond <= 0 ||
				m.StatsMillis <= 0 || m.StatsAgainMillis <= 0 || m.FileBytes == 0 || len(m.Accepts) != 2 || len(m.Empty.Accepts) != 2 || m.Empty.DeliveriesPerSecond <= 0 ||
				m.Fresh.P50 <= 0 || m.Fresh.P99 < m.Fresh.P50 || m.Empty.Fresh.P50 <= 0 ||
				(m.Duplicate != nil) != (s.Rows > 0) {
				t.Errorf("%d events: %+v", s.Rows, m)
			}
			for _, a := range append(m.Accepts, m.Empty.Accepts...) {
				// On a busy machine none of them may have begun and ended within so short a time.
				if a.P99 < a.P50 || a.Accepted == 0 || a.Accepted > 50 && a.KeptBytes < 500 {
					t.Errorf("%d events: %+v", s.Rows, a)
				}
			}
		}
	}
	if !slices.Equal(rows, []int64{0, 600, 200}) || !slices.Equal(waiting, []int64{0, 0, 200}) {
		t.Errorf("measured at %d events, %d of them waiting", rows, waiting)
	}
	for _, line := range []string{"events stored", "2 producers, accepts/s", "8 producers, p99 ms", "of an empty store", "opening after a kill, ms", "files, MiB"} {
		if !strings.Contains(stdout.String(), line) {
			t.Errorf("the table does not have %q:\n%s", line, stdout.Bytes())
		}
	}
	if info, err := os.Stat(filepath.Join(dir, "cpu.pprof")); err != nil || info.Size() == 0 {
		t.Errorf("the profile: %v, %v", info, err)
	}
	left, err := os.ReadDir(dir)
	if err != nil || len(left) != 2 {
		t.Errorf("it leaves %v behind, %v", left, err)
	}
}

// TestInterrupted ends it while it fills a store that would take hours.
func TestInterrupted(t *testing.T) {
	dir := onDisk(t)
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	var stdout, stderr bytes.Buffer
	err := run(ctx, []string{"-dir", dir, "-rows", "1000000000"}, &stdout, &stderr)
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("%v\n%s", err, stderr.Bytes())
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
		t.Errorf("it leaves %v behind, %v", left, err)
	}
}

func TestFlags(t *testing.T) {
	for _, args := range [][]string{
		{"-rows", "x"}, {"-rows", ""}, {"-rows", "-1"}, {"-rows", "2,1"}, {"-rows", "1,1"}, {"-producers", "0"}, {"-rounds", "0"},
		{"-seconds", "0s"}, {"-store", "oracle"}, {"-waiting", "-1"}, {"-singles", "0"}, {"more"},
	} {
		if _, err := parseFlags(args, new(bytes.Buffer)); err == nil {
			t.Errorf("%q is taken", args)
		}
	}
	o, err := parseFlags([]string{"-rows", "0, 5,7"}, new(bytes.Buffer))
	if err != nil || !slices.Equal(o.rows, []int64{0, 5, 7}) {
		t.Errorf("%v, %v", o, err)
	}
}
