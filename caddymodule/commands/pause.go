package commands

import (
	"fmt"
	"net/http"

	"github.com/spf13/cobra"

	"github.com/callgate/callgate/internal/operate"
)

func fillPause(cmd *cobra.Command) {
	var a admin
	var reason string
	cmd.Use = "pause DESTINATION [flags]"
	cmd.Long = `Keeps the deliveries to a destination waiting until resume, also over restarts. Events go on being accepted, waiting
costs no attempt, and attempts under way run on.` + exitCodes
	cmd.Example = `  callgate pause crm --reason "maintenance until 18:00"`
	cmd.Args = oneArgument
	a.add(cmd)
	cmd.Flags().StringVar(&reason, "reason", "", "why, for whoever looks at it later")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		return a.setPaused(cmd, args[0], "pause", map[string]string{"reason": reason}, "%s is paused; its deliveries wait until it is resumed.\n")
	}
}

func fillResume(cmd *cobra.Command) {
	var a admin
	cmd.Use = "resume DESTINATION [flags]"
	cmd.Long = `Ends a pause: what waited goes out at the destination's pace. Destinations pause by themselves when they answer that
they are gone, or refuse their credentials; see the reason in stats first.` + exitCodes
	cmd.Example = `  callgate resume crm`
	cmd.Args = oneArgument
	a.add(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		return a.setPaused(cmd, args[0], "resume", struct{}{}, "%s is resumed.\n")
	}
}

func (a *admin) setPaused(cmd *cobra.Command, name, what string, body any, said string) error {
	var state operate.PauseState
	if err := a.ask(http.MethodPost, "/callgate/destinations/"+escaped(name)+"/"+what, body, &state); err != nil {
		return err
	}
	if a.json {
		return printJSON(cmd.OutOrStdout(), state)
	}
	_, err := fmt.Fprintf(cmd.OutOrStdout(), said, state.Destination)
	return err
}
