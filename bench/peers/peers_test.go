package main

import (
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig"

	_ "github.com/caddyserver/caddy/v2/modules/standard"

	"github.com/callgate/callgate/bench/command"
	"github.com/callgate/callgate/bench/commandtest"
	"github.com/callgate/callgate/bench/machine"
	_ "github.com/callgate/callgate/caddymodule/standard"
	"github.com/callgate/callgate/internal/pgprograms"
)

// TestMain lets the test be the bare program, as the command is.
func TestMain(m *testing.M) {
	if !command.Helper(bareHelper, runBare) {
		os.Exit(m.Run())
	}
}

// TestRun measures for a moment each: what needs PostgreSQL and Redis only with CALLGATE_HEAVY=1, and where these are installed.
func TestRun(t *testing.T) {
	want := []string{onSQLite}
	_, noRedis := exec.LookPath("redis-server")
	_, noSetpriv := exec.LookPath("setpriv")
	if os.Getenv("CALLGATE_HEAVY") == "1" && pgprograms.Find() != "" && (os.Getuid() != 0 || noSetpriv == nil) {
		want = append(want, onPostgres)
		if noRedis == nil {
			want = append(want, bareAlways)
		}
	}
	// PostgreSQL's user may not enter the test's own directory.
	dir, err := os.MkdirTemp("/tmp", "callgate-peers-test-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if machine.InMemory(dir) != "" {
		t.Skip("/tmp is in memory, where the program rightly refuses to measure")
	}
	var r result
	stdout, _ := commandtest.Run(t, run, &r, "-dir", dir, "-connections", "4", "-rounds", "2", "-seconds", "300ms", "-warmup", "100ms",
		"-drain", "2m", "-only", strings.Join(want, ";"))
	if !slices.Equal(r.Order, want) || len(r.Runs) != 2*len(want) || r.Runs[0].Subject != want[0] || r.Runs[len(want)].Subject != want[len(want)-1] {
		t.Errorf("want %v in two rounds, the second in the other order; got %s", want, stdout)
	}
	for _, f := range r.Runs {
		// One that was answered when the time was up is delivered and not counted.
		if f.Failed != 0 || f.Missing != 0 || f.Delivered < f.Acks || f.Delivered < 4 || f.DeliveredPerSecond <= 0 || f.CPUMicros < 0 || f.RSSBytes <= 0 {
			t.Errorf("%+v", f)
		}
	}
}

func TestCallgateConfigIsValid(t *testing.T) {
	text := callgateConfig("127.0.0.1:1234", "off", "sqlite "+t.TempDir()+"/store.db", "http://127.0.0.1:1235/calls")
	adapted, _, err := caddyconfig.GetAdapter("caddyfile").Adapt([]byte(text), nil)
	if err != nil {
		t.Fatal(err)
	}
	config := new(caddy.Config)
	if err := json.Unmarshal(adapted, config); err != nil {
		t.Fatal(err)
	}
	if err := caddy.Validate(config); err != nil {
		t.Error(err)
	}
}

func TestSubjects(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	names := func(args ...string) ([]string, string, error) {
		o, err := parseFlags(args, io.Discard)
		if err != nil {
			t.Fatal(err)
		}
		var said strings.Builder
		list, err := o.subjects(&said)
		var names []string
		for _, s := range list {
			names = append(names, s.name)
		}
		return names, said.String(), err
	}
	if got, said, err := names("-redis", self, "-postgres", "/bin"); err != nil || !slices.Equal(got, []string{onSQLite, onPostgres, bareAlways, bareEvery}) ||
		!strings.Contains(said, withRestate+" is left out") {
		t.Errorf("%v %q %v", got, said, err)
	}
	if got, said, err := names("-redis", "no-such-redis", "-postgres", ""); err != nil || !slices.Equal(got, []string{onSQLite}) || strings.Count(said, "is left out") != 5 {
		t.Errorf("%v %q %v", got, said, err)
	}
	for _, args := range [][]string{
		{"-redis", "no-such-redis", "-only", bareAlways}, {"-only", "no such subject"}, {"-restate", t.TempDir()}, {"-bullmq", t.TempDir()},
	} {
		if got, _, err := names(args...); err == nil {
			t.Errorf("%v: %v", args, got)
		}
	}
	for _, args := range [][]string{{"-rounds", "0"}, {"-seconds", "0"}, {"-connections", "-1"}, {"-drain", "0"}, {"-warmup", "-1s"}, {"extra"}} {
		if _, err := parseFlags(args, io.Discard); err == nil {
			t.Errorf("%v: no error", args)
		}
	}
}

func TestRestateEnv(t *testing.T) {
	env, err := restateEnv("/d", "127.0.0.1:1", "127.0.0.1:2", "127.0.0.1:3")
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"RESTATE_BIND_PORT=3", "RESTATE_INGRESS__BIND_ADDRESS=127.0.0.1:1", "RESTATE_DISABLE_TELEMETRY=true"} {
		if !slices.Contains(env, want) {
			t.Errorf("%q is missing in %q", want, env)
		}
	}
	// What it answers to has to be on disk, which is its default: nothing here may change that.
	if i := slices.IndexFunc(env, func(v string) bool { return strings.Contains(v, "WAL") }); i >= 0 {
		t.Errorf("%q", env[i])
	}
}

func TestPlaceScript(t *testing.T) {
	installed, dir := t.TempDir(), t.TempDir()
	if err := os.MkdirAll(filepath.Join(installed, "node_modules", "bullmq"), 0o700); err != nil {
		t.Fatal(err)
	}
	script, err := placeScript(dir, installed, "bullmq.mjs")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range []string{script, filepath.Join(dir, "call.mjs"), filepath.Join(dir, "node_modules", "bullmq")} {
		if _, err := os.Stat(file); err != nil {
			t.Error(err)
		}
	}
	if _, err := placeScript(t.TempDir(), installed, "none.mjs"); err == nil {
		t.Error("a program that is not there was placed")
	}
}

func TestEntries(t *testing.T) {
	entry := func(id, body any) any { return []any{id, []any{"body", body}} }
	ids, bodies, err := entries([]any{[]any{"events", []any{entry("1-0", "a"), entry("2-0", "b")}}})
	if err != nil || !slices.Equal(ids, []string{"1-0", "2-0"}) || !slices.Equal(bodies, []string{"a", "b"}) {
		t.Errorf("%q %q %v", ids, bodies, err)
	}
	if ids, bodies, err := entries(nil); ids != nil || bodies != nil || err != nil {
		t.Errorf("nothing new: %q %q %v", ids, bodies, err)
	}
	for _, v := range []any{
		"OK", []any{}, []any{"events"}, []any{[]any{"events"}}, []any{[]any{"events", "x"}}, []any{[]any{"events", []any{"x"}}},
		[]any{[]any{"events", []any{[]any{"1-0", []any{"body"}}}}}, []any{[]any{"events", []any{entry(int64(1), "a")}}},
		[]any{[]any{"events", []any{entry("1-0", int64(1))}}}, []any{[]any{"events", []any{[]any{"1-0", nil}}}},
	} {
		if ids, _, err := entries(v); !errors.Is(err, errEntries) {
			t.Errorf("%v: %q %v", v, ids, err)
		}
	}
}

func TestSigned(t *testing.T) {
	// HMAC-SHA256 of "{}" with the benchmark's secret, by openssl.
	const right = "095a18ec9a2f84f3507b054e1c7948c29cc636fb0a23297cdbd8b34c5a21f298"
	for signature, want := range map[string]bool{right: true, strings.ToUpper(right): true, "": false, right[2:]: false, right[:62] + "zz": false, strings.Repeat("0", 64): false} {
		if signed([]byte("{}"), signature) != want {
			t.Errorf("%q: want %v", signature, want)
		}
	}
	if signed([]byte("{ }"), right) {
		t.Error("the signature of another body was taken")
	}
}

func TestArrivals(t *testing.T) {
	a := &arrivals{began: time.Now()}
	if a.perSecond() != 0 {
		t.Error("a rate of nothing")
	}
	a.n.Store(30)
	a.first.Store(int64(2 * time.Second))
	a.last.Store(int64(5 * time.Second))
	if got := a.perSecond(); got != 10 {
		t.Errorf("%v a second, want 30 in 3 s", got)
	}
}

func TestRatios(t *testing.T) {
	run := func(name string, round int, acks, delivered, cpu float64) *figures {
		return &figures{Subject: name, Round: round, AcksPerSecond: acks, DeliveredPerSecond: delivered, CPUMicros: cpu}
	}
	r := &result{Rounds: 3, Order: []string{onSQLite, withRestate}, Runs: []*figures{
		run(onSQLite, 1, 300, 200, 100), run(withRestate, 1, 100, 100, 400),
		run(withRestate, 2, 50, 0, 200), run(onSQLite, 2, 200, 200, 100), // it has delivered nothing, so that there is no ratio
		run(onSQLite, 3, 600, 300, 50), run(withRestate, 3, 100, 100, 100),
	}}
	for _, c := range []struct {
		got, want spread
	}{
		{r.ratio(onSQLite, withRestate, acks), spread{4, 3, 6}},
		{r.ratio(onSQLite, withRestate, delivered), spread{2.5, 2, 3}},
		{r.ratio(onSQLite, withRestate, cpu), spread{.5, .25, .5}},
		{r.ratio(onPostgres, withRestate, cpu), spread{}},
		{r.over(withRestate, acks), spread{100, 50, 100}},
	} {
		if !reflect.DeepEqual(c.got, c.want) {
			t.Errorf("%v, want %v", c.got, c.want)
		}
	}
	var table strings.Builder
	if err := r.Print(&table); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"| " + onSQLite + ", divided by", "| 4.00 (3.00 to 6.00)", "| 2.50 (2.00 to 3.00)", "| 100 (50 to 100)"} {
		if !strings.Contains(table.String(), want) {
			t.Errorf("%q is missing in\n%s", want, &table)
		}
	}
	if strings.Contains(table.String(), onPostgres) {
		t.Errorf("what was not measured is in\n%s", &table)
	}
}
