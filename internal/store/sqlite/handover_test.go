package sqlite

import (
	"bytes"
	"context"
	"crypto/rand"
	"fmt"
	"path/filepath"
	"reflect"
	"testing"
	"testing/synctest"
	"time"

	"github.com/oklog/ulid/v2"

	"github.com/callgate/callgate/internal/call"
	"github.com/callgate/callgate/internal/seal"
	"github.com/callgate/callgate/internal/store"
	"github.com/callgate/callgate/internal/store/lanes"
)

// held is how much is kept for claims, in events and in bytes.
func (h *handOver) held() (events int, size int64) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.young) + len(h.old), h.bytes
}

// handing is a store that has accepted one event.
type handing struct {
	*Store
	t *testing.T
	e *store.Event
}

func openHanding(t *testing.T, change func(*Options)) *handing {
	t.Helper()
	ring, err := seal.ParseRing("000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f")
	if err != nil {
		t.Fatal(err)
	}
	o := Options{Path: filepath.Join(t.TempDir(), "store.db"), Keys: ring, Wrapping: seal.Wrapping{Tenants: true}}
	if change != nil {
		change(&o)
	}
	s, err := Open(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return &handing{Store: s, t: t}
}

func freshEvent() *store.Event {
	e := &store.Event{ID: ulid.MustNew(ulid.Now(), rand.Reader).String(), Tenant: "acme", Source: "nextphone", Route: "hooks", EventType: "lead",
		EventID: "evt-1", CallID: "call-1", CallerHash: "hash", ReceivedAt: time.Now(), Method: "POST", URI: "/hook?a=\xff",
		Header: map[string][]string{"Content-Type": {"application/json"}, "X-Name": {"M\xfcller"}},
		Body:   []byte(`{"lead":{"name":"Mike"}}`), Record: []byte(`{"provider":"nextphone"}`)}
	_, _ = rand.Read(e.Key[:])
	return e
}

func (h *handing) accept(destinations ...string) {
	h.t.Helper()
	h.e = freshEvent()
	if _, err := h.Accept(h.t.Context(), h.e, destinations); err != nil {
		h.t.Fatal(err)
	}
}

func (h *handing) claim(destination string) []store.Claimed {
	h.t.Helper()
	list, err := h.Claim(h.t.Context(), destination, time.Now().Add(time.Second), time.Minute, 10, nil)
	if err != nil {
		h.t.Fatal(err)
	}
	return list
}

// lose destroys what stands on the disk, so that only who does not look there gets an event.
func (h *handing) lose() {
	h.t.Helper()
	if err := h.write(h.t.Context(), false, func(b *batch) error {
		_, err := b.c.exec("UPDATE payloads SET body = x'00', record = x'00', request = x'00'")
		return err
	}); err != nil {
		h.t.Fatal(err)
	}
}

// TestTheFirstClaimReadsNoContent: and what it gets is what the disk has, to the last byte.
func TestTheFirstClaimReadsNoContent(t *testing.T) {
	for name, change := range map[string]func(*store.Event){
		"all of it": func(*store.Event) {},
		"no record": func(e *store.Event) { e.Record = []byte{} },
		"a record to write": func(e *store.Event) {
			e.Record, e.Call = nil, &call.Call{Provider: "nextphone", FirstName: "Mike", Params: map[string]any{"name": "Mike"}}
		},
		"no body":         func(e *store.Event) { e.Body = []byte{} },
		"no header":       func(e *store.Event) { e.Header = nil },
		"no time":         func(e *store.Event) { e.ReceivedAt = time.Time{} },
		"some subjects":   func(e *store.Event) { e.Subjects = []store.Subject{{1}, {2}} },
		"another's clock": func(e *store.Event) { e.ReceivedAt = e.ReceivedAt.In(time.FixedZone("x", 3600)) },
	} {
		t.Run(name, func(t *testing.T) {
			h := openHanding(t, nil)
			e := freshEvent()
			change(e)
			if _, err := h.Accept(t.Context(), e, []string{"crm", "ehr"}); err != nil {
				t.Fatal(err)
			}
			stored, err := h.Event(t.Context(), e.ID)
			if err != nil {
				t.Fatal(err)
			}
			h.lose()
			var got []*store.Event
			for _, destination := range []string{"crm", "ehr"} {
				list := h.claim(destination)
				if len(list) != 1 {
					t.Fatalf("%d deliveries are claimed for %s", len(list), destination)
				}
				if c := list[0]; c.Event.Call != nil { // which the disk has as JSON
					c.Event.Record, err = c.Event.AppendRecord(nil)
					if c.Event.Call = nil; err != nil {
						t.Fatal(err)
					}
				}
				if c := list[0]; !reflect.DeepEqual(c.Event, stored) || !c.CreatedAt.Equal(stored.ReceivedAt) {
					t.Errorf("claimed for %s:\n%#v\nstored:\n%#v", destination, c.Event, stored)
				}
				got = append(got, list[0].Event)
			}
			if got[0].Header != nil {
				got[0].Header["X-Mine"] = []string{"1"}
				if got[1].Header["X-Mine"] != nil {
					t.Error("one attempt sees what another does to its event")
				}
			}
			if n, size := h.handOver.held(); n != 0 || size != 0 {
				t.Errorf("%d events, %d bytes are kept after the last claim", n, size)
			}
		})
	}
}

// TestWhatIsGivenBackIsRead from the disk: only the first claim is spared that.
func TestWhatIsGivenBackIsRead(t *testing.T) {
	h := openHanding(t, nil)
	h.accept("crm", "ehr")
	first := h.claim("crm")
	if err := h.Return(t.Context(), []string{first[0].ID}); err != nil {
		t.Fatal(err)
	}
	again := h.claim("crm")
	if len(again) != 1 || !reflect.DeepEqual(again[0].Event, first[0].Event) {
		t.Fatalf("%#v", again)
	}
	if n, _ := h.handOver.held(); n != 1 {
		t.Error("what the other destination has not claimed is gone")
	}
}

// TestWhatEndsBetweenAcceptAndClaim is neither delivered nor kept in memory.
func TestWhatEndsBetweenAcceptAndClaim(t *testing.T) {
	for name, end := range map[string]func(context.Context, *handing) (int, error){
		"erased": func(ctx context.Context, h *handing) (int, error) {
			return h.Erase(ctx, store.Filter{CallID: "call-1"}, false)
		},
		"cancelled": func(ctx context.Context, h *handing) (int, error) {
			return h.Cancel(ctx, store.Filter{Tenant: "acme"}, false)
		},
		"key destroyed": func(ctx context.Context, h *handing) (int, error) {
			d, err := h.DestroyDataKeys(ctx, "acme", false)
			return d.Deliveries, err
		},
		"settled by an attempt": func(ctx context.Context, h *handing) (int, error) {
			return 1, h.Finish(ctx, []store.Attempt{{DeliveryID: h.e.ID + ".0", State: store.Delivered}})
		},
		"content taken to make room": func(ctx context.Context, h *handing) (int, error) {
			return 1, h.write(ctx, false, func(b *batch) error {
				seq, err := b.c.number("SELECT seq FROM events")
				if err != nil {
					return err
				}
				return b.takeContent(candidate{seq: seq})
			})
		},
	} {
		t.Run(name, func(t *testing.T) {
			h := openHanding(t, nil)
			h.accept("crm")
			if n, size := h.handOver.held(); n != 1 || size == 0 {
				t.Fatalf("%d events, %d bytes are kept", n, size)
			}
			if n, err := end(t.Context(), h); err != nil || n != 1 {
				t.Fatal(n, err)
			}
			if n, size := h.handOver.held(); n != 0 || size != 0 {
				t.Errorf("%d events, %d bytes are kept", n, size)
			}
			if list := h.claim("crm"); len(list) != 0 {
				t.Errorf("claimed all the same: %#v", list)
			}
		})
	}
}

// TestWhatIsTakenAwayWhileAClaimReads: a claim that has the content already does not get the delivery.
func TestWhatIsTakenAwayWhileAClaimReads(t *testing.T) {
	h := openHanding(t, nil)
	h.accept("crm")
	l := h.queues.Lane("crm")
	claimed, err := h.queues.Claim(t.Context(), erasing{source{h.Store}, h}, l, nanos(time.Now().Add(time.Second)), nanos(time.Now().Add(time.Minute)), 10, nil)
	if err != nil || len(claimed) != 0 {
		t.Errorf("%v, %#v", err, claimed)
	}
}

// erasing has everything erased after a claim has read its events.
type erasing struct {
	source
	h *handing
}

func (s erasing) Events(ctx context.Context, destination string, rows []lanes.Row) ([]lanes.Read, error) {
	list, err := s.source.Events(ctx, destination, rows)
	if err != nil || len(list) != 1 || list[0].Event == nil {
		s.h.t.Errorf("%v, %#v", err, list)
	}
	if n, err := s.h.Erase(ctx, store.Filter{}, false); err != nil || n != 1 {
		s.h.t.Error(n, err)
	}
	return list, err
}

// TestHeldBetweenAcceptAndDelivery: a pause holds for what is in memory too, whether it comes before or after; what is erased
// during it does not come back.
func TestHeldBetweenAcceptAndDelivery(t *testing.T) {
	ctx := t.Context()
	h := openHanding(t, nil)
	h.accept("crm")
	if err := h.Pause(ctx, "crm", "held"); err != nil {
		t.Fatal(err)
	}
	first := h.e
	h.accept("crm")
	if n, _ := h.handOver.held(); n != 1 {
		t.Errorf("%d events are kept; what comes during a pause would only take room", n)
	}
	if list := h.claim("crm"); len(list) != 0 {
		t.Fatalf("claimed during a pause: %#v", list)
	}
	if one, err := h.ClaimOne(ctx, first.ID+".0", time.Now().Add(time.Second), time.Minute); err != nil || one != nil {
		t.Fatalf("claimed during a pause: %#v, %v", one, err)
	}
	if n, err := h.Erase(ctx, store.Filter{EventID: first.ID}, false); err != nil || n != 1 {
		t.Fatal(n, err)
	}
	if err := h.Resume(ctx, "crm"); err != nil {
		t.Fatal(err)
	}
	if list := h.claim("crm"); len(list) != 1 || list[0].EventID != h.e.ID || !bytes.Equal(list[0].Event.Body, h.e.Body) {
		t.Errorf("%#v", list)
	}
}

// TestWhatIsNotStoredIsNotHandedOver: neither a copy of an event, nor one whose transaction was rolled back.
func TestWhatIsNotStoredIsNotHandedOver(t *testing.T) {
	h := openHanding(t, nil)
	h.accept("crm")
	h.claim("crm")
	second := freshEvent()
	second.Key = h.e.Key
	if a, err := h.Accept(t.Context(), second, []string{"crm"}); err != nil || !a.Duplicate {
		t.Fatal(a, err)
	}
	twice := freshEvent()
	twice.ID = h.e.ID
	if _, err := h.AcceptAll(t.Context(), []*store.Event{freshEvent(), twice}, [][]string{{"crm"}, {"crm"}}); err == nil {
		t.Fatal("an id was taken twice")
	}
	if n, size := h.handOver.held(); n != 0 || size != 0 {
		t.Errorf("%d events, %d bytes are kept", n, size)
	}
}

// TestAnotherProcessReadsEverything: what was in memory is on the disk as well.
func TestAnotherProcessReadsEverything(t *testing.T) {
	var o Options
	h := openHanding(t, func(used *Options) { o = *used })
	h.accept("crm")
	if err := h.Close(); err != nil {
		t.Fatal(err)
	}
	if n, size := h.handOver.held(); n != 0 || size != 0 {
		t.Errorf("a closed store keeps %d events, %d bytes", n, size)
	}
	again := openHanding(t, func(used *Options) { *used = o })
	if list := again.claim("crm"); len(list) != 1 || !bytes.Equal(list[0].Event.Body, h.e.Body) || !bytes.Equal(list[0].Event.Record, h.e.Record) {
		t.Errorf("%#v", list)
	}
}

// TestHandOverIsBounded in bytes, by what waits, and in time.
func TestHandOverIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := handOver{most: 10 << 10}
		defer h.close()
		e := &store.Event{ID: "x", Body: make([]byte, 1<<10)}
		for seq := range int64(100) {
			h.add(seq, 1, e, []string{"crm"})
		}
		n, size := h.held()
		if n != 3 || size > h.most {
			t.Fatalf("%d events, %d bytes", n, size)
		}
		if h.take(0, 0, "crm") == nil || h.take(0, 0, "crm") != nil || h.take(1, 0, "ehr") != nil || h.take(1, 1, "crm") != nil || h.take(50, 0, "crm") != nil {
			t.Error("an event is given where it should not be, or not where it should")
		}
		time.Sleep(handFor + time.Second)
		synctest.Wait()
		h.add(200, 1, e, []string{"crm"}) // in the place of the one that was taken
		if n, _ := h.held(); n != 3 {
			t.Errorf("%d events", n)
		}
		time.Sleep(handFor)
		synctest.Wait()
		if h.take(1, 0, "crm") != nil || h.take(200, 0, "crm") == nil {
			t.Error("an event stays longer than it should, or goes too soon")
		}
		time.Sleep(2 * handFor)
		synctest.Wait()
		if n, size := h.held(); n != 0 || size != 0 || h.runs {
			t.Errorf("%d events, %d bytes stay", n, size)
		}
		h.add(300, 1, e, []string{"crm"})
		time.Sleep(2*handFor + time.Second)
		synctest.Wait()
		if n, _ := h.held(); n != 0 {
			t.Errorf("%d events stay, of those that came after a rest", n)
		}
		h.close()
		if h.add(400, 1, e, []string{"crm"}); h.take(400, 0, "crm") != nil {
			t.Error("a closed one keeps events")
		}
	})
}

// TestWhatWaitsLongIsNotKept: behind thousands of others an event would be read from the disk in any case.
func TestWhatWaitsLongIsNotKept(t *testing.T) {
	h := openHanding(t, nil)
	list, to := make([]*store.Event, handBacklog), make([][]string, handBacklog)
	for i := range list {
		list[i], to[i] = freshEvent(), []string{"crm"}
		list[i].EventID = fmt.Sprint(i)
	}
	if _, err := h.AcceptAll(t.Context(), list, to); err != nil {
		t.Fatal(err)
	}
	before, _ := h.handOver.held()
	h.accept("crm")
	if n, _ := h.handOver.held(); n != before {
		t.Errorf("%d events are kept, and were %d before", n, before)
	}
	h.accept("crm", "ehr") // which the other one claims soon
	if n, _ := h.handOver.held(); n != before+1 {
		t.Errorf("%d events are kept, and were %d before", n, before)
	}
}
