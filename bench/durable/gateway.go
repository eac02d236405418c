package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/callgate/callgate/bench/report"
)

// secret is that of the route and of the load generator. It guards nothing.
const secret = "secret-of-the-benchmark"

// slowly is a pace at which nothing is delivered while it is measured, and freely one that is no limit.
const (
	slowly = "rate 1/24h"
	freely = "concurrency 64"
)

// config is a gateway that stores and delivers. The rate limit is there, and so high that it refuses nothing.
func config(address, admin, store, receiver, pace string) string {
	return fmt.Sprintf(`{
	admin %s
	auto_https off
	persist_config off
	callgate {
		store sqlite %s
		drain_timeout 1s
		destination crm http {
			url http://%s/leads
			pass_through
			%s
		}
	}
}
http://%s {
	bind 127.0.0.1
	callgate /webhooks/calls nextphone %s {
		rate_limit 1000000000/s burst 1000000000
		deliver crm
	}
}
`, admin, store, receiver, pace, address, secret)
}

// process is a program that this one has started and will end.
type process struct {
	cmd  *exec.Cmd
	log  bytes.Buffer
	done chan struct{}
}

func startProcess(cmd *exec.Cmd) (*process, error) {
	p := &process{cmd: cmd, done: make(chan struct{})}
	cmd.Stderr = &p.log
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	go func() {
		_ = cmd.Wait() // how it ended is in its log
		close(p.done)
	}()
	return p, nil
}

// stop ends the program. What it was about to do does not matter any more.
func (p *process) stop() {
	_ = p.cmd.Process.Kill() // it may have ended already
	<-p.done
}

// failed is an error with the end of the program's log. It is to be called when the program has ended.
func (p *process) failed() error {
	text := p.log.Bytes()
	return fmt.Errorf("%s failed; the end of its log:\n%s", p.cmd.Path, bytes.TrimSpace(text[max(0, len(text)-2000):]))
}

// subject is a running gateway.
type subject struct {
	*process
	url, admin string
	dir        string
}

// startGateway starts a gateway with a new store.
func (o *options) startGateway(ctx context.Context, receiver, pace string) (*subject, error) {
	dir, err := os.MkdirTemp(o.scratch, "gateway-")
	if err != nil {
		return nil, err
	}
	var addresses [2]string
	for i := range addresses {
		if addresses[i], err = freeAddress(); err != nil {
			return nil, err
		}
	}
	file := filepath.Join(dir, "Caddyfile")
	if err := os.WriteFile(file, []byte(config(addresses[0], addresses[1], filepath.Join(dir, "store.db"), receiver, pace)), 0o600); err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(ctx, o.callgate, "run", "--config", file, "--adapter", "caddyfile")
	cmd.Env = append(os.Environ(), "HOME="+dir, "XDG_CONFIG_HOME="+dir, "XDG_DATA_HOME="+dir)
	p, err := startProcess(cmd)
	if err != nil {
		return nil, err
	}
	s := &subject{process: p, url: "http://" + addresses[0] + "/webhooks/calls", admin: "http://" + addresses[1], dir: dir}
	for late := time.Now().Add(30 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		conn, err := net.Dial("tcp", addresses[0])
		if err == nil {
			return s, conn.Close()
		}
		select {
		case <-p.done:
			return nil, p.failed()
		default:
		}
		if time.Now().After(late) {
			s.end()
			return nil, errors.Join(errors.New("the gateway does not listen"), p.failed())
		}
	}
}

func (s *subject) end() {
	s.stop()
	_ = os.RemoveAll(s.dir) // the scratch directory goes at the end in any case
}

func freeAddress() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer l.Close()
	return l.Addr().String(), nil
}

// gateway measures acknowledgements over HTTP.
func (o *options) gateway(ctx context.Context, connections int, delivering bool) (*figures, error) {
	receiver, pace := "127.0.0.1:9", slowly
	if delivering {
		p, address, err := o.startReceiver(ctx)
		if err != nil {
			return nil, err
		}
		defer p.stop()
		receiver, pace = address, freely
	}
	s, err := o.startGateway(ctx, receiver, pace)
	if err != nil {
		return nil, err
	}
	defer s.end()
	profiled := make(chan error, 1)
	if o.profile != "" && !delivering && connections == o.connections[len(o.connections)-1] {
		go func() { profiled <- s.profile(o.profile, o.warmup, o.seconds) }()
	} else {
		profiled <- nil
	}
	cmd := exec.CommandContext(ctx, o.loadgen, "-url", s.url, "-scheme", "nextphone", "-secret", secret,
		"-connections", strconv.Itoa(connections), "-size", strconv.Itoa(o.size),
		"-duration", o.seconds.String(), "-warmup", o.warmup.String(), "-pids", strconv.Itoa(s.cmd.Process.Pid))
	text, err := cmd.Output()
	if err != nil {
		if exit := new(exec.ExitError); errors.As(err, &exit) {
			err = fmt.Errorf("%w: %s", err, exit.Stderr)
		}
		return nil, fmt.Errorf("the load generator failed: %w", err)
	}
	run := new(report.Run)
	if err := json.Unmarshal(text, run); err != nil {
		return nil, fmt.Errorf("the load generator's answer cannot be read: %w", err)
	}
	if err := <-profiled; err != nil {
		return nil, err
	}
	f := &figures{
		PerSecond: run.RequestsPerSecond, P50: run.Latency.P50 / 1e3, P99: run.Latency.P99 / 1e3, Acks: run.Requests,
		Failed: run.Failed(), GeneratorCPU: run.Generator.CPUMicrosPerReq,
	}
	if len(run.Processes) > 0 {
		f.CPU, f.PeakRSSBytes = run.Processes[0].CPUMicrosPerReq, run.Processes[0].PeakRSSBytes
	}
	return f, s.readMetrics(f, run.Sent)
}

// profile takes a CPU profile in the measured time.
func (s *subject) profile(file string, after, length time.Duration) error {
	time.Sleep(after + 100*time.Millisecond)
	seconds := max(1, int(length.Seconds()))
	text, err := get(s.admin + "/debug/pprof/profile?seconds=" + strconv.Itoa(seconds))
	if err != nil {
		return fmt.Errorf("profiling: %w", err)
	}
	return os.WriteFile(file, text, 0o644)
}

func get(url string) ([]byte, error) {
	res, err := http.Get(url)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err == nil && res.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: status %d", url, res.StatusCode)
	}
	return text, err
}

var metric = regexp.MustCompile(`(?m)^caddy_callgate_(store_commit_requests_sum|store_commit_requests_count|store_commit_duration_seconds_sum|events_accepted_total|delivery_attempts_total\{destination="crm",outcome="delivered"\}) (\S+)$`)

// readMetrics adds what the gateway says of its commits, and sees whether it has stored as many as were acknowledged.
func (s *subject) readMetrics(f *figures, sent int64) error {
	text, err := get(s.admin + "/metrics")
	if err != nil {
		return err
	}
	v := map[string]float64{}
	for _, m := range metric.FindAllSubmatch(text, -1) {
		n, err := strconv.ParseFloat(string(m[2]), 64)
		if err != nil {
			return err
		}
		name, _, _ := strings.Cut(string(m[1]), "{")
		v[name] = n
	}
	if n := v["store_commit_requests_count"]; n > 0 {
		f.CommitSize = v["store_commit_requests_sum"] / n
		f.CommitMillis = v["store_commit_duration_seconds_sum"] / n * 1000
	}
	f.Delivered = int64(v["delivery_attempts_total"])
	// Requests that were under way when the load generator ended may be stored and not counted by it.
	if stored := int64(v["events_accepted_total"]); stored < f.Acks || stored > sent {
		return fmt.Errorf("%d calls were acknowledged and %d sent, but the gateway has stored %d", f.Acks, sent, stored)
	}
	return nil
}

// runReceiver is the process that takes deliveries. It says on standard output where it listens.
func runReceiver(stdout io.Writer) error {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	fmt.Fprintln(stdout, l.Addr())
	return http.Serve(l, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, err := io.Copy(io.Discard, r.Body); err == nil {
			w.WriteHeader(http.StatusNoContent)
		}
	}))
}

func (o *options) startReceiver(ctx context.Context) (*process, string, error) {
	cmd := exec.CommandContext(ctx, o.receiver, "-receiver")
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, "", err
	}
	p := &process{cmd: cmd, done: make(chan struct{})}
	cmd.Stderr = &p.log
	if err := cmd.Start(); err != nil {
		return nil, "", err
	}
	address, err := bufio.NewReader(out).ReadString('\n')
	go func() {
		_ = cmd.Wait() // it is killed, which is no news
		close(p.done)
	}()
	if err != nil {
		p.stop()
		return nil, "", p.failed()
	}
	return p, strings.TrimSpace(address), nil
}
