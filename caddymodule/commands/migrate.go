package commands

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/spf13/cobra"
	"go.uber.org/zap"

	"github.com/callgate/callgate/caddymodule"
	"github.com/callgate/callgate/internal/store"
	"github.com/callgate/callgate/internal/store/postgres"
	"github.com/callgate/callgate/internal/store/sqlite"
)

// migration is what the flags of migrate say.
type migration struct {
	config, adapter, to, schema, gateway string
	dryRun                               bool
}

func fillMigrate(cmd *cobra.Command) {
	var m migration
	cmd.Use = "migrate --config FILE --to ADDRESS"
	cmd.Long = `Carries all that is in a store in SQLite over to PostgreSQL, so that several gateways can share it. The gateway must not
run meanwhile; the store's lock sees to that. --config is the configuration with which it ran so far, and --to the address
of the database, as in "store postgres"; @FILE reads it from a file, so that no password stands in the command line, and
PGPASSWORD and PGPASSFILE are heeded too. The tables are made if they are not there.

Everything goes: events with their content, deliveries with their attempts, what waits, what is dead, how far deliveries of
several steps have come, what is paused, tenants and destinations that live in the store, and which events were seen, so
that a sender's repetition is no new call. What is sealed is carried over as it is, and tenants' data keys as they are wrapped:
the gateways need the same encryption_key and, if there are data keys, the same data_keys. Those that were destroyed stay so.

The audit log goes too, with its last checkpoint and its place in the tree, so that what was exported and published before
is proven by it as before. In PostgreSQL each gateway has a log of its own; this one becomes that of the gateway that --gateway
names, which goes on with it. Gateways of other names begin new ones. Do not start a gateway with the old store again: it would
go on with the same log in another way, and send again what was sent.

It goes in portions, each of which is there as a whole with the note up to where it goes, or not at all. If it is stopped, run it
again: it goes on where it was. Until it is done no gateway starts with the tables. At the end everything is counted on both
sides, every data key compared, and the content of up to a thousand events. It refuses tables with anything in them that does not come from
this store, and also if the store has changed since it was begun. The old store is only read.

Exit status: 0 if everything is in PostgreSQL and the counts are equal (with --dry-run: if nothing is in the way), 1 if not, with
the reason on standard error.`
	cmd.Example = `  callgate migrate --config /etc/callgate/Caddyfile --to postgres://callgate@db.example.com/callgate --dry-run
  callgate migrate --config /etc/callgate/Caddyfile --to @/run/secrets/database-url --gateway gateway-a`
	cmd.Args = cobra.NoArgs
	cmd.SilenceUsage = true
	fl := cmd.Flags()
	fl.StringVarP(&m.config, "config", "c", "", "configuration file of the gateway so far (default: the Caddyfile in this directory)")
	fl.StringVarP(&m.adapter, "adapter", "a", "", "adapter of the configuration file, if it is not a Caddyfile or JSON")
	fl.StringVar(&m.to, "to", "", "address of the database (postgres://user@host/name), or @FILE to read it from")
	fl.StringVar(&m.schema, "schema", "", "schema for the tables, as in store postgres (default: callgate)")
	fl.StringVar(&m.gateway, "gateway", "", "name of the gateway that goes on with the audit log (default: this machine's name)")
	fl.BoolVar(&m.dryRun, "dry-run", false, "only count, and look whether something is in the way")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error { return m.run(cmd) }
}

func (m *migration) run(cmd *cobra.Command) (err error) {
	text, _, err := configuration(m.config, m.adapter)
	if err != nil {
		return err
	}
	if m.to == "" {
		return errors.New("where to? give --to, such as --to postgres://callgate@db.example.com/callgate")
	}
	to, err := keyValue(cmd, m.to)
	if err != nil {
		return err
	}
	from, done, o, err := caddymodule.StoreToMove(text, caddy.Log())
	switch {
	case errors.Is(err, sqlite.ErrLocked):
		return fmt.Errorf("the gateway runs, or another command works on its store: stop it first: %w", err)
	case err != nil:
		return err
	}
	defer func() { err = errors.Join(err, done()) }()
	ctx, stop := signal.NotifyContext(cmd.Context(), os.Interrupt)
	defer stop()
	origin, err := from.Origin(ctx)
	if err != nil {
		return err
	}
	options := postgres.Options{Address: to, Schema: m.schema, Gateway: m.gateway, Window: o.Window, Keys: o.Keys, Wrapping: o.Wrapping,
		Log: func(msg string, err error) { o.Logger.Warn(msg, zap.Error(err)) }}
	if err := postgres.CheckVacant(ctx, options, origin.Fingerprint); err != nil {
		return err
	}
	if !m.dryRun {
		if err := m.move(ctx, cmd, from, origin, options); err != nil {
			return err
		}
	}
	return m.report(cmd, origin)
}

// move carries everything over, and tells of it now and then.
func (m *migration) move(ctx context.Context, cmd *cobra.Command, from store.Exporter, origin *store.Origin, o postgres.Options) (err error) {
	to, err := postgres.OpenImport(o)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, to.Close()) }()
	events, last := 0, time.Now()
	err = store.Move(ctx, from, to, origin, func(p *store.Portion) {
		events += len(p.Events)
		if now := time.Now(); now.Sub(last) >= reportEvery {
			last = now
			fmt.Fprintf(cmd.ErrOrStderr(), "%d of %d events carried over in this run\n", events, origin.Counts["events"])
		}
	})
	if ctx.Err() != nil {
		return errors.New("interrupted; run the command again to go on")
	}
	return err
}

// report shows what there is.
func (m *migration) report(cmd *cobra.Command, origin *store.Origin) error {
	out := cmd.OutOrStdout()
	for _, kind := range store.MovedKinds {
		if _, err := fmt.Fprintf(out, "%-22s%d\n", kind, origin.Counts[kind]); err != nil {
			return err
		}
	}
	text := "Everything is in PostgreSQL, counted on both sides. Move the old store away, write store postgres into the\nconfiguration, and start the gateways.\n"
	if m.dryRun {
		text = "Nothing is in the way. Nothing was carried over.\n"
	}
	_, err := fmt.Fprint(out, text)
	return err
}
