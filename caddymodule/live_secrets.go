package caddymodule

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"html"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/caddyserver/caddy/v2"

	"github.com/callgate/callgate/caddymodule/guest"
	"github.com/callgate/callgate/caddymodule/secret"
	"github.com/callgate/callgate/internal/destination"
	"github.com/callgate/callgate/internal/manage"
	"github.com/callgate/callgate/internal/outbound"
)

// documentSecrets resolve the placeholders of one destination of a document, or of the policies of a tenant's document: the
// secrets that were written with the document and those that the configuration lists, and nothing else.
type documentSecrets struct {
	own    manage.Secrets
	listed map[string]*ManagedSecret
	bounds *guest.Bounds

	mu   sync.Mutex
	used []string // values, which previews must not show
}

func (l *live) secretsFor(own manage.Secrets) *documentSecrets {
	m := l.app.Manage
	return &documentSecrets{own: own, listed: m.Secrets, bounds: &guest.Bounds{Fence: new(outbound.Fence), AllowPrivate: m.AllowPrivate}}
}

// secretRef is how a document names a secret.
var secretRef = regexp.MustCompile(`\{secret\.([^{}]*)\}`)

func (s *documentSecrets) find(name string) (value string, hosts []string, err error) {
	if own, ok := s.own[name]; ok {
		return own.Value, own.Hosts, nil
	}
	if listed := s.listed[name]; listed != nil {
		return listed.value, listed.Hosts, nil
	}
	return "", nil, fmt.Errorf("{secret.%s} is neither a secret of the document, which is written apart from it, nor one that the global option manage lists for all", name)
}

// send resolves a text of a destination. What else has braces is text. From then on the destination sends to the hosts alone
// that the secrets are for.
func (s *documentSecrets) send(text string) (string, error) {
	var failed error
	resolved := secretRef.ReplaceAllStringFunc(text, func(ref string) string {
		name := secretRef.FindStringSubmatch(ref)[1]
		value, hosts, err := s.find(name)
		if err == nil && len(hosts) == 0 {
			err = fmt.Errorf("{secret.%s} names no host, so it verifies what comes in and is sent nowhere; write it with the hosts that it is for", name)
		}
		if err != nil {
			failed = err
			return ref
		}
		s.bounds.Fence.Narrow(hosts)
		s.mu.Lock()
		s.used = append(s.used, value)
		s.mu.Unlock()
		return value
	})
	return resolved, failed
}

// whole resolves a setting that is a secret and nothing else, with how it is used.
func (s *documentSecrets) whole(what, text string, use func(string) (string, error)) (string, error) {
	if text == "" {
		return "", nil
	}
	if m := secretRef.FindString(text); m != text {
		return "", fmt.Errorf("%s: a secret does not stand in a document; write {secret.NAME}, and give the value apart", what)
	}
	v, err := use(text)
	if err != nil {
		return "", fmt.Errorf("%s: %w", what, err)
	}
	return secret.Literal(v), nil
}

// verify resolves a secret that verifies what comes in, or signs what is handed on in the machine. One that is for hosts is
// not taken for it: who may write documents could find out about it by what passes.
func (s *documentSecrets) verify(ref string) (string, error) {
	name := secretRef.FindStringSubmatch(ref)[1]
	value, hosts, err := s.find(name)
	if err == nil && len(hosts) > 0 {
		err = fmt.Errorf("{secret.%s} is for requests to %s, and verifies nothing; write one without hosts", name, strings.Join(hosts, ", "))
	}
	return value, err
}

// policy resolves a policy of a document, so that nothing in it is resolved again.
func (s *documentSecrets) policy(p *Policy) (err error) {
	for i := range p.Secrets {
		if p.Secrets[i], err = s.whole(fmt.Sprintf("secret %d", i+1), p.Secrets[i], s.verify); err != nil {
			return err
		}
	}
	for i, text := range p.PublicKeys {
		p.PublicKeys[i] = secret.Literal(text) // which is no secret
	}
	if p.HandshakeToken, err = s.whole("handshake_token", p.HandshakeToken, s.verify); err != nil {
		return err
	}
	if p.StoreFields != nil {
		if p.StoreFields.HashKey, err = s.whole("store_fields: hash_key", p.StoreFields.HashKey, s.verify); err != nil {
			return err
		}
	}
	if p.Sign != nil {
		if p.Sign.Secret, err = s.whole("sign", p.Sign.Secret, s.verify); err != nil {
			return err
		}
	}
	return boundedModule(p.VerifyRaw, "callgate.verifiers.", "scheme", "verify")
}

// destination has a destination of a document resolve its placeholders here, and makes sure that its kind keeps to bounds.
func (s *documentSecrets) destination(d *Destination) (err error) {
	d.doc = s
	if d.HashKey, err = s.whole("hash_key", d.HashKey, s.send); err != nil {
		return err
	}
	if d.Sign != nil {
		if d.Sign.Secret, err = s.whole("sign", d.Sign.Secret, s.send); err != nil {
			return err
		}
	}
	return boundedModule(d.ToRaw, "callgate.destinations.", "type", "to")
}

// boundedModule refuses a module that does not keep to bounds before it is loaded. One that nobody knows is left to whoever
// loads it, who can say what there is.
func boundedModule(raw json.RawMessage, namespace, key, what string) error {
	var settings map[string]json.RawMessage
	var name string
	if raw == nil || json.Unmarshal(raw, &settings) != nil || json.Unmarshal(settings[key], &name) != nil {
		return nil
	}
	info, err := caddy.GetModule(namespace + name)
	if err != nil {
		return nil
	}
	if _, ok := info.New().(guest.Bounded); !ok {
		return fmt.Errorf("%s: %s does not say that it keeps to the bounds of documents, so it can stand in the configuration only", what, name)
	}
	return nil
}

// hider takes the values of secrets out of texts, in the forms that requests have them in: the longest first, since one
// secret may begin another.
func (s *documentSecrets) hider() *strings.Replacer {
	s.mu.Lock()
	used := slices.Clone(s.used)
	s.mu.Unlock()
	var forms []string
	for _, v := range used {
		quoted, _ := json.Marshal(v)
		raw := []byte(v)
		forms = append(forms, v, url.QueryEscape(v), url.PathEscape(v), base64.StdEncoding.EncodeToString(raw), base64.RawURLEncoding.EncodeToString(raw),
			html.EscapeString(v), strings.TrimSuffix(strings.TrimPrefix(string(quoted), `"`), `"`), strings.Trim(strconv.Quote(v), `"`))
	}
	slices.SortFunc(forms, func(a, b string) int { return len(b) - len(a) })
	var pairs []string
	for _, form := range forms {
		if form != "" {
			pairs = append(pairs, form, "…")
		}
	}
	return strings.NewReplacer(pairs...)
}

// scrub takes the values of secrets out of requests that are shown, and out of why there are none.
func (s *documentSecrets) scrub(requests []destination.Request, err error) error {
	if s == nil {
		return err
	}
	hide := s.hider()
	for i := range requests {
		r := &requests[i]
		r.URL, r.Body = hide.Replace(r.URL), hide.Replace(r.Body)
		for _, values := range r.Header {
			for j := range values {
				values[j] = hide.Replace(values[j])
			}
		}
	}
	if err == nil {
		return nil
	}
	return errors.New(hide.Replace(err.Error()))
}
