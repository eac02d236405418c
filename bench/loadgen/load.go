package main

import (
	"bufio"
	"errors"
	"math/rand/v2"
	"net"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/callgate/callgate/bench/process"
	"github.com/callgate/callgate/bench/report"
)

// load is one run of requests over a number of connections, each of which sends its next request when it has the
// answer to the last.
type load struct {
	leads       *leads
	address     string
	connections int
	duplicates  float64 // the share of requests that repeat an earlier one
	count       int64   // how many requests are sent in all; 0: until the time is up
	warmup      time.Duration
	duration    time.Duration // 0: until count is reached
	timeout     time.Duration
	pids        []int

	next atomic.Int64 // the number of the next request that is no duplicate
	sent atomic.Int64
	// from and to bound the measured time, in nanoseconds since began; neverYet until they are known. Without a
	// warm-up every request counts.
	began    time.Time
	from, to atomic.Int64
}

const neverYet = int64(1) << 62

// run sends the load and reports on it.
func (l *load) run() (*report.Run, error) {
	pids := append([]int{os.Getpid()}, l.pids...)
	before, err := cpuTimes(pids)
	if err != nil {
		return nil, err
	}
	l.began = time.Now()
	l.to.Store(neverYet)
	if l.warmup > 0 {
		l.from.Store(neverYet)
	}
	clients := make([]*client, l.connections)
	var wg sync.WaitGroup
	for i := range clients {
		clients[i] = &client{load: l, random: rand.New(rand.NewPCG(uint64(i), 1)), statuses: make(map[int]int64), errors: make(map[string]int64)}
		wg.Go(clients[i].run)
	}
	over := make(chan struct{})
	go func() { wg.Wait(); close(over) }()

	if l.warmup > 0 {
		wait(over, l.warmup)
		before, err = cpuTimes(pids)
		l.from.Store(int64(time.Since(l.began)))
	}
	if err == nil {
		wait(over, l.duration)
	}
	l.to.Store(int64(time.Since(l.began)))
	after, errAfter := cpuTimes(pids)
	<-over
	if err := errors.Join(err, errAfter); err != nil {
		return nil, err
	}
	return l.report(clients, pids, before, after), nil
}

// wait waits for a time, or without end if d is 0, but no longer than until over.
func wait(over <-chan struct{}, d time.Duration) {
	var up <-chan time.Time
	if d > 0 {
		up = time.After(d)
	}
	select {
	case <-over:
	case <-up:
	}
}

func cpuTimes(pids []int) ([]time.Duration, error) {
	times := make([]time.Duration, len(pids))
	for i, pid := range pids {
		var err error
		if times[i], err = process.CPUTime(pid); err != nil {
			return nil, err
		}
	}
	return times, nil
}

// report adds up what the clients counted.
func (l *load) report(clients []*client, pids []int, before, after []time.Duration) *report.Run {
	r := &report.Run{
		URL: l.leads.target, Scheme: l.leads.scheme, Connections: l.connections, BodyBytes: len(l.leads.body),
		DuplicateRatio: l.duplicates, Sent: l.sent.Load(),
		Statuses: make(map[string]int64), Errors: make(map[string]int64),
	}
	h := new(histogram)
	for _, c := range clients {
		h.merge(&c.latency)
		r.Duplicates += c.duplicates
		r.SignedLate += c.late
		for status, n := range c.statuses {
			r.Statuses[strconv.Itoa(status)] += n
		}
		for kind, n := range c.errors {
			r.Errors[kind] += n
		}
	}
	r.Seconds = time.Duration(l.to.Load() - l.from.Load()).Seconds()
	r.Requests = int64(h.count)
	if r.Seconds > 0 {
		r.RequestsPerSecond = float64(r.Requests) / r.Seconds
	}
	us := func(d time.Duration) float64 { return float64(d) / 1e3 }
	r.Latency = report.Latency{
		Mean: us(h.mean()), P50: us(h.quantile(.5)), P90: us(h.quantile(.9)), P99: us(h.quantile(.99)),
		P999: us(h.quantile(.999)), Max: us(time.Duration(h.max)),
	}
	for i, pid := range pids {
		p := report.Process{PID: pid, CPUSeconds: (after[i] - before[i]).Seconds()}
		if r.Requests > 0 {
			p.CPUMicrosPerReq = p.CPUSeconds * 1e6 / float64(r.Requests)
		}
		p.RSSBytes, p.PeakRSSBytes = process.Memory(pid)
		if i == 0 {
			r.Generator = p
		} else {
			r.Processes = append(r.Processes, p)
		}
	}
	return r
}

// client is one connection, opened again when it breaks.
type client struct {
	*load
	random *rand.Rand
	conn   net.Conn
	reader *bufio.Reader
	until  time.Time // the connection's deadline
	buffer []byte

	recent [64]int64 // numbers of requests that were answered, from which duplicates are taken
	filled int

	latency          histogram
	statuses         map[int]int64
	errors           map[string]int64
	duplicates, late int64
}

func (c *client) run() {
	c.reader = bufio.NewReaderSize(nil, 16<<10)
	for c.more() {
		n, again := c.pick()
		request, late := c.leads.appendTo(c.buffer[:0], n)
		c.buffer = request
		began := time.Since(c.began)
		a, failed := c.exchange(request)
		ended := time.Since(c.began)
		if failed == "" {
			c.recent[c.filled%len(c.recent)] = n
			c.filled++
		}
		if late {
			c.late++
		}
		if int64(began) < c.from.Load() || int64(ended) > c.to.Load() {
			continue
		}
		if again {
			c.duplicates++
		}
		if failed != "" {
			c.errors[failed]++
			continue
		}
		c.statuses[a.status]++
		c.latency.add(ended - began)
	}
	c.hangUp()
}

// more reports whether another request is to be sent.
func (c *client) more() bool {
	if c.to.Load() != neverYet {
		return false
	}
	if n := c.sent.Add(1); c.count > 0 && n > c.count {
		c.sent.Add(-1)
		return false
	}
	return true
}

// pick chooses the number of the next request.
func (c *client) pick() (n int64, again bool) {
	if c.load.duplicates > 0 && c.filled > 0 && c.random.Float64() < c.load.duplicates {
		return c.recent[c.random.IntN(min(c.filled, len(c.recent)))], true
	}
	return c.next.Add(1) - 1, false
}

// pause keeps a client whose requests fail from doing nothing but trying.
const pause = 10 * time.Millisecond

// exchange sends a request and reads its answer. failed says what went wrong, if anything did.
func (c *client) exchange(request []byte) (a answer, failed string) {
	if c.conn == nil {
		conn, err := net.DialTimeout("tcp", c.address, c.timeout)
		if err != nil {
			time.Sleep(pause)
			return a, "dial"
		}
		c.conn, c.until = conn, time.Time{}
		c.reader.Reset(conn)
	}
	// The deadline is moved on now and then only, because that is not free. So it lies between one and two times the
	// timeout ahead.
	if now := time.Now(); now.Add(c.timeout).After(c.until) {
		c.until = now.Add(2 * c.timeout)
		if err := c.conn.SetDeadline(c.until); err != nil {
			c.hangUp()
			return a, "write"
		}
	}
	if _, err := c.conn.Write(request); err != nil {
		c.hangUp()
		return a, kindOf(err, "write")
	}
	a, err := readAnswer(c.reader)
	if err != nil {
		c.hangUp()
		return a, kindOf(err, "read")
	}
	if a.last {
		c.hangUp()
	}
	return a, ""
}

func kindOf(err error, otherwise string) string {
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded):
		return "timeout"
	case errors.Is(err, errAnswer):
		return "answer"
	default:
		return otherwise
	}
}

func (c *client) hangUp() {
	if c.conn != nil {
		_ = c.conn.Close() // there is nothing left to lose
		c.conn = nil
	}
}
