package caddymodule

import (
	"context"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"

	"github.com/callgate/callgate/internal/alert"
	"github.com/callgate/callgate/internal/breaker"
	"github.com/callgate/callgate/internal/delivery"
	"github.com/callgate/callgate/internal/destination"
	"github.com/callgate/callgate/internal/operate"
	"github.com/callgate/callgate/internal/store"
)

// observer turns what the engine does into metrics, log lines and alerts.
type observer struct {
	delivery.NopObserver
	d *dispatcher
}

// Accepted implements delivery.Observer.
func (o *observer) Accepted(ctx context.Context, e *store.Event, a store.Accepted, destinations []string) {
	if a.Duplicate {
		o.d.meter.Copied(e.Route, e.Tenant, e.EventID)
		deliveryMetrics.duplicates.Inc()
		return
	}
	o.d.meter.Accepted(e.Tenant)
	deliveryMetrics.accepted.Inc()
	if o.d.perTenant.Load() {
		tenantMetrics.accepted.WithLabelValues(e.Tenant, e.Source).Inc()
	}
	fields := append(make([]zap.Field, 0, 7), zap.String("event", a.EventID), zap.String("tenant", e.Tenant), zap.String("source", e.Source),
		zap.String("event_type", e.EventType), zap.Strings("destinations", destinations), zap.Int("bytes", len(e.Body)))
	if id := requestID(ctx); id != "" { // what is stored for another reason than a request has none
		fields = append(fields, zap.String("request_id", id))
	}
	o.d.logger.Info("accepted", fields...)
}

// AttemptFinished implements delivery.Observer.
func (o *observer) AttemptFinished(a delivery.Attempted) {
	if a.Returned {
		return
	}
	o.d.meter.Attempt(operate.AttemptInfo(&a))
	deliveryMetrics.attempts.WithLabelValues(a.Destination, a.Outcome.String()).Inc()
	deliveryMetrics.attemptTime.WithLabelValues(a.Destination).Observe(a.Took.Seconds())
	if o.d.perTenant.Load() {
		tenantMetrics.attempts.WithLabelValues(a.Item.Tenant, a.Destination, a.Outcome.String()).Inc()
	}
	if a.Item.Attempt > 1 {
		deliveryMetrics.retries.WithLabelValues(a.Destination).Inc()
	}
	delivered := a.Outcome == destination.Delivered
	if delivered {
		deliveryMetrics.endToEnd.WithLabelValues(a.Destination).Observe(a.At.Add(a.Took).Sub(a.Item.ReceivedAt).Seconds())
	}
	if m := o.d.alerts.Load(); m != nil {
		m.Attempt(alert.Attempt{Destination: a.Destination, Number: a.Item.Attempt, Delivered: delivered, Took: a.Took})
	}
	fields := []zap.Field{
		zap.String("destination", a.Destination), zap.String("tenant", a.Item.Tenant), zap.String("event", a.Item.EventID),
		zap.String("delivery", a.Item.DeliveryID), zap.Int("attempt", a.Item.Attempt), zap.Int("status", a.Status),
		zap.Duration("took", a.Took),
	}
	if len(a.Warnings) > 0 {
		fields = append(fields, zap.Strings("warnings", a.Warnings))
	}
	switch {
	case delivered && len(a.Warnings) > 0:
		o.d.logger.Info("delivered with warnings", fields...)
		return
	case delivered:
		o.d.logger.Info("delivered", fields...)
		return
	}
	fields = append(fields, zap.String("reason", a.Reason), zap.String("state", string(a.State)))
	if !a.NextAt.IsZero() { // a dead one has no next attempt
		fields = append(fields, zap.Time("next_at", a.NextAt))
	}
	o.d.logger.Warn("delivery attempt failed", fields...)
}

// Failing implements delivery.Observer.
func (o *observer) Failing(a delivery.Attempted) {
	o.d.logger.Warn("delivery is failing; it is tried on until its schedule ends",
		zap.String("destination", a.Destination), zap.String("tenant", a.Item.Tenant), zap.String("event", a.Item.EventID),
		zap.String("delivery", a.Item.DeliveryID), zap.Int("attempts", a.Item.Attempt), zap.Int("status", a.Status),
		zap.String("reason", a.Reason), zap.Time("next_at", a.NextAt))
	if m := o.d.alerts.Load(); m != nil {
		m.Failing(a.Destination)
	}
}

// DeadLetter implements delivery.Observer.
func (o *observer) DeadLetter(a delivery.Attempted) {
	deliveryMetrics.dead.WithLabelValues(a.Destination).Inc()
	o.d.logger.Error("delivery is dead; it is kept until it is replayed or erased",
		zap.String("destination", a.Destination), zap.String("tenant", a.Item.Tenant), zap.String("event", a.Item.EventID),
		zap.String("delivery", a.Item.DeliveryID), zap.Int("attempts", a.Item.Attempt), zap.String("reason", a.Reason))
	if m := o.d.alerts.Load(); m != nil {
		m.DeadLetter(a.Destination)
	}
}

// Paused implements delivery.Observer.
func (o *observer) Paused(name, _ string) {
	if m := o.d.alerts.Load(); m != nil {
		m.Paused(name, true)
	}
}

// Resumed implements delivery.Observer.
func (o *observer) Resumed(name string) {
	if m := o.d.alerts.Load(); m != nil {
		m.Paused(name, false)
	}
}

// BreakerChanged implements delivery.Observer.
func (o *observer) BreakerChanged(name string, from, to breaker.State) {
	o.d.logger.Warn("circuit breaker of a destination changed", zap.String("destination", name),
		zap.Stringer("from", from), zap.Stringer("to", to))
	// A half-open breaker only tries: the receiver has not recovered before it closes.
	if m := o.d.alerts.Load(); m != nil && to != breaker.HalfOpen {
		m.Breaker(name, to == breaker.Open)
	}
}

// deliveryMetrics are made once for the process, like metrics. Destinations are names of the configuration, so their
// number is bounded.
var deliveryMetrics = func() (m struct {
	accepted, duplicates   prometheus.Counter
	attempts               *prometheus.CounterVec
	retries, dead          *prometheus.CounterVec
	attemptTime, endToEnd  *prometheus.HistogramVec
	commitSize, commitTime prometheus.Histogram
	all                    []prometheus.Collector
}) {
	const namespace, subsystem = "caddy", "callgate"
	counter := func(name, help string) prometheus.CounterOpts {
		return prometheus.CounterOpts{Namespace: namespace, Subsystem: subsystem, Name: name, Help: help}
	}
	m.accepted = prometheus.NewCounter(counter("events_accepted_total", "Events that were made durable."))
	m.duplicates = prometheus.NewCounter(counter("events_duplicate_total", "Events that the store had already."))
	m.attempts = prometheus.NewCounterVec(counter("delivery_attempts_total", "Attempts at deliveries by outcome: delivered, retry or dead."),
		[]string{"destination", "outcome"})
	m.retries = prometheus.NewCounterVec(counter("delivery_retries_total", "Attempts that were not the first of their delivery."), []string{"destination"})
	m.dead = prometheus.NewCounterVec(counter("dead_letters_total", "Deliveries that were given up."), []string{"destination"})
	m.attemptTime = prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Namespace: namespace, Subsystem: subsystem, Name: "delivery_attempt_duration_seconds",
		Help:    "Time that attempts took.",
		Buckets: []float64{.005, .025, .1, .25, .5, 1, 2.5, 5, 10, 30},
	}, []string{"destination"})
	m.endToEnd = prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Namespace: namespace, Subsystem: subsystem, Name: "delivery_duration_seconds",
		Help:    "Time from the receipt of an event to its delivery.",
		Buckets: []float64{.01, .05, .25, 1, 5, 30, 120, 600, 3600, 6 * 3600},
	}, []string{"destination"})
	m.commitSize = prometheus.NewHistogram(prometheus.HistogramOpts{
		Namespace: namespace, Subsystem: subsystem, Name: "store_commit_requests",
		Help: "Requests that shared a commit.", Buckets: []float64{1, 2, 4, 8, 16, 32, 64, 128, 256, 512},
	})
	m.commitTime = prometheus.NewHistogram(prometheus.HistogramOpts{
		Namespace: namespace, Subsystem: subsystem, Name: "store_commit_duration_seconds",
		Help: "Time of a commit, fsync included.", Buckets: []float64{.0005, .001, .0025, .005, .01, .025, .05, .1, .5, 1, 5},
	})
	m.all = []prometheus.Collector{
		m.accepted, m.duplicates, m.attempts, m.retries, m.dead, m.attemptTime, m.endToEnd, m.commitSize, m.commitTime,
	}
	return m
}()

// countFromZero begins the counters of a destination. A series that begins at 1 has no increase, so that an alert would
// miss the first of what it is for.
func countFromZero(name string) {
	deliveryMetrics.dead.WithLabelValues(name)
	deliveryMetrics.retries.WithLabelValues(name)
	for _, o := range []destination.Outcome{destination.Delivered, destination.Retry, destination.Dead} {
		deliveryMetrics.attempts.WithLabelValues(name, o.String())
	}
}
