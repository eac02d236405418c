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

// previewing is a preview that is asked for.
type previewing struct {
	in                           operate.PreviewInput
	config, adapter, contentType string
	headers                      []string
	ask                          admin
	running                      bool
}

func fillPreview(cmd *cobra.Command) {
	var v previewing
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
	fl.StringVar(&v.in.Source, "source", "", "source of the payload: one of the configuration, or a preset such as retell")
	if err := cmd.MarkFlagRequired("source"); err != nil {
		panic(err) // the flag is defined
	}
	fl.StringArrayVarP(&v.in.Destinations, "destination", "d", nil, "destination to show the requests of; can be repeated (default: where the call would go)")
	fl.StringVar(&v.in.Route, "route", "", "name of the route that takes the call, if the configuration has several for the source")
	fl.StringVarP(&v.config, "config", "c", "", "configuration file (default with --destination, --tenant or --route: the Caddyfile in this directory)")
	fl.BoolVar(&v.running, "running", false, "ask the gateway that runs")
	fl.StringVar(&v.ask.remote.Address, "address", "", "address of its admin endpoint (default: the configuration's, or "+caddy.DefaultAdminListen+")")
	fl.StringVarP(&v.adapter, "adapter", "a", "", "adapter of the configuration file, if it is not a Caddyfile or JSON")
	fl.StringVarP(&v.in.Tenant, "tenant", "t", "", "tenant of the configuration that the call is for")
	fl.StringVar(&v.in.Region, "region", "", "country whose national phone numbers are understood, such as US")
	fl.StringVar(&v.contentType, "content-type", "", "Content-Type of the payload (default: as it looks)")
	fl.StringArrayVarP(&v.headers, "header", "H", nil, "header of the request; can be repeated")
	cmd.RunE = func(cmd *cobra.Command, args []string) error { return v.run(cmd, args[0]) }
}

func (v *previewing) run(cmd *cobra.Command, payload string) (err error) {
	if v.in.Header, err = parseHeaders(v.headers); err != nil {
		return err
	}
	if v.contentType != "" {
		v.in.Header.Set("Content-Type", v.contentType)
	} else if v.in.Header.Get("Content-Type") == "" && filepath.Ext(payload) == ".form" {
		v.in.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	if v.running || v.ask.remote.Address != "" {
		if v.in.Body, err = readInput(cmd, payload); err != nil {
			return err
		}
		v.ask.config, v.ask.adapter = v.config, v.adapter
		return askPreview(cmd, &v.ask, v.in)
	}
	var text []byte
	if v.config != "" || v.adapter != "" || len(v.in.Destinations) > 0 || v.in.Tenant != "" || v.in.Route != "" {
		var file string
		if text, file, _, err = caddycmd.LoadConfig(v.config, v.adapter); err != nil {
			return err
		}
		if file == "" {
			return errors.New("destinations and tenants are those of a configuration: give it with --config")
		}
	}
	if v.in.Body, err = readInput(cmd, payload); err != nil {
		return err
	}
	s, end, err := caddymodule.OfflinePreview(text)
	if err != nil {
		return err
	}
	defer end()
	p, err := s.Preview(cmd.Context(), atThePrompt, v.in)
	if err != nil {
		return err
	}
	if err := printJSON(cmd.OutOrStdout(), p); err != nil {
		return err
	}
	return p.Err()
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
