package commands

import (
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/spf13/cobra"

	"github.com/callgate/callgate/internal/operate"
)

func fillKeys(parent *cobra.Command) {
	parent.Use = "keys"
	onlyGroups(parent)
	parent.Long = `Works on the data keys of tenants, with which a gateway that has data_keys in its configuration seals what it keeps of
each tenant's calls.` + exitCodes
	parent.Example = "  callgate keys list\n  callgate keys destroy --tenant acme --reason \"their contract ended\""
	for _, c := range keyCommands {
		_, name, _ := strings.Cut(c.name, " ")
		cmd := &cobra.Command{Use: name, Short: c.short}
		c.fill(cmd)
		parent.AddCommand(cmd)
	}
}

// oneTenant are the flags of commands on one tenant.
type oneTenant struct{ operate.TenantChoice }

func (o *oneTenant) add(cmd *cobra.Command) {
	cmd.Flags().StringVar(&o.Tenant, "tenant", "", "name of the tenant")
	cmd.Flags().BoolVar(&o.NoTenant, "no-tenant", false, "what has no tenant")
}

func (o *oneTenant) check() error {
	if (o.Tenant == "") != o.NoTenant {
		return errors.New("which tenant? give --tenant, or --no-tenant for what has none")
	}
	return nil
}

// name is what a tenant is called in messages.
func (o *oneTenant) name() string {
	if o.NoTenant {
		return "what has no tenant"
	}
	return "tenant " + o.Tenant
}

func fillKeysList(cmd *cobra.Command) {
	var a admin
	cmd.Use = "list [flags]"
	cmd.Long = `Lists the data keys of tenants: the one that seals, those that only open what they have sealed before, and those that
were destroyed. None of them is shown itself.` + exitCodes
	cmd.Example = "  callgate keys list"
	cmd.Args = cobra.NoArgs
	a.add(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		var l operate.DataKeyList
		if err := a.ask(http.MethodGet, adminPath+"keys", nil, &l); err != nil {
			return err
		}
		return a.printKeys(cmd, &l)
	}
}

func fillKeysCheck(cmd *cobra.Command) {
	var a admin
	cmd.Use = "check [flags]"
	cmd.Long = `Has the gateway unwrap every data key that is not destroyed anew, as it would after a restart, and lists those that
cannot be, with the reason: Transit is away or sealed, its token has ended, a key is not there any more, or an encryption_key.

Exit status: 0 if every data key can be unwrapped; 1 if one cannot, and for every other error.`
	cmd.Example = "  callgate keys check"
	cmd.Args = cobra.NoArgs
	a.add(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		var l operate.DataKeyList
		if err := a.ask(http.MethodGet, adminPath+"keys/check", nil, &l); err != nil {
			return err
		}
		var failed operate.DataKeyList
		for _, k := range l.Keys {
			if k.Error != "" {
				failed.Keys = append(failed.Keys, k)
			}
		}
		if len(failed.Keys) == 0 {
			if a.json {
				return printJSON(cmd.OutOrStdout(), l)
			}
			_, err := fmt.Fprintf(cmd.OutOrStdout(), "%s, and each can be unwrapped.\n", plural(len(l.Keys), "data key", "data keys"))
			return err
		}
		if err := a.printKeys(cmd, &failed); err != nil {
			return err
		}
		return fmt.Errorf("%d of %s cannot be unwrapped; the first: %s", len(failed.Keys), plural(len(l.Keys), "data key", "data keys"), failed.Keys[0].Error)
	}
}

func (a *admin) printKeys(cmd *cobra.Command, l *operate.DataKeyList) error {
	out := cmd.OutOrStdout()
	if a.json {
		return printJSON(out, l)
	}
	if len(l.Keys) == 0 {
		_, err := fmt.Fprintln(out, "No tenant has a data key.")
		return err
	}
	t := a.table(out, column{"TENANT", 0, 8}, column{"KEY", 0, 0}, column{"STATE", 0, 0}, column{"CREATED", 2, 0}, column{"UNTIL", 3, 0}, column{"WRAPPED BY", 1, 8})
	for _, k := range l.Keys {
		state, until := "seals", ""
		switch {
		case !k.Destroyed.IsZero():
			state, until = "destroyed", a.stamp(k.Destroyed)
		case !k.Retired.IsZero():
			state, until = "opens", a.stamp(k.Retired)
		}
		t.row(k.Tenant, k.ID, state, a.stamp(k.Created), until, k.WrappedBy)
	}
	return t.print(cmd)
}

func fillKeysRotate(cmd *cobra.Command) {
	var a admin
	var of oneTenant
	cmd.Use = "rotate --tenant NAME [flags]"
	cmd.Long = `Gives a tenant a new data key: its calls are sealed with it from now on. The one before goes on opening what it has
sealed. To have that sealed with the new one too, stop the gateway and run rekey --tenant.` + exitCodes
	cmd.Example = "  callgate keys rotate --tenant acme"
	cmd.Args = cobra.NoArgs
	a.add(cmd)
	of.add(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if err := of.check(); err != nil {
			return err
		}
		var made operate.CheckedDataKey
		if err := a.ask(http.MethodPost, adminPath+"keys/rotate", of.TenantChoice, &made.DataKey); err != nil {
			return err
		}
		if a.json {
			return printJSON(cmd.OutOrStdout(), made.DataKey)
		}
		_, err := fmt.Fprintf(cmd.OutOrStdout(), "New calls of %s are sealed with data key %s.\n", of.name(), made.ID)
		return err
	}
}

func fillKeysDestroy(cmd *cobra.Command) {
	var a admin
	var of oneTenant
	var d operate.Destruction
	cmd.Use = "destroy --tenant NAME [flags]"
	cmd.Long = `Destroys all data keys of a tenant. What they have sealed can be read by nobody any more, and its content is taken out
of the store; deliveries that wait are dead. The events themselves stay in the listings, without content; erase deletes
them too. A new call of the tenant is sealed with a new data key. Nothing of this can be undone.

A backup from before has the data keys in it, wrapped: it can still be read by whoever has what they were wrapped with. With
key_per_tenant in data_keys the tenant's key in Transit is deleted too, and then nobody has. Otherwise change the
encryption_key: put a new one first, run rekey, make a new backup, and delete the old key and the old backups; or rotate the
key in Transit, run rekey, and trim its versions before.

With --dry-run it says how much there is, and destroys nothing.` + exitCodes
	cmd.Example = "  callgate keys destroy --tenant acme --dry-run\n  callgate keys destroy --tenant acme --reason \"their contract ended\""
	cmd.Args = cobra.NoArgs
	a.add(cmd)
	of.add(cmd)
	cmd.Flags().StringVar(&d.Reason, "reason", "", "why, for the audit log")
	cmd.Flags().BoolVar(&d.DryRun, "dry-run", false, "only say what would be destroyed")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if err := of.check(); err != nil {
			return err
		}
		d.TenantChoice = of.TenantChoice
		var done operate.DestroyedKeys
		if err := a.ask(http.MethodPost, adminPath+"keys/destroy", d, &done); err != nil {
			return err
		}
		out := cmd.OutOrStdout()
		if a.json {
			if err := printJSON(out, done); err != nil {
				return err
			}
		} else {
			said := "%s of %s destroyed; %s without content, %s ended.\n"
			if done.DryRun {
				said = "%s of %s would be destroyed; %s would lose their content, %s would end.\n"
			}
			if _, err := fmt.Fprintf(out, said, plural(done.Keys, "data key", "data keys"), of.name(), plural(done.Events, "event", "events"), plural(done.Deliveries, "delivery", "deliveries")); err != nil {
				return err
			}
		}
		if done.Left != "" {
			return errors.New(done.Left)
		}
		return nil
	}
}
