package commands

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"

	"github.com/spf13/cobra"

	"github.com/callgate/callgate/caddymodule"
	"github.com/callgate/callgate/internal/store/sqlite"
)

func fillBackup(cmd *cobra.Command) {
	cmd.Use = "backup FILE --config FILE"
	cmd.Long = `Writes what is stored to a new file: events with their deliveries and attempts, what waits, what is paused, and which
events were seen. The gateway may run meanwhile and goes on accepting and delivering; the backup is of one moment. It
ends in a checksum, can be read by its owner only, and is on the disk when the command ends. It takes as much room as the
store; while it is made the store's -wal file grows by what is accepted. Calls come first: when that file takes half of the
room that max_size leaves, or nearly all that the disk has, the backup ends, with a reason, before one would be refused.

Nothing is overwritten. What is sealed stays sealed, and the command needs no key; keep a copy of the encryption key in
another place, for without it the backup is of no use. A backup beside the key is refused.

Where an audit log is kept it is recorded who made the backup, under which name and on which machine, and how many bytes it
has. A gateway that runs records it within ten minutes, or when somebody reads the log; one that is stopped when it starts.

What is erased or expires later stays in the backups that were made before. Delete old ones.

Exit status: 0 if the backup is whole, 1 if there is none, with the reason on standard error.`
	cmd.Example = `  callgate backup /mnt/backup/calls-$(date +%F) --config /etc/callgate/Caddyfile`
	onStore(cmd, func(ctx context.Context, config []byte, configFile, file string) error {
		b, err := caddymodule.BackupOf(ctx, config, configFile, file)
		if err != nil {
			return err
		}
		_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s and %s that wait, %s, in %s.\n",
			plural(int(b.Events), "event", "events"), plural(int(b.Pending), "delivery", "deliveries"), plural(int(b.Bytes), "byte", "bytes"), file)
		return err
	})
}

func fillRestore(cmd *cobra.Command) {
	cmd.Use = "restore FILE --config FILE"
	cmd.Long = `Makes the store that a configuration names from a backup, after all of it was read and its checksum compared. There must
be no store yet: stop the gateway, move the store's file away together with its -wal and -shm files, which may hold calls
that the backup does not have, run this command, and start the gateway.

What waited when the backup was made waits again and is delivered, also if that was done since: receivers get it with the
same webhook-id or Idempotency-Key as before.

Exit status: 0 if the store is there, 1 if not, with the reason on standard error.`
	cmd.Example = `  callgate restore /mnt/backup/calls-2026-03-01 --config /etc/callgate/Caddyfile`
	onStore(cmd, func(ctx context.Context, config []byte, _, file string) error {
		b, err := caddymodule.RestoreOf(ctx, config, file)
		switch {
		case errors.Is(err, sqlite.ErrLocked):
			return fmt.Errorf("the gateway runs, or another command works on its store: stop it first: %w", err)
		case errors.Is(err, sqlite.ErrExists):
			return fmt.Errorf("%w; stop the gateway and move the store away, with its -wal and -shm files", err)
		case err != nil:
			return err
		}
		_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s and %s that wait, in %s. Start the gateway.\n",
			plural(int(b.Events), "event", "events"), plural(int(b.Pending), "delivery", "deliveries"), b.Store)
		return err
	})
}

// onStore sets up a command that has a configuration and the name of a backup. It ends, and leaves nothing behind, when
// it is interrupted.
func onStore(cmd *cobra.Command, run func(ctx context.Context, config []byte, configFile, file string) error) {
	var config, adapter string
	cmd.Args = oneArgument
	cmd.SilenceUsage = true
	fl := cmd.Flags()
	fl.StringVarP(&config, "config", "c", "", "configuration file of the gateway (default: the Caddyfile in this directory)")
	fl.StringVarP(&adapter, "adapter", "a", "", "adapter of the configuration file, if it is not a Caddyfile or JSON")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		text, file, err := configuration(config, adapter)
		if err != nil {
			return err
		}
		ctx, stop := signal.NotifyContext(cmd.Context(), os.Interrupt)
		defer stop()
		return run(ctx, text, file, args[0])
	}
}
