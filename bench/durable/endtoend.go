package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/callgate/callgate/bench/gateway"
	"github.com/callgate/callgate/internal/signature"
)

// passage is one call on its way. Times are since the beginning.
type passage struct {
	due, acked, arrived time.Duration
	failed              bool
}

// endToEnd sends calls at a steady rate, whether or not those before have been answered, and takes the time at which
// each is acknowledged and at which it arrives at a receiver in this process.
func (o *options) endToEnd(ctx context.Context, on setup) (*endToEnd, error) {
	calls := make([]passage, int(float64(o.rate)*o.rateTime.Seconds()))
	var mu sync.Mutex
	began := time.Now()
	r, err := receive(calls, &mu, began)
	if err != nil {
		return nil, err
	}
	defer r.close()
	s, err := o.startGateway(ctx, r.address, freely, on)
	if err != nil {
		return nil, err
	}
	defer s.end()
	if err := o.sendSteadily(ctx, s.urls(), calls, &mu, began); err != nil {
		return nil, err
	}
	select {
	case <-r.all:
	case <-time.After(30 * time.Second):
		return nil, errors.New("not everything has arrived 30 seconds after the last call")
	case <-s.Done():
		return nil, s.Failed()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	mu.Lock()
	defer mu.Unlock()
	return summarize(calls, o.rate), nil
}

// receiver takes deliveries in this process.
type receiver struct {
	address string
	all     chan struct{} // closed when every call has arrived
	close   func() error
}

// receive notes when each call arrives first.
func receive(calls []passage, mu *sync.Mutex, began time.Time) (*receiver, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	left, all := len(calls), make(chan struct{})
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		at := time.Since(began)
		i, ok := numberOf(body)
		if err != nil || !ok || i >= len(calls) {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		mu.Lock()
		if calls[i].arrived == 0 {
			calls[i].arrived = at
			if left--; left == 0 {
				close(all)
			}
		}
		mu.Unlock()
		w.WriteHeader(http.StatusNoContent)
	})}
	go server.Serve(l)
	return &receiver{address: l.Addr().String(), all: all, close: server.Close}, nil
}

func summarize(calls []passage, rate int) *endToEnd {
	e := &endToEnd{Rate: rate, Calls: len(calls)}
	var toAck, toArrival, between []time.Duration
	for _, c := range calls {
		if c.failed {
			e.Failed++
			continue
		}
		toAck = append(toAck, c.acked-c.due)
		toArrival = append(toArrival, c.arrived-c.due)
		between = append(between, max(0, c.arrived-c.acked)) // it can be there before the sender has read the answer
	}
	for _, x := range []struct {
		times []time.Duration
		into  *percentiles
	}{{toAck, &e.SendToAck}, {toArrival, &e.SendToArrival}, {between, &e.AckToArrival}} {
		slices.Sort(x.times)
		*x.into = percentiles{quantile(x.times, .5), quantile(x.times, .99), quantile(x.times, 1)}
	}
	return e
}

const numberPrefix = `{"lead":{"call_id":"bench-`

// call is the body of call i.
func call(i, size int) []byte {
	b := fmt.Appendf(nil, numberPrefix+`%09d","name":"Mike Johnson","phone":"+15559876543","notes":"`, i)
	b = append(b, bytes.Repeat([]byte("x"), size-len(b)-3)...)
	return append(b, `"}}`...)
}

func numberOf(body []byte) (int, bool) {
	rest, ok := bytes.CutPrefix(body, []byte(numberPrefix))
	if !ok || len(rest) < 9 {
		return 0, false
	}
	i, err := strconv.Atoi(string(rest[:9]))
	return i, err == nil && i >= 0
}

// sendSteadily sends call i at i divided by the rate, to each gateway in turn. A call that goes out late is late by its own due time.
func (o *options) sendSteadily(ctx context.Context, urls []string, calls []passage, mu *sync.Mutex, began time.Time) error {
	signer, err := signature.NewSigner(signature.Config{Scheme: "nextphone", Secrets: []string{gateway.Secret}})
	if err != nil {
		return err
	}
	transport := &http.Transport{MaxIdleConnsPerHost: 64}
	defer transport.CloseIdleConnections()
	client := &http.Client{Transport: transport, Timeout: 30 * time.Second}
	queue := make(chan int, len(calls))
	var wg sync.WaitGroup
	for range 64 {
		wg.Go(func() {
			for i := range queue {
				ok := o.sendCall(ctx, client, signer, urls[i%len(urls)], i)
				at := time.Since(began)
				mu.Lock()
				calls[i].acked, calls[i].failed = at, !ok
				mu.Unlock()
			}
		})
	}
	start := time.Since(began)
	for i := range calls {
		due := start + time.Duration(i)*time.Second/time.Duration(o.rate)
		mu.Lock()
		calls[i].due = due
		mu.Unlock()
		if wait := due - time.Since(began); wait > 0 {
			time.Sleep(wait)
		}
		queue <- i
	}
	close(queue)
	wg.Wait()
	return ctx.Err()
}

func (o *options) sendCall(ctx context.Context, client *http.Client, signer signature.Signer, url string, i int) bool {
	m := signature.Message{Method: http.MethodPost, URL: url, Body: call(i, o.Size), Header: http.Header{"Content-Type": {"application/json"}}}
	if err := signer.Sign(&m, "", time.Now()); err != nil {
		return false
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(m.Body))
	if err != nil {
		return false
	}
	r.Header = m.Header
	res, err := client.Do(r)
	if err != nil {
		return false
	}
	_, err = io.Copy(io.Discard, res.Body)
	return errors.Join(err, res.Body.Close()) == nil && res.StatusCode == http.StatusOK
}
