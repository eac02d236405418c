package process

import (
	"os"
	"runtime"
	"testing"
	"time"
)

func TestParseStat(t *testing.T) {
	for _, c := range []struct {
		name, stat string
		want       time.Duration
		ok         bool
	}{
		{"plain", "42 (caddy) S 1 42 42 0 -1 4194304 900 0 0 0 150 25 0 0 20 0 9 0 1234", 1750 * time.Millisecond, true},
		{"name with spaces and parentheses", "42 (a) R 1 (b c) S 1 42 42 0 -1 4194304 900 0 0 0 1 2 0 0 20 0 9 0 1234", 30 * time.Millisecond, true},
		{"cut short", "42 (caddy) S 1 42", 0, false},
		{"no numbers", "42 (caddy) S 1 42 42 0 -1 4194304 900 0 0 0 x y 0 0 20 0 9 0 1234", 0, false},
		{"empty", "", 0, false},
	} {
		got, err := parseStat([]byte(c.stat))
		if (err == nil) != c.ok || got != c.want {
			t.Errorf("%s: %v, %v", c.name, got, err)
		}
	}
}

func TestParseStatus(t *testing.T) {
	rss, peak := parseStatus("Name:\tcaddy\nVmHWM:\t   2048 kB\nVmRSS:\t    1024 kB\nThreads:\t9\n")
	if rss != 1<<20 || peak != 2<<20 {
		t.Errorf("%d and %d bytes", rss, peak)
	}
	if rss, peak := parseStatus("VmRSS: lots\n"); rss != 0 || peak != 0 {
		t.Error("a text was read as a number")
	}
}

func TestParseIO(t *testing.T) {
	if n := parseIO("rchar: 1\nwchar: 2\nwrite_bytes: 4096\ncancelled_write_bytes: 0\n"); n != 4096 {
		t.Error(n)
	}
	if parseIO("write_bytes: many\n") != 0 || parseIO("wchar: 2\n") != 0 {
		t.Error("what is no number was read as one")
	}
}

func TestProcessOfThisTest(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("only Linux has /proc in this form")
	}
	before, err := CPUTime(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	for n, began := 0, time.Now(); time.Since(began) < 100*time.Millisecond; n++ {
		_ = n * n
	}
	after, err := CPUTime(os.Getpid())
	if err != nil || after <= before {
		t.Errorf("CPU time went from %v to %v (%v) in 100 ms of work", before, after, err)
	}
	if rss, peak := Memory(os.Getpid()); rss < 1<<20 || peak < rss {
		t.Errorf("%d bytes in memory, %d at most", rss, peak)
	}
	if _, err := CPUTime(1 << 30); err == nil {
		t.Error("a process that does not exist has a CPU time")
	}
}
