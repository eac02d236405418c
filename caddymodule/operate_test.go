package caddymodule

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/callgate/callgate/internal/operate"
)

// TestAGatewayIsNotReadyBeforeItHasStarted: Caddy may serve before the app has opened its store, and a balancer that sent calls
// then would have them wait or refused.
func TestAGatewayIsNotReadyBeforeItHasStarted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := &App{run: &instance{started: make(chan struct{})}}
		ask := func() *operate.Readiness {
			r, err := a.Ready().Ready(t.Context(), operate.Actor{May: func(operate.Capability) bool { return true }}, operate.ReadyInput{})
			if err != nil {
				t.Fatal(err)
			}
			return r
		}
		if r := ask(); r.Ready || r.Error != "the gateway is starting" {
			t.Errorf("before it has started: %+v", r)
		}
		time.AfterFunc(time.Second, func() { close(a.run.started) }) // as when a configuration is loaded anew
		if r := ask(); !r.Ready {
			t.Errorf("when it starts meanwhile: %+v", r)
		}
	})
}
