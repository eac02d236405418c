package durable_test

import (
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/callgate/callgate/internal/running"
)

// onSmallDisk gives a site's store a disk of its own.
func onSmallDisk(t *testing.T, s *site, size string) {
	t.Helper()
	if err := os.Mkdir(s.store, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mount("tmpfs", s.store, "tmpfs", 0, "size="+size); err != nil {
		t.Skipf("a small disk needs the right to mount one, which root has; TestMaxSize needs no such right: %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(s.store, syscall.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
}

// TestFullDisk fills a small disk with calls until the gateway turns them away. The reserve is for what is stored: all of
// it is delivered while the disk is as full as before, and its outcomes are recorded.
func TestFullDisk(t *testing.T) {
	t.Parallel()
	s, l := newSite(t), newLedger()
	onSmallDisk(t, s, "24m")
	up, port := l.receiverDown(t, 1)
	g := s.start(port)
	sender := newSender(t)
	acknowledged := fill(t, s, sender)
	up.Store(true)
	running.Await(t, "what is stored has arrived", func() bool { return l.calls() == len(acknowledged) })
	g.Terminate()

	// The outcomes were recorded too: nothing comes again.
	_, port = l.receiver(t, 2, nil)
	g = s.start(port)
	if err := os.WriteFile(filepath.Join(s.store, "probe"), make([]byte, 1<<20), 0o600); err != nil {
		t.Errorf("the reserve is used up: %v", err)
	}
	time.Sleep(500 * time.Millisecond) // the time in which something could come again
	g.Terminate()
	if copies := l.check(t, acknowledged); copies != 0 {
		t.Errorf("%d calls arrived twice", copies)
	}
	t.Logf("%d calls were acknowledged before the disk was full, and arrived", len(acknowledged))
}

// TestDiskFilledByOthers takes the last byte of the disk. Nothing is acknowledged then, and when there is room again the
// gateway accepts, and delivers everything that it has acknowledged, without a restart. What becomes of deliveries cannot
// be written down meanwhile, so that as many go out as there are slots.
func TestDiskFilledByOthers(t *testing.T) {
	t.Parallel()
	s, l := newSite(t), newLedger()
	onSmallDisk(t, s, "24m")
	up, port := l.receiverDown(t, 1)
	g := s.start(port)
	sender := newSender(t)
	acknowledged := map[string]bool{}
	for i := range 200 {
		id := fmt.Sprintf("before%d", i)
		sender.accepted(t, s.url(), id)
		acknowledged[id] = true
	}
	ballast := filepath.Join(s.store, "ballast")
	if err := os.WriteFile(ballast, make([]byte, 24<<20), 0o600); !errors.Is(err, syscall.ENOSPC) {
		t.Fatalf("the ballast does not fill the disk: %v", err)
	}
	for i := range 20 {
		a, err := sender.send(s.url(), call(fmt.Sprintf("refused%d", i)))
		if err != nil || a.status != http.StatusServiceUnavailable || a.Error.Code != "store_full" || a.retryAfter == "" {
			t.Fatalf("with a full disk: %v, %+v; want 503 store_full with Retry-After", err, a)
		}
	}
	up.Store(true)
	running.Await(t, "deliveries go on", func() bool { return l.calls() >= slots })
	if err := os.Remove(ballast); err != nil {
		t.Fatal(err)
	}
	sender.accepted(t, s.url(), "room")
	acknowledged["room"] = true
	running.Await(t, "everything has arrived", func() bool { return l.calls() == len(acknowledged) })
	g.Terminate()

	_, port = l.receiver(t, 2, nil)
	g = s.start(port)
	sender.accepted(t, s.url(), "next")
	acknowledged["next"] = true
	running.Await(t, "the next call has arrived", func() bool { return l.calls() == len(acknowledged) })
	g.Terminate()
	if copies := l.check(t, acknowledged); copies != 0 {
		t.Errorf("%d calls arrived twice", copies)
	}
}
