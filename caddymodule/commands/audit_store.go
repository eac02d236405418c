package commands

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/user"
	"strconv"
	"strings"
	"time"

	"github.com/caddyserver/caddy/v2"
	caddycmd "github.com/caddyserver/caddy/v2/cmd"
	"github.com/spf13/cobra"

	"github.com/callgate/callgate/caddymodule"
	"github.com/callgate/callgate/internal/audit"
	"github.com/callgate/callgate/internal/operate"
	"github.com/callgate/callgate/internal/store/sqlite"
)

// auditStored is the audit log in the store of a gateway that is stopped.
type auditStored struct{ config, adapter string }

func (s *auditStored) add(cmd *cobra.Command) {
	fl := cmd.Flags()
	fl.StringVarP(&s.config, "config", "c", "", "configuration file of the gateway (default: the Caddyfile in this directory)")
	fl.StringVarP(&s.adapter, "adapter", "a", "", "adapter of the configuration file, if it is not a Caddyfile or JSON")
	cmd.Args = cobra.NoArgs
	cmd.SilenceUsage = true
}

// auditStopped is what the help of commands says that work on the store.
const auditStopped = `

The gateway must not run meanwhile; the store's lock sees to that. What is done is recorded in the log, by the user of the
operating system.

Exit status: 0 if all is as asked, 1 if not, with the reason on standard error.`

// with opens the log, and closes it behind f.
func (s *auditStored) with(cmd *cobra.Command, fork bool, f func(*operate.Service, operate.Actor) error) (err error) {
	text, file, _, err := caddycmd.LoadConfig(s.config, s.adapter)
	if err != nil {
		return err
	}
	if file == "" {
		return errors.New("which configuration? give --config")
	}
	service, done, err := caddymodule.AuditOf(text, fork, caddy.Log())
	if errors.Is(err, sqlite.ErrLocked) {
		return fmt.Errorf("the gateway runs, or another command works on its store: stop it first: %w", err)
	}
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, done()) }()
	who := atThePrompt
	if u, err := user.Current(); err == nil {
		who.Name = u.Username
	}
	return f(service, who)
}

func fillAuditTail(cmd *cobra.Command) {
	var s auditStored
	sel := operate.AuditSelection{Newest: 20}
	var asJSON bool
	cmd.Use = "tail [flags]"
	cmd.Long = "Prints the newest records of the audit log, the oldest of them first." + auditStopped
	cmd.Example = "  callgate audit tail --config /etc/callgate/Caddyfile -n 50"
	s.add(cmd)
	cmd.Flags().Int64VarP(&sel.Newest, "number", "n", sel.Newest, "how many records")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print the records as they stand in the log")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if sel.Newest < 1 || sel.Newest > 1000 {
			return errors.New("-n must be between 1 and 1000")
		}
		sel.Limit = int(sel.Newest)
		return s.with(cmd, false, func(o *operate.Service, who operate.Actor) error {
			p, err := o.AuditQuery(cmd.Context(), who, sel)
			if err != nil {
				return err
			}
			return printRecords(cmd.OutOrStdout(), p.Records, asJSON)
		})
	}
}

func fillAuditQuery(cmd *cobra.Command) {
	var s auditStored
	var sel operate.AuditSelection
	var from, to string
	var asJSON bool
	cmd.Use = "query [flags]"
	cmd.Long = "Prints the records of the audit log that are asked for, oldest first. Of a flag that is not given all match." + auditStopped
	cmd.Example = `  callgate audit query --config Caddyfile --event 01JC0Q4Z6W5P9G2N8S3T7V1X0Y
  callgate audit query --config Caddyfile --kind erase,reveal --from 2026-01-01`
	s.add(cmd)
	fl := cmd.Flags()
	fl.StringVar(&from, "from", "", "recorded at this time or later: 2026-01-31, yesterday 08:00 or 7d ago")
	fl.StringVar(&to, "to", "", "recorded before this time")
	fl.StringVar(&sel.Kind, "kind", "", "what is recorded, such as attempt; several are separated by commas")
	fl.StringVar(&sel.By, "by", "", "id of who did it")
	fl.StringVar(&sel.Tenant, "tenant", "", "tenant")
	fl.StringVar(&sel.Event, "event", "", "id of the event")
	fl.StringVar(&sel.Delivery, "delivery", "", "id of the delivery")
	fl.StringVar(&sel.Destination, "destination", "", "name of a recipient")
	fl.StringVar(&sel.Outcome, "outcome", "", "outcome, such as ok, retry, dead or denied")
	fl.BoolVar(&asJSON, "json", false, "print the records as they stand in the log")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		for _, t := range []struct {
			name, text string
			into       *string
		}{{"from", from, &sel.From}, {"to", to, &sel.To}} {
			if t.text == "" {
				continue
			}
			at, err := operate.When(t.text, time.Now())
			if err != nil {
				return fmt.Errorf("--%s: %w", t.name, err)
			}
			*t.into = at.UTC().Format(time.RFC3339)
		}
		return s.with(cmd, false, func(o *operate.Service, who operate.Actor) error {
			for sel.Limit = 1000; ; {
				p, err := o.AuditQuery(cmd.Context(), who, sel)
				if err != nil {
					return err
				}
				if err := printRecords(cmd.OutOrStdout(), p.Records, asJSON); err != nil {
					return err
				}
				if sel.After = p.Next; sel.After == 0 {
					return nil
				}
			}
		})
	}
}

// printRecords prints records, a line each.
func printRecords(w io.Writer, records []json.RawMessage, asJSON bool) error {
	out := bufio.NewWriter(w)
	for _, line := range records {
		if asJSON {
			fmt.Fprintf(out, "%s\n", line)
			continue
		}
		l, err := audit.ParseLine(line)
		if err != nil {
			return err
		}
		fmt.Fprintln(out, recordText(l))
	}
	return out.Flush()
}

// recordText is a record for people.
func recordText(l *audit.Leaf) string {
	parts := []string{strconv.FormatInt(l.Seq, 10), l.At.Format(time.RFC3339), string(l.Kind)}
	add := func(name, value string) {
		if value != "" {
			parts = append(parts, name+"="+value)
		}
	}
	add("by", strings.TrimSuffix(l.Actor.Type+":"+l.Actor.ID, ":"))
	add("via", l.Actor.Via)
	add("tenant", l.Tenant)
	if l.Delivery == "" {
		add("event", l.Event)
	}
	add("delivery", l.Delivery)
	var to []string
	for _, r := range l.To {
		to = append(to, strings.TrimSuffix(r.Name+"@"+r.Host, "@"))
	}
	add("to", strings.Join(to, ","))
	add("fields", strings.Join(l.Fields, ","))
	add("outcome", l.Outcome)
	if l.Status > 0 {
		add("status", strconv.Itoa(l.Status))
	}
	if l.Count > 0 {
		add("count", strconv.FormatInt(l.Count, 10))
	}
	if l.Reason != "" {
		add("reason", strconv.Quote(l.Reason))
	}
	if l.Why != "" {
		add("why", strconv.Quote(l.Why))
	}
	return strings.Join(parts, " ")
}

func fillAuditExport(cmd *cobra.Command) {
	var s auditStored
	var in operate.AuditExporting
	cmd.Use = "export FILE [flags]"
	cmd.Long = `Writes the audit log to a new file, which callgate audit verify verifies with the public key alone, on any machine: the
records as they stand in the log, and a signed checkpoint behind the last one. - writes to standard output. Records that
were pruned are left out.

Whoever verifies it should have an older checkpoint that reached him by another way: what the owner of the key rewrote and
signed again, only that shows. Where the export begins behind it, give its size with --since.` + auditStopped
	cmd.Example = "  callgate audit export audit.jsonl --config /etc/callgate/Caddyfile"
	s.add(cmd)
	cmd.Args = cobra.ExactArgs(1)
	cmd.Flags().Int64Var(&in.First, "first", 0, "first record to write")
	cmd.Flags().Int64SliceVar(&in.Since, "since", nil, "size of an older checkpoint; can be repeated")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		return s.with(cmd, false, func(o *operate.Service, who operate.Actor) (err error) {
			out := cmd.OutOrStdout()
			if args[0] != "-" {
				f, err := os.OpenFile(args[0], os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
				if errors.Is(err, os.ErrExist) {
					return fmt.Errorf("%s is there already, and nothing is overwritten: choose another name", args[0])
				}
				if err != nil {
					return err
				}
				defer func() {
					if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
						err = errors.Join(err, os.Remove(args[0]))
					}
				}()
				out = f
			}
			n, err := o.AuditExport(cmd.Context(), who, in, out)
			if err == nil && args[0] != "-" {
				_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s written.\n", plural(int(n), "record", "records"))
			}
			return err
		})
	}
}

func fillAuditPrune(cmd *cobra.Command) {
	var s auditStored
	var before string
	var dryRun bool
	cmd.Use = "prune --before TIME [flags]"
	cmd.Long = `Takes the lines of old records away, with what lies beside them. Their hashes stay, so that what is left still verifies and
older proofs still hold; how many went, and by whose hand, is recorded. keep in the configuration does so by itself.` + auditStopped
	cmd.Example = "  callgate audit prune --config Caddyfile --before 2020-01-01 --dry-run"
	s.add(cmd)
	cmd.Flags().StringVar(&before, "before", "", "what was recorded before this time goes: 2026-01-31 or 2500d ago")
	cmd.Flags().BoolVar(&dryRun, "dry-run", false, "count, and change nothing")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if before == "" {
			return errors.New("before when? give --before")
		}
		at, err := operate.When(before, time.Now())
		if err != nil {
			return fmt.Errorf("--before: %w", err)
		}
		return s.with(cmd, false, func(o *operate.Service, who operate.Actor) error {
			n, err := o.AuditPrune(cmd.Context(), who, operate.AuditPruning{Before: at.UTC().Format(time.RFC3339), DryRun: dryRun})
			if err != nil {
				return err
			}
			text := "%s pruned; their hashes stay.\n"
			if dryRun {
				text = "%s would be pruned.\n"
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), text, plural(int(n.Records), "record", "records"))
			return err
		})
	}
}

func fillAuditCheckpoint(cmd *cobra.Command) {
	var s auditStored
	cmd.Use = "checkpoint [flags]"
	cmd.Long = `Verifies the audit log as it lies in the store, and prints its last checkpoint: the log's name, how many records it had and
their root, signed. Give it to whoever is to verify the log later: nobody, not even the owner of the key, can then change
what was recorded before without that being found.` + auditStopped
	cmd.Example = "  callgate audit checkpoint --config Caddyfile > checkpoint.txt"
	s.add(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		return s.with(cmd, false, func(o *operate.Service, who operate.Actor) error {
			state, err := o.AuditVerify(cmd.Context(), who)
			if err != nil {
				return err
			}
			if state.Checkpoint == "" {
				return errors.New("there is no checkpoint yet; the gateway makes one when it starts")
			}
			_, err = io.WriteString(cmd.OutOrStdout(), state.Checkpoint)
			return err
		})
	}
}

func fillAuditFork(cmd *cobra.Command) {
	var s auditStored
	var why string
	cmd.Use = "fork --reason TEXT [flags]"
	cmd.Long = `Goes on with a store that has less than was published of its audit log, as after a backup was restored. The gateway does
not start with such a store, since what was recorded after the backup is missing. This records that the log goes on without
it, and why, and by whose hand; whoever has a later checkpoint will ask for the reason.` + auditStopped
	cmd.Example = `  callgate audit fork --config Caddyfile --reason "restored from the backup of 3 March after the disk broke"`
	s.add(cmd)
	cmd.Flags().StringVar(&why, "reason", "", "why the log goes on with less than was published")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		return s.with(cmd, true, func(o *operate.Service, who operate.Actor) error {
			state, err := o.AuditFork(cmd.Context(), who, why)
			if err != nil {
				return err
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "The log goes on with %s. Start the gateway.\n", plural(int(state.Records), "record", "records"))
			return err
		})
	}
}
