package delivery

import (
	"context"
	"io"
	"net/http"
	"reflect"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/callgate/callgate/internal/destination"
	"github.com/callgate/callgate/internal/outbound"
	"github.com/callgate/callgate/internal/seal"
	"github.com/callgate/callgate/internal/store"
)

// answering carries requests nowhere.
type answering int

func (status answering) RoundTrip(r *http.Request) (*http.Response, error) {
	return &http.Response{StatusCode: int(status), Body: io.NopCloser(strings.NewReader("")), Request: r, Header: http.Header{}}, nil
}

// overHTTP sends one request for all items, with a token in its URL.
func overHTTP(body string, r destination.Result) *fake {
	client := outbound.NewClient(outbound.Options{Transport: answering(r.Status)})
	return newFake(func(ctx context.Context, items []destination.Item) []destination.Result {
		req, err := outbound.NewRequest(ctx, "POST", "https://crm.example/hook/s3cret", []byte(body))
		if err != nil {
			return nil
		}
		if _, err := client.Send(ctx, nil, req); err != nil {
			return nil
		}
		return same(len(items), r)
	})
}

func attempts(t *testing.T, s store.Store, event string) (all [][]store.Attempt) {
	t.Helper()
	list, err := s.Deliveries(t.Context(), store.Filter{EventID: event}, store.Page{})
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range list {
		a, err := s.Attempts(t.Context(), d.ID)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, a)
	}
	return all
}

// What left is kept with each attempt, by names and a hash that says of two attempts whether they sent the same.
func TestWhatWasSentIsKept(t *testing.T) {
	ring, err := seal.ParseRing(strings.Repeat("ab", seal.KeySize))
	if err != nil {
		t.Fatal(err)
	}
	hashOf := func(keys *seal.Ring) (hash string) {
		synctest.Test(t, func(t *testing.T) {
			crm := overHTTP(`{"name":"Mike","phone":""}`, failing)
			r := newRig(t, Options{Keys: keys}, map[string]Config{"crm": {Destination: crm, Breaker: noBreaker, Schedule: ListSchedule(0, time.Second)}})
			defer r.close()
			id := r.accept("acme", "", "crm")
			time.Sleep(time.Minute)
			synctest.Wait()
			all := attempts(t, r.store, id)
			if len(all) != 1 || len(all[0]) != 2 || all[0][0].Sent == nil || len(all[0][0].Sent.Requests) != 1 {
				t.Fatalf("%+v", all)
			}
			sent := all[0][0].Sent
			hash = sent.Requests[0].Hash
			want := &store.Sent{Requests: []store.SentRequest{{Method: "POST", Host: "crm.example", Bytes: 26, Hash: hash, Fields: []string{"name"}}}}
			if !reflect.DeepEqual(sent, want) || !reflect.DeepEqual(all[0][1].Sent, want) || len(hash) != 32 {
				t.Errorf("the attempts sent %+v and %+v, want %+v", sent, all[0][1].Sent, want)
			}
		})
		return hash
	}
	if keyed := hashOf(ring); keyed != hashOf(ring) {
		t.Error("with a key, a restart changes the hash of what is sent")
	}
	if one, other := hashOf(nil), hashOf(nil); one == other {
		t.Error("without a key the hash is one that everybody can make, who guesses the body")
	}
}

func TestWhatABatchSentIsSaidToBeShared(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		crm := overHTTP(`{"inputs":[{"name":"Mike"},{"name":"Ann"}]}`, ok)
		crm.batch = 5
		r := newRig(t, Options{}, map[string]Config{"crm": {Destination: crm, BatchWait: time.Second}, "else": {Destination: newFake(always(ok))}})
		defer r.close()
		for _, id := range []string{r.accept("acme", "", "crm", "else"), r.accept("acme", "", "crm")} {
			synctest.Wait()
			time.Sleep(2 * time.Second)
			synctest.Wait()
			for _, a := range attempts(t, r.store, id) {
				if d := a[0].DeliveryID; strings.HasSuffix(d, ".0") {
					if a[0].Sent == nil || a[0].Sent.Shared != 2 || a[0].Sent.Requests[0].Fields[0] != "inputs[].name" {
						t.Errorf("%s sent %+v", d, a[0].Sent)
					}
				} else if a[0].Sent != nil { // nobody noted it
					t.Errorf("%s sent %+v", d, a[0].Sent)
				}
			}
		}
	})
}

// Test mode sends nothing, so nothing is said to have left.
func TestNothingIsSentInTestMode(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, Options{}, nil)
		defer r.close()
		r.engine.Attach(&Snapshot{TestMode: true, Destinations: map[string]Config{"crm": {Destination: overHTTP("{}", ok)}}})
		id := r.accept("acme", "", "crm")
		synctest.Wait()
		if a := attempts(t, r.store, id)[0]; len(a) != 1 || a[0].Sent != nil {
			t.Errorf("%+v", a)
		}
	})
}
