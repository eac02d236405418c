package delivery

import (
	"context"
	"crypto/sha256"
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/callgate/callgate/internal/destination"
	"github.com/callgate/callgate/internal/outbound"
	"github.com/callgate/callgate/internal/store"
	"github.com/callgate/callgate/internal/store/storetest"
)

// noting is a store that remembers what Finish was given, and refuses what is to be stored while refuses is set.
type noting struct {
	store.Store
	mu      sync.Mutex
	refuses error
	all     []store.Attempt
}

func (n *noting) Finish(ctx context.Context, list []store.Attempt) error {
	n.mu.Lock()
	if n.refuses != nil && slices.ContainsFunc(list, func(a store.Attempt) bool { return !a.Audit.Lost }) {
		n.mu.Unlock()
		return n.refuses
	}
	n.all = append(n.all, list...)
	n.mu.Unlock()
	return n.Store.Finish(ctx, list)
}

func (n *noting) seen() []store.Attempt {
	n.mu.Lock()
	defer n.mu.Unlock()
	return slices.Clone(n.all)
}

// What was sent in an attempt that counts for nothing, or whose outcome the store refuses, is recorded all the same.
func TestNothingIsSentWithoutARecord(t *testing.T) {
	const body = `{"name":"Mike"}`
	digest := sha256.Sum256([]byte(body))
	own := destination.Result{Outcome: destination.Retry, Status: 200, Reason: "the disk of the gateway is full", Own: true}
	for _, tt := range []struct {
		name           string
		answer         destination.Result
		refuses        error
		returned, lost bool
	}{
		{"delivered", ok, nil, false, false},
		{"returned", own, nil, true, false},
		{"lost", ok, errors.New("a row of the store is damaged"), false, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			in(t, func(t *testing.T) {
				n := &noting{Store: storetest.NewMemory(storetest.Options{}), refuses: tt.refuses}
				r := newRig(t, Options{Store: n}, map[string]Config{"crm": {Destination: overHTTP(body, tt.answer), Kind: "http", Breaker: noBreaker}})
				defer r.close()
				r.accept("acme", "", "crm")
				after(time.Second)
				all := n.seen()
				if len(all) == 0 {
					t.Fatal("nothing is recorded")
				}
				a := all[0]
				want := store.AuditAttempt{Tenant: "acme", Destination: "crm", Kind: "http", Digest: digest, Returned: tt.returned, Lost: tt.lost}
				if a.Audit != want || a.Sent == nil || a.Sent.Requests[0].Host != "crm.example" {
					t.Errorf("%+v with %+v, want %+v", a.Audit, a.Sent, want)
				}
			})
		})
	}
}

// An attempt of which nothing left is no transmission: given back it needs no record.
func TestWhatWasNotSentIsGivenBackWithoutARecord(t *testing.T) {
	in(t, func(t *testing.T) {
		n := &noting{Store: storetest.NewMemory(storetest.Options{})}
		f := newFake(always(destination.Result{Outcome: destination.Retry, Own: true, Unsent: true, Reason: "no socket is free"}))
		r := newRig(t, Options{Store: n}, map[string]Config{"crm": {Destination: f}})
		defer r.close()
		r.accept("acme", "", "crm")
		after(time.Second)
		if all := n.seen(); len(all) != 0 || len(f.calls()) == 0 {
			t.Errorf("%d records of %d attempts", len(all), len(f.calls()))
		}
	})
}

// The digest of one body is its own, so that who has the body can make it; that of several is one of all.
func TestDigestsOfWhatWasSent(t *testing.T) {
	ctx, record := outbound.Recorded(t.Context())
	send := func(body string) {
		t.Helper()
		req, err := outbound.NewRequest(ctx, "POST", "https://crm.example/", []byte(body))
		if err != nil {
			t.Fatal(err)
		}
		outbound.NoteSent(ctx, req, nil)
	}
	if digestOf(record) != ([32]byte{}) {
		t.Error("nothing has a digest")
	}
	send("one")
	one, two := sha256.Sum256([]byte("one")), sha256.Sum256([]byte("two"))
	if digestOf(record) != one {
		t.Error("the digest of one body is not its own")
	}
	send("two")
	if digestOf(record) != sha256.Sum256(append(one[:], two[:]...)) {
		t.Error("the digest of two bodies is not that of their digests")
	}
}
