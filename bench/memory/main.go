// Command memory shows that what the gateway holds in memory follows from the bounds of its idempotency cache and not
// from how many requests it has had: it sends a million distinct requests and looks now and then.
//
//	go run ./bench/memory
//
// That is done with each of the given bounds, with a gateway of its own.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/dustin/go-humanize"

	"github.com/callgate/callgate/bench/command"
	"github.com/callgate/callgate/bench/gateway"
	"github.com/callgate/callgate/bench/machine"
	"github.com/callgate/callgate/bench/process"
	"github.com/callgate/callgate/bench/upstream"
)

// options are what the flags say.
type options struct {
	command.Options
	requests, every int64
	connections     int
	answer          int
	bounds          []bounds
}

// bounds are those of an idempotency cache.
type bounds struct {
	Entries int64 `json:"entries"`
	Bytes   int64 `json:"bytes"`
}

// usualBounds are the gateway's own, and much smaller ones.
const usualBounds = "100000/64MiB,10000/4MiB"

func main() { command.Main("memory", run) }

func parseFlags(args []string, stderr io.Writer) (*options, error) {
	o := new(options)
	fl := o.Flags("memory", stderr)
	fl.Int64Var(&o.requests, "n", 1_000_000, "requests to send, each of them another")
	fl.Int64Var(&o.every, "every", 100_000, "requests from one look at the memory to the next; the load generator needs some 100 bytes for each")
	fl.IntVar(&o.connections, "connections", 64, "keep-alive connections of the load generator")
	fl.IntVar(&o.answer, "answer", 17, "bytes in the body of each answer, which the cache remembers; at least 17")
	list := fl.String("caches", usualBounds, "bounds of the idempotency cache, as entries/memory, separated by commas; each is measured by itself")
	if err := command.Parse(fl, args); err != nil {
		return nil, err
	}
	for text := range strings.SplitSeq(*list, ",") {
		b, err := parseBounds(strings.TrimSpace(text))
		if err != nil {
			return nil, err
		}
		o.bounds = append(o.bounds, b)
	}
	if o.requests < 1 || o.every < 1 || o.connections < 1 || o.answer < 17 {
		return nil, errors.New("-n, -every and -connections must be more than 0, and -answer at least 17")
	}
	return o, nil
}

func parseBounds(text string) (b bounds, err error) {
	entries, memory, ok := strings.Cut(text, "/")
	b.Entries, err = strconv.ParseInt(entries, 10, 32)
	size, sizeErr := humanize.ParseBytes(memory)
	if !ok || err != nil || sizeErr != nil || b.Entries < 1 || size < 1 || size > 1<<40 {
		return b, fmt.Errorf("-caches: %q is not a number of entries and a size, such as 100000/64MiB", text)
	}
	b.Bytes = int64(size)
	return b, nil
}

func (b bounds) String() string {
	return fmt.Sprintf("%s entries, %s", humanize.Comma(b.Entries), humanize.IBytes(uint64(b.Bytes)))
}

func run(ctx context.Context, args []string, stdout, stderr io.Writer) (err error) {
	o, err := parseFlags(args, stderr)
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "callgate-memory-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	if err := o.Build(ctx, dir, stderr); err != nil {
		return err
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	defer l.Close()
	go upstream.Serve(l, o.answer)
	r := &result{
		Machine: machine.This(), Connections: o.connections, BodyBytes: o.Size, AnswerBytes: o.answer,
	}
	for i, b := range o.bounds {
		fmt.Fprintf(stderr, "idempotency cache of %s\n", b)
		own := filepath.Join(dir, strconv.Itoa(i))
		if err := os.Mkdir(own, 0o700); err != nil {
			return err
		}
		c, err := o.measure(ctx, b, own, l.Addr().String(), stderr)
		if err != nil {
			return err
		}
		r.Courses = append(r.Courses, c)
	}
	if err := command.Publish(r, o.Out, stdout); err != nil {
		return err
	}
	return r.verdict()
}

// measure sends all requests through a gateway whose cache has these bounds.
func (o *options) measure(ctx context.Context, b bounds, dir, upstream string, stderr io.Writer) (*course, error) {
	g, err := gateway.Start(ctx, gateway.Program{
		Name: "gateway", Binary: o.Callgate, Dir: dir,
		Config: func(address, admin string) string {
			return gateway.Config{
				Upstream: upstream, Admin: admin, Proxy: "transport callgate",
				Global: fmt.Sprintf("idempotency_cache {; entries %d; memory %dB; }", b.Entries, b.Bytes),
			}.Text(address)
		},
	})
	if err != nil {
		return nil, err
	}
	defer g.Stop()
	c := &course{Bounds: b}
	for {
		s, err := look(ctx, g)
		if err != nil {
			return nil, err
		}
		if last := len(c.Samples); last > 0 {
			s.Requests = c.Samples[last-1].Requests + c.sent
			s.PerSecond = c.perSecond
		}
		c.Samples = append(c.Samples, s)
		fmt.Fprintf(stderr, "%11s requests: %7d entries, RSS %4d MiB\n", humanize.Comma(s.Requests), s.Entries, s.RSSBytes>>20)
		left := o.requests - s.Requests
		if left <= 0 {
			return c, nil
		}
		// Each run of the load generator has a name of its own in its requests, so that they differ from those before.
		run, err := o.Load(ctx, command.Target{URL: g.URL + gateway.Path, Secret: gateway.Secret, Process: g.Process},
			"-connections", strconv.Itoa(o.connections), "-n", strconv.FormatInt(min(left, o.every), 10), "-duration", "0", "-warmup", "0")
		if err != nil {
			return nil, err
		}
		c.sent, c.perSecond = run.Sent, run.RequestsPerSecond
		c.Failed += run.Failed()
	}
}

// look reads what the gateway holds now.
func look(ctx context.Context, g *gateway.Server) (s sample, err error) {
	s.RSSBytes, s.PeakRSSBytes = process.Memory(g.PID())
	m, err := g.Metrics(ctx)
	if err != nil {
		return s, err
	}
	for name, into := range map[string]*int64{
		"caddy_callgate_idempotency_entries": &s.Entries,
		"caddy_callgate_idempotency_bytes":   &s.CacheBytes,
		"go_memstats_heap_inuse_bytes":       &s.HeapBytes,
	} {
		value, ok := m[name]
		if !ok {
			return s, fmt.Errorf("the gateway's metrics have no %s; is -callgate another version?", name)
		}
		*into = int64(value)
	}
	return s, nil
}
