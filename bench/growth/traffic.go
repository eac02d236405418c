package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strconv"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/callgate/callgate/bench/words"
	"github.com/callgate/callgate/internal/signature"
)

const (
	// connections is how many senders there are, each of which sends again when it has the answer.
	connections = 64
	// allArrive is how long deliveries may take after the last acknowledgement.
	allArrive = 2 * time.Minute
	// recording is for how long CPU time is counted after the last arrival, for the outcome to be recorded.
	recording = 200 * time.Millisecond
)

// loaded adds up the slices of a load.
type loaded struct {
	events, deliveries int64
	took               []time.Duration // to the acknowledgement
	sending, all       time.Duration   // until the last acknowledgement, and until the last arrival
	cpu                time.Duration
}

// passage is an event of a steady load on its way.
type passage struct{ acked, arrived time.Duration }

const numberPrefix = `{"lead":{"event_id":"live-`

// body is that of event n, whose event id is another one if that is given.
func (s *site) body(n int64, id string) []byte {
	if id == "" {
		id = fmt.Sprintf("live-%012d", n)
	}
	b := fmt.Appendf(nil, `{"lead":{"event_id":"%s","desk":"%s","name":"Mike Johnson","phone":"+15559876543","notes":"`, id, destinationName(s.desk(n)))
	return fmt.Appendf(b, `%s"}}`, words.Text(max(0, s.o.size-len(b)-3)))
}

func numberOf(body []byte) (int64, bool) {
	rest, ok := bytes.CutPrefix(body, []byte(numberPrefix))
	if !ok || len(rest) < 12 {
		return 0, false
	}
	n, err := strconv.ParseInt(string(rest[:12]), 10, 64)
	return n, err == nil
}

// post sends an event of a tenant, and tells whether the gateway knew it.
func (s *site) post(ctx context.Context, tenant string, body []byte) (known bool, took time.Duration, err error) {
	url := s.URL + "/webhooks/" + tenant
	m := signature.Message{Method: http.MethodPost, URL: url, Body: body, Header: http.Header{"Content-Type": {"application/json"}}}
	signer, err := signature.NewSigner(signature.Config{Scheme: "nextphone", Secrets: []string{secretOf(tenant)}})
	if err == nil {
		err = signer.Sign(&m, "", time.Now())
	}
	if err != nil {
		return false, 0, err
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		return false, 0, err
	}
	r.Header = m.Header
	began := time.Now()
	res, err := s.client.Do(r)
	if err != nil {
		return false, 0, err
	}
	text, err := io.ReadAll(res.Body)
	took = time.Since(began)
	if err := errors.Join(err, res.Body.Close()); err != nil {
		return false, 0, err
	}
	if res.StatusCode != http.StatusOK {
		return false, 0, fmt.Errorf("status %d: %s", res.StatusCode, text)
	}
	return res.Header.Get("Idempotency-Replayed") != "", took, nil
}

// load sends for a time, and waits until all has arrived if it is delivered.
func (s *site) load(ctx context.Context, d time.Duration, into *loaded, delivers bool) error {
	from := s.sent.Load()
	if err := s.mark(); err != nil {
		return err
	}
	began := time.Now()
	took := make([][]time.Duration, connections)
	g, during := errgroup.WithContext(ctx)
	for c := range connections {
		g.Go(func() error {
			for time.Since(began) < d {
				n := s.sent.Add(1) - 1
				_, t, err := s.post(during, s.tenant(n), s.body(n, ""))
				if err != nil {
					return err
				}
				took[c] = append(took[c], t)
			}
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		return err
	}
	to := s.sent.Load()
	into.sending += time.Since(began)
	deliveries := s.deliveries(to) - s.deliveries(from)
	if delivers {
		if err := s.await(ctx); err != nil {
			return err
		}
		into.all += time.Since(began)
		into.deliveries += deliveries
		time.Sleep(recording)
	}
	used, err := s.since()
	into.cpu += used
	into.events += to - from
	for _, t := range took {
		into.took = append(into.took, t...)
	}
	return err
}

// await waits until everything that was sent so far has arrived.
func (s *site) await(ctx context.Context) error {
	return s.awaitDeliveries(ctx, s.deliveries(s.sent.Load())-s.deliveries(s.first))
}

// spend has every destination spend what the slow pace gives it at once, which is one delivery, and waits for that.
func (s *site) spend(ctx context.Context) error {
	want := s.arrived.Load() + int64(s.tenants*s.destinations)
	g, during := errgroup.WithContext(ctx)
	g.SetLimit(connections)
	for range s.tenants * s.destinations {
		n := s.sent.Add(1) - 1
		g.Go(func() error {
			_, _, err := s.post(during, s.tenant(n), s.body(n, ""))
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return err
	}
	return s.awaitDeliveries(ctx, want)
}

func (s *site) awaitDeliveries(ctx context.Context, want int64) error {
	late := time.After(allArrive)
	for s.arrived.Load() < want {
		select {
		case <-time.After(time.Millisecond):
		case <-ctx.Done():
			return ctx.Err()
		case <-s.Done():
			return s.Failed()
		case <-late:
			return fmt.Errorf("%d of %d deliveries have arrived %v after the last acknowledgement", s.arrived.Load(), want, allArrive)
		}
	}
	return nil
}

// steadily sends -rate events a second, and takes when each is acknowledged and when it has arrived.
func (s *site) steadily(ctx context.Context, d time.Duration) error {
	count := int(float64(s.o.rate) * d.Seconds())
	from := s.sent.Load()
	acked := make([]time.Time, count)
	sent := make([]time.Time, count)
	s.mu.Lock()
	for i := range count {
		s.times[from+int64(i)] = time.Time{}
	}
	s.mu.Unlock()
	g, during := errgroup.WithContext(ctx)
	began := time.Now()
	for i := range count {
		if wait := time.Until(began.Add(time.Duration(i) * time.Second / time.Duration(s.o.rate))); wait > 0 {
			time.Sleep(wait)
		}
		n := s.sent.Add(1) - 1
		sent[i] = time.Now()
		g.Go(func() error {
			_, _, err := s.post(during, s.tenant(n), s.body(n, ""))
			acked[i] = time.Now()
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return err
	}
	if err := s.await(ctx); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range count {
		// It can be there before the sender has read the answer.
		s.steady = append(s.steady, passage{acked[i].Sub(sent[i]), max(0, s.times[from+int64(i)].Sub(acked[i]))})
		delete(s.times, from+int64(i))
	}
	return nil
}

// singles sends one event after the other: a copy of one that was stored long ago, if there is one, and a fresh one.
func (s *site) singles(ctx context.Context) error {
	var duplicates, fresh []time.Duration
	for range s.o.singles {
		if s.filled > 0 {
			n := rand.Int64N(s.filled)
			known, took, err := s.post(ctx, s.tenant(n), s.body(n, fillID(n)))
			if err == nil && !known {
				err = fmt.Errorf("a copy of event %d was taken for a new one", n)
			}
			if err != nil {
				return err
			}
			duplicates = append(duplicates, took)
		}
		n := s.sent.Add(1) - 1
		_, took, err := s.post(ctx, s.tenant(n), s.body(n, ""))
		if err != nil {
			return err
		}
		fresh = append(fresh, took)
	}
	s.round.Duplicate, s.round.Fresh = summary(duplicates), summary(fresh)
	return nil
}

// questions are what an operator or a machine asks for again and again.
var questions = []struct{ name, path string }{
	{"metrics", "/metrics"}, {"ready", "/callgate/ready"}, {"statistics", "/callgate/stats"}, {"overview", "/callgate/overview"},
}

// asks is how often each question is asked.
const asks = 5

// ask takes how long the answers take, and how much CPU time.
func (s *site) ask(ctx context.Context) error {
	s.round.Asked = manyAsked{}
	for _, q := range questions {
		var took []time.Duration
		if err := s.mark(); err != nil {
			return err
		}
		for range asks {
			t, err := timed(func() error {
				_, err := s.Admin(ctx, q.path)
				return err
			})
			if err != nil {
				return err
			}
			took = append(took, t)
		}
		used, err := s.since()
		if err != nil {
			return err
		}
		s.round.Asked[q.name] = asked{Millis: summary(took).P50, CPU: millis(used) / asks}
	}
	return nil
}

// sum takes over what was measured in the round.
func (s *site) sum() {
	perSecond := func(n int64, d time.Duration) float64 { return float64(n) / max(d.Seconds(), 1e-9) }
	each := func(cpu time.Duration, n int64) float64 { return float64(cpu.Microseconds()) / float64(max(n, 1)) }
	a, d := &s.acks, &s.delivered
	s.round.Acks = manyAcks{PerSecond: perSecond(a.events, a.sending), CPU: each(a.cpu, a.events), times: summary(a.took)}
	s.round.Delivered = manyDelivered{
		PerSecond: perSecond(d.events, d.sending), DeliveriesPerSecond: perSecond(d.deliveries, d.all),
		CPUEvent: each(d.cpu, d.events), CPU: each(d.cpu, d.deliveries),
	}
	var toAck, toArrival []time.Duration
	for _, p := range s.steady {
		toAck, toArrival = append(toAck, p.acked), append(toArrival, p.arrived)
	}
	s.round.ToAck, s.round.ToArrival = summary(toAck), summary(toArrival)
	s.round.FileBytes = fileBytes(s.path)
	s.acks, s.delivered, s.steady = loaded{}, loaded{}, nil
}
