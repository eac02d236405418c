package caddymodule

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyevents"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

// DefaultGracePeriod is the grace_period of Caddy's HTTP app where a configuration gives none; 0 leaves it at Caddy's own
// default, which is without end: a client that sends slowly, a stranger too, would keep the process from ending until it is
// killed. A binary sets it before it starts.
var DefaultGracePeriod time.Duration

// stopping bounds the time that the end of the process takes.
type stopping struct {
	// grace is the HTTP app's grace period, 0 without end.
	grace time.Duration
	// began is when Caddy began to stop this configuration, in Unix nanoseconds; 0 while it has not.
	began atomic.Int64
}

// Handle implements caddyevents.Handler, for the event stopping. It comes before the first app is stopped, which may be
// the HTTP app that waits for its requests, or this one.
func (s *stopping) Handle(context.Context, caddy.Event) error {
	s.began.CompareAndSwap(0, time.Now().UnixNano())
	return nil
}

// left is how much of the grace period is left; limited is false where there is no end to it.
func (s *stopping) left() (left time.Duration, limited bool) {
	began := s.began.Load()
	if s.grace <= 0 || began == 0 {
		return 0, false
	}
	return max(0, s.grace-time.Since(time.Unix(0, began))), true
}

// watchStopping has the events app tell when the configuration is stopped.
func (in *instance) watchStopping() error {
	app, err := in.ctx.App("events")
	if err != nil {
		return err
	}
	return app.(*caddyevents.App).On("stopping", &in.stopping)
}

// limitStopping sees to it that stopping has an end.
func (in *instance) limitStopping() {
	v, err := in.ctx.AppIfConfigured("http")
	if err != nil {
		return // there is nobody to wait for
	}
	app := v.(*caddyhttp.App)
	switch {
	case app.GracePeriod > 0:
	case DefaultGracePeriod > 0:
		app.GracePeriod = caddy.Duration(DefaultGracePeriod)
	default:
		in.logger.Warn("no grace_period is set, so one slow client can keep the gateway from stopping until it is killed; write `grace_period 10s` in the global options")
	}
	in.stopping.grace = time.Duration(app.GracePeriod)
}

// Interface guard
var _ caddyevents.Handler = (*stopping)(nil)
