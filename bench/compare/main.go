// Command compare shows what the gateway costs: plain Caddy with reverse_proxy, and the same Caddy with Callgate's
// whole pipeline in front of it, before the same upstream, in one run and in turns, so that whatever else the machine
// does meets both of them.
//
//	go run ./bench/compare
//
// It also sends to the upstream itself, which shows how much the load generator and the upstream can do at all.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/callgate/callgate/bench/report"
)

// options are what the flags say.
type options struct {
	connections, size, rounds int
	seconds, warmup           float64
	policy, proxy             string
	callgate, loadgen         string
	out                       string
	direct                    bool
}

func main() {
	if len(os.Args) == 2 && os.Args[1] == "-upstream" { // what it starts itself as
		if err := runUpstream(); err != nil {
			fmt.Fprintln(os.Stderr, "upstream:", err)
			os.Exit(1)
		}
		return
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stdout, os.Stderr); err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "compare:", err)
		os.Exit(1)
	}
}

func parseFlags(args []string, stderr io.Writer) (*options, error) {
	o := new(options)
	fl := flag.NewFlagSet("compare", flag.ContinueOnError)
	fl.SetOutput(stderr)
	fl.IntVar(&o.connections, "connections", 64, "keep-alive connections of the load generator")
	fl.IntVar(&o.size, "size", 2048, "bytes in each body")
	fl.IntVar(&o.rounds, "rounds", 5, "rounds of each subject")
	fl.Float64Var(&o.seconds, "seconds", 3, "measured seconds of each round")
	fl.Float64Var(&o.warmup, "warmup", 0.5, "seconds before that, in each round")
	fl.BoolVar(&o.direct, "direct", true, "send to the upstream itself too")
	fl.StringVar(&o.policy, "policy", "", `more lines for the callgate directive, separated with semicolons, such as "require phone"`)
	fl.StringVar(&o.proxy, "gateway-proxy", "", "lines for the gateway's reverse_proxy block, separated with semicolons")
	fl.StringVar(&o.callgate, "callgate", "", "the callgate binary; default: built from this module")
	fl.StringVar(&o.loadgen, "loadgen", "", "the load generator's binary; default: built from this module")
	fl.StringVar(&o.out, "o", "", "file for the whole result as JSON")
	if err := fl.Parse(args); err != nil {
		return nil, err
	}
	switch {
	case fl.NArg() > 0:
		return nil, fmt.Errorf("%q is not a flag: all arguments are flags, see -help", fl.Arg(0))
	case o.connections < 1 || o.rounds < 1 || o.seconds <= 0 || o.warmup < 0:
		return nil, errors.New("-connections, -rounds and -seconds must be more than 0, and -warmup not less")
	}
	return o, nil
}

func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	o, err := parseFlags(args, stderr)
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "callgate-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	for _, b := range []struct {
		path *string
		name string
	}{{&o.callgate, "cmd/callgate"}, {&o.loadgen, "bench/loadgen"}} {
		if *b.path == "" {
			*b.path = filepath.Join(dir, filepath.Base(b.name))
			fmt.Fprintln(stderr, "building", b.name)
			if err := build(ctx, stderr, *b.path, "github.com/callgate/callgate/"+b.name); err != nil {
				return err
			}
		}
	}
	subjects, stop, err := startSubjects(ctx, o, dir)
	defer stop()
	if err != nil {
		return err
	}
	if !o.direct {
		subjects = subjects[1:]
	}
	r, err := o.measure(ctx, subjects, stderr)
	if err != nil {
		return err
	}
	if o.out != "" {
		text, err := json.MarshalIndent(r, "", "  ")
		if err != nil {
			return err
		}
		if err := os.WriteFile(o.out, append(text, '\n'), 0o644); err != nil {
			return err
		}
	}
	if err := r.print(stdout); err != nil {
		return err
	}
	if n := r.failed(); n > 0 {
		return fmt.Errorf("%d requests got no answer of the 2xx class, so the figures mean little; -o FILE tells which", n)
	}
	return nil
}

func build(ctx context.Context, stderr io.Writer, out, pkg string) error {
	cmd := exec.CommandContext(ctx, "go", "build", "-o", out, pkg)
	cmd.Stderr = stderr
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("%s cannot be built; run this inside the module: %w", pkg, err)
	}
	return nil
}

// measure runs the rounds. Every other round has the order turned, so that being first favours nobody.
func (o *options) measure(ctx context.Context, subjects []*subject, stderr io.Writer) (*result, error) {
	r := &result{
		Machine:     thisMachine(),
		Connections: o.connections, BodyBytes: o.size, Rounds: o.rounds, Seconds: o.seconds, Policy: o.policy, Proxy: o.proxy,
		Runs: make(map[string][]*report.Run),
	}
	for i := range o.rounds {
		order := slices.Clone(subjects)
		if i%2 == 1 {
			slices.Reverse(order)
		}
		for _, s := range order {
			run, err := o.round(ctx, s)
			if err != nil {
				return nil, err
			}
			fmt.Fprintf(stderr, "round %d: %-14s %8.0f requests/s  p99 %7.2f ms  %6.1f µs CPU a request\n",
				i+1, s.name, rps(run), p99(run)/1e3, cpu(run))
			r.Runs[s.name] = append(r.Runs[s.name], run)
		}
	}
	r.summarize()
	return r, nil
}

// round sends to one subject for a while.
func (o *options) round(ctx context.Context, s *subject) (*report.Run, error) {
	duration := func(seconds float64) string { return time.Duration(seconds * float64(time.Second)).String() }
	ahead := 0 // the load generator's own guess
	if s.sent > 0 {
		ahead = int(s.sent + s.sent/2)
	}
	cmd := exec.CommandContext(ctx, o.loadgen, "-ahead", strconv.Itoa(ahead),
		"-url", s.url, "-scheme", "nextphone", "-secret", secret,
		"-connections", strconv.Itoa(o.connections), "-size", strconv.Itoa(o.size),
		"-duration", duration(o.seconds), "-warmup", duration(o.warmup),
		"-pids", strconv.Itoa(s.process.cmd.Process.Pid))
	text, err := cmd.Output()
	if err != nil {
		if !s.process.running() {
			return nil, s.process.failed()
		}
		var exit *exec.ExitError
		if errors.As(err, &exit) {
			err = fmt.Errorf("%w: %s", err, exit.Stderr)
		}
		return nil, fmt.Errorf("the load generator failed on %s: %w", s.name, err)
	}
	run := new(report.Run)
	if err := json.Unmarshal(text, run); err != nil {
		return nil, fmt.Errorf("the load generator's answer cannot be read: %w", err)
	}
	s.sent = run.Sent
	return run, nil
}

func thisMachine() machine {
	m := machine{CPUs: runtime.NumCPU(), OS: runtime.GOOS, Arch: runtime.GOARCH, Go: runtime.Version()}
	info, err := os.ReadFile("/proc/cpuinfo")
	if err != nil {
		return m // not Linux
	}
	for line := range strings.Lines(string(info)) {
		if name, value, _ := strings.Cut(line, ":"); strings.TrimSpace(name) == "model name" {
			m.CPU = strings.TrimSpace(value)
			break
		}
	}
	return m
}
