package audit

import "context"

// Actor is who did something. The zero value is the gateway itself, of its own accord.
type Actor struct {
	// Type is how the identity is known; one of the Actor… words.
	Type string `json:"type,omitempty"`
	// ID is the user's name, or the fingerprint of a certificate's key.
	ID string `json:"id,omitempty"`
	// Role is the role in which it was done.
	Role string `json:"role,omitempty"`
	// Via is the face through which it was done: "admin", "dashboard", "command".
	Via string `json:"via,omitempty"`
	// IP is the address without its port.
	IP string `json:"ip,omitempty"`
}

// How an actor is known.
const (
	// ActorUser was authenticated by the site in front.
	ActorUser = "user"
	// ActorCertificate showed a client certificate; the id is the fingerprint of its key.
	ActorCertificate = "certificate"
	// ActorClaimed is an OS user at the other end of a unix socket or of a command: nobody proved it.
	ActorClaimed = "claimed"
	// ActorLocal is whoever reached the local admin endpoint; it has no identity.
	ActorLocal = "local"
)

type actorKey struct{}

// By says who does what is done with the context.
func By(ctx context.Context, a Actor) context.Context { return context.WithValue(ctx, actorKey{}, a) }

// ActorOf is who does what is done with the context; the zero Actor, the gateway itself, where nobody is named.
func ActorOf(ctx context.Context) Actor {
	a, _ := ctx.Value(actorKey{}).(Actor)
	return a
}
