package caddymodule

import (
	"context"

	"github.com/prometheus/client_golang/prometheus"
)

// Metrics are what is measured besides what always is.
type Metrics struct {
	// PerTenant has metrics of each tenant too, caddy_callgate_tenant_*: what was accepted, what was attempted, and what is in
	// the store. With many tenants these are many series: a dozen and more for each tenant and destination.
	PerTenant bool `json:"per_tenant,omitempty"`
}

// tenantMetrics are those with a tenant in a label, for configurations that ask for them. A tenant is always one of a
// configuration, or empty where a route has none, so that no sender can make series.
var tenantMetrics = func() (m struct {
	accepted, attempts *prometheus.CounterVec
	all                []prometheus.Collector
}) {
	counter := func(name, help string, labels ...string) *prometheus.CounterVec {
		c := prometheus.NewCounterVec(prometheus.CounterOpts{
			Namespace: "caddy", Subsystem: "callgate", Name: name, Help: help + " Only with metrics { per_tenant }.",
		}, labels)
		m.all = append(m.all, c)
		return c
	}
	m.accepted = counter("tenant_events_accepted_total", "Events of a tenant that were stored, by source.", "tenant", "source")
	m.attempts = counter("tenant_delivery_attempts_total", "Attempts at deliveries of a tenant, by destination and by what became of them.",
		"tenant", "destination", "outcome")
	m.all = append(m.all, tenantQueues)
	return m
}()

// tenantCollector reads how the deliveries of each tenant stand when the metrics are asked for.
type tenantCollector struct{ deliveries *prometheus.Desc }

var tenantQueues = &tenantCollector{prometheus.NewDesc("caddy_callgate_tenant_queue_deliveries",
	"Deliveries of a tenant in the store, by destination and state: pending, delivered or dead. Only with metrics { per_tenant }.",
	[]string{"tenant", "destination", "state"}, nil)}

// Describe implements prometheus.Collector.
func (c *tenantCollector) Describe(ch chan<- *prometheus.Desc) { ch <- c.deliveries }

// Collect implements prometheus.Collector. When the store cannot tell, the series are missing, and not zero.
func (c *tenantCollector) Collect(ch chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), collectTimeout)
	defer cancel()
	dispatchers.Range(func(_, v any) bool {
		d := v.(*dispatcher)
		if !d.perTenant.Load() {
			return true
		}
		counts, err := d.store.Counts(ctx, nil)
		if err != nil {
			return true
		}
		for _, n := range counts {
			for state, value := range map[string]int64{"pending": n.Pending, "delivered": n.Delivered, "dead": n.Dead} {
				ch <- prometheus.MustNewConstMetric(c.deliveries, prometheus.GaugeValue, float64(value), n.Tenant, n.Destination, state)
			}
		}
		return false // several stores are open only while one configuration takes over from another
	})
}
