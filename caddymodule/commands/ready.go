package commands

import (
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/spf13/cobra"

	"github.com/callgate/callgate/internal/operate"
)

func fillReady(cmd *cobra.Command) {
	var (
		a      admin
		oldest time.Duration
	)
	cmd.Use = "ready [flags]"
	cmd.Long = `Says whether calls should be sent to the gateway: it runs, is not about to end, its store can write, and there is room for
an event. Where there is no other program to ask, as in a container, this is the health check.

Exit status: 0 if calls should be sent to it; 1 if not, or if it cannot be asked, with the reason on standard error.`
	cmd.Example = `  callgate ready
  callgate ready --max-queue-age 1h --config /etc/callgate/Caddyfile`
	cmd.Args = cobra.NoArgs
	a.add(cmd)
	cmd.Flags().DurationVar(&oldest, "max-queue-age", 0, "how long the oldest delivery may wait (default: as long as it takes)")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		uri := "/callgate/ready"
		if oldest > 0 {
			uri += "?" + url.Values{"max_queue_age": {oldest.String()}}.Encode()
		}
		var state operate.Readiness
		if err := a.ask(http.MethodGet, uri, nil, &state); err != nil {
			return err
		}
		if a.json {
			return printJSON(cmd.OutOrStdout(), state)
		}
		_, err := fmt.Fprintln(cmd.OutOrStdout(), "ready")
		return err
	}
}
