package caddymodule

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/callgate/callgate/internal/breaker"
)

// breakerStates are the states of breakers as metrics have them.
var breakerStates = map[string]float64{
	breaker.Closed.String(): float64(breaker.Closed), breaker.HalfOpen.String(): float64(breaker.HalfOpen),
	breaker.Open.String(): float64(breaker.Open),
}

// breakerCollector asks the breakers of the routes how they stand when the metrics are asked for. So a route that was
// taken out of the configuration while its breaker was open does not stay open in the metrics for ever.
type breakerCollector struct{ state *prometheus.Desc }

var breakerMetrics = &breakerCollector{prometheus.NewDesc("caddy_callgate_breaker_state",
	"State of a route's circuit breaker, the worst where each tenant has one: 0 closed, 1 half open, 2 open.", []string{"route"}, nil)}

// Describe implements prometheus.Collector.
func (c *breakerCollector) Describe(ch chan<- *prometheus.Desc) { ch <- c.state }

// Collect implements prometheus.Collector.
func (c *breakerCollector) Collect(ch chan<- prometheus.Metric) {
	worst := make(map[string]breaker.State)
	breakers.Range(func(k, v any) bool {
		route := k.(breakerKey).route
		worst[route] = max(worst[route], v.(routeBreaker).State())
		return true
	})
	for route, state := range worst {
		ch <- prometheus.MustNewConstMetric(c.state, prometheus.GaugeValue, float64(state), route)
	}
}
