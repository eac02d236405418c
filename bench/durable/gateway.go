package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"time"

	"github.com/callgate/callgate/bench/command"
	"github.com/callgate/callgate/bench/gateway"
	"github.com/callgate/callgate/internal/audit"
)

// receiverHelper is what this program starts itself as, for the receiver.
const receiverHelper = "-receiver"

// slowly is a pace at which nothing is delivered while it is measured, and freely one that is no limit.
const (
	slowly = "rate 1/24h"
	freely = "concurrency 64"
)

// databaseVariable has the address of the database for -store postgres, in the environment of this program and of the gateways.
const databaseVariable = "DATABASE_URL"

// setup is what gateways are measured on.
type setup struct {
	audited bool
	// shared is how many gateways share PostgreSQL; 0 is one on SQLite.
	shared int
	// binary is another build than the one that is measured; empty for that.
	binary string
}

// String implements fmt.Stringer.
func (s setup) String() string {
	switch {
	case s.binary != "":
		return "SQLite, the other build"
	case s.shared == 0:
		return "SQLite"
	case s.shared == 1:
		return "PostgreSQL, one gateway"
	}
	return fmt.Sprintf("PostgreSQL, %d gateways", s.shared)
}

// config is a gateway that stores and delivers. The rate limit is there, and so high that it refuses nothing.
func config(address, admin, store, receiver, pace, audit string) string {
	return fmt.Sprintf(`{
	admin %s
	auto_https off
	persist_config off
	callgate {
		store %s
		%s
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
`, admin, store, audit, receiver, pace, address, gateway.Secret)
}

// subject is a running gateway with a store of its own, or one of several that share one.
type subject struct {
	*gateway.Server
	dir string
	// others share the store in schema, and drop takes it away.
	others []*subject
	schema string
	drop   func() error
}

// startGateway starts gateways with a new store.
func (o *options) startGateway(ctx context.Context, receiver, pace string, on setup) (*subject, error) {
	if on.shared == 0 {
		return o.startOne(ctx, receiver, pace, on, "")
	}
	o.schemas++
	schema := fmt.Sprintf("callgate_bench_%d_%d", os.Getpid(), o.schemas)
	first := &subject{}
	for i := range on.shared {
		s, err := o.startOne(ctx, receiver, pace, setup{}, fmt.Sprintf("postgres {env.%s} {\n\t\t\tschema %s\n\t\t\tgateway bench%d\n\t\t}", databaseVariable, schema, i))
		if err == nil {
			err = s.awaitReady(ctx)
		}
		if err != nil {
			return nil, err
		}
		if i == 0 {
			first, s.schema = s, schema
			first.drop = func() error { return dropSchema(context.WithoutCancel(ctx), schema) }
		} else {
			first.others = append(first.others, s)
		}
	}
	return first, nil
}

// awaitReady waits until a gateway takes calls: its database is there, and its tables are made.
func (s *subject) awaitReady(ctx context.Context) error {
	late := time.After(time.Minute)
	for {
		_, err := s.Admin(ctx, "/callgate/ready")
		if err == nil {
			return nil
		}
		select {
		case <-late:
			return fmt.Errorf("a gateway is not ready after a minute: %w", errors.Join(err, s.Failed()))
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// dropSchema takes away what a run has made in the database, with PostgreSQL's own program.
func dropSchema(ctx context.Context, schema string) error {
	text, err := exec.CommandContext(ctx, "psql", "-q", "-X", "-d", os.Getenv(databaseVariable), "-c", "DROP SCHEMA IF EXISTS "+schema+" CASCADE").CombinedOutput()
	if err != nil {
		return fmt.Errorf("psql: %w: %s", err, text)
	}
	return nil
}

// startOne starts a gateway. shared is its store; empty for a new one of SQLite.
func (o *options) startOne(ctx context.Context, receiver, pace string, on setup, shared string) (*subject, error) {
	dir, err := os.MkdirTemp(o.scratch, "gateway-")
	if err != nil {
		return nil, err
	}
	line := ""
	if on.audited {
		key := filepath.Join(dir, "audit.key")
		if _, err := audit.WriteKeyFiles(key, "bench.example/callgate"); err != nil {
			return nil, err
		}
		line = "audit {\n\t\t\tkey {file." + key + "}\n\t\t}"
	}
	s, err := gateway.Start(ctx, gateway.Program{
		Name: "gateway", Binary: cmp.Or(on.binary, o.Callgate), Dir: dir,
		Config: func(address, admin string) string {
			return config(address, admin, cmp.Or(shared, "sqlite "+filepath.Join(dir, "store.db")), receiver, pace, line)
		},
	})
	if err != nil {
		return nil, err
	}
	return &subject{Server: s, dir: dir}, nil
}

func (s *subject) url() string { return s.URL + "/webhooks/calls" }

// end ends the gateway. What it was about to deliver does not matter any more.
func (s *subject) end() {
	s.Kill()
	_ = os.RemoveAll(s.dir) // the scratch directory goes at the end in any case
	for _, other := range s.others {
		other.end()
	}
	if s.drop != nil {
		if err := s.drop(); err != nil {
			fmt.Fprintln(os.Stderr, "the schema of a run stays in the database:", err)
		}
	}
}

// urls are those of all gateways.
func (s *subject) urls() []string {
	all := []string{s.url()}
	for _, other := range s.others {
		all = append(all, other.url())
	}
	return all
}

// gateway measures acknowledgements over HTTP.
func (o *options) gateway(ctx context.Context, connections int, delivering bool, on setup) (*figures, error) {
	receiver, pace := "127.0.0.1:9", slowly
	if delivering {
		p, address, err := command.StartHelper(ctx, receiverHelper, o.scratch)
		if err != nil {
			return nil, err
		}
		defer p.Kill()
		receiver, pace = address, freely
	}
	s, err := o.startGateway(ctx, receiver, pace, on)
	if err != nil {
		return nil, err
	}
	defer s.end()
	counted := func(*figures) error { return nil }
	if on.shared == 0 {
		if counted, err = s.countBytes(ctx); err != nil {
			return nil, err
		}
	}
	profiled := make(chan error, 1)
	file := o.profile
	if delivering {
		file = o.delivering
	}
	if file != "" && on.binary == "" && on.audited == o.audit && (on.shared > 0) == o.postgres && connections == o.connections[len(o.connections)-1] {
		go func() { profiled <- s.profile(ctx, file, o.warmup, o.seconds) }()
	} else {
		profiled <- nil
	}
	delivered := func(context.Context, *figures) error { return nil }
	if delivering && on.shared == 0 {
		delivered = s.countDeliveries()
	}
	run, err := o.Load(ctx, command.Target{URL: s.url(), Secret: gateway.Secret, Process: s.Process},
		"-connections", strconv.Itoa(connections), "-duration", o.seconds.String(), "-warmup", o.warmup.String())
	if err != nil {
		return nil, err
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
	if err := s.readMetrics(ctx, f, run.Sent); err != nil {
		return nil, err
	}
	if err := delivered(ctx, f); err != nil {
		return nil, err
	}
	return f, counted(f)
}

// profile takes a CPU profile in the measured time, which begins when the load generator has made its requests: on a busy
// machine that takes it longer than all that is measured.
func (s *subject) profile(ctx context.Context, file string, after, length time.Duration) error {
	for {
		v, err := s.Metrics(ctx)
		if err != nil {
			return fmt.Errorf("profiling: %w", err)
		}
		if v[acceptedMetric] > 0 {
			break
		}
		select {
		case <-time.After(50 * time.Millisecond):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	time.Sleep(after)
	seconds := max(1, int(length.Seconds()))
	text, err := s.Admin(ctx, "/debug/pprof/profile?seconds="+strconv.Itoa(seconds))
	if err != nil {
		return fmt.Errorf("profiling: %w", err)
	}
	return os.WriteFile(file, text, 0o644)
}

// acceptedMetric counts what has been stored, and deliveredMetric what has been delivered.
const acceptedMetric, deliveredMetric = "caddy_callgate_events_accepted_total", `caddy_callgate_delivery_attempts_total{destination="crm",outcome="delivered"}`

// readMetrics adds what the gateway says of its commits, and sees whether it has stored as many as were acknowledged.
func (s *subject) readMetrics(ctx context.Context, f *figures, sent int64) error {
	v, err := s.Metrics(ctx)
	if err != nil {
		return err
	}
	const prefix = "caddy_callgate_"
	if n := v[prefix+"store_commit_requests_count"]; n > 0 {
		f.CommitSize = v[prefix+"store_commit_requests_sum"] / n
		f.CommitMillis = v[prefix+"store_commit_duration_seconds_sum"] / n * 1000
	}
	f.Delivered = int64(v[deliveredMetric])
	// Requests that were under way when the load generator ended may be stored and not counted by it.
	if stored := int64(v[acceptedMetric]); stored < f.Acks || stored > sent {
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
