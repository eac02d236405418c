package caddymodule

import (
	"context"
	"errors"
	"fmt"

	"go.uber.org/zap"

	"github.com/callgate/callgate/caddymodule/guest"
	"github.com/callgate/callgate/internal/auditor"
	"github.com/callgate/callgate/internal/operate"
	"github.com/callgate/callgate/internal/store"
)

// auditedStore works out the settings of the audit log, and that a store keeps one.
func (a *App) auditedStore(s store.Store, m guest.Store, logger *zap.Logger) (store.Audited, error) {
	if err := a.Audit.provision(logger); err != nil {
		return nil, fmt.Errorf("audit: %w", err)
	}
	audited, ok := s.(store.Audited)
	if !ok {
		return nil, fmt.Errorf("audit: the store %s keeps no audit log; use sqlite", m.StoreKey())
	}
	return audited, nil
}

// openAudit has what is done with a store recorded, unless the store has less than was published of its log.
func (a *App) openAudit(s store.Store, m guest.Store, logger *zap.Logger) (store.Audited, error) {
	audited, err := a.auditedStore(s, m, logger)
	if err != nil {
		return nil, err
	}
	if err := auditor.Check(context.Background(), audited, auditFile(m), a.Audit.settings); err != nil {
		return nil, err
	}
	_, err = audited.OpenAudit(boot)
	return audited, err
}

// AuditOf opens the audit log of a configuration in Caddy's JSON while the gateway is not running; if it is, the store's lock
// is an error. A log of which more was published than there is can only be forked. The caller ends it with done.
func AuditOf(config []byte, fork bool, logger *zap.Logger) (s *operate.Service, done func() error, err error) {
	app, err := appConfig(config)
	if err != nil {
		return nil, nil, err
	}
	if app.Audit == nil {
		return nil, nil, errors.New("the configuration keeps no audit log: write audit into the global option callgate")
	}
	var u durable
	if err := u.setKeys(app.EncryptionKeys); err != nil {
		return nil, nil, err
	}
	opened, m, err := openStoreOf(app, logger)
	if err != nil {
		return nil, nil, err
	}
	open := app.openAudit
	if fork {
		open = app.auditedStore
	}
	audited, err := open(opened, m, logger)
	if err != nil {
		return nil, nil, errors.Join(err, opened.Close())
	}
	return operate.New(operate.Options{
		Store: opened, Log: logger,
		CallerHashes: func(number string) []string { return operate.CallerHashes(u.options.Keys, number) },
		AuditLog:     &auditor.Log{Store: audited, Signer: app.Audit.settings.Signer},
		Fork: func(ctx context.Context, why string) error {
			_, err := auditor.Fork(ctx, audited, auditFile(m), app.Audit.settings, boot, why)
			return err
		},
	}), opened.Close, nil
}
