package caddymodule

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// tenantSeries are the series of the metrics of tenants that are of a destination or source, with all their labels.
func tenantSeries(t *testing.T) map[string]float64 {
	t.Helper()
	r := prometheus.NewPedanticRegistry()
	r.MustRegister(tenantMetrics.all...)
	families, err := r.Gather()
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]float64{}
	for _, f := range families {
		for _, m := range f.Metric {
			name := strings.TrimPrefix(f.GetName(), "caddy_callgate_tenant_")
			for _, l := range m.Label {
				name += " " + l.GetValue()
			}
			all[name] = m.GetCounter().GetValue() + m.GetGauge().GetValue()
		}
	}
	return all
}

// TestMetricsOfTenantsAreThereWhenAskedFor: and else no series holds the name of one.
func TestMetricsOfTenantsAreThereWhenAskedFor(t *testing.T) {
	c := newCRM(t)
	destination := "destination NAME http {\nurl " + c.URL + "\npass_through\n}"
	route := "callgate /store/* nextphone {\nname NAME-store\ntenant {path.1}\nshared_secret\ndeliver NAME\n}"
	before := len(tenantSeries(t))
	g := runGateway(t, fmt.Sprintf(breakerConfig, destination, route))
	send := func(tenant string, n int) {
		t.Helper()
		if res, body := g.send("/store/"+tenant, numbered(n)); res.StatusCode != 200 {
			t.Fatalf("status %d: %s", res.StatusCode, body)
		}
	}
	send("acme", 1)
	c.next(t) // whose attempt is no tenant's yet
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(5 * time.Millisecond) {
		if s, err := g.store().Stats(t.Context()); err == nil && len(s.Destinations) == 1 && s.Destinations[0].Delivered == 1 {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("the first call is not delivered")
		}
	}
	if n := len(tenantSeries(t)); n != before {
		t.Errorf("%d series that nobody asked for", n-before)
	}
	if err := load(t, g.fill.Replace(fmt.Sprintf(breakerConfig, destination+"\nmetrics {\nper_tenant\n}", route))); err != nil {
		t.Fatal(err)
	}
	accepted := tenantSeries(t)["events_accepted_total nextphone acme"]
	send("acme", 2)
	send("other", 3)
	name := g.name
	want := map[string]float64{
		"queue_deliveries " + name + " delivered acme":         2,
		"queue_deliveries " + name + " pending acme":           0,
		"queue_deliveries " + name + " dead acme":              0,
		"queue_deliveries " + name + " delivered other":        1,
		"delivery_attempts_total " + name + " delivered acme":  1,
		"delivery_attempts_total " + name + " delivered other": 1,
		"events_accepted_total nextphone acme":                 accepted + 1,
	}
	var got map[string]float64
	deadline := time.Now().Add(time.Minute)
	for {
		got = tenantSeries(t)
		ok := true
		for series, v := range want {
			have, there := got[series]
			ok = ok && there && have == v
		}
		if ok {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("%v\nwant %v", got, want)
		}
		time.Sleep(5 * time.Millisecond) // the metrics have no event for this
	}
	if err := load(t, g.fill.Replace(fmt.Sprintf(breakerConfig, destination, route))); err != nil {
		t.Fatal(err)
	}
	for series := range tenantSeries(t) {
		if strings.HasPrefix(series, "queue_deliveries") {
			t.Errorf("%s is still there", series)
		}
	}
}
