package commands

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/callgate/callgate/internal/operate"
	"github.com/callgate/callgate/internal/store"
)

func fillTail(cmd *cobra.Command) {
	var a admin
	var f filter
	cmd.Use = "tail [flags]"
	cmd.Long = `Prints events and attempts at deliveries as they come, until it is interrupted. With --json each is a line of JSON
whose member "kind" is event, attempt or gap. When the gateway's configuration is reloaded it goes on by itself; what
happens in that second is not printed.` + exitCodes
	cmd.Example = `  callgate tail --tenant acme
  callgate tail --destination crm --json | jq 'select(.kind == "attempt" and .state == "dead")'`
	cmd.Args = cobra.NoArgs
	f.where(cmd)
	a.add(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		uri := "/callgate/tail"
		if q := f.query().Encode(); q != "" {
			uri += "?" + q
		}
		return a.follow(cmd, uri)
	}
}

// again is after how long a stream that ended is asked for once more, and tries how often that is done in vain.
const (
	again = time.Second
	tries = 5
)

// follow prints a stream, and the ones that follow it when the configuration is reloaded.
func (a *admin) follow(cmd *cobra.Command, uri string) error {
	ctx := cmd.Context()
	if ctx == nil {
		ctx = context.Background()
	}
	for failed, began := 0, false; ctx.Err() == nil; {
		stream, err := a.open(http.MethodGet, uri, nil)
		if err != nil {
			if failed++; !began || failed > tries {
				return err
			}
		} else {
			began, failed = true, 0
			stop := untilDone(ctx, stream)
			err = a.print(cmd.OutOrStdout(), stream)
			stop()
			stream.Close()
			if err != nil {
				return err
			}
		}
		select {
		case <-ctx.Done():
		case <-time.After(again):
		}
	}
	return nil
}

// maxMessage bounds a message of the stream.
const maxMessage = 1 << 20

// print prints the messages of a stream until it ends. Only an error of writing is one.
func (a *admin) print(out io.Writer, stream io.Reader) error {
	lines := bufio.NewScanner(stream)
	lines.Buffer(nil, maxMessage)
	kind := ""
	for lines.Scan() {
		name, value, _ := strings.Cut(lines.Text(), ": ")
		switch name {
		case "event":
			kind = value
		case "data":
			if err := a.message(out, kind, []byte(value)); err != nil {
				return err
			}
		}
	}
	return nil
}

// message prints one message.
func (a *admin) message(out io.Writer, kind string, data []byte) error {
	if a.json {
		var members map[string]json.RawMessage
		if json.Unmarshal(data, &members) != nil {
			return nil
		}
		members["kind"] = json.RawMessage(fmt.Sprintf("%q", kind))
		line, err := json.Marshal(members)
		if err != nil {
			return err
		}
		_, err = fmt.Fprintf(out, "%s\n", line)
		return err
	}
	var line string
	switch kind {
	case operate.TailEvent:
		var e store.EventInfo
		if json.Unmarshal(data, &e) != nil {
			return nil
		}
		line = fmt.Sprintf("%s  accepted   %s", a.stamp(e.ReceivedAt), e.ID)
		for _, s := range []string{e.Tenant, e.Source, e.EventType, e.CallID} {
			if s != "" {
				line += "  " + s
			}
		}
	case operate.TailAttempt:
		line = a.attemptLine(data)
	case operate.TailGap:
		var g operate.Gap
		if json.Unmarshal(data, &g) == nil {
			line = strings.Repeat(" ", len(a.stamp(time.Now()))) + "  " + g.Message
		}
	}
	if line == "" {
		return nil
	}
	_, err := fmt.Fprintln(out, plain(line))
	return err
}

func (d *display) attemptLine(data []byte) string {
	var a operate.TailedAttempt
	if json.Unmarshal(data, &a) != nil {
		return ""
	}
	became := string(a.State)
	if a.State == store.Pending {
		became = "retry"
	}
	line := fmt.Sprintf("%s  %-9s  %s  %s attempt %s, %.1fms", d.stamp(a.At), became, a.DeliveryID, a.Destination, attemptName(&a.AttemptDetail), a.TookMS)
	if a.Status != 0 {
		line += fmt.Sprintf(", status %d", a.Status)
	}
	if a.State == store.Pending && !a.NextAt.IsZero() {
		line += ", next " + d.stamp(a.NextAt)
	}
	if a.Reason != "" {
		line += ": " + a.Reason
	}
	return line
}
