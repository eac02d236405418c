// Command callgate is Caddy with its standard modules and Callgate inside.
package main

import (
	"os"
	"runtime/debug"
	"time"

	"github.com/caddyserver/caddy/v2"
	caddycmd "github.com/caddyserver/caddy/v2/cmd"

	_ "github.com/caddyserver/caddy/v2/modules/standard"

	"github.com/callgate/callgate/caddymodule"
	"github.com/callgate/callgate/caddymodule/commands"
	"github.com/callgate/callgate/caddymodule/redact"
	_ "github.com/callgate/callgate/caddymodule/standard"
)

// version is set by releases: -ldflags '-X main.version=v1.2.3'.
var version string

func main() {
	caddy.CustomBinaryName = "callgate"
	caddy.CustomVersion = "callgate " + buildVersion() + " on Caddy"
	caddy.CustomLongDescription = `Callgate is a webhook gateway for calls, and a complete Caddy with it inside: every command of Caddy is here.

Start it with a configuration:

	$ callgate run --config Caddyfile

Send it a signed call, sign a body, or find out why a signature does not verify:

	$ callgate send lead.json --to URL --scheme nextphone --secret SECRET
	$ callgate sign --scheme stripe --secret SECRET --body event.json
	$ callgate verify --scheme svix --secret SECRET --header 'Svix-Signature: …' --body event.json

Send a sample call of any sender, watch calls while you write a receiver, and look before you go live:

	$ callgate trigger retell call_ended --to URL --secret SECRET
	$ callgate listen retell --forward localhost:3000
	$ callgate doctor --config Caddyfile

See what a destination would be sent, and operate a gateway that runs:

	$ callgate preview --source retell --config Caddyfile --destination crm call.json
	$ callgate stats
	$ callgate deliveries --state dead
	$ callgate retry --destination crm --yes
	$ callgate replay --destination crm --rate 5/s --yes`
	keepHeadroom()
	caddymodule.DefaultGracePeriod = 10 * time.Second
	os.Args = redact.Args(os.Args, func(file string) bool {
		_, err := os.Stat(file)
		return err == nil
	})
	os.Args = reloadAll(os.Args)
	commands.RegisterTopLevel()
	caddycmd.Main()
}

// buildVersion is the version of this module: that of a release, or else what Go noted of the source it was built from.
func buildVersion() string {
	if version != "" {
		return version
	}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "(devel)"
	}
	v := info.Main.Version
	if v == "" {
		v = "(devel)"
	}
	for _, s := range info.Settings {
		switch {
		case s.Key == "vcs.revision" && v == "(devel)":
			v = s.Value
		case s.Key == "vcs.modified" && s.Value == "true":
			v += "+changes"
		}
	}
	return v
}
