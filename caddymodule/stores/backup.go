package stores

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/callgate/callgate/caddymodule/guest"
	"github.com/callgate/callgate/internal/store/sqlite"
)

// BackupStore implements guest.StoreBackup.
func (s *SQLite) BackupStore(ctx context.Context, file string) (guest.Backed, error) {
	if _, err := os.Stat(s.Path); errors.Is(err, fs.ErrNotExist) {
		return guest.Backed{}, s.noStore()
	}
	b, err := sqlite.Backup(ctx, s.Path, file, s.tuning(guest.StoreOptions{}))
	return guest.Backed{Store: s.Path, Events: b.Events, Pending: b.Pending, Bytes: b.Bytes}, err
}

// RestoreStore implements guest.StoreBackup.
func (s *SQLite) RestoreStore(ctx context.Context, file string) (guest.Backed, error) {
	b, err := sqlite.Restore(ctx, file, s.Path)
	return guest.Backed{Store: s.Path, Events: b.Events, Pending: b.Pending, Bytes: b.Bytes}, err
}

// WaitingInStore implements guest.StoreLeft.
func (s *SQLite) WaitingInStore() (map[string]int64, bool, error) { return sqlite.Waiting(s.Path) }

func (s *SQLite) noStore() error {
	return fmt.Errorf("there is no store at %s; is this the configuration that the gateway runs with, and this its user?", s.Path)
}

// Interface guards
var (
	_ guest.StoreBackup = (*SQLite)(nil)
	_ guest.StoreLeft   = (*SQLite)(nil)
)
