package durable_test

import (
	"bytes"
	"net/http"
	"os"
	"path/filepath"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// TestFullDisk fills a small disk. Nothing is acknowledged that is not stored, and when there is room again the gateway
// accepts, and delivers everything that it has acknowledged, without a restart. While the disk is full it cannot write
// down what became of a delivery, so it may go on with as many as there are slots only; max_size, which keeps a disk from
// filling up, has no such limit.
func TestFullDisk(t *testing.T) {
	t.Parallel()
	s, l := newSite(t), newLedger()
	if err := os.Mkdir(s.store, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mount("tmpfs", s.store, "tmpfs", 0, "size=48m"); err != nil {
		t.Skipf("a small disk needs the right to mount one, which root has; TestMaxSize needs no such right: %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(s.store, syscall.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	ballast := filepath.Join(s.store, "ballast")
	if err := os.WriteFile(ballast, bytes.Repeat([]byte{1}, 24<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	var up atomic.Bool
	_, port := l.receiver(t, 1, func(string, *http.Request) int {
		if up.Load() {
			return 0
		}
		return http.StatusServiceUnavailable
	})
	g := s.start(port)
	sender := newSender(t)
	acknowledged := fill(t, s, sender)
	up.Store(true)
	await(t, "deliveries go on while the disk is full", 30*time.Second, func() bool { return l.calls() >= slots })
	if a, err := sender.send(s.url(), call("too-much")); err != nil || a.Error.Code != "store_full" {
		t.Errorf("with a full disk: %v, %+v; want store_full", err, a)
	}
	if err := os.Remove(ballast); err != nil {
		t.Fatal(err)
	}
	sender.accepted(t, s.url(), "room")
	acknowledged["room"] = true
	await(t, "everything has arrived", 30*time.Second, func() bool { return l.calls() == len(acknowledged) })
	g.terminate(20 * time.Second)

	// The outcomes were recorded too: nothing comes again.
	_, port = l.receiver(t, 2, nil)
	g = s.start(port)
	sender.accepted(t, s.url(), "next")
	acknowledged["next"] = true
	await(t, "the next call has arrived", 10*time.Second, func() bool { return l.calls() == len(acknowledged) })
	g.terminate(10 * time.Second)
	if copies := l.check(t, acknowledged); copies != 0 {
		t.Errorf("%d calls arrived twice", copies)
	}
	t.Logf("%d calls were acknowledged before the disk was full, and arrived", len(acknowledged)-2)
}
