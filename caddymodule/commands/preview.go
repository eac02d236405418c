package commands

import (
	"encoding/json"
	"errors"
	"net/http"
	"path/filepath"

	"github.com/caddyserver/caddy/v2"
	caddycmd "github.com/caddyserver/caddy/v2/cmd"
	"github.com/spf13/cobra"

	"github.com/callgate/callgate/caddymodule"
	"github.com/callgate/callgate/internal/operate"
)

func fillPreview(cmd *cobra.Command) {
	var (
		in                           operate.PreviewInput
		config, adapter, contentType string
		headers                      []string
		ask                          admin
		running                      bool
	)
	cmd.Use = "preview --source NAME [--destination NAME]... [--config FILE] PAYLOAD"
	cmd.Long = `Shows what becomes of a payload, as JSON on standard output: the call record and, for each destination, every request
that would be sent, with method, URL, headers and body. Secrets are masked, nothing is sent, and no store is opened.
PAYLOAD is a file, or - for standard input.

Destinations are those to which the route of the source and the tenant would send the call, each with the reason if it
would not get this one, or those that are named with --destination. Sources, tenants, routes and destinations are those
of the --config, a Caddyfile or JSON; without one it is the call record alone, by the presets of sources. With --running
they are those of the gateway that runs, as it was last loaded; with --config too, that is where its admin endpoint is
looked up. It sends nothing and stores nothing either, and asks for no signature.

Exit status: 0 if everything could be shown; 1 if the payload cannot be read as one of the source, if a destination
cannot be rendered (the output says which and why), or if the configuration or the arguments are wrong.`
	cmd.Example = `  callgate preview --source retell payload.json
  callgate preview --source retell --tenant acme --config Caddyfile payload.json
  callgate preview --source retell --tenant acme --running payload.json
  callgate preview --source retell --destination crm --config Caddyfile payload.json
  curl -s https://example.com/sample.json | callgate preview --source vapi -d crm -d oncall -t acme -c Caddyfile -`
	cmd.Args = oneArgument
	cmd.SilenceUsage = true
	fl := cmd.Flags()
	fl.StringVar(&in.Source, "source", "", "source of the payload: one of the configuration, or a preset such as retell")
	if err := cmd.MarkFlagRequired("source"); err != nil {
		panic(err) // the flag is defined
	}
	fl.StringArrayVarP(&in.Destinations, "destination", "d", nil, "destination to show the requests of; can be repeated (default: where the call would go)")
	fl.StringVar(&in.Route, "route", "", "name of the route that takes the call, if the configuration has several for the source")
	fl.StringVarP(&config, "config", "c", "", "configuration file (default with --destination, --tenant or --route: the Caddyfile in this directory)")
	fl.BoolVar(&running, "running", false, "ask the gateway that runs")
	fl.StringVar(&ask.remote.Address, "address", "", "address of its admin endpoint (default: the configuration's, or "+caddy.DefaultAdminListen+")")
	fl.StringVarP(&adapter, "adapter", "a", "", "adapter of the configuration file, if it is not a Caddyfile or JSON")
	fl.StringVarP(&in.Tenant, "tenant", "t", "", "tenant of the configuration that the call is for")
	fl.StringVar(&in.Region, "region", "", "country whose national phone numbers are understood, such as US")
	fl.StringVar(&contentType, "content-type", "", "Content-Type of the payload (default: as it looks)")
	fl.StringArrayVarP(&headers, "header", "H", nil, "header of the request; can be repeated")
	cmd.RunE = func(cmd *cobra.Command, args []string) (err error) {
		if in.Header, err = parseHeaders(headers); err != nil {
			return err
		}
		if contentType != "" {
			in.Header.Set("Content-Type", contentType)
		} else if in.Header.Get("Content-Type") == "" && filepath.Ext(args[0]) == ".form" {
			in.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		}
		if running || ask.remote.Address != "" {
			if in.Body, err = readInput(cmd, args[0]); err != nil {
				return err
			}
			ask.config, ask.adapter = config, adapter
			return askPreview(cmd, &ask, in)
		}
		var text []byte
		if config != "" || adapter != "" || len(in.Destinations) > 0 || in.Tenant != "" || in.Route != "" {
			var file string
			if text, file, _, err = caddycmd.LoadConfig(config, adapter); err != nil {
				return err
			}
			if file == "" {
				return errors.New("destinations and tenants are those of a configuration: give it with --config")
			}
		}
		if in.Body, err = readInput(cmd, args[0]); err != nil {
			return err
		}
		s, end, err := caddymodule.OfflinePreview(text)
		if err != nil {
			return err
		}
		defer end()
		p, err := s.Preview(cmd.Context(), atThePrompt, in)
		if err != nil {
			return err
		}
		if err := printJSON(cmd.OutOrStdout(), p); err != nil {
			return err
		}
		return p.Err()
	}
}

// askPreview has the gateway that runs show what becomes of a payload. Its answer is printed as it is: numbers in it may be
// longer than those of this program.
func askPreview(cmd *cobra.Command, ask *admin, in operate.PreviewInput) error {
	var text json.RawMessage
	if err := ask.ask(http.MethodPost, "/callgate/preview", in, &text); err != nil {
		return err
	}
	if err := printJSON(cmd.OutOrStdout(), text); err != nil {
		return err
	}
	p := new(operate.Preview)
	if err := json.Unmarshal(text, p); err != nil {
		return errors.New("the answer is not the gateway's: is this the address of its admin endpoint?")
	}
	return p.Err()
}
