// Command peers measures Callgate beside other programs that take webhooks, answer, and deliver them: acknowledged and
// delivered calls a second, and the CPU time of each call, databases included.
//
//	go run ./bench/peers -restate DIR -bullmq DIR -node BINARY
//
// In each round every subject is started anew, with its own databases on the same disk, is warmed up, is sent calls for some
// seconds by bench/loadgen, and has then to deliver what is left, to a receiver that takes everything. Every other round has
// the order turned. Ratios are taken within a round.
//
// The directories are those in which npm has installed @restatedev/restate-server and @restatedev/restate-sdk, and bullmq and
// ioredis. Subjects whose programs are not there are left out, and a line says so.
package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/callgate/callgate/bench/command"
	"github.com/callgate/callgate/bench/gateway"
	"github.com/callgate/callgate/bench/machine"
	"github.com/callgate/callgate/bench/report"
	"github.com/callgate/callgate/bench/upstream"
	"github.com/callgate/callgate/internal/pgprograms"
)

// options are what the flags say.
type options struct {
	command.Options
	connections, rounds    int
	seconds, warmup, drain time.Duration
	dir, only              string
	redis, postgres        string // the program, and the directory of programs; empty: not there
	restate, bullmq, node  string
}

func main() {
	if !command.Helper(bareHelper, runBare) {
		command.Main("peers", run)
	}
}

func parseFlags(args []string, stderr io.Writer) (*options, error) {
	o := new(options)
	fl := o.Flags("peers", stderr)
	fl.IntVar(&o.connections, "connections", 64, "keep-alive connections of the load generator")
	fl.IntVar(&o.rounds, "rounds", 3, "rounds of each subject")
	fl.DurationVar(&o.seconds, "seconds", 5*time.Second, "for how long each is sent calls, in each round")
	fl.DurationVar(&o.warmup, "warmup", time.Second, "for how long before that")
	fl.DurationVar(&o.drain, "drain", 30*time.Second, "how long it may take to deliver what is left after that")
	fl.StringVar(&o.dir, "dir", "", "directory on the disk to measure; default: that for temporary files")
	fl.StringVar(&o.only, "only", "", "subjects to measure, separated by semicolons; default: all that are there")
	fl.StringVar(&o.redis, "redis", "redis-server", "Redis's program")
	fl.StringVar(&o.postgres, "postgres", pgprograms.Find(), "directory of PostgreSQL's programs")
	fl.StringVar(&o.restate, "restate", "", "directory in which npm has installed Restate's server and SDK; empty: without Restate")
	fl.StringVar(&o.bullmq, "bullmq", "", "directory in which npm has installed bullmq and ioredis; empty: without BullMQ")
	fl.StringVar(&o.node, "node", "node", "the Node.js program, of version 22 or later")
	if err := command.Parse(fl, args); err != nil {
		return nil, err
	}
	if o.connections < 1 || o.rounds < 1 || o.seconds <= 0 || o.warmup < 0 || o.drain <= 0 {
		return nil, errors.New("-connections, -rounds, -seconds and -drain must be more than 0, and -warmup not less")
	}
	return o, nil
}

// subjects are those whose programs are there.
func (o *options) subjects(stderr io.Writer) ([]subject, error) {
	redis, noRedis := exec.LookPath(o.redis)
	var noPostgres error
	if o.postgres == "" {
		noPostgres = errors.New("PostgreSQL is not installed, or -postgres must name its programs")
	}
	node, noNode := exec.LookPath(o.node)
	noRestate, err := installed("-restate", o.restate, restateServer, noNode)
	if err != nil {
		return nil, err
	}
	noBullMQ, err := installed("-bullmq", o.bullmq, "bullmq", noNode)
	if err != nil {
		return nil, err
	}
	o.node = node
	o.redis = redis
	wanted := strings.Split(o.only, ";")
	var there []subject
	for _, c := range []struct {
		subject
		missing error
	}{
		{subject{onSQLite, startOnSQLite}, nil},
		{subject{onPostgres, startOnPostgres}, noPostgres},
		{subject{withRestate, startRestate}, noRestate},
		{subject{withBullMQ, startBullMQ}, cmp.Or(noBullMQ, noRedis)},
		{subject{bareAlways, startBare(always)}, cmp.Or(noRedis, noPostgres)},
		{subject{bareEvery, startBare(everySec)}, cmp.Or(noRedis, noPostgres)},
	} {
		if o.only != "" {
			i := slices.Index(wanted, c.name)
			if i < 0 {
				continue
			}
			wanted = slices.Delete(wanted, i, i+1)
			if c.missing != nil {
				return nil, fmt.Errorf("%s: %w", c.name, c.missing)
			}
		}
		if c.missing != nil {
			fmt.Fprintf(stderr, "%s is left out: %v\n", c.name, c.missing)
			continue
		}
		there = append(there, c.subject)
	}
	if o.only != "" && len(wanted) > 0 {
		return nil, fmt.Errorf("-only: there is no subject %q", wanted[0])
	}
	return there, nil
}

// installed says why something that npm installs is left out; err, why it cannot be measured although it was asked for.
func installed(flag, dir, file string, noNode error) (missing, err error) {
	if dir == "" {
		return fmt.Errorf("%s does not say where it is installed", flag), nil
	}
	if _, err := os.Stat(filepath.Join(dir, "node_modules", file)); err != nil {
		return nil, fmt.Errorf("%s: %w: see in bench/README.md what to install there with npm", flag, err)
	}
	if noNode != nil {
		return nil, fmt.Errorf("-node: %w", noNode)
	}
	return nil, nil
}

func run(ctx context.Context, args []string, stdout, stderr io.Writer) (err error) {
	o, err := parseFlags(args, stderr)
	if err != nil {
		return err
	}
	subjects, err := o.subjects(stderr)
	if err != nil {
		return err
	}
	scratch, err := os.MkdirTemp(o.dir, "callgate-peers-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(scratch)) }()
	if kind := machine.InMemory(scratch); kind != "" {
		return fmt.Errorf("%s is on %s, where an fsync does nothing: give a directory on a disk with -dir", scratch, kind)
	}
	if err := os.Chmod(scratch, 0o755); err != nil { // PostgreSQL may run as somebody else
		return err
	}
	if err := o.Build(ctx, scratch, stderr); err != nil {
		return err
	}
	r, err := o.measure(ctx, subjects, scratch, stderr)
	if err != nil {
		return err
	}
	return command.Publish(r, o.Out, stdout)
}

// measure runs the rounds. Every other round has the order turned, so that being first favours nobody.
func (o *options) measure(ctx context.Context, subjects []subject, scratch string, stderr io.Writer) (*result, error) {
	r := &result{Machine: machine.This(), Connections: o.connections, BodyBytes: o.Size, Rounds: o.rounds, Seconds: o.seconds.Seconds()}
	for _, s := range subjects {
		r.Order = append(r.Order, s.name)
	}
	for round := range o.rounds {
		order := slices.Clone(subjects)
		if round%2 == 1 {
			slices.Reverse(order)
		}
		for _, s := range order {
			f, err := o.one(ctx, s, scratch)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", s.name, err)
			}
			f.Subject, f.Round, f.Load = s.name, round+1, machine.LoadAverage()
			r.Runs = append(r.Runs, f)
			fmt.Fprintf(stderr, "round %d: %-42s %6.0f acks/s  p99 %7.1f ms  %6.0f delivered/s  %6.0f µs CPU each  %d missing, load %s\n",
				f.Round, s.name, f.AcksPerSecond, f.P99, f.DeliveredPerSecond, f.CPUMicros, f.Missing, f.Load)
		}
	}
	return r, nil
}

// arrivals counts what the receiver has taken.
type arrivals struct {
	began       time.Time
	n           atomic.Int64
	first, last atomic.Int64 // since began; first is 0 until something has arrived
}

func (a *arrivals) one() {
	at := int64(time.Since(a.began))
	if a.n.Add(1) == 1 {
		a.first.Store(at)
	}
	a.last.Store(at)
}

// perSecond is the rate of arrivals from the first to the last.
func (a *arrivals) perSecond() float64 {
	if d := time.Duration(a.last.Load() - a.first.Load()); d > 0 {
		return float64(a.n.Load()) / d.Seconds()
	}
	return 0
}

// one measures a subject once.
func (o *options) one(ctx context.Context, s subject, scratch string) (_ *figures, err error) {
	dir, err := os.MkdirTemp(scratch, "subject-")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	if err := os.Chmod(dir, 0o755); err != nil {
		return nil, err
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	defer l.Close()
	var now atomic.Pointer[arrivals]
	now.Store(&arrivals{began: time.Now()})
	go upstream.Counted(l, 0, func() { now.Load().one() })
	r, err := s.start(ctx, o, dir, "http://"+l.Addr().String()+"/calls")
	defer r.stop()
	if err != nil {
		return nil, err
	}
	if o.warmup > 0 {
		run, err := o.load(ctx, r, o.warmup)
		if err != nil {
			return nil, err
		}
		missing, err := o.await(ctx, r, now.Load(), taken(run))
		if err != nil {
			return nil, err
		}
		if missing > 0 {
			return nil, fmt.Errorf("%d of the %d calls of the warm-up were not delivered in %v", missing, taken(run), o.drain)
		}
	}
	a := &arrivals{began: time.Now()}
	now.Store(a)
	before := r.cpu()
	run, err := o.load(ctx, r, o.seconds)
	if err != nil {
		return nil, err
	}
	missing, err := o.await(ctx, r, a, taken(run))
	if err != nil {
		return nil, err
	}
	used, n := r.cpu()-before, a.n.Load()
	if n == 0 {
		return nil, fmt.Errorf("nothing has arrived of %d calls", run.Requests)
	}
	return &figures{
		AcksPerSecond: run.RequestsPerSecond, P50: run.Latency.P50 / 1e3, P99: run.Latency.P99 / 1e3, Acks: run.Requests, Failed: run.Failed(),
		Delivered: n, DeliveredPerSecond: a.perSecond(), Missing: missing,
		CPUMicros: float64(used.Microseconds()) / float64(n), RSSBytes: r.memory(),
	}, nil
}

// load sends calls for a while.
func (o *options) load(ctx context.Context, r *running, d time.Duration) (*report.Run, error) {
	return o.Load(ctx, command.Target{URL: r.url, Secret: gateway.Secret, Process: r.processes[0]},
		"-connections", strconv.Itoa(o.connections), "-duration", d.String(), "-warmup", "0s", "-timeout", "30s",
		"-ahead", strconv.Itoa(int(20_000*d.Seconds())))
}

// taken is how many calls were answered well, with those that were on their way when the time was up.
func taken(run *report.Run) int64 { return run.Sent - run.Failed() }

// await waits until so many calls have arrived, or for the time that it may take, and says how many are missing.
func (o *options) await(ctx context.Context, r *running, a *arrivals, want int64) (missing int64, err error) {
	late := time.After(o.drain)
	for a.n.Load() < want {
		select {
		case <-late:
			a.last.Store(int64(time.Since(a.began)))
			return max(0, want-a.n.Load()), nil
		case <-r.processes[0].Done():
			return 0, r.processes[0].Failed()
		case <-ctx.Done():
			return 0, ctx.Err()
		case <-time.After(10 * time.Millisecond):
		}
	}
	return 0, nil
}
