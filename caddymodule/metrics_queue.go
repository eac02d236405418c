package caddymodule

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// queueCollector reads how destinations stand when the metrics are asked for.
type queueCollector struct {
	deliveries, oldest, paused, breaker *prometheus.Desc
}

var queueMetrics = &queueCollector{
	deliveries: prometheus.NewDesc("caddy_callgate_queue_deliveries",
		"Deliveries in the store by destination and state: pending, delivered or dead.", []string{"destination", "state"}, nil),
	oldest: prometheus.NewDesc("caddy_callgate_queue_oldest_seconds",
		"Age of the oldest delivery that waits for a destination; 0 when none does.", []string{"destination"}, nil),
	paused: prometheus.NewDesc("caddy_callgate_destination_paused",
		"Whether a destination is paused: 0 no, 1 yes.", []string{"destination"}, nil),
	breaker: prometheus.NewDesc("caddy_callgate_destination_breaker_state",
		"State of a destination's circuit breaker: 0 closed, 1 half open, 2 open.", []string{"destination"}, nil),
}

// Describe implements prometheus.Collector.
func (q *queueCollector) Describe(ch chan<- *prometheus.Desc) {
	ch <- q.deliveries
	ch <- q.oldest
	ch <- q.paused
	ch <- q.breaker
}

// collectTimeout bounds how long a scrape waits for the store.
const collectTimeout = 2 * time.Second

// Collect implements prometheus.Collector. When the store cannot tell, the series that it counts are missing, which alerts
// can be written for, and not zero.
func (q *queueCollector) Collect(ch chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), collectTimeout)
	defer cancel()
	dispatchers.Range(func(_, v any) bool {
		list, err := v.(*dispatcher).engine.Status(ctx)
		for _, s := range list {
			if s.Breaker != "" { // a destination that was taken out of the configuration has none
				ch <- prometheus.MustNewConstMetric(q.breaker, prometheus.GaugeValue, breakerStates[s.Breaker], s.Name)
			}
		}
		if err != nil {
			return true
		}
		for _, s := range list {
			gauge := func(d *prometheus.Desc, value float64, labels ...string) {
				ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, value, append([]string{s.Name}, labels...)...)
			}
			gauge(q.deliveries, float64(s.Pending), "pending")
			gauge(q.deliveries, float64(s.Delivered), "delivered")
			gauge(q.deliveries, float64(s.Dead), "dead")
			age, paused := 0.0, 0.0
			if !s.OldestPending.IsZero() {
				age = max(0, time.Since(s.OldestPending).Seconds())
			}
			if s.Paused {
				paused = 1
			}
			gauge(q.oldest, age)
			gauge(q.paused, paused)
		}
		return false // several stores are open only while one configuration takes over from another
	})
}
