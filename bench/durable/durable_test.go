package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/callgate/callgate/bench/command"
	"github.com/callgate/callgate/bench/commandtest"
	"github.com/callgate/callgate/bench/machine"
	"github.com/callgate/callgate/internal/pgtest"
)

// TestMain lets the test be its own receiver, as the program is.
func TestMain(m *testing.M) {
	if !command.Helper(receiverHelper, runReceiver) {
		os.Exit(m.Run())
	}
}

// TestRun measures everything, for a moment each.
func TestRun(t *testing.T) {
	dir := t.TempDir()
	if machine.InMemory(dir) != "" {
		t.Skip("the directory for temporary files is in memory, where the program rightly refuses to measure")
	}
	var r result
	var stdout string
	for _, seconds := range []string{"150ms", "1s", "5s"} { // a busy machine may get through nothing in a moment
		r = result{}
		stdout, _ = commandtest.Run(t, run, &r, "-dir", dir, "-connections", "2,8", "-rounds", "2", "-seconds", seconds, "-warmup", "50ms",
			"-rate", "100", "-rate-seconds", "300ms")
		if !slices.ContainsFunc(r.Runs, func(f *figures) bool { return f.Acks == 0 }) {
			break
		}
	}
	seen := map[string]int{}
	for _, f := range r.Runs {
		seen[f.Subject]++
		if f.Acks < 1 || f.PerSecond <= 0 || f.P50 <= 0 || f.P99 < f.P50 || f.Failed != 0 {
			t.Errorf("%+v", f)
		}
		if strings.HasPrefix(f.Subject, "gateway") && (f.CommitSize < 1 || f.CommitMillis <= 0 || f.Acks > 50 && f.KeptBytes < 500 || runtime.GOOS == "linux" && f.WrittenBytes < f.KeptBytes) {
			t.Errorf("%s says nothing of its commits: %+v", f.Subject, f)
		}
		if f.Subject == gatewayDelivering && f.Delivered == 0 || f.Subject == gatewayAccepting && f.Delivered != 0 {
			t.Errorf("%s has delivered %d", f.Subject, f.Delivered)
		}
	}
	for _, s := range []string{gatewayAccepting, gatewayDelivering, storeAlone, appendLog, transactions} {
		if seen[s] != 4 {
			t.Errorf("%s was measured %d times, want two numbers of connections in two rounds", s, seen[s])
		}
		if !strings.Contains(stdout, s) {
			t.Errorf("the table does not have %s:\n%s", s, stdout)
		}
	}
	if len(r.EndToEnd) != 2 || r.EndToEnd[0].Calls != 30 || r.EndToEnd[0].SendToArrival.P50 <= 0 || r.EndToEnd[0].SendToAck.P50 <= 0 {
		t.Errorf("from acknowledgement to arrival: %+v", r.EndToEnd)
	}
	left, err := os.ReadDir(dir)
	if err != nil || len(left) != 0 {
		t.Errorf("it leaves %v behind, %v", left, err)
	}
}

// TestPostgres measures SQLite and PostgreSQL side by side, for a moment each.
func TestPostgres(t *testing.T) {
	if os.Getenv("CALLGATE_HEAVY") != "1" {
		t.Skip("starts a PostgreSQL server; set CALLGATE_HEAVY=1")
	}
	dir := t.TempDir()
	if machine.InMemory(dir) != "" {
		t.Skip("the directory for temporary files is in memory, where the program rightly refuses to measure")
	}
	server := pgtest.Start(t)
	t.Setenv(databaseVariable, fmt.Sprintf("postgres://%s@%s/%s?sslmode=disable", pgtest.User, server.Addr(), pgtest.Database))
	var r result
	stdout, _ := commandtest.Run(t, run, &r, "-store", "postgres", "-dir", dir, "-connections", "8", "-rounds", "1", "-seconds", "1s", "-warmup", "200ms",
		"-rate", "50", "-rate-seconds", "1s")
	for _, s := range []string{gatewayAccepting, gatewayPostgres, gatewayDelivering, gatewayDeliveringPostgres} {
		if r.mean(8, s) <= 0 {
			t.Errorf("%s: %.0f a second", s, r.mean(8, s))
		}
	}
	if len(r.EndToEnd) != 3 || !strings.Contains(stdout, "PostgreSQL does") {
		t.Errorf("measured %+v, printed\n%s", r.EndToEnd, stdout)
	}
	if left := server.SQL("SELECT count(*) FROM pg_namespace WHERE nspname LIKE 'callgate%'"); left != "0" {
		t.Errorf("it leaves %s schemas behind", left)
	}
}

func TestFlags(t *testing.T) {
	for _, args := range [][]string{
		{"-connections", "0"}, {"-connections", "16,x"}, {"-connections", ""}, {"-rounds", "0"}, {"-seconds", "0s"},
		{"-size", "10"}, {"-rate", "-1"}, {"more"}, {"-store", "oracle"}, {"-store", "postgres", "-audit"}, {"-soak", "1m"},
	} {
		if _, err := parseFlags(args, new(bytes.Buffer)); err == nil {
			t.Errorf("%q is taken", args)
		}
	}
	o, err := parseFlags([]string{"-connections", "1, 2"}, new(bytes.Buffer))
	if err != nil || !slices.Equal(o.connections, []int{1, 2}) {
		t.Errorf("%v, %v", o, err)
	}
}

func TestSummarize(t *testing.T) {
	const ms = time.Millisecond
	calls := []passage{
		{due: 10 * ms, acked: 12 * ms, arrived: 15 * ms},
		{due: 20 * ms, acked: 24 * ms, arrived: 23 * ms}, // it arrived before the sender had the answer
		{due: 30 * ms, acked: 31 * ms, arrived: 41 * ms},
		{due: 40 * ms, failed: true},
	}
	e := summarize(calls, 100)
	want := endToEnd{
		Rate: 100, Calls: 4, Failed: 1, SendToAck: percentiles{2, 4, 4}, SendToArrival: percentiles{5, 11, 11}, AckToArrival: percentiles{3, 10, 10},
	}
	if *e != want {
		t.Errorf("%+v, want %+v", *e, want)
	}
}

func TestCallsHaveTheirNumberAndSize(t *testing.T) {
	for _, i := range []int{0, 7, 123456} {
		b := call(i, 2048)
		if n, ok := numberOf(b); !ok || n != i || len(b) != 2048 || !json.Valid(b) {
			t.Errorf("call %d: number %d, %v, %d bytes", i, n, ok, len(b))
		}
	}
	for _, b := range []string{"", "{}", numberPrefix + "12", numberPrefix + "-00000012"} {
		if n, ok := numberOf([]byte(b)); ok {
			t.Errorf("%q is call %d", b, n)
		}
	}
}

// TestAudited measures the gateway without and with an audit log, for a moment each.
func TestAudited(t *testing.T) {
	dir := t.TempDir()
	if machine.InMemory(dir) != "" {
		t.Skip("the directory for temporary files is in memory, where the program rightly refuses to measure")
	}
	var r result
	stdout, _ := commandtest.Run(t, run, &r, "-dir", dir, "-connections", "4", "-rounds", "1", "-seconds", "500ms", "-warmup", "50ms", "-rate", "0", "-audit")
	for i, want := range []string{gatewayAccepting, gatewayAudited, gatewayDelivering, gatewayDeliveringAudited} {
		if len(r.Runs) != 4 || r.Runs[i].Subject != want || r.Runs[i].Failed != 0 || !strings.Contains(stdout, want) {
			t.Fatalf("%d runs, of which %d is not %q:\n%s", len(r.Runs), i, want, stdout)
		}
	}
}
