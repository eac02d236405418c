package storetest

import (
	"errors"
	"time"

	"github.com/callgate/callgate/internal/store"
)

func takenOverAfterTTL(p *pair) {
	p.meet(p.a)
	crm := p.own(p.a, whole("crm"))
	d := p.accept(p.event("acme"), "crm").Deliveries
	equal(p.bench, "claimed by the first", p.claimOf(p.a, crm, 5), d)
	p.tick(store.TTL - time.Millisecond)
	p.meet(p.z)
	equal(p.bench, "taken before its time has run out", len(p.take(p.z, whole("crm"))), 0)
	p.tick(time.Millisecond)
	next := p.own(p.z, whole("crm"))
	if next.Epoch <= crm.Epoch {
		p.Errorf("epoch %d after %d", next.Epoch, crm.Epoch)
	}
	// The lease was the first one's, for a minute, and ended with its hold.
	equal(p.bench, "claimed by the second", p.claimOf(p.z, next, 5), d)
}

// goneMeansGone has a gateway come back too late for its lane, before anybody took it.
func goneMeansGone(p *pair) {
	p.meet(p.a)
	crm := p.own(p.a, whole("crm"))
	p.tick(store.TTL)
	if _, err := p.a.Queue(crm).Claim(ctx, p.now, time.Minute, 1, nil); !errors.Is(err, store.ErrLaneLost) {
		p.Errorf("claiming after its time: %v", err)
	}
	if _, err := p.a.Take(ctx, []store.Lane{whole("ehr")}); !errors.Is(err, store.ErrGone) {
		p.Errorf("taking after its time: %v", err)
	}
	p.meet(p.a)
	if _, err := p.a.Queue(crm).Claim(ctx, p.now, time.Minute, 1, nil); !errors.Is(err, store.ErrLaneLost) {
		p.Errorf("claiming what was held under another id: %v", err)
	}
	if again := p.own(p.a, whole("crm")); again.Epoch <= crm.Epoch {
		p.Errorf("epoch %d after %d", again.Epoch, crm.Epoch)
	}
}

func releasedAtShutdown(p *pair) {
	p.meet(p.a)
	p.meet(p.z)
	p.own(p.a, whole("crm"))
	p.own(p.a, whole("ehr"))
	if err := p.a.Leave(ctx); err != nil {
		p.Fatal(err)
	}
	equal(p.bench, "taken at once", len(p.take(p.z, whole("crm"), whole("ehr"))), 2)
	if err := p.a.Leave(ctx); err != nil {
		p.Errorf("leaving twice: %v", err)
	}
	if _, err := p.a.Take(ctx, []store.Lane{whole("x")}); !errors.Is(err, store.ErrGone) {
		p.Errorf("taking after leaving: %v", err)
	}
	if err := p.a.Close(); err != nil {
		p.Error(err)
	}
	p.s = p.z
	p.accept(p.event("acme"), "crm") // the other's store is open
}
