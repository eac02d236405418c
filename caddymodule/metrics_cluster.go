package caddymodule

import (
	"context"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/callgate/callgate/internal/store"
)

// clusterCollector asks a shared store, and the database below it, how they stand, when the metrics are asked for.
type clusterCollector struct {
	gateways, skew, lanes, epoch           *prometheus.Desc
	xmin, oldest, dead, live               *prometheus.Desc
	logBytes, logEvents, conns, standbyLag *prometheus.Desc
	synchronous                            *prometheus.Desc
}

func clusterDesc(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc("caddy_callgate_"+name, help+" Missing where the store is not shared, or cannot tell.", labels, nil)
}

var clusterMetrics = &clusterCollector{
	gateways:    clusterDesc("cluster_gateways", "Gateways that share the store, as this one knows."),
	skew:        clusterDesc("cluster_clock_ahead_seconds", "How far this machine's clock is ahead of the database's; negative when it is behind."),
	lanes:       clusterDesc("cluster_lanes", "Destinations and shards by whether this gateway delivers to them (own), another does (other) or nobody (free).", "held"),
	epoch:       clusterDesc("cluster_lane_epoch", "Epoch of the lane of a destination, the highest of its shards; it goes up whenever it changes hands.", "destination"),
	xmin:        clusterDesc("database_xmin_age_transactions", "Transactions since the oldest snapshot that keeps dead rows from being cleared away."),
	oldest:      clusterDesc("database_oldest_transaction_seconds", "For how long the oldest snapshot has been held."),
	dead:        clusterDesc("database_dead_rows", "Dead rows in the table of what waits for delivery, by the server's estimate."),
	live:        clusterDesc("database_live_rows", "Live rows in the table of what waits for delivery, by the server's estimate."),
	logBytes:    clusterDesc("database_log_bytes_total", "Bytes that were written to the database's write-ahead log since this gateway opened its store, whoever wrote them. Divided by the events: the log of one event with its deliveries."),
	logEvents:   clusterDesc("database_log_events_total", "Events that all gateways have stored meanwhile."),
	conns:       clusterDesc("database_connections", "Connections to the server by everybody, and the most that it takes.", "kind"),
	standbyLag:  clusterDesc("database_standby_lag_bytes", "Write-ahead log that a standby does not have on its disk.", "standby", "sync"),
	synchronous: clusterDesc("database_synchronous", "1 if commits wait for a standby, otherwise 0."),
}

// Describe implements prometheus.Collector.
func (c *clusterCollector) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{c.gateways, c.skew, c.lanes, c.epoch, c.xmin, c.oldest, c.dead, c.live, c.logBytes, c.logEvents, c.conns, c.standbyLag, c.synchronous} {
		ch <- d
	}
}

// Collect implements prometheus.Collector.
func (c *clusterCollector) Collect(ch chan<- prometheus.Metric) {
	d := currentDispatcher()
	if d == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), collectTimeout)
	defer cancel()
	gauge := func(desc *prometheus.Desc, v float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(desc, prometheus.GaugeValue, v, labels...)
	}
	if cluster, shared, err := d.engine.Cluster(ctx); shared && err == nil {
		gauge(c.gateways, float64(d.engine.Gateways()))
		gauge(c.skew, -d.engine.Skew().Seconds())
		held := map[string]int{"own": 0, "other": 0, "free": 0}
		epochs := map[string]int64{}
		for _, l := range cluster.Lanes {
			if l.Destination == store.Maintenance {
				continue
			}
			switch l.Gateway {
			case "":
				held["free"]++
			case cluster.Self:
				held["own"]++
			default:
				held["other"]++
			}
			epochs[l.Destination] = max(epochs[l.Destination], l.Epoch)
		}
		for whose, n := range held {
			gauge(c.lanes, float64(n), whose)
		}
		for destination, epoch := range epochs {
			gauge(c.epoch, float64(epoch), destination)
		}
	}
	if v, ok := d.store.(store.Vital); ok {
		if vitals, err := v.Vitals(ctx); err == nil {
			c.vitals(&vitals, ch, gauge)
		}
	}
}

func (c *clusterCollector) vitals(v *store.Vitals, ch chan<- prometheus.Metric, gauge func(*prometheus.Desc, float64, ...string)) {
	gauge(c.xmin, float64(v.XminAge))
	gauge(c.oldest, v.OldestTransaction.Seconds())
	gauge(c.dead, float64(v.DeadRows))
	gauge(c.live, float64(v.LiveRows))
	ch <- prometheus.MustNewConstMetric(c.logBytes, prometheus.CounterValue, float64(v.LogBytes))
	ch <- prometheus.MustNewConstMetric(c.logEvents, prometheus.CounterValue, float64(v.LogEvents))
	gauge(c.conns, float64(v.Connections), "used")
	gauge(c.conns, float64(v.MaxConnections), "most")
	synchronous := 0.0
	if v.Synchronous {
		synchronous = 1
	}
	gauge(c.synchronous, synchronous)
	seen := map[string]bool{}
	for _, s := range v.Standbys {
		if key := s.Name + "\x00" + s.Sync; !seen[key] {
			seen[key] = true
			gauge(c.standbyLag, float64(s.LagBytes), s.Name, s.Sync)
		}
	}
}
