package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/callgate/callgate/bench/gateway"
	"github.com/callgate/callgate/bench/process"
	"github.com/callgate/callgate/internal/idempotency"
	"github.com/callgate/callgate/internal/store"
	"github.com/callgate/callgate/internal/store/sqlite"
	"golang.org/x/sync/errgroup"
)

const (
	// slowPace is a pace at which nothing is delivered while it is measured, and freePace one that is no limit.
	slowPace, freePace = "rate 1/24h", "concurrency 64"
	// routeName is what the gateway calls the only route of its configuration, of which the keys of events are made.
	routeName = "nextphone /webhooks/*"
	// fillTogether is how many events the store is filled with in one request.
	fillTogether = 500
	// manyFillers is how many of them are under way.
	manyFillers = 4
)

// site is a gateway with a store of its own, and its receiver, which is in this process.
type site struct {
	o      *options
	name   string
	binary string
	shape
	dir, path string
	*gateway.Server
	server   *http.Server
	receiver string
	client   *http.Client
	filled   int64 // events
	first    int64 // the number of the first event that is sent
	sent     atomic.Int64
	arrived  atomic.Int64 // deliveries
	round    *manyRound
	marked   time.Duration // CPU

	delivered, acks loaded
	steady          []passage

	mu    sync.Mutex
	times map[int64]time.Time // when events of a steady load came to their first destination
}

func newSite(o *options, name, binary string, of shape) *site {
	dir := filepath.Join(o.scratch, strings.NewReplacer(" ", "-", ",", "").Replace(name))
	s := &site{o: o, name: name, binary: binary, shape: of, dir: dir, path: filepath.Join(dir, "store.db"), times: map[int64]time.Time{},
		client: &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 256}, Timeout: time.Minute}}
	s.first = time.Now().Unix() % 1e6 * 1e6 // of another run's events with a file that is kept these are no copies
	s.sent.Store(s.first)
	return s
}

// listen makes the gateway's directory and starts the receiver.
func (s *site) listen() error {
	if err := os.MkdirAll(s.dir, 0o700); err != nil {
		return err
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	s.receiver = l.Addr().String()
	s.server = &http.Server{Handler: http.HandlerFunc(s.receive)}
	go s.server.Serve(l)
	return nil
}

func (s *site) receive(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	at := time.Now()
	n, ok := numberOf(body)
	if err != nil || !ok {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	s.mu.Lock()
	if before, wanted := s.times[n]; wanted && before.IsZero() && strings.HasSuffix(r.URL.Path, "/"+destinationName(0)) {
		s.times[n] = at
	}
	s.mu.Unlock()
	if n >= s.first { // what an earlier run has left waiting in a file that is kept does not count
		s.arrived.Add(1)
	}
	w.WriteHeader(http.StatusNoContent)
}

func (s *site) close() error {
	if s.Server != nil {
		s.stop()
	}
	s.client.CloseIdleConnections()
	if s.server == nil {
		return nil
	}
	return s.server.Close()
}

func (s *site) stop() {
	s.Stop()
	s.Server = nil
}

// config has a destination of its own for each tenant and desk.
func (s *site) config(address, admin, pace string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "{\n\tadmin %s\n\tauto_https off\n\tpersist_config off\n\tcallgate {\n\t\tstore sqlite %s\n\t\tdrain_timeout 1s\n", admin, s.path)
	for t := range s.tenants {
		fmt.Fprintf(&b, "\t\ttenant %s {\n\t\t\tsecret %s\n", tenantName(t), secretOf(tenantName(t)))
		for d := range s.destinations {
			fmt.Fprintf(&b, "\t\t\tdestination %s http {\n\t\t\t\turl http://%s/%s/%s\n\t\t\t\tpass_through\n\t\t\t\t%s\n\t\t\t}\n",
				destinationName(d), s.receiver, tenantName(t), destinationName(d), pace)
		}
		b.WriteString("\t\t}\n")
	}
	fmt.Fprintf(&b, "\t}\n}\nhttp://%s {\n\tbind 127.0.0.1\n\tcallgate /webhooks/* nextphone {\n\t\ttenant {path.1}\n\t\trate_limit 1000000000/s burst 1000000000\n\t\tdeliver %s\n",
		address, destinationName(0))
	for d := 1; d < s.destinations; d++ {
		fmt.Fprintf(&b, "\t\tdeliver %s `call.params.desk == \"%s\"`\n", destinationName(d), destinationName(d))
	}
	b.WriteString("\t}\n}\n")
	return b.String()
}

// secretOf is a tenant's own, as the gateway wants it to be. It guards nothing.
func secretOf(tenant string) string { return gateway.Secret + "-" + tenant }

// start starts the gateway and waits until it is ready.
func (s *site) start(ctx context.Context, pace string) error {
	began := time.Now()
	server, err := gateway.Start(ctx, gateway.Program{
		Name: "gateway", Binary: s.binary, Dir: s.dir, Config: func(address, admin string) string { return s.config(address, admin, pace) },
	})
	if err != nil {
		return err
	}
	s.Server = server
	for {
		if _, err = s.Admin(ctx, "/callgate/ready"); err == nil {
			break
		}
		select {
		case <-s.Done():
			return s.Failed()
		case <-ctx.Done():
			return errors.Join(err, ctx.Err())
		case <-time.After(10 * time.Millisecond):
		}
	}
	s.round.StartMillis = append(s.round.StartMillis, millis(time.Since(began)))
	if cpu, err := process.CPUTime(s.PID()); err == nil {
		s.round.StartCPU = append(s.round.StartCPU, millis(cpu))
	}
	rss, _ := process.Memory(s.PID())
	s.round.StartRSSBytes = append(s.round.StartRSSBytes, rss)
	return nil
}

// mark begins to measure CPU time, and since ends it.
func (s *site) mark() (err error) {
	s.marked, err = process.CPUTime(s.PID())
	return err
}

func (s *site) since() (time.Duration, error) {
	now, err := process.CPUTime(s.PID())
	return now - s.marked, err
}

// fill stores events as the gateway does. Of a hundred deliveries 98 end as delivered, one is dead, and one waits for an hour.
func (s *site) fill(ctx context.Context, rows int64) (perSecond float64, err error) {
	if s.filled = rows; rows == 0 {
		return 0, nil
	}
	st, err := sqlite.Open(sqlite.Options{Path: s.path})
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, st.Close()) }()
	switch stats, err := st.Stats(ctx); {
	case err != nil || stats.Events >= rows:
		return 0, err
	case stats.Events > 0:
		return 0, fmt.Errorf("%s has %d events, which is no store of %d: remove it", s.path, stats.Events, rows)
	}
	began := time.Now()
	var next, done atomic.Int64
	stop := s.o.tell(&done, rows, began)
	defer stop()
	g, during := errgroup.WithContext(ctx)
	for range manyFillers {
		g.Go(func() error {
			for {
				to := next.Add(fillTogether)
				if to-fillTogether >= rows {
					return nil
				}
				if err := s.fillSome(during, st, to-fillTogether, min(to, rows), began); err != nil {
					return err
				}
				done.Add(fillTogether)
			}
		})
	}
	err = g.Wait()
	return float64(rows) / time.Since(began).Seconds(), err
}

// fillSome stores some events and what became of them.
func (s *site) fillSome(ctx context.Context, st store.Store, from, before int64, at time.Time) error {
	body, _ := payload(s.o.fillSize)
	var events []*store.Event
	var to [][]string
	for n := from; n < before; n++ {
		id := fillID(n)
		e := event(idempotency.NewKey(routeName, s.tenant(n), id), body, nil)
		e.Tenant, e.Route, e.EventID = s.tenant(n), routeName, id
		names := []string{e.Tenant + "/" + destinationName(0)}
		if desk := s.desk(n); desk > 0 {
			names = append(names, e.Tenant+"/"+destinationName(desk))
		}
		events, to = append(events, e), append(to, names)
	}
	accepted, err := st.AcceptAll(ctx, events, to)
	if err != nil {
		return err
	}
	var attempts []store.Attempt
	for i := range accepted {
		for _, id := range accepted[i].Deliveries {
			attempts = append(attempts, attempted(id, from+int64(i), at))
		}
	}
	return st.Finish(ctx, attempts)
}

// attempted is what became of a delivery of an event that the store is filled with.
func attempted(delivery string, n int64, at time.Time) store.Attempt {
	a := delivered(delivery)
	switch n * 7919 % 100 {
	case 0:
		a.Status, a.State, a.Reason = http.StatusNotFound, store.Dead, "404: not found"
	case 1:
		a.Status, a.State, a.Reason, a.NextAt = http.StatusServiceUnavailable, store.Pending, "503: the receiver failed", at.Add(24*time.Hour)
	}
	return a
}

func fillID(n int64) string { return "fill-" + strconv.FormatInt(n, 10) }
