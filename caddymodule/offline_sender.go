package caddymodule

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/caddyserver/caddy/v2"

	"github.com/callgate/callgate/caddymodule/guest"
	"github.com/callgate/callgate/caddymodule/secret"
	"github.com/callgate/callgate/internal/operate"
	"github.com/callgate/callgate/internal/signature"
	"github.com/callgate/callgate/internal/source"
)

// Sender is how the sender of a route sends.
type Sender struct {
	// Preset is the preset of its source, and Source the name of that.
	Preset source.Preset
	Source string
	// Route is the name of the route.
	Route string
	// URL is the address of the route on this machine. Where the configuration does not tell it, it is empty, and NoURL says
	// why.
	URL   string
	NoURL error
	// Signature signs what it sends. It has no secrets where the gateway has a public key.
	Signature signature.Config
	// PublicKeys are those that the gateway has.
	PublicKeys []string
}

// OfflineSender finds how the sender of a route sends, in a configuration in Caddy's JSON. name is that of a source or of a
// preset; route and tenant may be empty where there is one only. Secrets are resolved as the gateway does, so that who runs
// this has to be able to read them. Nothing is opened but what the configuration names.
func OfflineSender(config []byte, name, route, tenant string) (*Sender, error) {
	app, err := previewApp(config)
	if errors.Is(err, errNoApp) { // routes can do without
		app, err = previewApp(nil)
	}
	if err != nil {
		return nil, err
	}
	defer app.endPreview()
	var found []previewRoute
	for _, r := range previewRoutes(config) {
		src, err := app.source(r.Source)
		if err != nil {
			return nil, err
		}
		if p, err := src.preset(r.Source); err == nil && (r.Source == name || p.Name == name) {
			found = append(found, r)
		}
	}
	if len(found) == 0 {
		return nil, fmt.Errorf("the configuration has no route for %q: name a source of it, or give --to and --secret", name)
	}
	in := &operate.PreviewInput{Source: found[0].Source, Route: route, Tenant: tenant}
	for i := range found {
		if found[i].Name == route {
			in.Source = found[i].Source
		}
	}
	r, why, err := chooseRoute(in, found)
	if err != nil {
		return nil, err
	}
	if r == nil {
		return nil, errors.New(why)
	}
	src, err := app.source(r.Source)
	if err != nil {
		return nil, err
	}
	s := &Sender{Source: r.Source, Route: r.Name}
	if s.Preset, err = src.preset(r.Source); err != nil {
		return nil, err
	}
	if err := r.loadVerify(); err != nil {
		return nil, err
	}
	policy, err := app.previewPolicy(src, r, in)
	if err != nil {
		return nil, err
	}
	if s.Signature, err = policy.signs(s.Preset.Scheme); err != nil {
		return nil, err
	}
	s.PublicKeys, err = secret.ResolveList("public_key", policy.PublicKeys, func(error) {})
	s.URL, s.NoURL = addressOf(config, r.Name, tenant)
	return s, err
}

// loadVerify reads the scheme of a route, which is JSON still.
func (r *previewRoute) loadVerify() error {
	if r.VerifyRaw == nil {
		return nil
	}
	var kind struct {
		Scheme string `json:"scheme"`
	}
	if err := json.Unmarshal(r.VerifyRaw, &kind); err != nil {
		return fmt.Errorf("verify: %w", err)
	}
	m, err := caddy.GetModule("callgate.verifiers." + kind.Scheme)
	if err != nil {
		return fmt.Errorf("verify: %w", err)
	}
	v, ok := m.New().(guest.Verifier)
	if !ok {
		return fmt.Errorf("verify: %s is no scheme", kind.Scheme)
	}
	r.verify = v
	return json.Unmarshal(r.VerifyRaw, v)
}

// signs is how who keeps to a policy signs. scheme is the preset's own.
func (p *Policy) signs(scheme string) (c signature.Config, err error) {
	c.Scheme = scheme
	if p.verify != nil {
		v, ok := p.verify.(interface {
			guest.Described
			Config(scheme string) signature.Config
		})
		if !ok {
			return c, errors.New("the scheme in verify is not built in, so its senders cannot be stood in for")
		}
		c = v.Config(v.SchemeName())
	}
	c.Secrets, err = secret.ResolveList("secret", p.Secrets, func(error) {})
	return c, err
}

// site is a place in a configuration as a request gets there.
type site struct {
	server serverJSON
	host   string
	path   string
}

type serverJSON struct {
	Listen    []string          `json:"listen"`
	Routes    []any             `json:"routes"`
	Policies  []json.RawMessage `json:"tls_connection_policies"`
	AutoHTTPS struct {
		Disable bool     `json:"disable"`
		Skip    []string `json:"skip"`
	} `json:"automatic_https"`
}

// addressOf is the URL at which a route of the gateway takes requests of a tenant.
func addressOf(config []byte, route, tenant string) (string, error) {
	var c struct {
		Apps struct {
			HTTP struct {
				Servers map[string]serverJSON `json:"servers"`
			} `json:"http"`
		} `json:"apps"`
	}
	if err := json.Unmarshal(config, &c); err != nil {
		return "", err
	}
	for _, name := range namesOf(c.Apps.HTTP.Servers) {
		s := c.Apps.HTTP.Servers[name]
		if at, of, ok := findRoute(s.Routes, route, site{server: s}); ok {
			return at.url(of, tenant)
		}
	}
	return "", fmt.Errorf("the route %q is in no site; give the address with --to", route)
}

// findRoute looks for a route of the gateway, and gives its own expression of the tenant.
func findRoute(routes []any, name string, at site) (found site, tenant string, ok bool) {
	for _, v := range routes {
		r, _ := v.(map[string]any)
		here := at
		sets, _ := r["match"].([]any)
		for i := len(sets) - 1; i >= 0; i-- { // the first is the usual one
			set, _ := sets[i].(map[string]any)
			here.host = cmp.Or(firstText(set["host"]), here.host)
			here.path = cmp.Or(firstText(set["path"]), here.path)
		}
		handlers, _ := r["handle"].([]any)
		for _, v := range handlers {
			h, _ := v.(map[string]any)
			switch h["handler"] {
			case "callgate":
				source, _ := h["source"].(string)
				own, _ := h["name"].(string)
				if cmp.Or(own, source) == name {
					tenant, _ = h["tenant"].(string)
					return here, tenant, true
				}
			case "subroute":
				inner, _ := h["routes"].([]any)
				if found, tenant, ok = findRoute(inner, name, here); ok {
					return found, tenant, true
				}
			}
		}
	}
	return at, "", false
}

func firstText(v any) string {
	list, _ := v.([]any)
	if len(list) == 0 {
		return ""
	}
	s, _ := list[0].(string)
	return s
}

// url is the address of the place. of is the route's expression for the tenant.
func (s *site) url(of, tenant string) (string, error) {
	path := cmp.Or(s.path, "/")
	inPath := strings.Contains(of, "{http.request.uri.path.")
	switch {
	case strings.Contains(of, "{") && tenant == "":
		return "", errors.New("the route finds its tenant in the request; say which with --tenant")
	case strings.Contains(of, "{") && (!inPath || !strings.Contains(path, "*")):
		return "", fmt.Errorf("the route finds its tenant by %s; give an address of the tenant's with --to", of)
	case inPath:
		path = strings.Replace(path, "*", tenant, 1)
	}
	if path = strings.ReplaceAll(path, "*", ""); !strings.HasPrefix(path, "/") {
		path = "/" + path
	}
	if len(s.server.Listen) == 0 || strings.Contains(s.server.Listen[0], "unix") {
		return "", errors.New("the site listens at no port of TCP; give the address with --to")
	}
	listen := s.server.Listen[0]
	colon := strings.LastIndexByte(listen, ':')
	if colon < 0 {
		return "", fmt.Errorf("the site listens at %s; give the address with --to", listen)
	}
	host, port := listen[:colon], listen[colon+1:]
	protocol := "http"
	if s.secure(port) {
		protocol = "https"
	}
	switch {
	case s.host != "":
		host = s.host
	case host == "" || host == "0.0.0.0" || host == "[::]":
		host = "localhost"
	}
	if strings.Contains(host, "*") {
		return "", fmt.Errorf("the site is for all of %s; give the address of one with --to", host)
	}
	if protocol == "http" && port == "80" || protocol == "https" && port == "443" {
		return protocol + "://" + host + path, nil
	}
	return protocol + "://" + host + ":" + port + path, nil
}

// secure reports whether Caddy serves the place with TLS: where there are policies for it, and where it manages the
// certificate of a name.
func (s *site) secure(port string) bool {
	switch {
	case port == "80":
		return false
	case port == "443" || len(s.server.Policies) > 0:
		return true
	case s.host == "" || s.server.AutoHTTPS.Disable:
		return false
	}
	for _, skipped := range s.server.AutoHTTPS.Skip {
		if skipped == s.host {
			return false
		}
	}
	return true
}
