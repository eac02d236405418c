package caddymodule

import (
	"fmt"
	"regexp"

	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/callgate/callgate/caddymodule/grammar"
	"github.com/callgate/callgate/caddymodule/secret"
)

// Manage lets tenants and destinations live in the store besides those of the configuration: as documents with versions,
// which are written, checked, published and taken back while the gateway runs, through the admin API and the commands
// tenants and destinations. What is published is in force within a second, and no other tenant or destination notices.
//
// A name that the configuration has cannot be taken by a document. A route may deliver to a destination that neither has:
// what is for it waits until one is published.
//
// A configuration with which a document in force no longer goes, for example one without a destination that a tenant names,
// is refused when it is loaded in place of one that runs, and told with all such documents: their calls go on as before. At
// the start of the process, and if it was out before, such a document alone is left out, and a tenant's calls are answered
// 503, so that their senders come back.
//
// A document is written by people who are not the operators of the machine. So {env.NAME} and {file.PATH} in it are text,
// it names no file, and it uses only secrets that are listed here or were written with it, as {secret.NAME}. Each is for the
// hosts that are named with it: a destination that uses one sends nothing to any other, whatever URL, redirect or answer
// leads there; one that uses several sends to the hosts that all of them are for. A secret without hosts verifies what
// comes in, and is sent nowhere.
type Manage struct {
	// Secrets are those that every document may use, by name.
	Secrets map[string]*ManagedSecret `json:"secrets,omitempty"`

	// AllowPrivate lets destinations of documents be in the machine's own network. Default: off.
	AllowPrivate bool `json:"allow_private,omitempty"`
}

// ManagedSecret is a secret that documents may use without their authors knowing it.
type ManagedSecret struct {
	// Value is the secret: a placeholder such as {env.CRM_TOKEN}.
	Value string `json:"value"`

	// Hosts are those that it may be sent to: crm.example.com, or *.example.com for all names in a domain. Without a port
	// any port is meant. Default: none, for a secret that verifies what comes in.
	Hosts []string `json:"hosts,omitempty"`

	value string
}

// secretNames are names of secrets.
var secretNames = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_-]{0,63}$`)

func (m *Manage) provision() error {
	if m == nil {
		return nil
	}
	for _, name := range namesOf(m.Secrets) {
		s := m.Secrets[name]
		if !secretNames.MatchString(name) {
			return fmt.Errorf("manage: secret %q: a name begins with a letter and has letters, digits, hyphens and underscores", name)
		}
		if s == nil {
			return fmt.Errorf("manage: secret %s has no value", name)
		}
		var err error
		if s.value, err = secret.Resolve(s.Value); err != nil {
			return fmt.Errorf("manage: secret %s: %w", name, err)
		}
	}
	return nil
}

// unmarshal reads the block. Syntax:
//
//	manage [{
//		secret        <name> <value> [<host>...]
//		allow_private
//	}]
func (m *Manage) unmarshal(d *caddyfile.Dispenser) error {
	if err := grammar.NoArgs(d); err != nil {
		return err
	}
	return grammar.Block(d, grammar.Lines{
		"secret":        m.unmarshalSecret,
		"allow_private": grammar.Flag(&m.AllowPrivate),
	}, "secret")
}

func (m *Manage) unmarshalSecret(d *caddyfile.Dispenser) error {
	args, err := grammar.SomeArgs(d)
	if err != nil {
		return err
	}
	switch {
	case len(args) < 2:
		return d.Errf("secret %s has no value; write secret %s {env.%s} and the hosts that it is for", args[0], args[0], args[0])
	case !secretNames.MatchString(args[0]):
		return d.Errf("secret '%s': a name begins with a letter and has letters, digits, hyphens and underscores", args[0])
	case m.Secrets[args[0]] != nil:
		return d.Errf("secret '%s' is given twice", args[0])
	case m.Secrets == nil:
		m.Secrets = make(map[string]*ManagedSecret)
	}
	m.Secrets[args[0]] = &ManagedSecret{Value: args[1], Hosts: args[2:]}
	return nil
}
