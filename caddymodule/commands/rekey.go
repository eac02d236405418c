package commands

import (
	"errors"
	"fmt"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/spf13/cobra"

	"github.com/callgate/callgate/caddymodule"
	"github.com/callgate/callgate/internal/operate"
	"github.com/callgate/callgate/internal/store/sqlite"
)

func fillRekey(cmd *cobra.Command) {
	var config, adapter string
	var tenants []string
	cmd.Use = "rekey --config FILE"
	cmd.Long = `Seals everything that is stored with the first encryption_key of the configuration. The gateway must not run
meanwhile; the store's lock sees to that. It can be interrupted and started again: what is sealed already is passed over.

To change the key: put the new key before the old one in encryption_key, stop the gateway, run this command, and start
the gateway. Without this command the gateway seals new events with the new key, opens old ones with the old key, and
the old key can go when the last of them is past its retention.

Where tenants have data keys (data_keys), these are wrapped anew, which takes a moment however much is stored, and what they
have sealed stays as it is; only what is not sealed with a data key is sealed with one. With --tenant, all that a tenant has
is sealed with a data key that is made for it, and the data keys before are destroyed.

What was stored before there was a key is sealed too, and so is what an older version has sealed, in the way of this one:
run the command once after an upgrade to have it bound to its tenant and its destinations. After it the gateway refuses
everything in the store that has no seal.

Events are found by their caller's number with a hash that is keyed too and cannot be made again. So as long as old
events may have to be found by number, as for an erasure, leave the old key in encryption_key, behind the new one.

Exit status: 0 if everything is sealed with the first key, 1 if not, with the reason on standard error.`
	cmd.Example = `  callgate rekey --config /etc/callgate/Caddyfile
  callgate rekey --config /etc/callgate/Caddyfile --tenant acme`
	cmd.Args = cobra.NoArgs
	cmd.SilenceUsage = true
	fl := cmd.Flags()
	fl.StringVarP(&config, "config", "c", "", "configuration file of the gateway (default: the Caddyfile in this directory)")
	fl.StringArrayVar(&tenants, "tenant", nil, "seal what this tenant has with a new data key; can be given several times")
	fl.StringVarP(&adapter, "adapter", "a", "", "adapter of the configuration file, if it is not a Caddyfile or JSON")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		text, _, err := configuration(config, adapter)
		if err != nil {
			return err
		}
		return rekey(cmd, text, tenants)
	}
}

func rekey(cmd *cobra.Command, config []byte, tenants []string) (err error) {
	s, err := caddymodule.OpenStore(config, caddy.Log())
	switch {
	case errors.Is(err, sqlite.ErrLocked):
		return fmt.Errorf("the gateway runs, or another command works on its store: stop it first: %w", err)
	case err != nil:
		return err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	all, last := 0, time.Now()
	progress := func(done, total int) {
		all = max(all, done)
		if now := time.Now(); now.Sub(last) >= reportEvery {
			last = now
			fmt.Fprintf(cmd.ErrOrStderr(), "%d of %d sealed again\n", done, total)
		}
	}
	service := operate.New(operate.Options{Store: s})
	if len(tenants) > 0 {
		if err := service.RekeyTenants(cmd.Context(), atThePrompt, tenants, progress); err != nil {
			return err
		}
		_, err = fmt.Fprintf(cmd.OutOrStdout(), "What %s had is sealed with new data keys, and those before are destroyed.\n", plural(len(tenants), "tenant", "tenants"))
		return err
	}
	if err := service.Rekey(cmd.Context(), atThePrompt, progress); err != nil {
		return err
	}
	_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s sealed again; everything is sealed with the first key.\n", plural(all, "record", "records"))
	return err
}
