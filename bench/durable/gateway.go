package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
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

// config is a gateway that stores and delivers. The rate limit is there, and so high that it refuses nothing.
func config(address, admin, store, receiver, pace, audit string) string {
	return fmt.Sprintf(`{
	admin %s
	auto_https off
	persist_config off
	callgate {
		store sqlite %s
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

// subject is a running gateway with a store of its own.
type subject struct {
	*gateway.Server
	dir string
}

// startGateway starts a gateway with a new store.
func (o *options) startGateway(ctx context.Context, receiver, pace string, audited bool) (*subject, error) {
	dir, err := os.MkdirTemp(o.scratch, "gateway-")
	if err != nil {
		return nil, err
	}
	line := ""
	if audited {
		key := filepath.Join(dir, "audit.key")
		if _, err := audit.WriteKeyFiles(key, "bench.example/callgate"); err != nil {
			return nil, err
		}
		line = "audit {\n\t\t\tkey {file." + key + "}\n\t\t}"
	}
	s, err := gateway.Start(ctx, gateway.Program{
		Name: "gateway", Binary: o.Callgate, Dir: dir,
		Config: func(address, admin string) string {
			return config(address, admin, filepath.Join(dir, "store.db"), receiver, pace, line)
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
}

// gateway measures acknowledgements over HTTP.
func (o *options) gateway(ctx context.Context, connections int, delivering, audited bool) (*figures, error) {
	receiver, pace := "127.0.0.1:9", slowly
	if delivering {
		p, address, err := command.StartHelper(ctx, receiverHelper, o.scratch)
		if err != nil {
			return nil, err
		}
		defer p.Kill()
		receiver, pace = address, freely
	}
	s, err := o.startGateway(ctx, receiver, pace, audited)
	if err != nil {
		return nil, err
	}
	defer s.end()
	profiled := make(chan error, 1)
	if o.profile != "" && !delivering && audited == o.audit && connections == o.connections[len(o.connections)-1] {
		go func() { profiled <- s.profile(ctx, o.profile, o.warmup, o.seconds) }()
	} else {
		profiled <- nil
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
	return f, s.readMetrics(ctx, f, run.Sent)
}

// profile takes a CPU profile in the measured time.
func (s *subject) profile(ctx context.Context, file string, after, length time.Duration) error {
	time.Sleep(after + 100*time.Millisecond)
	seconds := max(1, int(length.Seconds()))
	text, err := s.Admin(ctx, "/debug/pprof/profile?seconds="+strconv.Itoa(seconds))
	if err != nil {
		return fmt.Errorf("profiling: %w", err)
	}
	return os.WriteFile(file, text, 0o644)
}

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
	f.Delivered = int64(v[prefix+`delivery_attempts_total{destination="crm",outcome="delivered"}`])
	// Requests that were under way when the load generator ended may be stored and not counted by it.
	if stored := int64(v[prefix+"events_accepted_total"]); stored < f.Acks || stored > sent {
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
