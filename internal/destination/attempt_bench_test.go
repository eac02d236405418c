package destination_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/callgate/callgate/internal/definition"
	"github.com/callgate/callgate/internal/delivery"
	"github.com/callgate/callgate/internal/destination"
	"github.com/callgate/callgate/internal/destination/httpdest"
	"github.com/callgate/callgate/internal/outbound"
	"github.com/callgate/callgate/internal/source"
	"github.com/callgate/callgate/internal/store"
)

// receiver answers every request with 200 on a loopback address, and makes nothing for it, so that what a benchmark counts is
// the gateway's.
func receiver(tb testing.TB) (address string) {
	tb.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	var serving sync.WaitGroup
	tb.Cleanup(func() { l.Close(); serving.Wait() })
	serving.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				answer(c)
			}()
		}
	})
	return l.Addr().String()
}

// answer answers the requests that come on a connection.
func answer(c net.Conn) {
	r := bufio.NewReaderSize(c, 16<<10)
	reply := []byte("HTTP/1.1 200 OK\r\nDate: Thu, 01 Jan 2026 00:00:00 GMT\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: 2\r\n\r\nok")
	length := 0
	for {
		line, err := r.ReadSlice('\n')
		if err != nil {
			return
		}
		name, value, _ := bytes.Cut(line, []byte(":"))
		switch {
		case bytes.EqualFold(name, []byte("Content-Length")):
			length = 0
			for _, digit := range bytes.TrimSpace(value) {
				length = 10*length + int(digit-'0')
			}
		case len(bytes.TrimSpace(line)) == 0:
			if _, err := r.Discard(length); err != nil {
				return
			}
			if _, err := c.Write(reply); err != nil {
				return
			}
		}
	}
}

// backlog is a store that takes an event for as many as are wanted, and keeps nothing of what became of them.
type backlog struct {
	store.Store
	event    *store.Event
	accepted int // by the next Accept
	mu       sync.Mutex
	left, n  int
	settled  sync.WaitGroup
	failed   error
}

func (b *backlog) Accept(context.Context, *store.Event, []string) (store.Accepted, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.left += b.accepted
	return store.Accepted{EventID: b.event.ID}, nil
}

func (b *backlog) Claim(_ context.Context, name string, _ time.Time, _ time.Duration, limit int, _ []string) ([]store.Claimed, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	claimed := make([]store.Claimed, min(limit, b.left))
	b.left -= len(claimed)
	for i := range claimed {
		b.n++
		claimed[i] = store.Claimed{Event: b.event, Delivery: store.Delivery{
			ID: strconv.Itoa(b.n), EventID: b.event.ID, Destination: name, State: store.Pending, CreatedAt: b.event.ReceivedAt,
		}}
	}
	return claimed, nil
}

func (b *backlog) Next(context.Context, string) (time.Time, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.left > 0 {
		return time.Unix(1, 0), nil
	}
	return time.Time{}, nil
}

func (b *backlog) Finish(_ context.Context, attempts []store.Attempt) error {
	for i := range attempts {
		if attempts[i].State != store.Delivered && b.failed == nil {
			b.failed = fmt.Errorf("not delivered: %s", attempts[i].Reason)
		}
		b.settled.Done()
	}
	return nil
}

func (b *backlog) Noted(context.Context, string, string) ([]byte, error) { return nil, nil }
func (b *backlog) Paused(context.Context) (map[string]string, error)     { return nil, nil }
func (b *backlog) Expire(context.Context, store.Retention, time.Time, int) (store.Expired, error) {
	return store.Expired{}, nil
}

// BenchmarkAttempt is what a delivery takes beyond the store: from claiming it to having its outcome recorded, with a receiver
// on a loopback address.
func BenchmarkAttempt(b *testing.B) {
	address := "http://" + receiver(b) + "/leads"
	body := benchPayloads()["lead 2 KiB"]
	parser, err := source.New("retell", source.Options{})
	if err != nil {
		b.Fatal(err)
	}
	c, err := parser.Parse(&source.Request{Body: body})
	if err != nil {
		b.Fatal(err)
	}
	record, err := c.Encode()
	if err != nil {
		b.Fatal(err)
	}
	event := &store.Event{
		ID: "01KDVZJ5M0000000000000000", Source: "retell", Route: "calls", EventType: c.EventType, EventID: c.EventID,
		ReceivedAt: received, Record: record, Body: body, Header: http.Header{"Content-Type": {"application/json"}},
	}
	for _, kind := range []struct {
		name        string
		passThrough bool
		template    string
		auth        func() (outbound.Authorizer, error)
	}{
		{name: "pass_through", passThrough: true},
		{name: "pass_through, bearer", passThrough: true, auth: func() (outbound.Authorizer, error) { return outbound.Bearer("example") }},
		{name: "templated", template: `{"name": "{{first_name}} {{last_name}}", "phone": "{{caller_number}}", "email": "{{email}}", "notes": "{{issue}}", "call": "{{call_id}}"}`},
	} {
		b.Run(kind.name, func(b *testing.B) {
			text, err := json.Marshal(map[string]any{"url": address, "body_template": kind.template})
			if kind.passThrough {
				text, err = json.Marshal(map[string]any{"url": address})
			}
			if err != nil {
				b.Fatal(err)
			}
			doc, _, err := definition.Parse(text, definition.Options{})
			if err != nil {
				b.Fatal(err)
			}
			conf := httpdest.Config{
				Renderer: httpdest.FromDefinition(doc), PassThrough: kind.passThrough, Client: outbound.NewClient(outbound.Options{AllowPrivate: true}),
			}
			if kind.auth != nil {
				if conf.Auth, err = kind.auth(); err != nil {
					b.Fatal(err)
				}
			}
			to, err := httpdest.New(conf)
			if err != nil {
				b.Fatal(err)
			}
			defer conf.Client.CloseIdle()
			benchAttempts(b, to, event)
		})
	}
}

func benchAttempts(b *testing.B, to destination.Destination, event *store.Event) {
	s := &backlog{event: event}
	e := delivery.New(delivery.Options{Store: s})
	defer e.Close(context.Background())
	e.Attach(&delivery.Snapshot{Destinations: map[string]delivery.Config{"crm": {Destination: to, Kind: "http", Concurrency: 16}}})
	deliver := func(n int) {
		s.accepted = n
		s.settled.Add(n)
		if _, err := e.Accept(b.Context(), event, []string{"crm"}); err != nil {
			b.Fatal(err)
		}
		s.settled.Wait()
	}
	deliver(2000) // connections are open then, and pools are filled
	b.ReportAllocs()
	b.ResetTimer()
	began := cpuTime()
	deliver(b.N)
	if used := cpuTime() - began; used > 0 {
		b.ReportMetric(float64(used.Microseconds())/float64(b.N), "CPU-µs/op")
	}
	if s.failed != nil {
		b.Fatal(s.failed)
	}
}
