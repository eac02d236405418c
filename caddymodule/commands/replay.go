package commands

import (
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/spf13/cobra"

	"github.com/callgate/callgate/internal/operate"
)

// action is a command that changes much at once: it counts first, and acts with --yes.
type action[T any] struct {
	admin  admin
	filter filter
	all    bool
	yes    bool
	wait   bool
	// rate is how fast it goes, where that can be said.
	rate string
	// keepSubject and destroyKey are for erasing.
	keepSubject, destroyKey bool
	// operation is what a job is called that does it, and path where one that needs none is asked for.
	operation, path string
	// counted reads the answer, and answer makes one; one and many name what is counted.
	counted   func(T) int
	answer    func(n int) T
	one, many string
	// doing and done say what becomes of them.
	doing, done string
}

// selection is what the gateway is asked for.
type selection struct {
	operate.Selection
	Operation   string `json:"operation,omitempty"`
	Rate        string `json:"rate,omitempty"`
	KeepSubject bool   `json:"keep_subject,omitempty"`
	DestroyKey  bool   `json:"destroy_key,omitempty"`
}

func (a *action[T]) add(cmd *cobra.Command) {
	a.admin.add(cmd)
	fl := cmd.Flags()
	fl.BoolVar(&a.all, "all", false, "without any filter: everything")
	fl.BoolVarP(&a.yes, "yes", "y", false, "do it; without this it is only counted")
	fl.BoolVar(&a.wait, "wait", true, "wait until it is done; with --wait=false only begin it, and say how to look at it")
	cmd.Args = cobra.NoArgs
	cmd.RunE = func(cmd *cobra.Command, _ []string) error { return a.run(cmd) }
}

func (a *action[T]) run(cmd *cobra.Command) error {
	if err := a.filter.settle(a.admin.now()); err != nil {
		return err
	}
	switch none := a.filter == (filter{}); {
	case none && !a.all:
		return errors.New("without a filter this would be for everything; give a filter, or --all if everything is meant")
	case !none && a.all:
		return errors.New("--all means no filter; give either --all or a filter")
	}
	rate, err := operate.ParseRate(a.rate)
	if err != nil {
		return fmt.Errorf("--rate: %w", err)
	}
	sel := selection{Selection: operate.Selection{Filter: a.filter.Filter, All: a.all, DryRun: true}, Rate: a.rate, KeepSubject: a.keepSubject, DestroyKey: a.destroyKey}
	var counted T
	if err := a.admin.ask(http.MethodPost, adminPath+a.path, sel, &counted); err != nil {
		return err
	}
	n := a.counted(counted)
	if !a.yes {
		return a.printCount(cmd, counted, n, rate)
	}
	sel.DryRun = false
	if n > 1 || !a.wait {
		return a.begin(cmd, sel)
	}
	var did T
	if err := a.admin.ask(http.MethodPost, adminPath+a.path, sel, &did); err != nil {
		return err
	}
	return a.printDone(cmd, did)
}

// printCount says what would be done.
func (a *action[T]) printCount(cmd *cobra.Command, counted T, n int, rate float64) error {
	if a.admin.json {
		return printJSON(cmd.OutOrStdout(), counted)
	}
	hint, over := "", ""
	if n > 0 || a.destroyKey {
		hint = fmt.Sprintf("; add --yes to have %s %s", map[bool]string{true: "it", false: "them"}[n == 1], a.done)
	}
	if rate > 0 && n > 1 {
		over = ", over " + time.Duration(float64(n-1)/rate*float64(time.Second)).Round(time.Second).String()
	}
	_, err := fmt.Fprintf(cmd.OutOrStdout(), "%s would be %s%s%s. Nothing was changed%s.\n", plural(n, a.one, a.many), a.done, over, a.keys(), hint)
	return err
}

func (a *action[T]) printDone(cmd *cobra.Command, did T) error {
	if a.admin.json {
		return printJSON(cmd.OutOrStdout(), did)
	}
	_, err := fmt.Fprintf(cmd.OutOrStdout(), "%s %s%s.\n", plural(a.counted(did), a.one, a.many), a.done, a.keys())
	return err
}

// keys says that the tenant's data keys go too.
func (a *action[T]) keys() string {
	if !a.destroyKey {
		return ""
	}
	return ", and the data keys of tenant " + plain(a.filter.Tenant) + " destroyed"
}

// begin has the gateway do it as a job, which goes on also if nobody waits for it, and waits for it.
func (a *action[T]) begin(cmd *cobra.Command, sel selection) error {
	path := adminPath + "jobs"
	if a.operation == "erase" {
		path += "/erase"
	} else {
		sel.Operation = a.operation
	}
	var job operate.Job
	if err := a.admin.ask(http.MethodPost, path, sel, &job); err != nil {
		return err
	}
	if !a.wait {
		if a.admin.json {
			return printJSON(cmd.OutOrStdout(), job)
		}
		_, err := fmt.Fprintf(cmd.OutOrStdout(), "%s %s: begun as job %s. %s\n", a.doing, plural(job.Total, a.one, a.many), job.ID, howToLook(job.ID))
		return err
	}
	fmt.Fprintf(cmd.ErrOrStderr(), "%s %s as job %s, which goes on in the gateway also if this command ends.\n", a.doing, plural(job.Total, a.one, a.many), job.ID)
	ended, err := a.admin.await(cmd, &job)
	if err != nil {
		return err
	}
	return a.printDone(cmd, a.answer(ended.Done))
}

func fillReplay(cmd *cobra.Command) {
	a := &action[operate.DeliveryCount]{
		operation: "replay", path: "replay", one: "delivery", many: "deliveries", doing: "Replaying", done: "replayed",
		counted: func(c operate.DeliveryCount) int { return c.Deliveries },
		answer:  deliveries,
	}
	cmd.Use = "replay [flags]"
	cmd.Long = `Sends deliveries again, from the start of their schedule: dead ones or, with --state, delivered ones (which the
receiver then gets twice, with the same id) or any. Without --yes it only tells how many there are.` + asJob + exitCodes
	cmd.Example = `  callgate replay --destination crm
  callgate replay --destination crm --from 2026-01-31T08:00:00Z --to 2026-01-31T09:30:00Z --yes
  callgate replay --destination crm --rate 5/s --yes
  callgate replay --delivery 01JC0Q4Z6W5P9G2N8S3T7V1X0Y.0 --state delivered --yes`
	a.filter.flags(cmd, "dead (the default), delivered, any")
	cmd.Flags().StringVar(&a.rate, "rate", "", "how many fall due in a time, oldest first, such as 5/s, 30/min or 100/10s (default: all at once, at the destination's own pace)")
	a.add(cmd)
}

// deliveries is the answer that so many were changed.
func deliveries(n int) operate.DeliveryCount { return operate.DeliveryCount{Deliveries: n} }

func fillRetry(cmd *cobra.Command) {
	a := &action[operate.DeliveryCount]{
		operation: "retry", path: "retry", one: "delivery", many: "deliveries", doing: "Sending", done: "sent now",
		counted: func(c operate.DeliveryCount) int { return c.Deliveries }, answer: deliveries,
	}
	cmd.Use = "retry [flags]"
	cmd.Aliases = []string{"send-now"}
	cmd.Long = `Sends deliveries now that wait for their next attempt, as after a receiver was mended. They keep the attempts made. A
destination that is paused is resumed with resume, and one with an open breaker is tried when the breaker says so.
Without --yes it only tells how many there are. Dead and delivered ones are sent again with replay.` + asJob + exitCodes
	cmd.Example = `  callgate retry --destination crm
  callgate retry --destination crm --yes
  callgate retry --delivery 01JC0Q4Z6W5P9G2N8S3T7V1X0Y.0 --yes`
	a.filter.flags(cmd, "pending (the only one that waits)")
	a.add(cmd)
}

func fillCancel(cmd *cobra.Command) {
	a := &action[operate.DeliveryCount]{
		operation: "cancel", path: "cancel", one: "delivery", many: "deliveries", doing: "Cancelling", done: "cancelled",
		counted: func(c operate.DeliveryCount) int { return c.Deliveries }, answer: deliveries,
	}
	cmd.Use = "cancel [flags]"
	cmd.Long = `Takes back deliveries that wait, as after a mistaken replay: they are dead, with a reason that says so, and replay sends
them after all. An attempt under way cannot be called back. Without --yes it only tells how many there are.` + asJob + exitCodes
	cmd.Example = `  callgate cancel --destination crm
  callgate cancel --destination crm --tenant acme --yes`
	a.filter.flags(cmd, "pending (the only one that waits)")
	a.add(cmd)
}

func fillErase(cmd *cobra.Command) {
	a := &action[operate.EventCount]{
		operation: "erase", path: "erase", one: "event", many: "events", doing: "Erasing", done: "erased",
		counted: func(c operate.EventCount) int { return c.Events },
		answer:  func(n int) operate.EventCount { return operate.EventCount{Events: n} },
	}
	cmd.Use = "erase [flags]"
	cmd.Long = `Deletes events with all that belongs to them: what was said, deliveries, also waiting ones, and attempts. It cannot
be undone. A filter for deliveries, such as --destination, erases the whole events that have such a delivery. An
attempt that is under way cannot be called back, and what was delivered is still where it went.

The audit log goes on telling that something was sent, but no longer about whom: what led from its records to the caller
goes too. Where you have to account for disclosures (45 CFR 164.528) say --keep-subject: then the caller's pseudonym stays
beside the log, a keyed hash, and callgate audit query --caller still finds what was sent about them.

A tenant whose calls are sealed with a data key of its own has that also after its events are erased, and so have backups.
With --destroy-key it is destroyed too when the events are gone, and both are in the audit log.

Without --yes it only tells how many events there are.` + asJob + exitCodes
	cmd.Example = `  callgate erase --caller +15551234567
  callgate erase --caller +15551234567 --yes
  callgate erase --by patient_id=PT-10023
  callgate erase --caller +15551234567 --keep-subject --yes
  callgate erase --tenant acme --to 2026-01-01 --yes
  callgate erase --tenant acme --destroy-key --yes`
	a.filter.flags(cmd, "pending, delivered, dead")
	cmd.Flags().BoolVar(&a.destroyKey, "destroy-key", false, "with --tenant alone: destroy the tenant's data keys too, as keys destroy does; see its help for backups")
	cmd.Flags().BoolVar(&a.keepSubject, "keep-subject", false, "let the audit log still answer what was sent about the caller")
	a.add(cmd)
}
