package caddymodule

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"regexp"
	"strings"

	"github.com/callgate/callgate/internal/destination"
	"github.com/callgate/callgate/internal/manage"
	"github.com/callgate/callgate/internal/operate"
	"github.com/callgate/callgate/internal/store"
)

// drafts works out destinations that are not in force; nil where documents are not managed.
func (d *dispatcher) drafts() operate.Drafts {
	if d.live() == nil {
		return nil
	}
	return gatewayOf{d}
}

// Open implements operate.Drafts. What is warned of goes to whoever asked and not into the log, since a draft is worked out
// with each key that somebody presses.
func (g gatewayOf) Open(_ context.Context, doc *store.Document) (*operate.OpenDraft, error) {
	l := g.d.live()
	if l == nil {
		return nil, errJustReloaded
	}
	if doc.Kind != manage.Destination {
		return nil, errors.New("only destinations are built")
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.ended {
		return nil, errJustReloaded
	}
	l.trying = true
	c, err := l.compile(doc)
	l.trying = false
	if err != nil {
		return nil, err
	}
	one := c.destinations[doc.Name]
	open := &operate.OpenDraft{
		Warnings: c.warnings.list,
		Preview: func(item destination.Item) ([]destination.Request, error) {
			requests, err := preview(&one.config, item)
			return requests, one.secrets.scrub(requests, err)
		},
		Deliver: one.deliver,
		Close: func() {
			l.mu.Lock()
			defer l.mu.Unlock()
			l.discard(c)
		},
	}
	if d, ok := one.config.Destination.(destination.Describer); ok {
		open.Fields = func(ctx context.Context) ([]destination.Field, error) {
			fields, err := d.AccountFields(ctx)
			return fields, one.secrets.scrub(nil, err)
		}
	}
	return open, nil
}

// deliver sends an item once, and says what became of it without any secret.
func (d *liveDestination) deliver(ctx context.Context, item destination.Item) (r destination.Result) {
	if d.config.Minimize != nil {
		item.Call = d.config.Minimize(item.Call)
	}
	ctx, cancel := context.WithTimeout(ctx, d.config.Timeout)
	defer cancel()
	defer func() {
		if p := recover(); p != nil {
			r = destination.Result{Outcome: destination.Retry, Reason: fmt.Sprintf("the destination panicked (%T); nothing is known of what was sent", p)}
		}
	}()
	results := d.config.Destination.Deliver(ctx, []destination.Item{item})
	if len(results) != 1 {
		return destination.Result{Outcome: destination.Retry, Reason: "the destination did not say what became of it"}
	}
	r = results[0]
	hide := d.secrets.hider()
	r.Reason, r.RemoteID, r.Excerpt = hide.Replace(r.Reason), hide.Replace(r.RemoteID), []byte(hide.Replace(string(r.Excerpt)))
	for i := range r.Warnings {
		r.Warnings[i] = hide.Replace(r.Warnings[i])
	}
	return r
}

// Secrets implements operate.Drafts.
func (g gatewayOf) Secrets() []operate.ListedSecret {
	list := []operate.ListedSecret{}
	if l := g.d.live(); l != nil {
		for _, name := range namesOf(l.app.Manage.Secrets) {
			list = append(list, operate.ListedSecret{Name: name, Hosts: l.app.Manage.Secrets[name].Hosts})
		}
	}
	return list
}

// Lines implements operate.Drafts.
func (gatewayOf) Lines(name string, body []byte) (string, error) { return destinationLines(name, body) }

// Settings implements operate.Drafts.
func (g gatewayOf) Settings(name string) (json.RawMessage, bool) {
	l := g.d.live()
	if l == nil {
		return nil, false
	}
	d := l.app.Destinations[name]
	if d == nil || d.module == nil {
		return nil, false
	}
	body, err := settingsAsDocument(d)
	return body, err == nil
}

// settingsAsDocument writes a destination of the configuration as a document, which names no file and holds no secret.
func settingsAsDocument(d *Destination) (json.RawMessage, error) {
	own := *d
	text, err := json.Marshal(d.module)
	if err != nil {
		return nil, err
	}
	var to map[string]any
	if err := json.Unmarshal(text, &to); err != nil {
		return nil, err
	}
	delete(to, "files_digest")
	to["type"] = kindOf(d.module)
	for file, member := range map[string]string{"definition": "document", "body_file": "body"} {
		name, ok := to[file].(string)
		if !ok {
			continue
		}
		delete(to, file)
		content, err := os.ReadFile(name) // which the operators of the machine have named
		if err != nil {
			continue
		}
		var document any
		if member == "body" {
			to[member] = string(content)
		} else if json.Unmarshal(content, &document) == nil {
			to[member] = document
		}
	}
	if own.ToRaw, err = json.Marshal(withoutSecrets("", to)); err != nil {
		return nil, err
	}
	if text, err = json.Marshal(&own); err != nil {
		return nil, err
	}
	var all map[string]any
	if err := json.Unmarshal(text, &all); err != nil {
		return nil, err
	}
	return json.Marshal(withoutSecrets("", all))
}

var (
	// ofTheMachine are placeholders of the configuration.
	ofTheMachine = regexp.MustCompile(`\{(?:\$|env\.)([A-Za-z][A-Za-z0-9_]*)(?::[^{}]*)?\}|\{file\.[^{}]*?([A-Za-z][A-Za-z0-9_-]*)(?:\.[a-z]+)?\}`)
	// secretMembers are members whose values are secrets, or the headers that carry them.
	secretMembers = regexp.MustCompile(`(?i)^(?:bearer|token|password|value|client_secret|refresh_token|secret|hash_key|key)$|authorization|api-?key|-token|-secret|cookie`)
)

// withoutSecrets puts names in the place of secrets: of placeholders, and of what is written out where a secret stands.
func withoutSecrets(member string, v any) any {
	switch v := v.(type) {
	case map[string]any:
		for k, inner := range v {
			v[k] = withoutSecrets(k, inner)
		}
	case []any:
		for i := range v {
			v[i] = withoutSecrets(member, v[i])
		}
	case string:
		text := ofTheMachine.ReplaceAllStringFunc(v, func(s string) string {
			m := ofTheMachine.FindStringSubmatch(s)
			return "{secret." + m[1] + m[2] + "}"
		})
		if text == v && v != "" && secretMembers.MatchString(member) && !strings.Contains(v, "{{") && !strings.HasPrefix(v, "{secret.") {
			if member == "value" { // of an api_key
				member = "api_key"
			}
			return "{secret." + strings.ToUpper(strings.ReplaceAll(member, "-", "_")) + "}"
		}
		if inURL.address.MatchString(text) {
			return urlWithoutSecrets(text)
		}
		return text
	}
	return v
}

// Interface guards
var (
	_ operate.Drafts = gatewayOf{}
)
