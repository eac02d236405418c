package signature

import (
	"bytes"
	"encoding/json"
	"net/http"
	"strings"
	"testing"
)

// lead is 2 KiB, as webhooks are, and has three different forms.
func lead() []byte {
	return []byte(`{"lead": {"name":"Mike Johnson","phone":"+15559876543","email":"mjohnson@email.com","duration":184,"score":0.93,"notes":"` +
		strings.Repeat("The kitchen pipe leaks, please call back. ", 45) + `"}}`)
}

func benchmarked(tb testing.TB) map[string]func() error {
	out := make(map[string]func() error)
	add := func(name string, v Verifier, m *Message) {
		out[name] = func() error { _, err := v.Verify(m, noon); return err }
	}
	for _, f := range []string{"raw", "js", "python"} {
		m := signed(tb, Config{Scheme: "nextphone", Secrets: []string{secret}, Forms: []string{f}}, &Message{Body: lead()})
		add("nextphone "+f, mustNew(tb, Config{Scheme: "nextphone", Secrets: []string{secret}}), m)
	}
	for _, s := range []string{"standard-webhooks", "stripe", "retell", "twilio", "hubspot", "bearer", "dialpad"} {
		c := Config{Scheme: s, Secrets: []string{secret}}
		m := &Message{Method: "POST", URL: "https://hooks.example.com/in", Header: http.Header{}, Body: lead()}
		add(s, mustNew(tb, c), signed(tb, c, m))
	}
	return out
}

func BenchmarkVerify(b *testing.B) {
	for name, f := range benchmarked(b) {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if err := f(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func TestAllocations(t *testing.T) {
	if raceDetector {
		t.Skip("the race detector makes sync.Pool allocate at random")
	}
	limits := map[string]float64{"nextphone raw": 2, "nextphone js": 2, "nextphone python": 2, "standard-webhooks": 2, "stripe": 2, "retell": 2, "bearer": 1, "hubspot": 2}
	for name, f := range benchmarked(t) {
		if limit, ok := limits[name]; ok {
			if n := testing.AllocsPerRun(200, func() { _ = f() }); n > limit {
				t.Errorf("%s: %v allocations, %v are allowed", name, n, limit)
			}
		}
	}
}

func TestLeadHasThreeForms(t *testing.T) {
	var c bytes.Buffer
	if err := json.Compact(&c, lead()); err != nil || c.Len() == len(lead()) || len(lead()) < 2000 {
		t.Error("the benchmarks measure something else than they say")
	}
}
