// Package operate is all that can be seen of a gateway and done to it by those who run it. It has several faces, such as
// the admin API and the commands, which say who acts and what they may do, hand requests in and answers out, and know
// nothing else. Each operation checks what it is given, says in one table which capability it needs, and answers with a
// type whose JSON is the same in every face.
//
// What callers said is in no answer but those of operations that need the capability Reveal.
package operate

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"github.com/callgate/callgate/internal/auditor"
	"github.com/callgate/callgate/internal/delivery"
	"github.com/callgate/callgate/internal/manage"
	"github.com/callgate/callgate/internal/seal"
	"github.com/callgate/callgate/internal/store"
)

// Engine is what delivers: a *delivery.Engine.
type Engine interface {
	Status(ctx context.Context) ([]delivery.DestinationStatus, error)
	Stranded(ctx context.Context) ([]delivery.Stranded, error)
	// Cluster lists who shares the store; ok is false where it is not shared. Skew is how far its clock is ahead of this
	// machine's.
	Cluster(ctx context.Context) (c store.Cluster, ok bool, err error)
	Skew() time.Duration
	Pause(ctx context.Context, destination, reason string) error
	Resume(ctx context.Context, destination string) error
	ReplayAt(ctx context.Context, f store.Filter, perSecond float64, dryRun bool) (int, error)
	SendNow(ctx context.Context, f store.Filter, dryRun bool) (int, error)
	Cancel(ctx context.Context, f store.Filter, dryRun bool) (int, error)
	Erase(ctx context.Context, f store.Filter, dryRun bool) (int, error)
}

// Options are what a service works on.
type Options struct {
	// Store holds the events. nil means that none is open: operations that need it fail with ErrUnavailable.
	Store store.Store
	// Engine delivers from the store. nil means that nothing is delivered, as while the gateway is stopped.
	Engine Engine
	// CallerHashes gives all the hashes under which events of a caller can stand; see CallerHashes. nil is without keys.
	CallerHashes func(number string) []string
	// FieldHashes gives all the hashes under which events can stand that a field's value finds; none without keys.
	FieldHashes func(name, value string) [][16]byte
	// Keys seal what stands in addresses of pages and must not be read there, so that each gateway that shares the store can
	// read what another one has sealed. nil means that no other has to.
	Keys *seal.Ring
	// Names gives the tenants and sources of the configuration in force, for filters that name none of them. nil means
	// that there is no telling.
	Names func() Names
	// Stopping tells that the process is about to end. nil means that it is not.
	Stopping func() bool
	// Unready says why no call can be taken in though the store may be able to, empty if there is no reason. nil means that
	// there never is one.
	Unready func() string
	// Scene finds what a payload is previewed with. nil means that there is no configuration to ask.
	Scene func(*PreviewInput) (*Scene, error)
	// Auditor gives who keeps the audit log. nil, or that it gives nil, means that nobody does.
	Auditor func() *auditor.Auditor
	// AuditLog is the audit log while the gateway is stopped, and Fork goes on with one that has less than was published;
	// see auditor.Fork. nil means that the gateway runs, or keeps none.
	AuditLog *auditor.Log
	Fork     func(ctx context.Context, why string) error
	// Faulty names the tenants that the gateway runs without because of a mistake in their settings. nil means none.
	Faulty func() []string
	// Meter counts what is delivered, for overviews. nil means that nobody does.
	Meter *Meter
	// Settings gives those of a destination, masked; see MaskSettings. nil means that there is no telling.
	Settings func(destination string) Settings
	// Reach gives the destinations to which calls of a tenant may go: those that its settings name, and those of the routes that
	// it has. nil means that there is no telling.
	Reach func(tenant string) []string
	// Rotations tells which secrets were used when. nil means that there is no telling.
	Rotations func() RotationList
	// Record notes who is about to do what, or was denied it, durably before anything is done or shown. An error refuses the
	// operation. Only Ready is not told of, unless it was denied: load balancers ask for it all the time; nor are drafts that
	// are looked at with a sample. nil notes nothing.
	Record func(ctx context.Context, r Record) error
	// Documents are the tenants and destinations that live in the store. nil means that there are none.
	Documents *manage.Service
	// Drafts works documents out that are not in force. It gives nil where documents are not managed; nil is the same.
	Drafts func() Drafts
	// Log is where it is said what operators did. Default: nowhere.
	Log *zap.Logger
	// Now is the clock. Default: time.Now.
	Now func() time.Time
}

// Service carries operations out. It is safe for concurrent use.
type Service struct {
	o       Options
	streams atomic.Int32
	probe   probing
	jobs    jobs
	// looks are when it was recorded last that somebody looks at a call in a draft.
	looks struct {
		sync.Mutex
		at map[string]time.Time
	}
}

// New makes a service.
func New(o Options) *Service {
	if o.CallerHashes == nil {
		o.CallerHashes = func(number string) []string { return CallerHashes(nil, number) }
	}
	if o.FieldHashes == nil {
		o.FieldHashes = func(string, string) [][16]byte { return nil }
	}
	if o.Log == nil {
		o.Log = zap.NewNop()
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	return &Service{o: o}
}

// CallerHashes are all the hashes under which events of a caller can stand: under the keys of the ring, and in the clear
// from the time before there was a key.
func CallerHashes(keys *seal.Ring, number string) []string {
	if keys == nil {
		return []string{number}
	}
	return append(keys.CallerHashes(number), number)
}

// permitStored is permit for an operation that needs the store.
func (s *Service) permitStored(ctx context.Context, a Actor, r Record) (scope, error) {
	sc, err := s.permit(ctx, a, r)
	if err == nil && s.o.Store == nil {
		err = NoStore()
	}
	return sc, err
}

// permitDelivering is permit for an operation that needs the store and the engine.
func (s *Service) permitDelivering(ctx context.Context, a Actor, r Record) (scope, error) {
	sc, err := s.permitStored(ctx, a, r)
	if err == nil && s.o.Engine == nil {
		err = &Error{Kind: ErrUnavailable, text: "nothing is delivered while the gateway is stopped; start it, and try again"}
	}
	return sc, err
}
