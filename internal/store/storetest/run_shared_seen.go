package storetest

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/callgate/callgate/internal/store"
)

// seenByBoth does something on one gateway and looks at the other.
func seenByBoth(p *pair) {
	e := p.event("acme")
	a := p.accept(e, "crm")
	stored, err := p.z.Event(ctx, e.ID)
	if err != nil {
		p.Fatal(err)
	}
	equal(p.bench, "the event on the other gateway", stored, e)
	if err := p.z.Pause(ctx, "crm", "by hand"); err != nil {
		p.Fatal(err)
	}
	paused, err := p.a.Paused(ctx)
	equal(p.bench, "paused by the other", paused, map[string]string{"crm": "by hand"})
	if err := errors.Join(err, p.a.Resume(ctx, "crm")); err != nil {
		p.Fatal(err)
	}
	if paused, err = p.z.Paused(ctx); err != nil || len(paused) != 0 {
		p.Errorf("still paused: %v, %v", paused, err)
	}
	until := p.now.Add(time.Hour)
	if err := p.a.Note(ctx, "crm", "what", []byte("noted"), until); err != nil {
		p.Fatal(err)
	}
	if text, err := p.z.Noted(ctx, "crm", "what"); err != nil || string(text) != "noted" {
		p.Errorf("noted %q, %v", text, err)
	}
	if err := p.a.Keep(ctx, a.Deliveries[0], []byte("half way")); err != nil {
		p.Fatal(err)
	}
	if text, err := p.z.Kept(ctx, a.Deliveries[0]); err != nil || string(text) != "half way" {
		p.Errorf("kept %q, %v", text, err)
	}
	doc := &store.Document{DocumentInfo: store.DocumentInfo{Kind: "tenants", Name: "acme", Version: 1, State: store.Published, At: p.now}, Body: []byte(`{}`)}
	if err := p.a.AddDocument(ctx, doc); err != nil {
		p.Fatal(err)
	}
	if err := p.z.AddDocument(ctx, doc); !errors.Is(err, store.ErrConflict) {
		p.Errorf("the same version on the other gateway: %v", err)
	}
	if n, err := p.z.Erase(ctx, store.Filter{EventID: e.ID}, false); n != 1 || err != nil {
		p.Errorf("erased %d, %v", n, err)
	}
	if _, err := p.a.Event(ctx, e.ID); !errors.Is(err, store.ErrNotFound) {
		p.Errorf("an event that the other erased: %v", err)
	}
	again := p.event("acme")
	again.Key = e.Key
	equal(p.bench, "a repetition of it", p.accept(again, "crm"), store.Accepted{EventID: e.ID, Duplicate: true})
}

// hintTime is how long a hint may take. It is a promise, so it is waited for by the clock on the wall.
const hintTime = time.Second

// hints does things on one gateway that the other is to be told of.
func hints(p *pair) {
	told := make(chan store.Hint, 1000)
	stop := p.z.Wake(func(h store.Hint) { told <- h })
	own := make(chan store.Hint, 1000)
	defer p.a.Wake(func(h store.Hint) { own <- h })()
	expect := func(what string, is func(store.Hint) bool) {
		p.Helper()
		late := time.After(hintTime)
		for {
			select {
			case h := <-told:
				if is(h) || h.All {
					return
				}
			case <-late:
				p.Errorf("no hint of %s", what)
				return
			}
		}
	}
	check := func(err error) {
		p.Helper()
		if err != nil {
			p.Fatal(err)
		}
	}
	about := func(destination string) func(store.Hint) bool {
		return func(h store.Hint) bool { return slices.Contains(h.Destinations, destination) }
	}
	d := p.accept(p.event("acme"), "crm").Deliveries[0]
	expect("an accepted event", about("crm"))
	_, err := p.a.AcceptAll(ctx, []*store.Event{p.event("acme"), p.event("acme")}, [][]string{{"ehr"}, {"dispatch"}})
	check(err)
	expect("accepted events", about("dispatch"))
	p.finish(store.Attempt{DeliveryID: d, State: store.Dead, Reason: "HTTP 400", At: p.now})
	_, err = p.a.Replay(ctx, store.Filter{Destination: "crm"}, p.now, 0, false)
	check(err)
	expect("a replay", about("crm"))
	check(p.a.Pause(ctx, "crm", "by hand"))
	expect("a pause", func(h store.Hint) bool { return h.Paused })
	check(p.a.Resume(ctx, "crm"))
	expect("a resumption", func(h store.Hint) bool { return h.Paused })
	_, err = p.a.Cancel(ctx, store.Filter{DeliveryID: d}, false)
	check(err)
	expect("a cancellation", func(h store.Hint) bool { return h.Flush })
	_, err = p.a.Erase(ctx, store.Filter{DeliveryID: d}, false)
	check(err)
	expect("an erasure", func(h store.Hint) bool { return h.Flush })
	check(p.a.AddDocument(ctx, &store.Document{DocumentInfo: store.DocumentInfo{Kind: "tenants", Name: "acme", Version: 1, State: store.Published, At: p.now}, Body: []byte(`{}`)}))
	expect("a document", func(h store.Hint) bool { return h.Documents })
	p.meet(p.a)
	expect("a gateway that came", func(h store.Hint) bool { return h.Lanes })
	p.own(p.a, whole("crm"))
	check(p.a.Leave(ctx))
	expect("a gateway that went", func(h store.Hint) bool { return h.Lanes })

	// More than fits into one message of any server.
	var events []*store.Event
	var to [][]string
	for i := range 300 {
		events = append(events, p.event("acme"))
		to = append(to, []string{fmt.Sprintf("destination-with-a-rather-long-name-number-%d", i)})
	}
	_, err = p.a.AcceptAll(ctx, events, to)
	check(err)
	expect("the last of many events", about(to[299][0]))
	for len(own) > 0 {
		if h := <-own; !h.All {
			p.Errorf("told of what it did itself: %+v", h)
		}
	}
	stop()
	for len(told) > 0 {
		<-told
	}
	check(p.a.Pause(ctx, "crm", "by hand"))
	if len(told) > 0 {
		p.Error("told after it was stopped")
	}
}

// cutOff takes the database from one gateway: nothing may hang, and what comes out is ErrUnavailable.
func cutOff(p *pair) {
	if p.h.Cut == nil {
		p.Skip("no store can be cut off")
	}
	p.meet(p.a)
	crm := p.own(p.a, whole("crm"))
	p.h.Cut(p, p.a, true)
	e := p.event("acme")
	for what, err := range map[string]error{
		"Accept":    second(p.a.Accept(ctx, e, []string{"crm"})),
		"Heartbeat": second(p.a.Heartbeat(ctx, store.Presence{Name: "gw", TTL: store.TTL})),
		"Claim":     second(p.a.Queue(crm).Claim(ctx, p.now, time.Minute, 1, nil)),
		"Finish":    p.a.Finish(ctx, []store.Attempt{{DeliveryID: e.ID + ".0", State: store.Delivered, Held: crm}}),
	} {
		if !errors.Is(err, store.ErrUnavailable) {
			p.Errorf("%s without a database: %v", what, err)
		}
	}
	p.tick(store.TTL)
	p.meet(p.z)
	p.own(p.z, whole("crm"))
	p.h.Cut(p, p.a, false)
	if _, err := p.a.Queue(crm).Claim(ctx, p.now, time.Minute, 1, nil); !errors.Is(err, store.ErrLaneLost) {
		p.Errorf("claiming a lane lost meanwhile: %v", err)
	}
	again := p.event("acme")
	again.Key = e.Key
	p.accept(again, "crm")
}

func second[T any](_ T, err error) error { return err }
