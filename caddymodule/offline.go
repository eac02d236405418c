package caddymodule

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	"github.com/caddyserver/caddy/v2"
	"go.uber.org/zap"

	"github.com/callgate/callgate/caddymodule/guest"
	"github.com/callgate/callgate/internal/store"
)

// OpenStore opens the store of a configuration in Caddy's JSON, with its encryption keys, for work on it while the
// gateway is not running; if it is, the store's lock is an error. Nothing else of the configuration is loaded. A store
// that does not exist is not made. What is changed in it is recorded where the configuration keeps an audit log. The caller closes it.
func OpenStore(config []byte, logger *zap.Logger) (store.Store, error) {
	app, err := appConfig(config)
	if err != nil {
		return nil, err
	}
	s, m, err := openStoreOf(app, logger)
	if err != nil || app.Audit == nil {
		return s, err
	}
	if _, err := app.openAudit(s, m, logger); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

// openStoreOf opens the store of an app, which has to be there.
func openStoreOf(app *App, logger *zap.Logger) (store.Store, guest.Store, error) {
	ctx, cancel := caddy.NewContext(caddy.Context{Context: context.Background()})
	defer cancel()
	var u durable
	u.options = guest.StoreOptions{Window: time.Duration(app.Window), Logger: logger}
	if err := u.setKeys(app.EncryptionKeys); err != nil {
		return nil, nil, err
	}
	if err := u.setDataKeys(app.DataKeys, logger); err != nil {
		return nil, nil, err
	}
	var err error
	if u.module, err = app.storeModule(ctx); err != nil {
		return nil, nil, err
	}
	if s, ok := u.module.(guest.StoreFile); ok {
		if _, err := os.Stat(s.File()); errors.Is(err, fs.ErrNotExist) {
			return nil, nil, fmt.Errorf("there is no store at %s; is this the configuration that the gateway runs with, and this its user?", s.File())
		}
	}
	s, err := u.openStore()
	return s, u.module, err
}

// appConfig is what a configuration in Caddy's JSON says about Callgate.
func appConfig(config []byte) (*App, error) {
	raw, err := rawApp(config)
	if err != nil {
		return nil, err
	}
	app := new(App)
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.DisallowUnknownFields()
	if err := dec.Decode(app); err != nil {
		return nil, fmt.Errorf("the callgate app of the configuration: %w", err)
	}
	return app, nil
}

func rawApp(config []byte) (json.RawMessage, error) {
	var c struct {
		Apps map[string]json.RawMessage `json:"apps"`
	}
	if len(bytes.TrimSpace(config)) > 0 {
		if err := json.Unmarshal(config, &c); err != nil {
			return nil, fmt.Errorf("the configuration is not one of Caddy: %w", err)
		}
	}
	raw, ok := c.Apps["callgate"]
	if !ok {
		return nil, errNoApp
	}
	return raw, nil
}

var errNoApp = errors.New("the configuration has no callgate app: in a Caddyfile, that is the global option callgate")
