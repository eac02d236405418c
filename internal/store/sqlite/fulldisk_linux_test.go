package sqlite_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/callgate/callgate/internal/store"
	"github.com/callgate/callgate/internal/store/sqlite"
)

// smallDisk is the directory of a file system of its own.
func smallDisk(t *testing.T, size string) string {
	t.Helper()
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size="+size); err != nil {
		t.Skipf("mounting a small tmpfs needs the right to mount: %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, syscall.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	return dir
}

// TestFullDisk fills a small file system with events. Each of them then has an attempt that fails and one that delivers,
// and both are recorded while there is no room for another event.
func TestFullDisk(t *testing.T) {
	size := "10m"
	if heavy() {
		size = "40m"
	}
	dir, ctx := smallDisk(t, size), context.Background()
	s := openStore(t, sqlite.Options{Path: filepath.Join(dir, "store.db"), Log: func(msg string, err error) { t.Errorf("it complains: %s: %v", msg, err) }})
	defer s.Close()
	body := noise(2000)
	accepted := 0
	for refused := 0; refused < 20; {
		switch _, err := s.Accept(ctx, randomEvent(body), []string{"crm", "ehr"}); {
		case err == nil:
			accepted++
		case errors.Is(err, store.ErrFull):
			refused++
		default:
			t.Fatal(err)
		}
	}
	before := freeOn(t, dir)
	finish := func(state store.State, reason string) {
		t.Helper()
		for _, destination := range []string{"crm", "ehr"} {
			for done := 0; done < accepted; {
				claimed, err := s.Claim(ctx, destination, time.Now().Add(time.Second), time.Minute, 16, nil)
				if err != nil || len(claimed) == 0 {
					t.Fatalf("%d of %d claimed, then %d, %v", done, accepted, len(claimed), err)
				}
				results := make([]store.Attempt, len(claimed))
				for i, c := range claimed {
					results[i] = store.Attempt{DeliveryID: c.ID, At: time.Now(), State: state, Reason: reason, Status: 503}
					if state == store.Pending {
						results[i].NextAt = time.Now().Add(time.Hour)
					}
				}
				if err := s.Finish(ctx, results); err != nil {
					t.Fatalf("with a full disk, after %d of %d: %v", done, accepted, err)
				}
				done += len(claimed)
			}
		}
	}
	finish(store.Dead, "503 Service Unavailable")
	if err := errors.Join(s.Pause(ctx, "crm", "to see whether there is room for it"), s.Resume(ctx, "crm")); err != nil {
		t.Error(err)
	}
	if n, err := s.Replay(ctx, store.Filter{State: store.Dead}, time.Now(), 0, false); err != nil || n != 2*accepted {
		t.Errorf("%d of %d deliveries were replayed, %v", n, 2*accepted, err)
	}
	finish(store.Delivered, "")
	after := freeOn(t, dir)
	t.Logf("%d events of %d bytes fit, with %d bytes free; %d after two attempts at each of their deliveries", accepted, len(body), before, after)
	if accepted < 500 {
		t.Error("hardly any event fits")
	}
	if n, err := expireAll(s, accepted+1); err != nil || n != accepted {
		t.Errorf("%d events expired, %v", n, err)
	}
	if _, err := s.Accept(ctx, randomEvent(body), []string{"crm"}); err != nil {
		t.Errorf("there is room again: %v", err)
	}
}

// TestDiskFilledByOthers takes all of the room of a small file system.
func TestDiskFilledByOthers(t *testing.T) {
	dir := smallDisk(t, "16m")
	s := openStore(t, sqlite.Options{Path: filepath.Join(dir, "store.db")})
	defer s.Close()
	body := noise(64 << 10)
	for range 20 {
		if _, err := s.Accept(context.Background(), randomEvent(body), []string{"crm"}); err != nil {
			t.Fatal(err)
		}
	}
	ballast := filepath.Join(dir, "ballast")
	if err := runFull(s, 20, func(full bool) error {
		if !full {
			return os.Remove(ballast)
		}
		err := os.WriteFile(ballast, make([]byte, 32<<20), 0o600)
		if errors.Is(err, syscall.ENOSPC) {
			return nil
		}
		return errors.Join(errors.New("the ballast does not fill the disk"), err)
	}); err != nil {
		t.Fatal(err)
	}
}

// freeOn is how many bytes of a file system are free.
func freeOn(t *testing.T, dir string) int64 {
	t.Helper()
	var s syscall.Statfs_t
	if err := syscall.Statfs(dir, &s); err != nil {
		t.Fatal(err)
	}
	return int64(s.Bavail) * s.Bsize
}
