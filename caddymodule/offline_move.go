package caddymodule

import (
	"errors"
	"fmt"
	"time"

	"go.uber.org/zap"

	"github.com/callgate/callgate/caddymodule/guest"
	"github.com/callgate/callgate/internal/store"
)

// StoreToMove opens the store of a configuration in Caddy's JSON, which is to be carried over to one of another kind, while the
// gateway is not running; if it is, the store's lock is an error. Nothing is recorded in it. The options are those with which the
// other one has to be opened. The caller closes it.
func StoreToMove(config []byte, logger *zap.Logger) (from store.Exporter, done func() error, o guest.StoreOptions, err error) {
	app, err := appConfig(config)
	if err != nil {
		return nil, nil, o, err
	}
	s, m, err := openStoreOf(app, logger)
	if err != nil {
		return nil, nil, o, err
	}
	from, ok := s.(store.Exporter)
	if !ok {
		return nil, nil, o, errors.Join(fmt.Errorf("the store %s cannot be carried over; name the configuration with `store sqlite` that the gateway ran with so far", m.StoreKey()), s.Close())
	}
	u := durable{options: guest.StoreOptions{Window: time.Duration(app.Window), Logger: logger}}
	if err := u.setKeys(app.EncryptionKeys); err != nil {
		return nil, nil, o, errors.Join(err, s.Close())
	}
	if err := u.setDataKeys(app.DataKeys, logger); err != nil {
		return nil, nil, o, errors.Join(err, s.Close())
	}
	return from, s.Close, u.options, nil
}
