package operate

import (
	"context"
	"time"

	"github.com/callgate/callgate/internal/auditor"
	"github.com/callgate/callgate/internal/delivery"
	"github.com/callgate/callgate/internal/store"
)

// The thresholds of the guide for those who run webhooks: look into a destination where fewer attempts succeed than LowSuccess
// in a hundred, where they take longer than SlowAttempt, or where retries spike, which is SpikeFactor times as many as usual.
const (
	LowSuccess  = 95.0
	SlowAttempt = 5 * time.Second
	SpikeFactor = 3.0
)

const (
	// minAttempts is how many attempts say something about a destination, and minRetries how many retries can be a spike.
	minAttempts, minRetries = 20, 5
	// usualRetries is the least share of retries that a spike is a multiple of.
	usualRetries = 0.01
)

// OverviewChoice says of which time an overview is.
type OverviewChoice struct {
	// Window is hour, day or week, which end now. Default: day.
	Window string `json:"window,omitempty"`
}

// Overview is how a gateway does: what needs somebody, and each destination's figures. Where gateways share the store, attempts
// are those of all of them; what was accepted is counted by each for itself.
type Overview struct {
	Window string `json:"window"`
	// At is when it was looked, and Since when the window begins. It consists of buckets of BucketSeconds each.
	At            time.Time `json:"at"`
	Since         time.Time `json:"since"`
	BucketSeconds int       `json:"bucket_seconds"`
	// CountedSince is there where not everything in the window is counted: what was before the process began is still being
	// read from the store (look again in a moment), or is more than is read.
	CountedSince time.Time `json:"counted_since,omitzero"`
	// Uncounted tells that there are more tenants than are counted apart, and yours is one of those that are not.
	Uncounted bool `json:"uncounted,omitempty"`
	// Needs are what needs a person now, worst first.
	Needs        []Need            `json:"needs"`
	Destinations []DestinationView `json:"destinations"`
	// Accepted counts events that were taken in during the window, and Copies those that came again: since ReceivedSince, which
	// is when the process began if that is later than the window.
	Accepted      int64     `json:"accepted"`
	Copies        int64     `json:"copies"`
	ReceivedSince time.Time `json:"received_since"`
	// Refused counts the requests that were refused since then, by the code of the answer, the most frequent first. Those of
	// no tenant are in it for those who are not bound to tenants.
	Refused []RefusalCount `json:"refused"`
	// Store is how full it is; nil for those who are bound to tenants.
	Store *StoreView `json:"store,omitempty"`
	// Audit is how the audit log stands; nil if none is kept, and for those who are bound to tenants.
	Audit *auditor.Status `json:"audit,omitempty"`
}

// StoreView is how full a store is, in bytes; 0 for what is not known or not bounded.
type StoreView struct {
	Events    int64 `json:"events"`
	Bytes     int64 `json:"bytes"`
	MaxBytes  int64 `json:"max_bytes,omitempty"`
	DiskBytes int64 `json:"disk_bytes,omitempty"`
	DiskFree  int64 `json:"disk_free,omitempty"`
}

// DestinationView is a destination's row of an overview.
type DestinationView struct {
	delivery.DestinationStatus
	// The figures of the window. Attempted counts attempts, Succeeded those that delivered, and Buried those after which the
	// delivery was dead.
	Attempted int64 `json:"attempted"`
	Succeeded int64 `json:"succeeded"`
	Buried    int64 `json:"buried"`
	Retries   int64 `json:"retries"`
	// SuccessRate is per cent of the attempts, and FirstTryRate per cent of those that were a delivery's first; nil where there
	// were none.
	SuccessRate  *float64 `json:"success_rate,omitempty"`
	FirstTryRate *float64 `json:"first_try_rate,omitempty"`
	// P50 and P95 are how long half of the attempts took at most, and 95 in a hundred, in milliseconds.
	P50 float64 `json:"p50_ms"`
	P95 float64 `json:"p95_ms"`
	// LowSuccess, Slow and RetrySpike tell that the last hour is beyond a threshold of the guide. It needs 20 attempts for that.
	LowSuccess bool `json:"low_success,omitempty"`
	Slow       bool `json:"slow,omitempty"`
	RetrySpike bool `json:"retry_spike,omitempty"`
	// FailingSince is since when nothing was delivered although it was tried FailedAttempts times, the last of which met with
	// LastStatus and LastReason; empty if the last attempt delivered.
	FailingSince   time.Time `json:"failing_since,omitzero"`
	FailedAttempts int64     `json:"failed_attempts,omitempty"`
	LastStatus     int       `json:"last_status,omitempty"`
	LastReason     string    `json:"last_reason,omitempty"`
	// Buckets are the parts of the window, the first first.
	Buckets []Bucket `json:"buckets"`
}

// Bucket is a part of a window.
type Bucket struct {
	Attempted int64 `json:"attempted"`
	Succeeded int64 `json:"succeeded"`
}

// Overview tells how each destination does, and what needs a person now.
func (s *Service) Overview(ctx context.Context, a Actor, c OverviewChoice) (*Overview, error) {
	r := Record{Operation: "Overview"}
	sc, err := s.permitDelivering(ctx, a, r)
	if err != nil {
		return nil, err
	}
	if c.Window == "" {
		c.Window = "day"
	}
	w, ok := windows[c.Window]
	if !ok {
		return nil, badRequest("window must be hour, day or week")
	}
	if s.o.Meter == nil {
		return nil, NoStore()
	}
	if err := s.note(ctx, a, r); err != nil {
		return nil, err
	}
	s.o.Meter.catchUp(ctx)
	list, err := s.o.Engine.Status(ctx)
	if err == nil && sc.bound {
		list, err = s.narrowed(ctx, sc, list)
	}
	if err != nil {
		return nil, stored(err)
	}
	now := s.o.Now().UTC()
	o := &Overview{
		Window: c.Window, At: now, Since: w.since(now), BucketSeconds: int(w.length() / time.Second), Needs: []Need{},
		Destinations: []DestinationView{}, CountedSince: s.o.Meter.countedSince(w.since(now)),
	}
	n := needs{now: now}
	for i := range list {
		v, missing := s.o.Meter.look(list[i].Name, sc, w)
		o.Uncounted = o.Uncounted || missing
		d := destinationView(&list[i], &v)
		n.ofDestination(&d, &v)
		o.Destinations = append(o.Destinations, d)
	}
	received, missing := s.o.Meter.look("", sc, w)
	o.Uncounted = o.Uncounted || missing
	o.Accepted, o.Copies, o.Refused = int64(received.accepted), int64(received.copies), refusalCounts(&received.counts)
	if o.ReceivedSince = o.Since; s.o.Meter.began.After(o.Since) {
		o.ReceivedSince = s.o.Meter.began.UTC()
	}
	if err := s.needsOfTheWhole(ctx, sc, o, &n); err != nil {
		return nil, stored(err)
	}
	s.needsOfTenants(sc, &n)
	s.o.Meter.refusals(sc, &n)
	o.Needs = n.sorted()
	return o, nil
}

// countedSince is since when everything is counted; the zero time if that is before a window begins.
func (m *Meter) countedSince(begin time.Time) time.Time {
	m.mu.Lock()
	defer m.mu.Unlock()
	since := m.from
	if m.gap.After(since) {
		since = m.gap
	}
	if since.After(begin) {
		return since.UTC()
	}
	return time.Time{}
}

// rate is per cent; nil of nothing.
func rate(part, whole uint32) *float64 {
	if whole == 0 {
		return nil
	}
	r := 100 * float64(part) / float64(whole)
	return &r
}

func milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

// destinationView puts a row together.
func destinationView(at *delivery.DestinationStatus, v *view) DestinationView {
	d := DestinationView{
		DestinationStatus: *at, Attempted: int64(v.attempts), Succeeded: int64(v.delivered), Buried: int64(v.dead), Retries: int64(v.retries()),
		SuccessRate: rate(v.delivered, v.attempts), FirstTryRate: rate(v.firstDelivered, v.firsts),
		P50: milliseconds(v.quantile(.5)), P95: milliseconds(v.quantile(.95)), Buckets: make([]Bucket, len(v.buckets)),
	}
	for i := range v.buckets {
		d.Buckets[i] = Bucket{int64(v.buckets[i].attempts), int64(v.buckets[i].delivered)}
	}
	if f := v.failing; f.count > 0 {
		d.FailingSince, d.FailedAttempts, d.LastStatus, d.LastReason = f.since.UTC(), f.count, f.status, f.reason
	}
	if v.hour.attempts >= minAttempts {
		d.LowSuccess = *rate(v.hour.delivered, v.hour.attempts) < LowSuccess
		d.Slow = v.hour.quantile(.95) > SlowAttempt
		d.RetrySpike = v.spike() >= SpikeFactor
	}
	return d
}

// spike is how many times as many retries as in the rest of the day there are in the last hour.
func (v *view) spike() float64 {
	if v.hour.retries() < minRetries {
		return 0
	}
	share := func(part, whole uint32) float64 { return float64(part) / float64(max(whole, 1)) }
	// The day ends with the same attempts as the hour, as far as its slots go.
	rest, all := v.day.retries()-min(v.hour.retries(), v.day.retries()), v.day.attempts-min(v.hour.attempts, v.day.attempts)
	return share(v.hour.retries(), v.hour.attempts) / max(share(rest, all), usualRetries)
}

// needsOfTheWhole adds what is of the whole gateway, for those who may see it.
func (s *Service) needsOfTheWhole(ctx context.Context, sc scope, o *Overview, n *needs) error {
	if sc.bound {
		return nil
	}
	sum, err := s.o.Store.Stats(ctx)
	if err != nil {
		return err
	}
	o.Store = &StoreView{sum.Events, sum.Bytes, sum.MaxBytes, sum.DiskBytes, sum.DiskFree}
	n.ofStore(o.Store)
	stranded, err := s.o.Engine.Stranded(ctx)
	if err != nil {
		return err
	}
	for _, w := range stranded {
		n.add(Need{Kind: NeedUnknownName, Destination: w.Destination, Tenant: w.Tenant, Count: w.Pending, Reason: w.Reason})
	}
	keeper := s.auditor()
	if keeper == nil {
		return nil
	}
	status, err := keeper.Status(ctx)
	if err != nil {
		return err
	}
	o.Audit = &status
	for _, sink := range status.Sinks {
		if !sink.FailingSince.IsZero() {
			n.add(Need{Kind: NeedCheckpointLate, Name: sink.Name, Since: sink.FailingSince, Count: status.Records - sink.Checkpoint, Reason: sink.Error})
		}
	}
	return nil
}

// needsOfTenants adds what is of tenants.
func (s *Service) needsOfTenants(sc scope, n *needs) {
	if s.o.Faulty != nil {
		for _, tenant := range s.o.Faulty() {
			if sc.has(tenant) {
				n.add(Need{Kind: NeedFaultyTenant, Tenant: tenant})
			}
		}
	}
	if s.o.Rotations == nil {
		return
	}
	l := s.o.Rotations()
	for i := range l.Rotations {
		if r := &l.Rotations[i]; sc.has(r.Tenant) {
			n.ofRotation(l.Since, r)
		}
	}
}

// AttemptInfo is what a meter counts of an attempt.
func AttemptInfo(a *delivery.Attempted) store.AttemptInfo {
	return store.AttemptInfo{
		Destination: a.Destination, Tenant: a.Item.Tenant, Number: a.Item.Attempt, At: a.At, Took: a.Took, Status: a.Status,
		Reason: a.Reason, Warnings: a.Warnings, State: a.State,
	}
}
