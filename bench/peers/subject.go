package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/callgate/callgate/bench/gateway"
	"github.com/callgate/callgate/bench/process"
)

// subject is something that takes calls and delivers them.
type subject struct {
	name string
	// start starts it in a directory, to deliver to a URL. Whatever it has started by then is in the result, also with an error.
	start func(ctx context.Context, o *options, dir, upstream string) (*running, error)
}

// running is a started subject.
type running struct {
	url string // where calls go
	// processes are those that belong to it, the one that takes calls first.
	processes []*process.Process
	// database is its PostgreSQL, if it has one.
	database *process.Process
}

// stop ends all of it. What it was about to deliver does not matter any more, but a PostgreSQL that is killed leaves memory behind.
func (r *running) stop() {
	for _, p := range r.processes {
		p.Kill()
	}
	if r.database != nil {
		r.database.Stop()
	}
}

// all are its processes.
func (r *running) all() []*process.Process {
	if r.database == nil {
		return r.processes
	}
	return append(slices.Clone(r.processes), r.database)
}

// pids are its processes and those that these have started.
func (r *running) pids() (all []int) {
	for _, p := range r.all() {
		all = append(append(all, p.PID()), process.Children(p.PID())...)
	}
	return all
}

// cpu is what all of it has used so far.
func (r *running) cpu() (sum time.Duration) {
	for _, pid := range r.pids() {
		t, err := process.CPUTime(pid)
		if err == nil { // one that has ended meanwhile is left out
			sum += t
		}
	}
	return sum
}

// memory is what all of it holds, in bytes; pages that processes share count for each of them.
func (r *running) memory() (sum int64) {
	for _, pid := range r.pids() {
		rss, _ := process.Memory(pid)
		sum += rss
	}
	return sum
}

// The names of subjects that others are compared with or that need a word.
const (
	onSQLite    = "Callgate, SQLite"
	onPostgres  = "Callgate, PostgreSQL"
	bareAlways  = "bare Redis before PostgreSQL"
	bareEvery   = "bare Redis before PostgreSQL, not durable"
	withRestate = "Restate"
	withBullMQ  = "program with BullMQ"
)

// callgateConfig is a gateway that stores and delivers as fast as it is let. The rate limit is there, and so high that it refuses
// nothing.
func callgateConfig(address, admin, store, upstream string) string {
	return fmt.Sprintf(`{
	admin %s
	auto_https off
	persist_config off
	callgate {
		store %s
		destination receiver http {
			url %s
			pass_through
			concurrency 64
		}
	}
}
http://%s {
	bind 127.0.0.1
	callgate /webhooks/calls nextphone %s {
		rate_limit 1000000000/s burst 1000000000
		deliver receiver
	}
}
`, admin, store, upstream, address, gateway.Secret)
}

func startCallgate(ctx context.Context, o *options, dir, store, upstream string, env ...string) (*running, error) {
	s, err := gateway.Start(ctx, gateway.Program{
		Name: "callgate", Binary: o.Callgate, Dir: dir, Env: env,
		Config: func(address, admin string) string { return callgateConfig(address, admin, store, upstream) },
	})
	if err != nil {
		return new(running), err
	}
	r := &running{url: s.URL + "/webhooks/calls", processes: []*process.Process{s.Process}}
	late := time.After(time.Minute)
	for {
		_, err := s.Admin(ctx, "/callgate/ready")
		if err == nil {
			return r, nil
		}
		select {
		case <-late:
			return r, fmt.Errorf("the gateway is not ready after a minute: %w", err)
		case <-s.Done():
			return r, s.Failed()
		case <-ctx.Done():
			return r, ctx.Err()
		case <-time.After(50 * time.Millisecond):
		}
	}
}

func startOnSQLite(ctx context.Context, o *options, dir, upstream string) (*running, error) {
	return startCallgate(ctx, o, dir, "sqlite "+filepath.Join(dir, "store.db"), upstream)
}

func startOnPostgres(ctx context.Context, o *options, dir, upstream string) (*running, error) {
	db, dsn, err := startPostgres(ctx, o.postgres, dir)
	if err != nil {
		return new(running), err
	}
	r, err := startCallgate(ctx, o, dir, "postgres {env."+databaseVariable+"}", upstream, databaseVariable+"="+dsn)
	r.database = db
	return r, err
}

// startBare starts the bare program with its servers. fsync is when Redis syncs.
func startBare(fsync string) func(ctx context.Context, o *options, dir, upstream string) (*running, error) {
	return func(ctx context.Context, o *options, dir, upstream string) (*running, error) {
		r := new(running)
		redis, address, err := startRedis(ctx, o.redis, dir, fsync)
		if err != nil {
			return r, err
		}
		r.processes = append(r.processes, redis)
		db, dsn, err := startPostgres(ctx, o.postgres, dir)
		if err != nil {
			return r, err
		}
		r.database = db
		self, err := os.Executable()
		if err != nil {
			return r, err
		}
		p, err := process.Start(ctx, process.Program{
			Name: "bare", Path: self, Args: []string{bareHelper}, Dir: dir,
			Env: []string{redisVariable + "=" + address, databaseVariable + "=" + dsn, upstreamVariable + "=" + upstream},
		})
		if err != nil {
			return r, err
		}
		r.processes = append([]*process.Process{p}, r.processes...)
		line, err := p.FirstLine()
		r.url = "http://" + line + "/"
		return r, err
	}
}
