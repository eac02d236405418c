package store

import "context"

type progressKey struct{}

// WithProgress has Replay, SendNow, Cancel and Erase under this context tell how many they have changed so far, after each of
// the steps that they go in. f is called by who called them. A store that does it all at once tells once.
func WithProgress(ctx context.Context, f func(done int)) context.Context {
	return context.WithValue(ctx, progressKey{}, f)
}

// Progress is for stores: it tells whoever wants to know how many were changed so far.
func Progress(ctx context.Context, done int) {
	if f, ok := ctx.Value(progressKey{}).(func(int)); ok {
		f(done)
	}
}
