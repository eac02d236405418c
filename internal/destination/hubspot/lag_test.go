package hubspot

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/callgate/callgate/internal/call"
	"github.com/callgate/callgate/internal/destination"
	"github.com/callgate/callgate/internal/standin"
)

func numberOnly(c *call.Call) { c.Email, c.FirstName, c.LastName = "", "", "" }

// ledger is a Notes that several destinations share, as the gateways of one store would.
type ledger struct {
	mu    sync.Mutex
	now   func() time.Time
	notes map[string][]byte
	until map[string]time.Time
}

func newLedger(now func() time.Time) *ledger {
	return &ledger{now: now, notes: map[string][]byte{}, until: map[string]time.Time{}}
}

func (l *ledger) Note(_ context.Context, key string, value []byte, until time.Time) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.notes[key], l.until[key] = value, until
	return nil
}

func (l *ledger) Noted(_ context.Context, key string) ([]byte, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.now().Before(l.until[key]) {
		return nil, nil
	}
	return l.notes[key], nil
}

func (l *ledger) Forget(_ context.Context, key string) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.notes, key)
	return nil
}

// A create whose answer is lost, and a search that does not know the contact yet, make one contact all the same.
func TestLostAnswerAndLaggingSearch(t *testing.T) {
	for name, tt := range map[string]struct {
		first, then func(*call.Call)
		kept        bool // by notes that survive a restart
		api         string
	}{
		"the same call":                   {first: numberOnly, then: numberOnly},
		"named":                           {first: noEmail, then: noEmail},
		"the same call, after a restart":  {first: numberOnly, then: numberOnly, kept: true},
		"an address, then a number alone": {first: func(*call.Call) {}, then: numberOnly},
		"a number alone, then an address": {first: numberOnly, then: func(*call.Call) {}},
		"address, v1":                     {first: func(*call.Call) {}, then: numberOnly, api: "v1"},
	} {
		t.Run(name, func(t *testing.T) {
			clk := newClock()
			sc := standin.HubSpotConfig{Token: token, Now: clk.now, SearchLag: 15 * time.Second}
			notes := newLedger(clk.now)
			change := func(c *Config) {
				c.API = tt.api
				if tt.kept {
					c.Notes = notes
				}
			}
			s, d := account(t, sc, change)
			first := item(tt.first)
			d.conf.Client.CloseIdle()
			loseCreate(t, s, d, first)
			if tt.kept {
				d = connect(t, s.URL, sc, change)
			}
			then := item(tt.then)
			then.Call.ID = first.Call.ID
			clk.forward(10 * time.Second)
			r := one(t, d, then)
			if r.Outcome != destination.Retry || r.RetryAfter <= 0 || r.Unhealthy || r.Pause {
				t.Fatalf("%+v, want a retry that waits for the search", r)
			}
			clk.forward(r.RetryAfter)
			delivered(t, one(t, d, then))
			delivered(t, one(t, d, first))
			contact(t, s)
		})
	}
}

// loseCreate delivers an item, of which the request that creates the contact is carried out and its answer lost.
func loseCreate(t *testing.T, s *standin.HubSpot, d *Destination, it destination.Item) {
	t.Helper()
	for n := range 4 {
		before := len(s.Objects("contacts"))
		old := d.conf.Client
		d.conf.Client = losing(n, s)
		r := one(t, d, it)
		d.conf.Client = old
		if len(s.Objects("contacts")) > before && r.Outcome == destination.Retry {
			return
		}
	}
	t.Fatal("no contact was created with a lost answer")
}

// The same address is upserted again without waiting: HubSpot makes that one contact.
func TestLostUpsertIsRepeatedAtOnce(t *testing.T) {
	clk := newClock()
	s, d := account(t, standin.HubSpotConfig{Now: clk.now, SearchLag: 15 * time.Second}, nil)
	it := item(nil)
	loseCreate(t, s, d, it)
	delivered(t, one(t, d, it))
	contact(t, s)
}

// What was certainly not carried out is not waited for, and what was not found in time is created.
func TestCreateThatDidNotHappen(t *testing.T) {
	clk := newClock()
	s, d := account(t, standin.HubSpotConfig{Now: clk.now}, nil)
	s.Fail(standin.Reply{Status: 200, Body: `{"results":[]}`}, standin.Reply{Status: 429, Body: `{"category":"RATE_LIMITS"}`})
	if r := one(t, d, item(numberOnly)); r.Outcome != destination.Retry {
		t.Fatalf("%+v", r)
	}
	delivered(t, one(t, d, item(numberOnly)))

	clk.forward(time.Hour)
	s, d = account(t, standin.HubSpotConfig{Now: clk.now}, nil)
	s.Fail(standin.Reply{Status: 200, Body: `{"results":[]}`}, standin.Reply{Status: 500})
	if r := one(t, d, item(numberOnly)); r.Outcome != destination.Retry {
		t.Fatalf("%+v", r)
	}
	r := one(t, d, item(numberOnly))
	if r.Outcome != destination.Retry || r.RetryAfter != settling {
		t.Errorf("%+v, want a retry after a minute", r)
	}
	clk.forward(r.RetryAfter)
	delivered(t, one(t, d, item(numberOnly)))
	contact(t, s)
}

// Two gateways that share their notes know each other's contacts.
func TestTwoGateways(t *testing.T) {
	clk := newClock()
	sc := standin.HubSpotConfig{Token: token, Now: clk.now, SearchLag: 15 * time.Second}
	notes := newLedger(clk.now)
	change := func(c *Config) { c.Notes, c.LogCall = notes, true }
	s, a := account(t, sc, change)
	b := connect(t, s.URL, sc, change)
	it := item(numberOnly)
	for n, d := range []*Destination{a, b, a, b} {
		next := it
		next.DeliveryID = fmt.Sprint("dlv_", n)
		delivered(t, one(t, d, next))
	}
	contact(t, s)
	if n := len(s.Objects("calls")); n != 1 {
		t.Errorf("%d calls, want one", n)
	}
}

// The log of a call is one, too, when the answer to its creation is lost.
func TestLostAnswerOfALog(t *testing.T) {
	clk := newClock()
	s, d := account(t, standin.HubSpotConfig{Now: clk.now, SearchLag: 15 * time.Second}, func(c *Config) { c.LogCall, c.NoPhoneMatch = true, true })
	it := item(nil)
	delivered(t, one(t, d, item(nil)))
	d.conf.Client = losing(2, s) // upsert, search, and the create of the log
	if r := one(t, d, it); r.Outcome != destination.Retry {
		t.Fatalf("%+v", r)
	}
	r := one(t, d, it)
	if r.Outcome != destination.Retry || r.RetryAfter <= 0 {
		t.Fatalf("%+v", r)
	}
	clk.forward(r.RetryAfter)
	delivered(t, one(t, d, it))
	if n := len(s.Objects("calls")); n != 2 {
		t.Errorf("%d calls, want one for each", n)
	}
}
