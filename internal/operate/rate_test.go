package operate

import (
	"math"
	"testing"
)

func TestRatesAreReadAsPeopleWriteThem(t *testing.T) {
	for text, want := range map[string]float64{
		"": 0, "5/s": 5, "5/sec": 5, "30/min": 0.5, "30/m": 0.5, "36/h": 0.01, "100/10s": 10, "1/24h": 1.0 / 86400,
		"5": -1, "/s": -1, "5/": -1, "0/s": -1, "-5/s": -1, "5/0s": -1, "5/-1s": -1, "1/48h": -1, "x/s": -1, "5/day": -1,
		"0.5/s": -1, "4000000000/1ns": -1,
	} {
		got, err := ParseRate(text)
		if (err != nil) != (want < 0) || err == nil && math.Abs(got-want) > 1e-12 {
			t.Errorf("%q: %v, %v; want %v", text, got, err, want)
		}
	}
}

// FuzzRate: a rate is refused or one that can be kept.
func FuzzRate(f *testing.F) {
	f.Add("5/s")
	f.Add("100/10s")
	f.Add("1/1e9h")
	f.Fuzz(func(t *testing.T, text string) {
		if n, err := ParseRate(text); err == nil && text != "" && !(n >= 1.0/86400 && n <= 1e6) {
			t.Fatalf("%q is %v a second", text, n)
		}
	})
}
