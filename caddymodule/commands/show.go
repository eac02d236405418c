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
	var reveal bool
	var reason string
	cmd.Use = "show EVENT [flags]"
	cmd.Long = `Shows one event with its deliveries and every attempt at them. EVENT is the id of an event, or of a delivery of it.

Of each attempt it shows what was sent: method and host, the size of the body, the names of the fields that had a value, and
a hash. Equal bodies have equal hashes; they are keyed, with encryption_key or until the gateway ends, so that nobody can
find by trying what was sent. The body itself is not kept.

With --reveal it also shows what the caller said: the call record, the request as it came in, and what is kept of
receivers' answers. It takes a reason, which the gateway records with the event's id and with who you are, and logs. It is
for those whom the dashboard gives the capability reveal; the admin endpoint shows it over a unix socket only, which
nobody but its owner may use (mode 0600). Mind who sees your terminal.` + exitCodes
	cmd.Example = `  callgate show 01JC0Q4Z6W5P9G2N8S3T7V1X0Y
  callgate show 01JC0Q4Z6W5P9G2N8S3T7V1X0Y --reveal --reason "the clinic asks what the caller wanted"`
	cmd.Args = oneArgument
	a.add(cmd)
	cmd.Flags().BoolVar(&reveal, "reveal", false, "also show what the caller said")
	cmd.Flags().StringVar(&reason, "reason", "", "why you look at it, for the record; needed with --reveal")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		id, _, _ := strings.Cut(args[0], ".") // a delivery's id begins with its event's
		method, uri, body := http.MethodGet, "/callgate/events/"+escaped(id), any(nil)
		switch {
		case reveal && reason == "":
			return errors.New("--reveal takes a --reason: why you look at what a caller said, for the gateway's record")
		case reveal:
			method, uri, body = http.MethodPost, uri+"/content", map[string]string{"reason": reason}
		case reason != "":
			return errors.New("--reason is for --reveal")
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
		return a.printEvent(cmd.OutOrStdout(), &e)
	}
}

func (a *display) printEvent(out io.Writer, e *operate.EventDetail) error {
	for _, l := range [][2]string{
		{"event", e.ID}, {"received", a.stamp(e.ReceivedAt)}, {"tenant", e.Tenant}, {"source", e.Source}, {"route", e.Route},
		{"type", e.EventType}, {"event id", e.EventID}, {"call", e.CallID}, {"bytes", number(e.Bytes)},
	} {
		if l[1] != "" {
			fmt.Fprintf(out, "%-10s %s\n", l[0]+":", plain(l[1]))
		}
	}
	for i := range e.Deliveries {
		if err := a.printDelivery(out, &e.Deliveries[i]); err != nil {
			return err
		}
	}
	return printContent(out, e.Content)
}

func (a *display) printDelivery(out io.Writer, d *operate.DeliveryDetail) error {
	standing := stateOf(&d.DeliveryRow)
	if reason, ok := waitReasons[d.WaitsFor]; ok {
		standing += ", " + reason
		if d.WaitReason != "" {
			standing += " (" + d.WaitReason + ")"
		}
	} else if next := a.nextOf(&d.DeliveryRow, false); next != "" {
		standing += ", next attempt " + next
	}
	if d.RemoteID != "" {
		standing += ", there as " + d.RemoteID
	}
	fmt.Fprintf(out, "\n%s to %s: %s\n", plain(d.ID), plain(d.Destination), plain(standing))
	if len(d.History) == 0 {
		return nil
	}
	t := a.table(out, column{"  ATTEMPT", 0, 0}, column{"AT", 0, 0}, column{"TOOK", 1, 0}, column{"STATUS", 0, 0}, column{"RESULT", 0, 20})
	for i := range d.History {
		at := &d.History[i]
		result := at.Reason
		if result == "" {
			result = "delivered"
		}
		for _, w := range at.Warnings {
			result += "; warning: " + w
		}
		t.row("  "+attemptName(at), a.stamp(at.At), fmt.Sprintf("%.1fms", at.TookMS), number(at.Status), result)
	}
	if _, err := t.end(); err != nil {
		return err
	}
	a.printSent(out, d.History)
	for i := range d.History {
		switch at := &d.History[i]; {
		case at.Excerpt != "":
			fmt.Fprintf(out, "  answer to attempt %s: %s\n", attemptName(at), plain(at.Excerpt))
		case at.ExcerptBytes > 0:
			fmt.Fprintf(out, "  answer to attempt %s: %s kept, see --reveal\n", attemptName(at), plural(at.ExcerptBytes, "byte", "bytes"))
		}
	}
	return nil
}

// waitReasons say what a delivery waits for, unless it is a time.
var waitReasons = map[operate.Wait]string{
	operate.WaitConfiguration: "waits for a configuration that knows it",
	operate.WaitResume:        "waits until its destination is resumed",
	operate.WaitHold:          "waits because its destination is held: no call gets through, and only probes are sent",
	operate.WaitGateway:       "waits because the gateway itself is in trouble",
	operate.WaitBreaker:       "waits for the breaker of its destination, which tries by itself whether the receiver is back",
	operate.WaitRetryAfter:    "waits because the receiver asked to be left alone",
	operate.WaitTurn:          "due now, at the pace of its destination",
}

// attemptName is the number of an attempt, and of the replay that it belongs to.
func attemptName(a *operate.AttemptDetail) string {
	switch a.Replay {
	case 0:
		return fmt.Sprint(a.Number)
	case 1:
		return fmt.Sprintf("%d of the replay", a.Number)
	}
	return fmt.Sprintf("%d of replay %d", a.Number, a.Replay)
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
