package commands

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"slices"
	"strings"

	caddycmd "github.com/caddyserver/caddy/v2/cmd"
	"github.com/spf13/cobra"

	"github.com/callgate/callgate/caddymodule"
	"github.com/callgate/callgate/internal/signature"
	"github.com/callgate/callgate/internal/source"
	"github.com/callgate/callgate/internal/source/samples"
)

// triggering is what the flags of trigger say.
type triggering struct {
	sending
	config, adapter, route, tenant string
	list, same, show               bool
}

func fillTrigger(cmd *cobra.Command) {
	var t triggering
	cmd.Use = "trigger PRESET [EVENT] [--to URL --secret SECRET | --config FILE]"
	cmd.Long = `Sends a call as its sender would, signed: a sample of the preset, with an id of its own, so that the gateway takes it for a
new call each time. It prints status, headers and body of the answer. --list shows what there is to send; EVENT is a
sample's name or the type of its event.

Where to, with which scheme and with which secret is said by flags, or found in the configuration of a gateway on this
machine: PRESET may be a source of it then. For a sender that signs with a private key, give that with --secret.

Exit status: as of send. It is 1 if an answer is not of the 2xx class, if there is none, or if there is nothing in it.`
	cmd.Example = `  callgate trigger --list
  callgate trigger retell call_ended --to http://localhost:8080/retell --secret s3cret
  callgate trigger nextphone --config Caddyfile --tenant acme`
	cmd.Args = cobra.MaximumNArgs(2)
	cmd.SilenceUsage = true
	t.scheme.add(cmd)
	t.addSending(cmd)
	fl := cmd.Flags()
	fl.Lookup("scheme").DefValue = "the preset's"
	fl.IntVar(&t.concurrent, "concurrent", 1, "how many copies at once") // -c is the configuration's, as elsewhere
	fl.BoolVarP(&t.list, "list", "l", false, "list the samples, of PRESET or of all")
	fl.BoolVar(&t.same, "same", false, "send the sample as it is: the second time it is a copy")
	fl.BoolVar(&t.show, "show", false, "print the body before it is sent")
	fl.StringVarP(&t.config, "config", "c", "", "configuration file of the gateway (default without --to: the Caddyfile in this directory)")
	fl.StringVarP(&t.adapter, "adapter", "a", "", "adapter of the configuration file, if it is not a Caddyfile or JSON")
	fl.StringVar(&t.route, "route", "", "name of the route, if the configuration has several for the source")
	fl.StringVarP(&t.tenant, "tenant", "t", "", "tenant of the configuration that the call is for")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if t.list {
			return listSamples(cmd, args)
		}
		if len(args) == 0 {
			return errors.New("a call of whom? name a preset, such as retell; --list shows all")
		}
		return t.trigger(cmd, args)
	}
}

func listSamples(cmd *cobra.Command, args []string) error {
	all := samples.All()
	if len(args) > 0 {
		if all = samples.Of(args[0]); len(all) == 0 {
			return noPreset(args[0])
		}
	}
	rows := newTable(cmd.OutOrStdout(), 0, column{name: "PRESET"}, column{name: "EVENT"}, column{name: "TYPE"}, column{name: "SENT AS"})
	for _, s := range all {
		kind, _, _ := strings.Cut(s.ContentType, ";")
		if s.Method != http.MethodPost {
			kind = s.Method
		}
		rows.row(s.Preset, s.Name, s.EventType, kind)
	}
	_, err := rows.end()
	return err
}

func noPreset(name string) error {
	var names []string
	for _, p := range source.Presets() {
		names = append(names, p.Name)
	}
	return fmt.Errorf("there is no preset %q; there are %s", name, strings.Join(names, ", "))
}

func (t *triggering) trigger(cmd *cobra.Command, args []string) error {
	c, err := t.scheme.config(cmd)
	if err != nil {
		return err
	}
	preset, known := source.Find(args[0])
	if t.config != "" || t.to == "" {
		sender, err := t.sender(args[0])
		if err != nil {
			return err
		}
		preset, known = sender.Preset, true
		if t.to == "" && sender.NoURL != nil {
			return sender.NoURL
		}
		if t.to == "" {
			t.to = sender.URL
		}
		if c.Scheme == "" {
			sender.Signature.Secrets = append(c.Secrets, sender.Signature.Secrets...)
			c = sender.Signature
		}
	}
	if !known {
		return noPreset(args[0])
	}
	event := ""
	if len(args) > 1 {
		event = args[1]
	}
	s, ok := samples.Find(preset.Name, event)
	if !ok {
		return fmt.Errorf("%s has no sample %q; it has %s", preset.Name, event, strings.Join(sampleNames(preset.Name), ", "))
	}
	if c.Scheme == "" {
		c.Scheme = preset.Scheme
	}
	if c.Scheme == "" && !t.unsigned {
		return fmt.Errorf("%s has no scheme of its own: say with --scheme how it is signed, as in --scheme api_key --query token, or give --config", preset.Name)
	}
	return t.send(cmd, &s, c)
}

// sender finds the sender of a route in the configuration.
func (t *triggering) sender(name string) (*caddymodule.Sender, error) {
	text, file, _, err := caddycmd.LoadConfig(t.config, t.adapter)
	if err != nil {
		return nil, err
	}
	if file == "" {
		return nil, errors.New("where to? give --to URL, or the configuration of a gateway with --config")
	}
	return caddymodule.OfflineSender(text, name, t.route, t.tenant)
}

func (t *triggering) send(cmd *cobra.Command, s *samples.Sample, c signature.Config) error {
	body := *s
	if !t.same {
		body = s.Fresh(rand.New(rand.NewPCG(rand.Uint64(), rand.Uint64())))
	}
	to, err := url.Parse(t.to)
	if err != nil || to.Host == "" {
		return fmt.Errorf("--to %q is no URL; write it as http://localhost:8080/retell", t.to)
	}
	if body.Query != "" {
		to.RawQuery = strings.TrimPrefix(to.RawQuery+"&"+body.Query, "&")
	}
	t.to, t.method, t.contentType = to.String(), body.Method, body.ContentType
	if t.show {
		fmt.Fprintf(cmd.OutOrStdout(), "%s %s\n%s\n\n", t.method, t.to, body.Body)
	}
	return t.run(cmd, body.Body, c)
}

func sampleNames(preset string) (names []string) {
	for _, s := range samples.Of(preset) {
		names = append(names, s.Name)
	}
	slices.Sort(names)
	return names
}
