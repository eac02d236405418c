package commands

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/callgate/callgate/internal/audit"
	"github.com/callgate/callgate/internal/operate"
)

func fillAuditTail(cmd *cobra.Command) {
	var s auditFace
	sel := operate.AuditSelection{Newest: 20}
	cmd.Use = "tail [flags]"
	cmd.Long = `Prints the newest records of the audit log, the oldest of them first, and of a gateway that runs new ones as they come,
until it is interrupted.` + auditEither
	cmd.Example = "  callgate audit tail --config /etc/callgate/Caddyfile -n 50"
	s.add(cmd)
	cmd.Flags().Int64VarP(&sel.Newest, "number", "n", sel.Newest, "how many records")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if sel.Newest < 1 || sel.Newest > 1000 {
			return errors.New("-n must be between 1 and 1000")
		}
		return s.with(cmd, func(log auditLog) error {
			return log.tail(cmd.Context(), sel, func(records []json.RawMessage) error {
				return s.printRecords(cmd.OutOrStdout(), records)
			})
		})
	}
}

func fillAuditQuery(cmd *cobra.Command) {
	var s auditFace
	var sel operate.AuditSelection
	var from, to string
	cmd.Use = "query [flags]"
	cmd.Long = "Prints the records of the audit log that are asked for, oldest first. Of a flag that is not given all match." + auditEither
	cmd.Example = `  callgate audit query --config Caddyfile --event 01JC0Q4Z6W5P9G2N8S3T7V1X0Y
  callgate audit query --config Caddyfile --kind erase,reveal --from 2026-01-01
  callgate audit query --config Caddyfile --kind attempt,sync.outcome --caller +15551234567`
	s.add(cmd)
	fl := cmd.Flags()
	fl.StringVar(&from, "from", "", "recorded at this time or later: 2026-01-31, yesterday 08:00 or 7d ago")
	fl.StringVar(&to, "to", "", "recorded before this time")
	fl.StringVar(&sel.Kind, "kind", "", "what is recorded, such as attempt; several are separated by commas")
	fl.StringVar(&sel.By, "by", "", "id of who did it")
	fl.StringVar(&sel.Caller, "caller", "", "phone number with its country: records about this caller's events, also erased ones whose subject was kept")
	fl.StringVar(&sel.Tenant, "tenant", "", "tenant")
	fl.StringVar(&sel.Event, "event", "", "id of the event")
	fl.StringVar(&sel.Delivery, "delivery", "", "id of the delivery")
	fl.StringVar(&sel.Destination, "destination", "", "name of a recipient")
	fl.StringVar(&sel.Outcome, "outcome", "", "outcome, such as ok, retry, dead or denied")
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
		return s.with(cmd, func(log auditLog) error {
			for sel.Limit = 1000; ; {
				records, next, err := log.query(cmd.Context(), sel)
				if err != nil {
					return err
				}
				if err := s.printRecords(cmd.OutOrStdout(), records); err != nil {
					return err
				}
				if sel.After = next; next == 0 {
					return nil
				}
			}
		})
	}
}

// printRecords prints records, a line each.
func (s *auditFace) printRecords(w io.Writer, records []json.RawMessage) error {
	out := bufio.NewWriter(w)
	for _, line := range records {
		if s.json {
			fmt.Fprintf(out, "%s\n", line)
			continue
		}
		l, err := audit.ParseLine(line)
		if err != nil {
			return err
		}
		fmt.Fprintln(out, plain(recordText(l, s.utc)))
	}
	return out.Flush()
}

// recordText is a record for people, with its time in UTC or in this machine's zone.
func recordText(l *audit.Leaf, utc bool) string {
	at := l.At.Local()
	if utc {
		at = l.At.UTC()
	}
	parts := []string{strconv.FormatInt(l.Seq, 10), at.Format(time.RFC3339), string(l.Kind)}
	add := func(name, value string) {
		if value != "" {
			parts = append(parts, name+"="+value)
		}
	}
	add("by", strings.TrimSuffix(l.Actor.Type+":"+l.Actor.ID, ":"))
	add("via", l.Actor.Via)
	if l.Operation != string(l.Kind) {
		add("operation", l.Operation)
	}
	add("tenant", l.Tenant)
	if l.Version > 0 {
		add("version", strconv.Itoa(l.Version))
	}
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
	var s auditFace
	var in operate.AuditExporting
	cmd.Use = "export FILE [flags]"
	cmd.Long = `Writes the audit log to a new file, which callgate audit verify verifies with the public key alone, on any machine: the
records as they stand in the log, and a signed checkpoint behind the last one. - writes to standard output. Records that
were pruned are left out.

Whoever verifies it should have an older checkpoint that reached him by another way: what the owner of the key rewrote and
signed again, only that shows. Where the export begins behind it, give its size with --since.

With --format csv or fhir it is written for spreadsheets, or as AuditEvents of FHIR R4, one in a line, which cannot be
verified. Where a call was sent to a receiver they follow IHE's profile for disclosures, with the caller's pseudonym, as long
as the caller was not erased and there is an encryption key.` + auditEither
	cmd.Example = `  callgate audit export audit.jsonl --config /etc/callgate/Caddyfile
  callgate audit export disclosures.ndjson --format fhir`
	s.add(cmd)
	cmd.Args = oneArgument
	cmd.Flags().Int64Var(&in.First, "first", 0, "first record to write")
	cmd.Flags().Int64SliceVar(&in.Since, "since", nil, "size of an older checkpoint; can be repeated")
	cmd.Flags().StringVar(&in.Format, "format", "jsonl", "jsonl, csv or fhir")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		return s.with(cmd, func(log auditLog) (err error) {
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
			buffered := bufio.NewWriter(out)
			n, err := log.export(cmd.Context(), in, buffered)
			if err = errors.Join(err, buffered.Flush()); err == nil && args[0] != "-" {
				_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s written.\n", plural(int(n), "byte", "bytes"))
			}
			return err
		})
	}
}

func fillAuditPrune(cmd *cobra.Command) {
	var s auditFace
	var before string
	var dryRun bool
	cmd.Use = "prune --before TIME [flags]"
	cmd.Long = `Takes the lines of old records away, with what lies beside them. Their hashes stay, so that what is left still verifies and
older proofs still hold; how many went, and by whose hand, is recorded. keep in the configuration does so by itself.` + auditEither
	cmd.Example = "  callgate audit prune --config Caddyfile --before 2020-01-01 --dry-run"
	s.add(cmd)
	cmd.Flags().StringVar(&before, "before", "", "what was recorded before this time goes: 2026-01-31 or 2500d ago")
	cmd.Flags().BoolVar(&dryRun, "dry-run", false, "count, and change nothing")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if before == "" {
			return errors.New("before when? give --before, such as 2026-01-31 or 2500d ago")
		}
		at, err := operate.When(before, time.Now())
		if err != nil {
			return fmt.Errorf("--before: %w", err)
		}
		return s.with(cmd, func(log auditLog) error {
			n, err := log.prune(cmd.Context(), operate.AuditPruning{Before: at.UTC().Format(time.RFC3339), DryRun: dryRun})
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
	var s auditFace
	cmd.Use = "checkpoint [flags]"
	cmd.Long = `Prints a checkpoint of the audit log: the log's name, how many records it has and their root, signed. A gateway that runs
makes one of what there is now, and sends it to all that get checkpoints; of one that is stopped it is the last one, after the
log in the store was verified. Give it to whoever is to verify the log later: nobody, not even the owner of the key, can then
change what was recorded before without that being found.` + auditEither
	cmd.Example = "  callgate audit checkpoint --config Caddyfile > checkpoint.txt"
	s.add(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		return s.with(cmd, func(log auditLog) error {
			state, err := log.checkpoint(cmd.Context())
			if err != nil {
				return err
			}
			if s.json {
				return printJSON(cmd.OutOrStdout(), state)
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
		if why == "" {
			return errors.New("why does the log go on without what is missing? give --reason")
		}
		return s.open(cmd, func(o *operate.Service, who operate.Actor) error {
			state, err := o.AuditFork(cmd.Context(), who, why)
			if err != nil {
				return err
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "The log goes on with %s. Start the gateway.\n", plural(int(state.Records), "record", "records"))
			return err
		})
	}
}
