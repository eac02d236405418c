package alert

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync/atomic"
	"time"

	"go.uber.org/zap"
)

const (
	// queued bounds the alerts that wait for a slow URL.
	queued = 64
	// postTimeout bounds one try.
	postTimeout = 10 * time.Second
)

// postDelays are the waits before each try to post an alert.
var postDelays = []time.Duration{0, time.Second, 5 * time.Second, 25 * time.Second}

// poster sends alerts one after the other.
type poster struct {
	url    string
	o      Options
	queue  chan Alert
	ctx    context.Context
	cancel context.CancelFunc
	done   chan struct{}
	// next is who posts what is left at the end; nil for nobody.
	next atomic.Pointer[poster]
}

func newPoster(url string, o Options) *poster {
	p := &poster{url: url, o: o, queue: make(chan Alert, queued), done: make(chan struct{})}
	p.ctx, p.cancel = context.WithCancel(context.Background())
	go p.run()
	return p
}

// add queues an alert; when the queue is full the alert goes to the log only.
func (p *poster) add(a Alert) {
	select {
	case p.queue <- a:
	default:
		p.o.Log.Error("too many alerts wait for the alert URL; this one is only logged", fields(a)...)
	}
}

func fields(a Alert) []zap.Field {
	return []zap.Field{zap.String("alert", string(a.Alert)), zap.String("state", string(a.State)),
		zap.String("destination", a.Destination), zap.Float64("value", a.Value)}
}

func (p *poster) run() {
	defer close(p.done)
	for {
		select {
		case a := <-p.queue:
			err := p.send(a)
			if next := p.next.Load(); err != nil && next != nil && p.ctx.Err() != nil {
				next.add(a)
				continue
			}
			if err != nil {
				p.o.Log.Error("an alert could not be posted: check the alert URL", append(fields(a), zap.Error(err))...)
			}
		case <-p.ctx.Done():
			if next := p.next.Load(); next != nil {
				for len(p.queue) > 0 {
					next.add(<-p.queue)
				}
			}
			if n := len(p.queue); n > 0 {
				p.o.Log.Warn("alerts were not posted before the end", zap.Int("alerts", n))
			}
			return
		}
	}
}

func (p *poster) close() {
	p.cancel()
	<-p.done
}

// errFinal marks an answer that another try would not change.
var errFinal = errors.New("the alert URL refuses it")

func (p *poster) send(a Alert) (err error) {
	body, err := json.Marshal(a)
	if err != nil {
		return fmt.Errorf("an alert could not be written as JSON: %w", err)
	}
	for _, wait := range postDelays {
		timer := time.NewTimer(wait)
		select {
		case <-timer.C:
		case <-p.ctx.Done():
			timer.Stop()
		}
		if p.ctx.Err() != nil {
			return errors.Join(err, p.ctx.Err())
		}
		if err = p.try(body); err == nil || errors.Is(err, errFinal) {
			return err
		}
	}
	return err
}

func (p *poster) try(body []byte) error {
	ctx, cancel := context.WithTimeout(p.ctx, postTimeout)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, p.url, bytes.NewReader(body))
	if err != nil {
		return fmt.Errorf("%w: it is not a URL", errFinal) // the error itself would quote it
	}
	r.Header.Set("Content-Type", "application/json")
	if p.o.Sign != nil {
		if err := p.o.Sign(r, body); err != nil {
			return fmt.Errorf("signing the alert: %w", err)
		}
	}
	res, err := p.o.Transport.RoundTrip(r)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	// Reading a little lets the connection be used again; a long answer is not worth it.
	_, _ = io.CopyN(io.Discard, res.Body, 4096)
	switch code := res.StatusCode; {
	case code/100 == 2:
		return nil
	case code == http.StatusRequestTimeout, code == http.StatusTooManyRequests, code >= 500:
		return fmt.Errorf("the alert URL answered %d", code)
	default:
		return fmt.Errorf("%w: it answered %d", errFinal, code)
	}
}
