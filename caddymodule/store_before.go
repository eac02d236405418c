package caddymodule

import (
	"context"
	"os"

	"github.com/caddyserver/caddy/v2"
	"go.uber.org/zap"

	"github.com/callgate/callgate/caddymodule/guest"
)

// A configuration with another store leaves behind what waits in the one before. Nobody delivers that, and it does not
// show: the new store knows nothing of it. So it is said, in a reload and in a restart.

const leftBehind = "deliveries wait in a store that this configuration does not use, and are not delivered: name it as the store again, or run another gateway with it until nothing waits"

// warnOfWaiting says what waits in a store that is let go while the process goes on.
func (d *dispatcher) warnOfWaiting() {
	if caddy.Exiting() {
		return
	}
	stats, err := d.store.Stats(context.Background())
	if err != nil {
		return
	}
	for _, s := range stats.Destinations {
		if s.Pending > 0 {
			d.logger.Warn(leftBehind, zap.String("store", d.key), zap.String("destination", s.Destination), zap.Int64("waiting", s.Pending))
		}
	}
}

// warnOfStoreBefore says what waits in the store of the configuration that ran before, which Caddy has saved, if it was
// another one.
func warnOfStoreBefore(key string, logger *zap.Logger) {
	config, err := os.ReadFile(caddy.ConfigAutosavePath)
	if err != nil {
		return // none was saved, or it is not for us
	}
	app, err := appConfig(config)
	if err != nil {
		return
	}
	ctx, cancel := caddy.NewContext(caddy.Context{Context: context.Background()})
	defer cancel()
	m, err := app.storeModule(ctx)
	if err != nil || m.StoreKey() == key {
		return
	}
	left, ok := m.(guest.StoreLeft)
	if !ok {
		return
	}
	waiting, inUse, err := left.WaitingInStore()
	if err != nil || inUse {
		return
	}
	for destination, n := range waiting {
		logger.Warn(leftBehind, zap.String("store", m.StoreKey()), zap.String("destination", destination), zap.Int64("waiting", n))
	}
}
