package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig"

	_ "github.com/caddyserver/caddy/v2/modules/standard"

	"github.com/callgate/callgate/bench/report"
	_ "github.com/callgate/callgate/caddymodule"
)

func TestConfigurationsAreValid(t *testing.T) {
	for name, text := range map[string]string{
		"plain":        plainConfig("127.0.0.1:1234", "127.0.0.1:1235"),
		"gateway":      gatewayConfig("127.0.0.1:1234", "127.0.0.1:1235", "", ""),
		"gateway more": gatewayConfig("127.0.0.1:1234", "127.0.0.1:1235", "require phone; max_body 1MB", "lb_retries 0;;"),
	} {
		adapted, warnings, err := caddyconfig.GetAdapter("caddyfile").Adapt([]byte(text), nil)
		if err != nil || len(warnings) > 0 {
			t.Errorf("%s: %v %v", name, err, warnings)
			continue
		}
		c := new(caddy.Config)
		if err := json.Unmarshal(adapted, c); err != nil {
			t.Fatal(err)
		}
		if err := caddy.Validate(c); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if has := bytes.Contains(adapted, []byte(`"handler":"callgate"`)); has != (name != "plain") {
			t.Errorf("%s: the gateway is in it: %v", name, has)
		}
	}
	if text := gatewayConfig("a", "b", "require phone", "lb_retries 0"); !strings.Contains(text, "require phone\n") || !strings.Contains(text, "lb_retries 0\n") {
		t.Errorf("the additional lines are missing in\n%s", text)
	}
}

func TestUpstream(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- serve(l) }()
	url := "http://" + l.Addr().String() + "/x"
	for _, body := range []string{"", "hello", strings.Repeat("a", 100_000)} {
		res, err := http.Post(url, "text/plain", strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(res.Body)
		res.Body.Close()
		if err != nil || res.StatusCode != 200 || !json.Valid(b) {
			t.Errorf("%d bytes: %d %q %v", len(body), res.StatusCode, b, err)
		}
	}
	res, err := http.Post(url, "text/plain", io.MultiReader(strings.NewReader("no length"))) // is sent in chunks
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	if res.StatusCode != http.StatusLengthRequired {
		t.Errorf("chunks: %d", res.StatusCode)
	}
	http.DefaultClient.CloseIdleConnections()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if err := <-served; err != nil {
		t.Error(err)
	}
}

func FuzzReadRequestHead(f *testing.F) {
	f.Add([]byte("POST / HTTP/1.1\r\nContent-Length: 5\r\n\r\nhello"))
	f.Add([]byte("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n"))
	f.Fuzz(func(t *testing.T, in []byte) {
		r := bufio.NewReader(bytes.NewReader(in))
		if n, err := readRequestHead(r); err == nil && n < 0 {
			t.Errorf("%q has a length of %d", in, n)
		}
	})
}

func runOf(rps, p99, cpu float64) *report.Run {
	return &report.Run{
		RequestsPerSecond: rps, Requests: int64(rps), Latency: report.Latency{P50: p99 / 2, P99: p99},
		Statuses: map[string]int64{"200": int64(rps), "503": 1}, Errors: map[string]int64{"read": 2},
		Processes: []report.Process{{CPUMicrosPerReq: cpu, PeakRSSBytes: 5 << 20}},
	}
}

func TestSummary(t *testing.T) {
	r := &result{Rounds: 3, Runs: map[string][]*report.Run{
		// The machine is twice as fast in the last round, for both.
		plain:   {runOf(100, 10, 50), runOf(110, 11, 40), runOf(200, 5, 60)},
		gateway: {runOf(50, 20, 100), runOf(66, 22, 60), runOf(120, 15, 120)},
	}}
	r.summarize()
	if len(r.Subjects) != 2 || r.Subjects[0].Name != plain || r.Subjects[0].RequestsPerSecond != (spread{110, 100, 200}) ||
		r.Subjects[1].CPU != (spread{100, 60, 120}) || r.Subjects[1].Requests != 236 || r.Subjects[1].Failed != 9 {
		t.Errorf("%+v", r.Subjects)
	}
	if got := r.Ratios; got.RequestsPerSecond != (spread{.6, .5, .6}) || got.P99 != (spread{2, 2, 3}) || got.CPU != (spread{2, 1.5, 2}) {
		t.Errorf("%+v", got)
	}
	if r.failed() != 18 {
		t.Errorf("%d failed", r.failed())
	}
	var table strings.Builder
	if err := r.print(&table); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{plain, gateway, "110 (100 to 200)", "0.60 (0.50 to 0.60)"} {
		if !strings.Contains(table.String(), want) {
			t.Errorf("%q is missing in\n%s", want, &table)
		}
	}
}

func TestSpread(t *testing.T) {
	for _, c := range []struct {
		in   []float64
		want spread
	}{
		{nil, spread{}},
		{[]float64{3}, spread{3, 3, 3}},
		{[]float64{4, 1}, spread{2.5, 1, 4}},
		{[]float64{9, 1, 4}, spread{4, 1, 9}},
	} {
		if got := spreadOf(c.in); got != c.want {
			t.Errorf("%v: %v, want %v", c.in, got, c.want)
		}
	}
}

func TestProcesses(t *testing.T) {
	sh, err := exec.LookPath("sh")
	if err != nil {
		t.Skip("there is no sh on this machine")
	}
	p, err := startProcess(t.Context(), t.TempDir(), "sample", sh, "-c", "echo ready; exec sleep 60")
	if err != nil {
		t.Fatal(err)
	}
	if line, err := p.firstLine(); err != nil || line != "ready" || !p.running() {
		t.Errorf("%q %v", line, err)
	}
	p.stop()
	if p.running() {
		t.Error("it still runs")
	}

	p, err = startProcess(t.Context(), t.TempDir(), "sample", sh, "-c", "echo what went wrong >&2; exit 1")
	if err != nil {
		t.Fatal(err)
	}
	if err := p.waitFor(t.Context(), "127.0.0.1:1"); err == nil || !strings.Contains(err.Error(), "what went wrong") {
		t.Errorf("%v", err)
	}
	p.stop()

	ctx, cancel := context.WithCancel(t.Context())
	p, err = startProcess(ctx, t.TempDir(), "sample", sh, "-c", "exec sleep 60")
	if err != nil {
		t.Fatal(err)
	}
	cancel()
	select {
	case <-p.done:
	case <-time.After(20 * time.Second):
		t.Error("it outlives its context")
	}
	p.stop()
}

func TestFlags(t *testing.T) {
	for _, args := range [][]string{{"-rounds", "0"}, {"-seconds", "0"}, {"-connections", "-1"}, {"extra"}, {"-nothing"}} {
		if _, err := parseFlags(args, io.Discard); err == nil {
			t.Errorf("%v: no error", args)
		}
	}
	o, err := parseFlags(nil, io.Discard)
	if err != nil || o.connections != 64 || o.size != 2048 || o.rounds < 5 {
		t.Errorf("%+v %v", o, err)
	}
}
