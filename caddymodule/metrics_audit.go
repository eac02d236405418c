package caddymodule

import (
	"context"

	"github.com/prometheus/client_golang/prometheus"
)

// auditCollector asks the audit log how it stands, when the metrics are asked for.
type auditCollector struct {
	records, published, failing *prometheus.Desc
	failures                    *prometheus.CounterVec
}

var auditMetrics = &auditCollector{
	records: prometheus.NewDesc("caddy_callgate_audit_records",
		"Records in the audit log since it was begun, pruned ones included; missing where none is kept.", nil, nil),
	published: prometheus.NewDesc("caddy_callgate_audit_checkpoint_records",
		"Records in the last checkpoint that a sink has taken since the gateway started.", []string{"sink"}, nil),
	failing: prometheus.NewDesc("caddy_callgate_audit_sink_failing",
		"1 if a sink does not take checkpoints of the audit log, otherwise 0. Nothing waits for it.", []string{"sink"}, nil),
	failures: prometheus.NewCounterVec(prometheus.CounterOpts{
		Namespace: "caddy", Subsystem: "callgate", Name: "audit_sink_failures_total",
		Help: "How often a sink has begun to take no checkpoints of the audit log.",
	}, []string{"sink"}),
}

// Describe implements prometheus.Collector.
func (c *auditCollector) Describe(ch chan<- *prometheus.Desc) {
	ch <- c.records
	ch <- c.published
	ch <- c.failing
}

// Collect implements prometheus.Collector.
func (c *auditCollector) Collect(ch chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), collectTimeout)
	defer cancel()
	dispatchers.Range(func(_, v any) bool {
		a := v.(*dispatcher).auditor.Load()
		if a == nil {
			return true
		}
		status, err := a.Status(ctx)
		if err != nil {
			return true
		}
		ch <- prometheus.MustNewConstMetric(c.records, prometheus.GaugeValue, float64(status.Records))
		for _, s := range status.Sinks {
			failing := 0.0
			if !s.FailingSince.IsZero() {
				failing = 1
			}
			ch <- prometheus.MustNewConstMetric(c.published, prometheus.GaugeValue, float64(s.Checkpoint), s.Name)
			ch <- prometheus.MustNewConstMetric(c.failing, prometheus.GaugeValue, failing, s.Name)
		}
		return false
	})
}
