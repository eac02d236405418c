package sqlite_test

import (
	"errors"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/callgate/callgate/internal/store"
	"github.com/callgate/callgate/internal/store/sqlite"
)

// disk is one whose free space a test decides upon.
type disk struct {
	free, size atomic.Int64
	asked      atomic.Int64
	broken     atomic.Bool
}

func (d *disk) space(string) (int64, int64, error) {
	d.asked.Add(1)
	if d.broken.Load() {
		return 0, 0, errors.New("nobody knows")
	}
	return d.free.Load(), d.size.Load(), nil
}

// TestMinFree takes away what is free until the reserve is reached. New events are refused then, and nothing else is.
func TestMinFree(t *testing.T) {
	ctx, d := t.Context(), new(disk)
	d.size.Store(100 << 30)
	d.free.Store(80 << 20)
	s := openStore(t, sqlite.Options{FreeSpace: d.space})
	first := randomEvent(nil)
	for _, e := range []*store.Event{first, randomEvent(nil), randomEvent(nil)} {
		if _, err := s.Accept(ctx, e, []string{"crm"}); err != nil {
			t.Fatal(err)
		}
	}
	claimed, err := s.Claim(ctx, "crm", time.Now().Add(time.Second), time.Minute, 3, nil)
	if err != nil || len(claimed) != 3 {
		t.Fatal(len(claimed), err)
	}
	d.free.Store(64<<20 + 1000) // of which every delivery has a part
	_, err = s.Accept(ctx, randomEvent(nil), []string{"crm"})
	if !errors.Is(err, store.ErrFull) || !strings.Contains(err.Error(), "min_free, here 67108864 bytes") {
		t.Errorf("with the reserve left: %v", err)
	}
	again := *first
	again.ID = randomEvent(nil).ID
	if a, err := s.Accept(ctx, &again, nil); err != nil || !a.Duplicate {
		t.Errorf("a copy of a stored event: %+v, %v", a, err)
	}
	d.free.Store(1 << 20)
	outcomes := []store.Attempt{{DeliveryID: claimed[0].ID, State: store.Delivered}, {DeliveryID: claimed[1].ID, State: store.Dead}, {DeliveryID: claimed[2].ID, State: store.Pending}}
	_, replayErr := s.Replay(ctx, store.Filter{State: store.Dead}, time.Now(), 0, false)
	_, eraseErr := s.Erase(ctx, store.Filter{EventID: first.ID}, false)
	if err := errors.Join(s.Finish(ctx, outcomes), replayErr, s.Pause(ctx, "crm", "late"), s.Resume(ctx, "crm"), eraseErr); err != nil {
		t.Errorf("what is stored has the reserve for itself: %v", err)
	}
	d.free.Store(65 << 20)
	if _, err := s.Accept(ctx, randomEvent(nil), []string{"crm"}); err != nil {
		t.Errorf("there is room again: %v", err)
	}
	d.free.Store(0)
	d.broken.Store(true)
	if _, err := s.Accept(ctx, randomEvent(nil), nil); err != nil {
		t.Errorf("when nobody knows what is free: %v", err)
	}
}

// TestMinFreeOfSmallAndOwnChoice holds how large the reserve is.
func TestMinFreeOfSmallAndOwnChoice(t *testing.T) {
	for _, test := range []struct {
		name                string
		minFree, size, free int64
		full                bool
	}{
		{"a tenth of a small disk", 0, 100 << 20, 11 << 20, false},
		{"less than a tenth of it", 0, 100 << 20, 9 << 20, true},
		{"an own choice", 1 << 30, 100 << 30, 2 << 30, false},
		{"less than the own choice", 1 << 30, 100 << 30, 1 << 30, true},
		{"off", -1, 100 << 30, 0, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			d := new(disk)
			d.size.Store(test.size)
			d.free.Store(test.free)
			s := openStore(t, sqlite.Options{MinFree: test.minFree, FreeSpace: d.space})
			if _, err := s.Accept(t.Context(), randomEvent(nil), nil); errors.Is(err, store.ErrFull) != test.full || !test.full && err != nil {
				t.Errorf("%v; full should be %v", err, test.full)
			}
		})
	}
}

// TestMinFreeCountsWhatIsInTheLog lets the log take what was free before: what is in it will be in the database too, and
// counts although it is on the disk once only.
func TestMinFreeCountsWhatIsInTheLog(t *testing.T) {
	const room = 2 << 20 // which is less than the log has when it is copied
	d := new(disk)
	d.size.Store(100 << 30)
	d.free.Store(64<<20 + room)
	s := openStore(t, sqlite.Options{FreeSpace: d.space})
	body := noise(64 << 10)
	n := 0
	for ; n < 1000; n++ {
		if _, err := s.Accept(t.Context(), randomEvent(body), nil); errors.Is(err, store.ErrFull) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
	}
	if bytes := n * len(body); bytes < room/4 || bytes > room {
		t.Errorf("%d bytes were accepted with room for %d", bytes, room)
	}
}

// TestFreeSpaceIsAskedRarely holds that a disk with room costs a look now and then, whatever is accepted.
func TestFreeSpaceIsAskedRarely(t *testing.T) {
	d := new(disk)
	d.size.Store(100 << 30)
	d.free.Store(50 << 30)
	s := openStore(t, sqlite.Options{Path: filepath.Join(t.TempDir(), "store.db"), FreeSpace: d.space})
	began := time.Now()
	for range 300 {
		if _, err := s.Accept(t.Context(), randomEvent(nil), nil); err != nil {
			t.Fatal(err)
		}
	}
	if asked, most := d.asked.Load(), 1+int64(time.Since(began)/(10*time.Millisecond)); asked < 1 || asked > most {
		t.Errorf("it was asked %d times in %v, want at most %d", asked, time.Since(began), most)
	}
}
