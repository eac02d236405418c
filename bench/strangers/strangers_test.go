package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/callgate/callgate/bench/command"
	"github.com/callgate/callgate/bench/commandtest"
	"github.com/callgate/callgate/bench/report"
	"github.com/callgate/callgate/bench/upstream"
)

// TestMain lets the test be its own upstream, as the program is.
func TestMain(m *testing.M) {
	if !command.Helper(upstreamHelper, upstream.Run) {
		os.Exit(m.Run())
	}
}

// TestRun measures everything, for a moment each. What is held to a bound is an error of the run: that strangers hold no
// more than they may, and that no signed request is refused for them.
func TestRun(t *testing.T) {
	var r result
	var stdout string
	for _, seconds := range []string{"200ms", "1s", "5s"} { // a busy machine may get through nothing in a moment
		r = result{}
		stdout, _ = commandtest.Run(t, run, &r, "-connections", "4", "-strangers", "16", "-rounds", "1", "-seconds", seconds, "-warmup", "50ms",
			"-unverified", "4MiB", "-rate", "500")
		if !slices.ContainsFunc(r.Pairs, func(p *pair) bool { return p.Quiet.Requests == 0 || p.Attacked.Requests == 0 }) {
			break
		}
	}
	if len(r.Pairs) != len(attacks()) {
		t.Fatalf("%+v", r)
	}
	for i, a := range attacks() {
		p := r.Pairs[i]
		if p.Attack != a.name || p.Sent == 0 || p.QuietRSS < 1<<20 || p.AttackedRSS < 1<<20 || p.throughput() <= 0 || p.p99() <= 0 {
			t.Errorf("%+v", p)
		}
		if p.Statuses["200"] > 0 {
			t.Errorf("%s: strangers were let in: %v", p.Attack, p.Statuses)
		}
		if !strings.Contains(stdout, "\n"+a.name+" ") {
			t.Errorf("the table does not have %s:\n%s", a.name, stdout)
		}
	}
	if f := r.Flood; f == nil || f.PerSecond <= 0 || f.PerSecond > 1000 || f.Statuses["403"] == 0 || len(f.Statuses) != 1 || f.LinesPerSecond > 20 {
		t.Errorf("%+v", f)
	}
}

// TestBodies: each is what its name says, as large as it may be, and JSON where it claims to be.
func TestBodies(t *testing.T) {
	for _, a := range attacks() {
		for _, r := range a.requests {
			text := r.bytes("gateway.example", "/webhooks/bench")
			q, err := http.ReadRequest(bufio.NewReader(bytes.NewReader(text)))
			if err != nil {
				t.Fatalf("%s: %v", a.name, err)
			}
			body, err := io.ReadAll(q.Body)
			if whole := r.left() == 0; whole != (err == nil) || !bytes.Equal(body, r.body) {
				t.Errorf("%s: %d of %d bytes, %v", a.name, len(body), q.ContentLength, err)
			}
			if q.ContentLength != most && a.name != "small" || len(q.Header.Get("X-NextPhone-Signature")) != 64 {
				t.Errorf("%s: %d bytes are announced; %v", a.name, q.ContentLength, q.Header)
			}
			if r.left() == 0 && a.name != "noise" && !json.Valid(body) {
				t.Errorf("%s is not JSON: %.60s", a.name, body)
			}
		}
	}
}

func runOf(rps, p99 float64) *report.Run {
	return &report.Run{RequestsPerSecond: rps, Seconds: 2, Requests: int64(2 * rps), Latency: report.Latency{P99: p99}}
}

func TestVerdict(t *testing.T) {
	r := &result{BudgetBytes: 1 << 20, Pairs: []*pair{
		{Attack: "a", Quiet: runOf(100, 10), Attacked: runOf(80, 20), Held: 1 << 20, QuietRSS: 1 << 20, AttackedRSS: 100 << 20, Statuses: map[string]int64{"403": 10}},
		{Attack: "b", Quiet: runOf(100, 10), Attacked: runOf(60, 20)},
		{Attack: "a", Quiet: runOf(200, 10), Attacked: runOf(160, 50)},
	}}
	rows := r.rows()
	if len(rows) != 2 || rows[0].missedThroughput || !rows[0].missedTail || !rows[1].missedThroughput || rows[1].missedTail || rows[0].refused[0] != 5 {
		t.Errorf("%+v, %+v", rows[0], rows[1])
	}
	var table strings.Builder
	if err := r.Print(&table); err != nil || !strings.Contains(table.String(), "0.80 (0.80 to 0.80)") ||
		!strings.Contains(table.String(), "a misses the target") || !strings.Contains(table.String(), "3.50 (2.00 to 5.00)") {
		t.Errorf("%v\n%s", err, &table)
	}
	if err := r.verdict(); err != nil {
		t.Error(err)
	}
	for name, change := range map[string]func(p *pair){
		"held":   func(p *pair) { p.Held = 1<<20 + 1 },
		"grew":   func(p *pair) { p.AttackedRSS = p.QuietRSS + garbage + 1<<20 + 1 },
		"signed": func(p *pair) { p.Attacked.Statuses = map[string]int64{"503": 1} },
	} {
		p := *r.Pairs[0]
		q := *p.Attacked
		p.Attacked = &q
		change(&p)
		if err := (&result{BudgetBytes: 1 << 20, Pairs: []*pair{&p}}).verdict(); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestFlags(t *testing.T) {
	for _, args := range [][]string{{"-rounds", "0"}, {"-seconds", "0s"}, {"-strangers", "-1"}, {"-attacks", "nothing"}, {"-unverified", "x"}, {"extra"}} {
		if _, err := parseFlags(args, io.Discard); err == nil {
			t.Errorf("%v: no error", args)
		}
	}
	o, err := parseFlags([]string{"-attacks", "mixed, deep"}, io.Discard)
	if err != nil || o.strangers != 64 || o.budget != 32<<20 || o.rate != 10_000 || len(o.attacks) != 2 || o.attacks[1].name != "deep" {
		t.Errorf("%+v %v", o, err)
	}
}
