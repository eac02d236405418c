//go:build !race

// The race detector makes sync.Pool forget at random, so that allocations cannot be counted under it.

package source

import (
	"strings"
	"testing"
)

// TestIdentifyAllocatesLittle: it runs for every request before anything else is known about it.
func TestIdentifyAllocatesLittle(t *testing.T) {
	for _, c := range []struct {
		preset, file string
		most         float64
	}{
		{"retell", "retell-call-analyzed.json", 4}, {"vapi", "vapi-end-of-call-report.json", 4}, {"nextphone", "nextphone-lead.json", 1},
		{"aircall", "aircall-call-ended.json", 5}, {"dialpad", "dialpad-call-hangup.json", 5},
	} {
		p := newParser(t, c.preset, Options{})
		r := &Request{Body: body(t, c.file)}
		if n := testing.AllocsPerRun(200, func() {
			if _, err := p.Identify(r); err != nil {
				t.Fatal(err)
			}
		}); n > c.most {
			t.Errorf("%s: %v allocations, want at most %v", c.preset, n, c.most)
		}
	}
}

func TestSimplePathsAllocateTheIDOnly(t *testing.T) {
	j, err := NewJSONPathID("$.call.items[1].id")
	if err != nil {
		t.Fatal(err)
	}
	body := []byte(`{"call":{"items":[{"id":"a"},{"id":"b-77"}],"transcript":"` + strings.Repeat("hello ", 1000) + `"}}`)
	if n := testing.AllocsPerRun(100, func() {
		if id, _ := j.ID(body); id != "b-77" {
			t.Fatal(id)
		}
	}); n > 1 {
		t.Errorf("%v allocations, want 1", n)
	}
}
