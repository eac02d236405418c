package httpdest

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/callgate/callgate/internal/condition"
	"github.com/callgate/callgate/internal/destination"
	"github.com/callgate/callgate/internal/destination/chain"
	"github.com/callgate/callgate/internal/outbound"
)

// Poll says how the outcome of a request is asked for that the receiver has taken on with a 202 (RFC 9110, section
// 15.3.3) and carries out later.
type Poll struct {
	// At is where the answer says where to ask; nil means its header Location, or else Operation-Location.
	At *condition.Value
	// Every is the wait between two questions where the receiver does not say how long (Retry-After).
	Every time.Duration
	// Tries bounds the questions of one attempt, Within the time for them. When one is over, the delivery is to be
	// attempted again, which asks again and sends nothing.
	Tries  int
	Within time.Duration
	// Done says of an answer with a status of 2xx that it is the outcome; nil means that all are but 202. Failed says that
	// the receiver has failed for good; nil means that none does.
	Done, Failed *condition.Success
}

// Defaults of Poll.
const (
	DefaultPollEvery  = 2 * time.Second
	DefaultPollTries  = 10
	DefaultPollWithin = 20 * time.Second
)

// maxPlace bounds the URL that is asked, in bytes.
const maxPlace = 800

// askPlace stands in a preview for the URL that an answer would give.
const askPlace = "STATUS_URL"

// wait waits, unless the context ends before.
func wait(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// place is where an answer says where to ask, or empty where it does not, or names a place that is not asked, as the
// warning says: only at the receiver itself, since the question carries the credentials.
func (p *Poll) place(ctx context.Context, a *outbound.Answer, from *url.URL) (place, warning string) {
	var at string
	if p.At != nil {
		at = p.At.Eval(ctx, condition.Answer{Status: a.Status, Header: a.Header, Body: a.Body})
	} else if at = a.Header.Get("Location"); at == "" {
		at = a.Header.Get("Operation-Location")
	}
	if at == "" {
		return "", "202, and the answer does not say where to ask for the outcome; it is taken for delivered"
	}
	u, err := from.Parse(at)
	switch {
	case err != nil, len(at) > maxPlace:
		return "", "202, and where to ask for the outcome is no URL; it is taken for delivered"
	case u.Scheme != from.Scheme || u.Host != from.Host || u.User != nil:
		return "", "202, and the outcome is to be asked for at another host, which would get the credentials; it is not asked, and taken for delivered"
	}
	u.Fragment = ""
	if place = u.String(); outbound.CheckURL(place, true, true) != nil {
		return "", "202, and where to ask for the outcome is no URL; it is taken for delivered"
	}
	return place, ""
}

// accepted notes that the receiver has taken the request on, and asks for the outcome.
func (w *work) accepted(ctx context.Context, a *outbound.Answer, place string) destination.Result {
	first, _ := values(ctx, w.step.Keep, a)
	if err := w.progress.Ask(ctx, &chain.Asking{Step: w.step.Name, URL: place, Kept: first}); err != nil {
		r := w.asking(ctx, outbound.RetryAfter(a.Header, w.c.cfg.Now()))
		r.Warnings = append(r.Warnings, w.step.where()+"where to ask for the outcome cannot be noted ("+err.Error()+"), so that the request is sent again if it is not there in time")
		return r
	}
	return w.asking(ctx, outbound.RetryAfter(a.Header, w.c.cfg.Now()))
}

// ask asks for the outcome of a request that an earlier attempt has sent.
func (w *work) ask(ctx context.Context) destination.Result { return w.asking(ctx, 0) }

// asking asks until the outcome is there or the bound is over; first is how long to wait before.
func (w *work) asking(ctx context.Context, first time.Duration) destination.Result {
	p, now := w.step.Poll, w.c.cfg.Now
	end := now().Add(p.Within)
	if deadline, ok := ctx.Deadline(); ok && deadline.Before(end) {
		end = deadline
	}
	last := destination.Result{Status: http.StatusAccepted}
	for try, pause := 1, first; ; try++ {
		if try > p.Tries || now().Add(pause).After(end) {
			last.RetryAfter = max(last.RetryAfter, pause)
			return later(last, try-1)
		}
		if pause > 0 {
			if err := w.c.cfg.Wait(ctx, pause); err != nil {
				return later(last, try-1)
			}
		}
		before := w.progress.Asking.URL
		r, pending := w.askOnce(ctx)
		if !pending {
			return r
		}
		last = r
		switch pause = r.RetryAfter; {
		case w.progress.Asking.URL != before:
			pause = 0
		case pause == 0:
			pause = p.Every
		}
	}
}

// later is the result of a request whose outcome is not there yet.
func later(last destination.Result, asked int) destination.Result {
	if last.Reason == "" {
		last.Reason = "202: the receiver has taken it on and not carried it out yet"
	}
	last.Outcome = destination.Retry
	last.Reason += fmt.Sprintf("; asked %d times in this attempt, and the next asks again and sends nothing twice", asked)
	return last
}

// askOnce asks once. pending says that it may be asked again in the same attempt.
func (w *work) askOnce(ctx context.Context) (r destination.Result, pending bool) {
	s, now := w.step, w.c.cfg.Now
	req, err := s.askFor(ctx, w.item, w.progress.Asking.URL)
	if err != nil {
		return destination.Result{Outcome: destination.Dead, Reason: err.Error()}, false
	}
	a, err := w.c.cfg.Client.Send(ctx, w.c.cfg.Auth, req)
	r = outbound.ResultFrom(a, err, now())
	if err != nil {
		r.Reason = "asking for the outcome: " + r.Reason
		return r, ctx.Err() == nil
	}
	switch {
	case a.Status == http.StatusSeeOther || a.Status == http.StatusFound:
		return w.elsewhere(ctx, a, r)
	case a.Status == http.StatusNotFound || a.Status == http.StatusGone:
		// It may not be there yet, or not any more. It says nothing of the way to the receiver, which has taken the call on.
		return destination.Result{Status: a.Status, Reason: fmt.Sprintf("%d where the outcome is to be asked for", a.Status)}, a.Status == http.StatusNotFound
	case r.Outcome == destination.Retry:
		r.Reason = "asking for the outcome: " + r.Reason
		return r, !r.Pause && !r.Astray
	case r.Outcome == destination.Dead:
		r.Reason = "the receiver has taken it on, and refuses to tell the outcome: " + r.Reason
		return r, false
	}
	in := condition.Answer{Status: a.Status, Header: a.Header, Body: a.Body}
	if s.Poll.Failed != nil {
		if failed, err := s.Poll.Failed.Eval(ctx, in); failed && err == nil {
			return destination.Result{Outcome: destination.Dead, Status: a.Status, Excerpt: r.Excerpt, Reason: "the receiver had taken it on, and says now that it has failed; keep excerpts to see why"}, false
		}
	}
	done := a.Status != http.StatusAccepted
	if s.Poll.Done != nil {
		ok, err := s.Poll.Done.Eval(ctx, in)
		done = ok && err == nil
	}
	if !done {
		return destination.Result{Status: a.Status, RetryAfter: outbound.RetryAfter(a.Header, now())}, true
	}
	// That the answer is no success concerns the request, which is to be sent again then.
	if r = s.destination.judge(ctx, req, a, nil); r.Outcome == destination.Delivered {
		w.keep(ctx, a, &r)
	}
	if r.Outcome != destination.Delivered {
		_ = w.progress.Ask(ctx, nil) // else the answer is asked for again, which is no more than a lost attempt
	}
	return r, false
}

// elsewhere goes on to where the outcome stands, as a 303 says.
func (w *work) elsewhere(ctx context.Context, a *outbound.Answer, r destination.Result) (destination.Result, bool) {
	from, err := url.Parse(w.progress.Asking.URL)
	if err != nil || a.Header.Get("Location") == "" {
		return r, false
	}
	place, _ := (&Poll{}).place(ctx, a, from)
	if place == "" || place == w.progress.Asking.URL {
		r.Astray = false
		r.Reason = fmt.Sprintf("%d to another host where the outcome is to be asked for, which would get the credentials", a.Status)
		return r, false
	}
	next := *w.progress.Asking
	next.URL = place
	_ = w.progress.Ask(ctx, &next) // else the way is gone once more
	w.progress.Asking = &next
	return destination.Result{Status: a.Status, Reason: fmt.Sprintf("%d: the outcome is at another URL of the receiver", a.Status)}, true
}

// askFor is the request that asks for the outcome: with the headers of the step's own request, since a receiver's key may
// be among them, and without its body.
func (s *step) askFor(ctx context.Context, item destination.Item, place string) (*http.Request, error) {
	out, err := s.destination.cfg.Renderer.Render(item)
	if err != nil {
		return nil, fmt.Errorf("the request can not be made from this call: %w", err)
	}
	h := out.Header
	if h == nil {
		h = http.Header{}
	}
	for _, name := range [...]string{"Content-Type", "Content-Encoding", "Idempotency-Key"} {
		h.Del(name)
	}
	item.DeliveryID = ""
	return s.destination.request(ctx, item, "", http.MethodGet, place, h, nil)
}
