package caddymodule

import (
	"slices"
	"testing"

	"go.uber.org/zap"

	"github.com/callgate/callgate/internal/alert"
	"github.com/callgate/callgate/internal/breaker"
)

// TestABreakerThatTriesIsNotToldAsRecovered follows a receiver that is down for longer than its breaker stays open.
func TestABreakerThatTriesIsNotToldAsRecovered(t *testing.T) {
	var told []alert.State
	monitor := alert.New(alert.Settings{BreakerOpen: true}, alert.Options{Notify: func(a alert.Alert) { told = append(told, a.State) }})
	defer monitor.Close()
	d := &dispatcher{logger: zap.NewNop()}
	d.alerts.Store(monitor)
	o := &observer{d: d}

	o.BreakerChanged("crm", breaker.Closed, breaker.Open)
	for range 3 {
		o.BreakerChanged("crm", breaker.Open, breaker.HalfOpen)
		o.BreakerChanged("crm", breaker.HalfOpen, breaker.Open)
	}
	if want := []alert.State{alert.Firing}; !slices.Equal(told, want) {
		t.Errorf("while it is down: %v, want %v", told, want)
	}
	o.BreakerChanged("crm", breaker.Open, breaker.HalfOpen)
	o.BreakerChanged("crm", breaker.HalfOpen, breaker.Closed)
	if want := []alert.State{alert.Firing, alert.Resolved}; !slices.Equal(told, want) {
		t.Errorf("once it is back: %v, want %v", told, want)
	}
}
