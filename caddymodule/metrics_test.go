package caddymodule

import (
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/callgate/callgate/internal/gateway"
	"github.com/callgate/callgate/internal/store"
)

// measured are the series of some collectors by their name and the value of their first label, if they have one.
func measured(t *testing.T, collectors ...prometheus.Collector) map[string]float64 {
	t.Helper()
	r := prometheus.NewPedanticRegistry()
	r.MustRegister(collectors...)
	families, err := r.Gather()
	if err != nil {
		t.Fatal(err)
	}
	values := make(map[string]float64)
	for _, f := range families {
		for _, m := range f.Metric {
			v := m.GetGauge().GetValue()
			if c := m.GetCounter(); c != nil {
				v = c.GetValue()
			}
			name := strings.TrimPrefix(f.GetName(), "caddy_callgate_")
			if len(m.Label) > 0 {
				name += " " + m.Label[0].GetValue()
			}
			values[name] = v
		}
	}
	return values
}

const breakerConfig = `{
	callgate {
		store sqlite STORE
		tenant acme {
			secret ` + testSecret + `
		}
		tenant other {
			secret ` + testSecret + `
		}
		%s
	}
}
http:// {
	bind SOCKET
	%s
	respond /elsewhere yes
}`

// What was taken out of the configuration while its breaker was open must not stay open in the metrics for ever.
func TestMetricsOfBreakersGoWithThem(t *testing.T) {
	c := newCRM(t)
	c.down.Store(true)
	destination := "destination NAME http {\nurl " + c.URL + "\npass_through\nbreaker {\nfailures 1\nopen_for 1h\n}\n}"
	route := `callgate /calls/* nextphone {
		name NAME
		tenant {path.1}
		shared_secret
		breaker {
			failures 1
			open_for 1h
			per_tenant
		}
	}
	reverse_proxy /calls/* ` + c.Listener.Addr().String() + `
	callgate /store/* nextphone {
		name NAME-store
		tenant acme
		deliver NAME
	}`
	g := runGateway(t, fmt.Sprintf(breakerConfig, destination, route))
	name := g.name
	if v, ok := measured(t, breakerMetrics)["breaker_state "+name]; !ok || v != 0 {
		t.Errorf("before any request: %v, %v", v, ok)
	}
	g.send("/calls/acme", numbered(1))
	g.send("/store/acme", numbered(2))
	for deadline := time.Now().Add(time.Minute); measured(t, queueMetrics)["destination_breaker_state "+name] != 2; {
		if time.Now().After(deadline) {
			t.Fatal("the destination's breaker did not open")
		}
		time.Sleep(5 * time.Millisecond)
	}
	c.down.Store(false)
	if res, body := g.send("/calls/other", numbered(3)); res.StatusCode != 200 {
		t.Fatalf("status %d: %s", res.StatusCode, body)
	}
	if v := measured(t, breakerMetrics)["breaker_state "+name]; v != 2 {
		t.Errorf("with the breaker of one tenant open: %v", v)
	}
	if err := load(t, g.fill.Replace(fmt.Sprintf(breakerConfig, "", ""))); err != nil {
		t.Fatal(err)
	}
	for series := range measured(t, breakerMetrics, queueMetrics) {
		if strings.Contains(series, "breaker_state "+name) {
			t.Errorf("%s is still there", series)
		}
	}
}

// A counter that begins at 1 has no increase, and the first dead letter would raise no alarm.
func TestCountersOfASpoolBeginAtZero(t *testing.T) {
	g := runGateway(t, fmt.Sprintf(plainSpool, "localhost:1"))
	if v, ok := measured(t, deliveryMetrics.dead)["dead_letters_total "+gateway.SpoolPrefix+g.name]; !ok || v != 0 {
		t.Errorf("dead letters of the spool: %v, %v", v, ok)
	}
}

// What a disk runs full of is told before it does.
func TestMetricsOfTheStore(t *testing.T) {
	g := runGateway(t, fmt.Sprintf(breakerConfig, "destination NAME http {\nurl "+newCRM(t).URL+"\npass_through\n}",
		"callgate /store/* nextphone {\nname NAME\ntenant acme\ndeliver NAME\n}"))
	before := measured(t, storeMetrics)
	if before["store_bytes"] <= 0 || before["store_wal_bytes"] <= 0 {
		t.Errorf("the size of a store: %v", before)
	}
	for _, kind := range []string{"done", "dead"} { // a series that begins at 1 has no increase
		if v, ok := before["events_expired_total "+kind]; !ok || v != 0 {
			t.Errorf("%s events that have expired: %v, %v", kind, v, ok)
		}
	}
	if runtime.GOOS == "linux" && before["store_free_bytes"] <= 0 {
		t.Errorf("free on the disk: %v", before)
	}
	for i := range 50 {
		if res, body := g.send("/store/acme", strings.Replace(numbered(i), "{", `{"more":"`+noise(20<<10)+`",`, 1)); res.StatusCode != 200 {
			t.Fatalf("status %d: %s", res.StatusCode, body)
		}
	}
	after := measured(t, storeMetrics)
	if grown := after["store_bytes"] - before["store_bytes"]; grown < 500<<10 {
		t.Errorf("500 KiB that cannot be packed make the store %v bytes larger", grown)
	}
}

// A store that does not know its disk has no series for it, rather than a full one.
func TestMetricsOfAStoreWithoutADisk(t *testing.T) {
	for disk, want := range map[int64]bool{0: false, 100: true} {
		ch := make(chan prometheus.Metric, 10)
		storeMetrics.of(&store.Stats{Bytes: 1, DiskBytes: disk, Expired: store.Expired{Done: 3, Dead: 2}}, ch)
		close(ch)
		found := false
		for m := range ch {
			found = found || m.Desc() == storeMetrics.free
		}
		if found != want {
			t.Errorf("with a disk of %d bytes: the series of what is free is there: %v", disk, found)
		}
	}
}
