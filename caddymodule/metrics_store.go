package caddymodule

import (
	"context"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/callgate/callgate/internal/store"
)

// storeCollector asks the store how large it is, and what it has let go, when the metrics are asked for.
type storeCollector struct {
	bytes, wal, free, expired *prometheus.Desc
}

var storeMetrics = &storeCollector{
	bytes: prometheus.NewDesc("caddy_callgate_store_bytes",
		"Bytes that the store has in use, which max_size bounds; the write-ahead log is not among them.", nil, nil),
	wal: prometheus.NewDesc("caddy_callgate_store_wal_bytes",
		"Bytes of the write-ahead log beside the store. It grows while somebody reads an older state, and max_size counts it as far as it is longer than it should be.", nil, nil),
	free: prometheus.NewDesc("caddy_callgate_store_free_bytes",
		"Bytes that are free for the gateway on the store's file system; missing where the system does not tell.", nil, nil),
	expired: prometheus.NewDesc("caddy_callgate_events_expired_total",
		"Events that were deleted past their retention since the store was made, by kind: done (delivered everywhere) or dead.", []string{"kind"}, nil),
}

// Describe implements prometheus.Collector.
func (c *storeCollector) Describe(ch chan<- *prometheus.Desc) {
	ch <- c.bytes
	ch <- c.wal
	ch <- c.free
	ch <- c.expired
}

// Collect implements prometheus.Collector. When the store cannot tell, its series are missing and not zero, as those of
// queueCollector.
func (c *storeCollector) Collect(ch chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), collectTimeout)
	defer cancel()
	dispatchers.Range(func(_, v any) bool {
		stats, err := v.(*dispatcher).store.Stats(ctx)
		if err != nil {
			return true
		}
		c.of(&stats, ch)
		return false // several stores are open only while one configuration takes over from another
	})
}

// of are the series of one store.
func (c *storeCollector) of(s *store.Stats, ch chan<- prometheus.Metric) {
	ch <- prometheus.MustNewConstMetric(c.bytes, prometheus.GaugeValue, float64(s.Bytes))
	ch <- prometheus.MustNewConstMetric(c.wal, prometheus.GaugeValue, float64(s.LogBytes))
	if s.DiskBytes > 0 {
		ch <- prometheus.MustNewConstMetric(c.free, prometheus.GaugeValue, float64(s.DiskFree))
	}
	ch <- prometheus.MustNewConstMetric(c.expired, prometheus.CounterValue, float64(s.Expired.Done), "done")
	ch <- prometheus.MustNewConstMetric(c.expired, prometheus.CounterValue, float64(s.Expired.Dead), "dead")
}
