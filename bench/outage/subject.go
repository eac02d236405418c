package main

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/callgate/callgate/internal/delivery"
	"github.com/callgate/callgate/internal/destination/httpdest"
	"github.com/callgate/callgate/internal/outbound"
	"github.com/callgate/callgate/internal/store"
	"github.com/callgate/callgate/internal/store/sqlite"
	"github.com/oklog/ulid/v2"
)

const name = "crm"

// subject is an engine with a store of its own, and the receiver that it delivers to.
type subject struct {
	store    *sqlite.Store
	engine   *delivery.Engine
	receiver *receiver
	client   *outbound.Client
	server   *http.Server
	address  string
	entropy  ulid.MonotonicReader
}

// receiver notes when which call arrived for the first time, and how often.
type receiver struct {
	latency time.Duration
	every   int // one in so many is poison; 0: none
	left    atomic.Int64
	done    chan struct{}

	mu    sync.Mutex
	first map[int]time.Time
	times map[int]int
	order []int
}

func (r *receiver) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	body, err := io.ReadAll(req.Body)
	n, errNumber := strconv.Atoi(string(body))
	if err != nil || errNumber != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	time.Sleep(r.latency)
	if r.every > 0 && n%r.every == r.every/2 {
		w.WriteHeader(http.StatusInternalServerError)
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.times[n]++; r.times[n] == 1 {
		r.first[n] = time.Now()
		r.order = append(r.order, n)
		if r.left.Add(-1) == 0 {
			close(r.done)
		}
	}
	w.WriteHeader(http.StatusNoContent)
}

// newSubject makes one whose receiver waits for so many calls. It does not listen before listen.
func (o *options) newSubject(file string, every, expected, concurrency int) (*subject, error) {
	st, err := sqlite.Open(sqlite.Options{Path: filepath.Join(o.dir, file)})
	if err != nil {
		return nil, err
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, errors.Join(err, st.Close())
	}
	s := &subject{store: st, address: l.Addr().String(), client: outbound.NewClient(outbound.Options{AllowPrivate: true}), entropy: ulid.Monotonic(rand.Reader, 0)}
	s.receiver = &receiver{latency: o.latency, every: every, done: make(chan struct{}), first: map[int]time.Time{}, times: map[int]int{}}
	s.receiver.left.Store(int64(expected))
	d, err := httpdest.New(httpdest.Config{Renderer: httpdest.Fixed{URL: "http://" + s.address + "/"}, PassThrough: true, Client: s.client, AllowHTTP: true})
	if err = errors.Join(err, l.Close()); err != nil {
		return nil, errors.Join(err, st.Close())
	}
	s.engine = delivery.New(delivery.Options{Store: st})
	s.engine.Attach(&delivery.Snapshot{Destinations: map[string]delivery.Config{name: {Destination: d, Concurrency: concurrency}}})
	return s, nil
}

func (s *subject) listen() error {
	l, err := net.Listen("tcp", s.address)
	if err != nil {
		return err
	}
	s.server = &http.Server{Handler: s.receiver}
	go s.server.Serve(l)
	return nil
}

func (s *subject) close() error {
	err := s.engine.Close(context.Background())
	if s.server != nil {
		err = errors.Join(err, s.server.Close())
	}
	s.client.CloseIdle()
	return errors.Join(err, s.store.Close())
}

// accept stores call n. It is not for several goroutines at once.
func (s *subject) accept(ctx context.Context, n int) error {
	now := time.Now()
	e := &store.Event{
		ID: ulid.MustNew(ulid.Timestamp(now), s.entropy).String(), Source: "bench", Route: "bench", EventType: "lead", ReceivedAt: now,
		Header: map[string][]string{"Content-Type": {"application/json"}}, Body: []byte(strconv.Itoa(n)),
	}
	binary.BigEndian.PutUint64(e.Key[:], uint64(n))
	_, err := s.engine.Accept(ctx, e, []string{name})
	return err
}

// steadily sends calls at the rate, one in so many of them poison.
func (o *options) steadily(ctx context.Context, every int) (*figures, error) {
	n := int(float64(o.rate) * o.seconds.Seconds())
	good := n
	if every > 0 {
		good -= (n + every - every/2 - 1) / every
	}
	s, err := o.newSubject(fmt.Sprintf("steady-%d.db", every), every, good, o.concurrency)
	if err != nil {
		return nil, err
	}
	defer s.close()
	if err := s.listen(); err != nil {
		return nil, err
	}
	accepted := make([]time.Time, n)
	began := time.Now()
	for i := range n {
		time.Sleep(time.Until(began.Add(time.Duration(i) * time.Second / time.Duration(o.rate))))
		accepted[i] = time.Now()
		if err := s.accept(ctx, i); err != nil {
			return nil, err
		}
	}
	s.wait(ctx, 30*time.Second)
	s.receiver.mu.Lock()
	defer s.receiver.mu.Unlock()
	var took []time.Duration
	for i, at := range s.receiver.first {
		took = append(took, at.Sub(accepted[i]))
	}
	slices.Sort(took)
	f := &figures{Good: len(took), Missing: good - len(took)}
	if len(took) > 0 {
		ms := func(q float64) float64 { return took[int(q*float64(len(took)-1))].Seconds() * 1000 }
		f.P50, f.P99, f.Longest = ms(.5), ms(.99), ms(1)
	}
	return f, nil
}

func (s *subject) wait(ctx context.Context, limit time.Duration) {
	select {
	case <-s.receiver.done:
	case <-time.After(limit):
	case <-ctx.Done():
	}
}

// herd lets calls wait while nothing listens, and then the receiver be back.
func (o *options) herd(ctx context.Context) (*herd, error) {
	s, err := o.newSubject("herd.db", 0, o.waiting, 1)
	if err != nil {
		return nil, err
	}
	defer s.close()
	for i := range o.waiting {
		if err := s.accept(ctx, i); err != nil {
			return nil, err
		}
	}
	time.Sleep(o.down)
	back := time.Now()
	if err := s.listen(); err != nil {
		return nil, err
	}
	s.wait(ctx, 2*time.Minute+time.Duration(o.waiting)*2*o.latency)
	h := &herd{Waiting: o.waiting, DoneSeconds: time.Since(back).Seconds()}
	s.receiver.mu.Lock()
	defer s.receiver.mu.Unlock()
	h.Missing = o.waiting - len(s.receiver.first)
	for _, n := range s.receiver.times {
		h.Copies += n - 1
	}
	if len(s.receiver.order) > 0 {
		first := s.receiver.first[s.receiver.order[0]]
		h.FirstSeconds = first.Sub(back).Seconds()
		for _, at := range s.receiver.first {
			if at.Sub(first) < time.Second {
				h.FirstSecond++
			}
		}
	}
	h.OutOfOrder = outOfOrder(s.receiver.order)
	stats, err := s.store.Stats(ctx)
	for _, d := range stats.Destinations {
		h.Dead += d.Dead
	}
	return h, err
}

// tried is how many calls may come late, since they were tried when the receiver went: as many as the breaker takes to open.
const tried = 5

// outOfOrder counts the calls that came before an earlier one, but for the first ones, whose next attempt has its time.
func outOfOrder(order []int) (n int) {
	last := -1
	for _, i := range order {
		if i < tried {
			continue
		}
		if i < last {
			n++
		}
		last = max(last, i)
	}
	return n
}
