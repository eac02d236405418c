package guest

import (
	"context"
	"net/http"
	"time"

	"go.uber.org/zap"

	"github.com/callgate/callgate/internal/call"
	"github.com/callgate/callgate/internal/destination"
	"github.com/callgate/callgate/internal/outbound"
)

// Destination is a guest module in the namespace callgate.destinations: a kind of receiving system with its
// settings. NewDestination is called once for each configuration, after Provision; it opens no connection.
type Destination interface {
	NewDestination(DestinationOptions) (Receiver, error)
}

// What a Receiver is made of, under names that other repositories can write.
type (
	// Receiver is one receiving system with its settings, ready to be delivered to.
	Receiver = destination.Destination
	// Item is one event on its way there, with the Call.
	Item = destination.Item
	// Call is what a provider said about a call, in one form for all providers.
	Call = call.Call
	// Result tells what became of one Item in one attempt; its Outcome decides what happens next.
	Result = destination.Result
	// Request is one outgoing request, as previews show it.
	Request = destination.Request
	// Outcome is Retry, Delivered or Dead.
	Outcome = destination.Outcome
)

// The outcomes. The zero value is Retry, so that a forgotten classification loses nothing.
const (
	Retry     = destination.Retry
	Delivered = destination.Delivered
	Dead      = destination.Dead
)

// DestinationOptions are what a destination's module is given besides its own settings.
type DestinationOptions struct {
	// Name is the destination's name in the configuration.
	Name string
	// Resolve replaces placeholders such as {env.NAME} and {file.PATH} by their values. One without a value is an
	// error.
	Resolve func(string) (string, error)
	// Sign signs an outgoing request, if the destination is configured to; else it is nil. Only kinds that send a
	// request of the operator's own design can sign; the others must refuse it.
	Sign func(method, url string, h http.Header, body []byte, id string, now time.Time) error
	// Region is the country whose national phone numbers are understood; empty for the default.
	Region string
	// Timeout bounds one attempt.
	Timeout time.Duration
	// Fields are the only fields of a call that leave for this destination; empty when all may. They are applied to the
	// calls before the module sees them.
	Fields []string
	// Bounds keep a destination that came through the API to what is allowed to such; nil for one of the configuration.
	Bounds *Bounds
	// Notes keeps what the destination has done a moment ago where a restart does not lose it; nil where there is no store,
	// as in a preview.
	Notes Notes
	// Progress keeps how far the deliveries have come whose destination takes several requests, so that the next attempt
	// goes on at the step that failed; nil where there is no store, as in a preview.
	Progress Progress
	// Expose is told of each setting by which others could read or change what is sent; nil where nobody asks. Kinds call
	// Exposes. What is told is the name of the setting, and never its value.
	Expose func(e Exposure, setting string)
	// Logger is the destination's.
	Logger *zap.Logger
}

// Exposure is a way in which others could read or change what is sent.
type Exposure string

// The exposures that a configuration can ask for.
const (
	SecretWritten Exposure = "secret written out" // in the configuration, where a placeholder could stand
	InClear       Exposure = "unencrypted"        // allow_http, or a URL at http:// that leads off the machine
	WeakTLS       Exposure = "TLS before 1.2"     // unsafe_tls
)

// Exposes tells of a setting that exposes what is sent, if somebody wants to know.
func (o DestinationOptions) Exposes(e Exposure, setting string) {
	if o.Expose != nil {
		o.Expose(e, setting)
	}
}

// Bounds are what holds for destinations that came through the API, whose authors are not the operators of the machine.
// Resolve gives them listed secrets only, and leaves what else has braces as it is.
type Bounds struct {
	// Fence holds requests to the hosts that the secrets are for which Resolve gave. All requests keep within it.
	Fence *outbound.Fence
	// AllowPrivate lets requests go to the machine's own network.
	AllowPrivate bool
}

// Bounded is implemented by kinds of destinations, and by signature schemes, that keep to Bounds: they open no file that settings name, resolve placeholders with
// DestinationOptions.Resolve alone, refuse secrets that are written out, and send within the fence. Others cannot come
// through the API.
type Bounded interface{ KeepsToBounds() }

// Notes are a destination's own, by names that it chooses. They are for minutes: the oldest go where there are thousands,
// and all go when an event is erased, since they may tell of its caller. Names and values are sealed in the store. Before
// the store is open, and when it cannot be written, there is an error.
type Notes interface {
	// Note keeps a value of 1 to 4096 bytes until a time, in place of what was noted under the name before.
	Note(ctx context.Context, name string, value []byte, until time.Time) error
	// Noted is what was noted; nil when there is nothing, or its time is over.
	Noted(ctx context.Context, name string) ([]byte, error)
	// Forget takes a note away.
	Forget(ctx context.Context, name string) error
}

// Progress is how far deliveries have come, by their ids (Item.DeliveryID). It stays until it is delivered, also while it
// is dead, is sealed in the store, and goes with its event at the latest. Before the store is open, and when it cannot be written, there is an error.
type Progress interface {
	// Keep keeps at most 4096 bytes, in place of what was kept of the delivery before; an empty value takes that away.
	Keep(ctx context.Context, deliveryID string, value []byte) error
	// Kept is what was kept; nil when there is nothing.
	Kept(ctx context.Context, deliveryID string) ([]byte, error)
}

// DefaultRater is implemented by kinds of systems that have a limit of their own.
type DefaultRater interface {
	// DefaultRate is the number of requests a second, and how many may start at once.
	DefaultRate() (perSecond float64, burst int)
}

// Wholesaler is implemented by kinds that say whether they send what came from the provider as it came. Where they do,
// settings which keep fields of the call back have no effect; where no destination of a call does, a recording in the
// provider's body is not kept. A kind that does not implement it gets the whole body.
type Wholesaler interface {
	// SendsAll reports whether it is configured to.
	SendsAll() bool
}
