package redact

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig"
)

func init() {
	caddyconfig.RegisterAdapter(AdapterName, adapter{})
}

// AdapterName is the name of the config adapter.
const AdapterName = "callgate"

// adapter is the one for Caddyfiles, with the encoder callgate around every log.
type adapter struct{}

// Adapt implements caddyconfig.Adapter.
func (adapter) Adapt(body []byte, options map[string]any) ([]byte, []caddyconfig.Warning, error) {
	config, warnings, err := caddyconfig.GetAdapter("caddyfile").Adapt(body, options)
	if err != nil {
		return nil, warnings, err
	}
	config, err = Wrap(config)
	return config, warnings, err
}

// Wrap puts the encoder callgate around the encoders of all logs of a configuration in JSON, and around that of the default
// log also where it is not configured.
func Wrap(config []byte) ([]byte, error) {
	var c map[string]json.RawMessage
	if err := json.Unmarshal(config, &c); err != nil {
		return nil, fmt.Errorf("the configuration is no JSON object: %w", err)
	}
	if c == nil {
		c = make(map[string]json.RawMessage)
	}
	all := make(map[string]json.RawMessage)
	if err := member(c, "logging", &all); err != nil {
		return nil, err
	}
	logs := make(map[string]map[string]json.RawMessage)
	if err := member(all, "logs", &logs); err != nil {
		return nil, err
	}
	if logs[caddy.DefaultLoggerName] == nil {
		logs[caddy.DefaultLoggerName] = make(map[string]json.RawMessage)
	}
	for name, log := range logs {
		if log == nil {
			log = make(map[string]json.RawMessage)
			logs[name] = log
		}
		var format struct {
			Format string `json:"format"`
		}
		if err := member(log, "encoder", &format); err != nil {
			return nil, err
		}
		if format.Format == "callgate" {
			continue
		}
		wrapped := map[string]any{"format": "callgate"}
		if format.Format != "" {
			wrapped["wrap"] = log["encoder"]
		}
		log["encoder"] = caddyconfig.JSON(wrapped, nil)
	}
	all["logs"] = caddyconfig.JSON(logs, nil)
	c["logging"] = caddyconfig.JSON(all, nil)
	return json.Marshal(c)
}

// member reads a member of an object, if there is one.
func member(of map[string]json.RawMessage, name string, into any) error {
	raw, ok := of[name]
	if !ok || string(raw) == "null" {
		return nil
	}
	if err := json.Unmarshal(raw, into); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return nil
}

// Args gives the arguments of a command line so that a Caddyfile is read with the adapter callgate, where Caddy would take
// the one for Caddyfiles. exists reports whether there is a file of that name.
func Args(args []string, exists func(string) bool) []string {
	if len(args) < 2 || !slices.Contains([]string{"run", "start", "reload", "validate", "adapt"}, args[1]) || slices.Contains(args, "--") {
		return args
	}
	if slices.ContainsFunc(args[2:], grouped) {
		return args
	}
	config, hasConfig := flagValue(args, "config", "c")
	name, hasAdapter := flagValue(args, "adapter", "a")
	args = slices.Clone(args)
	switch {
	case hasAdapter && args[name.at] == name.prefix+"caddyfile":
		args[name.at] = name.prefix + AdapterName
	case hasAdapter:
	case !hasConfig && exists("Caddyfile"):
		args = append(args, "--config", "Caddyfile", "--adapter", AdapterName)
	case hasConfig && isCaddyfile(strings.TrimPrefix(args[config.at], config.prefix)):
		args = append(args, "--adapter", AdapterName)
	}
	return args
}

// grouped reports whether an argument is several short flags in one, or a short flag with its value.
func grouped(arg string) bool {
	return len(arg) > 2 && arg[0] == '-' && arg[1] != '-' && arg[2] != '='
}

// place is where the value of a flag stands.
type place struct {
	at     int
	prefix string // of the argument, before the value
}

// flagValue finds the last value of a flag.
func flagValue(args []string, long, short string) (p place, ok bool) {
	for i := 2; i < len(args); i++ {
		for _, flag := range []string{"--" + long, "-" + short} {
			switch {
			case args[i] == flag && i+1 < len(args):
				p, ok = place{i + 1, ""}, true
			case strings.HasPrefix(args[i], flag+"="):
				p, ok = place{i, flag + "="}, true
			}
		}
	}
	return p, ok
}

// isCaddyfile is how Caddy knows a Caddyfile by its name.
func isCaddyfile(file string) bool {
	base := strings.ToLower(filepath.Base(file))
	return filepath.Ext(base) != ".json" && (strings.HasPrefix(base, "caddyfile") || strings.HasSuffix(base, ".caddyfile"))
}
