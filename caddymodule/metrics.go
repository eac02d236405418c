package caddymodule

import (
	"errors"
	"slices"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/callgate/callgate/internal/gateway"
)

// metrics are made once for the process: Caddy has a new registry for each configuration, and counters must not start
// again at each reload. No label holds a key or anything else that a sender can choose, and tenants stand only in those of
// metrics { per_tenant }.
var metrics = func() (m struct {
	requests *prometheus.CounterVec
	stages   *prometheus.HistogramVec
	sizes    []prometheus.Collector
}) {
	const namespace, subsystem = "caddy", "callgate"
	m.requests = prometheus.NewCounterVec(prometheus.CounterOpts{
		Namespace: namespace, Subsystem: subsystem, Name: "requests_total",
		Help: "Requests by source and by what became of them; client_gone is a sender that went away before there was an answer (499).",
	}, []string{"source", "outcome"})
	m.stages = prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Namespace: namespace, Subsystem: subsystem, Name: "stage_duration_seconds",
		Help:    "Time in each stage of a request: body (reading it), verify, parse, wait (for the first of several copies), next (the receiver).",
		Buckets: []float64{5e-6, 25e-6, 100e-6, 500e-6, 2.5e-3, 10e-3, 50e-3, 250e-3, 1, 5, 30},
	}, []string{"stage"})
	gauge := func(name, help string, read func(*shared) float64) {
		m.sizes = append(m.sizes, prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Namespace: namespace, Subsystem: subsystem, Name: name, Help: help,
		}, func() float64 {
			if s := currentShared(); s != nil {
				return read(s)
			}
			return 0
		}))
	}
	gauge("idempotency_entries", "Answers that are remembered.",
		func(s *shared) float64 { return float64(s.Answers.Size().Entries) })
	gauge("idempotency_bytes", "Memory that remembered answers occupy.",
		func(s *shared) float64 { return float64(s.Answers.Size().Bytes) })
	gauge("idempotency_keys", "Events that are remembered, whether or not their answers still are.",
		func(s *shared) float64 { return float64(s.Answers.Size().Keys) })
	m.sizes = append(m.sizes, droppedKeys)
	gauge("idempotency_in_flight", "Requests that hold an idempotency key now.",
		func(s *shared) float64 { return float64(s.Answers.Size().InFlight) })
	gauge("limiter_tenants", "Tenants for which a rate limit is kept.",
		func(s *shared) float64 { return float64(s.Tenants.Len()) })
	gauge("limiter_addresses", "Client addresses for which a rate limit is kept.",
		func(s *shared) float64 { return float64(s.Addresses.Len()) })
	gauge("tenants_faulty", "Tenants that the gateway was started without because of a mistake in their files.",
		func(s *shared) float64 { return float64(s.faulty()) })
	gauge("unverified_bytes", "Memory of bodies that are not verified yet.",
		func(s *shared) float64 { return float64(s.Unverified.Used()) })
	return m
}()

// droppedKeys starts again with the shared state, as a counter does with a process.
var droppedKeys = prometheus.NewCounterFunc(prometheus.CounterOpts{
	Namespace: "caddy", Subsystem: "callgate", Name: "idempotency_keys_dropped_total",
	Help: "Events that were forgotten before their idempotency ttl, so that a copy would be carried out again.",
}, func() float64 {
	if s := currentShared(); s != nil {
		return float64(s.Answers.Size().Dropped)
	}
	return 0
})

// Collectors are those of all metrics, which are registered with Caddy's registry.
func Collectors() []prometheus.Collector {
	return slices.Concat([]prometheus.Collector{metrics.requests, metrics.stages, breakerMetrics, queueMetrics, storeMetrics, clusterMetrics, auditMetrics, auditMetrics.failures}, metrics.sizes, deliveryMetrics.all, tenantMetrics.all)
}

func registerMetrics(ctx caddy.Context) error {
	registry := ctx.GetMetricsRegistry()
	if registry == nil {
		return nil
	}
	for _, c := range Collectors() {
		var there prometheus.AlreadyRegisteredError
		if err := registry.Register(c); err != nil && !errors.As(err, &there) {
			return err
		}
	}
	return nil
}

// stageTimers are the timers of the stages by their numbers.
var stageTimers = func() (t [gateway.Stages]prometheus.Observer) {
	for stage, name := range map[gateway.Stage]string{
		gateway.StageBody: "body", gateway.StageVerify: "verify", gateway.StageParse: "parse", gateway.StageWait: "wait",
		gateway.StageNext: "next",
	} {
		t[stage] = metrics.stages.WithLabelValues(name)
	}
	return t
}()

// meter counts the requests of a source by outcome, and measures their stages.
type meter [gateway.Outcomes]prometheus.Counter

func newMeter(source string) *meter {
	m := new(meter)
	for o := range m {
		m[o] = metrics.requests.WithLabelValues(source, gateway.Outcome(o).String())
	}
	return m
}

// Count implements gateway.Meter.
func (m *meter) Count(o gateway.Outcome) { m[o].Inc() }

// Took implements gateway.Meter.
func (*meter) Took(s gateway.Stage, d time.Duration) { stageTimers[s].Observe(d.Seconds()) }
