package hubspot

import (
	"context"
	"net/http"
	"slices"
	"strconv"

	"github.com/callgate/callgate/internal/destination"
	"github.com/callgate/callgate/internal/outbound"
)

// run is one delivery under way.
type run struct {
	d     *Destination
	ctx   context.Context
	items []destination.Item
	rows  []*row
	dry   bool // a preview: nothing is sent, and nothing remembered
	// exchange carries the requests.
	exchange func(r *run, method, path string, body []byte, note string) (*outbound.Answer, error)
	// halt is set when the account as a whole cannot be used now: nothing more is sent.
	halt *destination.Result
	shot []byte // the last answer's beginning
}

// Deliver implements destination.Destination. The RemoteID of a result is the contact's.
func (d *Destination) Deliver(ctx context.Context, items []destination.Item) []destination.Result {
	r := &run{d: d, ctx: ctx, items: items, rows: d.rowsOf(items), exchange: (*run).overHTTP}
	release, err := d.locks.Acquire(ctx, d.lockKeys(r.rows, items))
	if err != nil {
		r.stop(destination.Result{Reason: "the attempt ended while another delivery to the same contact was under way"})
		return r.results()
	}
	defer release()
	if !r.resume() {
		return r.results()
	}
	r.deliver()
	out := r.results()
	r.keep(out)
	return out
}

// deliver writes the contacts, and then what belongs to them.
func (r *run) deliver() {
	r.contacts()
	if r.d.conf.LogCall {
		r.engage(calls)
	}
	if r.d.conf.Note {
		r.engage(notes)
	}
	r.companies()
	for _, s := range r.d.steps {
		r.engage(s.kind)
	}
}

// overHTTP sends one request.
func (r *run) overHTTP(method, path string, body []byte, _ string) (*outbound.Answer, error) {
	req, err := outbound.NewRequest(r.ctx, method, r.d.conf.BaseURL+path, body)
	if err != nil {
		return nil, err
	}
	r.headers(req.Header)
	return r.d.conf.Client.Send(r.ctx, r.d.auth, req)
}

func (r *run) headers(h http.Header) {
	h.Set("Content-Type", "application/json")
	h.Set("Accept", "application/json")
	if len(r.items) == 1 {
		outbound.StampHeaders(h, r.items[0])
		// HubSpot knows no such key, and net/http would take it as leave to send a POST again by itself when a
		// connection breaks: a create would be carried out twice.
		h.Del("Idempotency-Key")
		return
	}
	// Several deliveries share the request. Each is named by its row's objectWriteTraceId.
	h.Set("User-Agent", outbound.UserAgent)
}

func (r *run) send(method, path string, body []byte, note string) (*outbound.Answer, error) {
	a, err := r.exchange(r, method, path, body, note)
	if a != nil {
		r.shot = a.Body[:min(len(a.Body), outbound.MaxExcerpt)]
	}
	return a, err
}

// stop ends the delivery: every row that is not settled gets the result, with Retry for an unknown outcome.
func (r *run) stop(res destination.Result) {
	if r.halt == nil {
		r.halt = &res
	}
}

// results lays the rows' results out over the items.
func (r *run) results() []destination.Result {
	out := make([]destination.Result, len(r.items))
	for _, row := range r.rows {
		res := row.result
		switch {
		case row.settled:
		case r.halt != nil:
			res = *r.halt
		default:
			res = destination.Result{Reason: "HubSpot's answers contradict each other; the contact is looked for again"}
		}
		if res.Excerpt == nil {
			res.Excerpt = r.shot
		}
		if len(r.items) > 1 {
			res.Excerpt = nil // the answer tells of the other callers as well
		}
		res.Warnings = slices.Concat(res.Warnings, row.warnings)
		for _, i := range row.items {
			out[i] = res
		}
	}
	return out
}

func appendInt(dst []byte, n int) []byte { return strconv.AppendInt(dst, int64(n), 10) }
