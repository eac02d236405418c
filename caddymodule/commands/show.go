package commands

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/callgate/callgate/internal/operate"
)

func fillShow(cmd *cobra.Command) {
	var a admin
	var content bool
	var reason string
	cmd.Use = "show EVENT [flags]"
	cmd.Long = `Shows one event with its deliveries and every attempt at them. EVENT is the id of an event, or of a delivery of it.

With --content it also shows what the caller said: the call record, the request as it came in, and what is kept of
receivers' answers. It takes a reason, which the gateway logs with the event's id, and is refused where the admin
endpoint listens on TCP, unless the configuration says admin_content on. Mind who sees your terminal.` + exitCodes
	cmd.Example = `  callgate show 01JC0Q4Z6W5P9G2N8S3T7V1X0Y
  callgate show 01JC0Q4Z6W5P9G2N8S3T7V1X0Y --content --reason "the clinic asks what the caller wanted"`
	cmd.Args = cobra.ExactArgs(1)
	a.add(cmd)
	cmd.Flags().BoolVar(&content, "content", false, "also show what the caller said")
	cmd.Flags().StringVar(&reason, "reason", "", "why you look at it, for the log; needed with --content")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		id, _, _ := strings.Cut(args[0], ".") // a delivery's id begins with its event's
		method, uri, body := http.MethodGet, "/callgate/events/"+escaped(id), any(nil)
		switch {
		case content && reason == "":
			return errors.New("--content takes a --reason: why you look at what a caller said, for the gateway's log")
		case content:
			method, uri, body = http.MethodPost, uri+"/content", map[string]string{"reason": reason}
		case reason != "":
			return errors.New("--reason is for --content")
		}
		var text json.RawMessage
		if err := a.ask(method, uri, body, &text); err != nil {
			return err
		}
		if a.json {
			return printJSON(cmd.OutOrStdout(), text)
		}
		var e operate.EventDetail
		if err := json.Unmarshal(text, &e); err != nil {
			return fmt.Errorf("the gateway's answer cannot be read; has it the version of this command? %w", err)
		}
		return printEvent(cmd.OutOrStdout(), &e)
	}
}

func printEvent(out io.Writer, e *operate.EventDetail) error {
	for _, l := range [][2]string{
		{"event", e.ID}, {"received", stamp(e.ReceivedAt)}, {"tenant", e.Tenant}, {"source", e.Source}, {"route", e.Route},
		{"type", e.EventType}, {"event id", e.EventID}, {"call", e.CallID}, {"bytes", number(e.Bytes)},
	} {
		if l[1] != "" {
			fmt.Fprintf(out, "%-10s %s\n", l[0]+":", plain(l[1]))
		}
	}
	for i := range e.Deliveries {
		if err := printDelivery(out, &e.Deliveries[i]); err != nil {
			return err
		}
	}
	return printContent(out, e.Content)
}

func printDelivery(out io.Writer, d *operate.DeliveryDetail) error {
	standing := stateOf(&d.Delivery)
	if next := nextOf(&d.Delivery); next != "" {
		standing += ", next attempt " + next
	}
	if d.RemoteID != "" {
		standing += ", there as " + d.RemoteID
	}
	fmt.Fprintf(out, "\n%s to %s: %s\n", plain(d.ID), plain(d.Destination), plain(standing))
	if len(d.Attempts) == 0 {
		return nil
	}
	t := newTable(out, "  ATTEMPT", "AT", "TOOK", "STATUS", "RESULT")
	for _, a := range d.Attempts {
		result := a.Reason
		if result == "" {
			result = "delivered"
		}
		for _, w := range a.Warnings {
			result += "; warning: " + w
		}
		t.row("  "+fmt.Sprint(a.Number), stamp(a.At), fmt.Sprintf("%.1fms", a.TookMS), number(a.Status), result)
	}
	if err := t.end(); err != nil {
		return err
	}
	for _, a := range d.Attempts {
		if a.Excerpt != "" {
			fmt.Fprintf(out, "  answer to attempt %d: %s\n", a.Number, plain(a.Excerpt))
		}
	}
	return nil
}

func printContent(out io.Writer, c *operate.EventContent) error {
	if c == nil {
		return nil
	}
	var record bytes.Buffer
	if json.Indent(&record, c.Record, "", "  ") == nil {
		fmt.Fprintf(out, "\ncall record:\n%s\n", printableLines(record.String()))
	}
	fmt.Fprintf(out, "\nrequest to %s:\n", plain(c.URI))
	names := make([]string, 0, len(c.Header))
	for n := range c.Header {
		names = append(names, n)
	}
	slices.Sort(names)
	for _, n := range names {
		for _, v := range c.Header[n] {
			fmt.Fprintf(out, "%s: %s\n", plain(n), plain(v))
		}
	}
	if len(c.BodyBase64) > 0 {
		_, err := fmt.Fprintf(out, "\n(%d bytes that are not text; see them with --json)\n", len(c.BodyBase64))
		return err
	}
	_, err := fmt.Fprintf(out, "\n%s\n", printableLines(c.Body))
	return err
}

// printableLines is a text of several lines that cannot steer the terminal.
func printableLines(s string) string {
	lines := strings.Split(strings.TrimRight(s, "\n"), "\n")
	for i, l := range lines {
		lines[i] = plain(strings.ReplaceAll(strings.TrimSuffix(l, "\r"), "\t", "    "))
	}
	return strings.Join(lines, "\n")
}
