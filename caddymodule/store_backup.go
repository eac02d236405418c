package caddymodule

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"regexp"

	"github.com/caddyserver/caddy/v2"

	"github.com/callgate/callgate/caddymodule/guest"
	"github.com/callgate/callgate/internal/audit"
)

// BackupOf backs up the store of a configuration in Caddy's JSON, also while the gateway runs. It needs no encryption key,
// and refuses to write into the directory that a key is kept in: whoever got hold of both could read everything.
// configFile is where the configuration comes from, empty if from nowhere.
func BackupOf(ctx context.Context, config []byte, configFile, file string) (guest.Backed, error) {
	app, err := appConfig(config)
	if err != nil {
		return guest.Backed{}, err
	}
	if err := keepApart(app.EncryptionKeys, configFile, file); err != nil {
		return guest.Backed{}, err
	}
	s, done, err := storeToBackUp(app)
	if err != nil {
		return guest.Backed{}, err
	}
	defer done()
	return s.BackupStore(audit.By(ctx, audit.Actor{Type: audit.ActorClaimed, Via: "command", ID: osUser()}), file)
}

// RestoreOf makes the store of a configuration in Caddy's JSON from a backup.
func RestoreOf(ctx context.Context, config []byte, file string) (guest.Backed, error) {
	app, err := appConfig(config)
	if err != nil {
		return guest.Backed{}, err
	}
	s, done, err := storeToBackUp(app)
	if err != nil {
		return guest.Backed{}, err
	}
	defer done()
	return s.RestoreStore(ctx, file)
}

func storeToBackUp(app *App) (guest.StoreBackup, func(), error) {
	ctx, cancel := caddy.NewContext(caddy.Context{Context: context.Background()})
	m, err := app.storeModule(ctx)
	if err != nil {
		cancel()
		return nil, nil, err
	}
	s, ok := m.(guest.StoreBackup)
	if !ok {
		cancel()
		return nil, nil, fmt.Errorf("the store %s has no backups of its own: use those of the database that it is kept in", m.StoreKey())
	}
	return s, cancel, nil
}

var (
	anyPlaceholder = regexp.MustCompile(`\{[^{}]+\}`)
	inFile         = regexp.MustCompile(`\{file\.([^{}]+)\}`)
)

// keepApart refuses a backup beside a file that holds an encryption key: one that a placeholder names, or the
// configuration in which a key stands as it is.
func keepApart(keys []string, configFile, backup string) error {
	var holders []string
	for _, key := range keys {
		found := inFile.FindAllStringSubmatch(key, -1)
		for _, m := range found {
			holders = append(holders, m[1])
		}
		if configFile != "" && !anyPlaceholder.MatchString(key) {
			holders = append(holders, configFile)
		}
	}
	beside, err := os.Stat(filepath.Dir(backup))
	if err != nil {
		return err
	}
	for _, holder := range holders {
		names := []string{holder}
		if target, err := filepath.EvalSymlinks(holder); err == nil {
			names = append(names, target)
		}
		for _, name := range names {
			if dir, err := os.Stat(filepath.Dir(name)); err == nil && os.SameFile(dir, beside) {
				return fmt.Errorf("the encryption key is in %s, beside which the backup would stand: who gets hold of the directory could read every call; write the backup to another directory, best on another machine, and keep a copy of the key in a third place", holder)
			}
		}
	}
	return nil
}
