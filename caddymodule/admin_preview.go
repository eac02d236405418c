package caddymodule

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/caddyserver/caddy/v2"

	"github.com/callgate/callgate/internal/call"
	"github.com/callgate/callgate/internal/destination"
	"github.com/callgate/callgate/internal/source"
)

// PreviewInput is a payload and what it is taken for.
type PreviewInput struct {
	// Config is a configuration in Caddy's JSON, for its sources, tenants and destinations. nil has presets only.
	Config []byte
	// Source is the name of a source of the configuration, or of a preset.
	Source string
	// Tenant is a tenant of the configuration, whose variables and settings apply.
	Tenant string
	// Region is the country whose national numbers are understood. Default: as configured.
	Region string
	// Destinations are what requests are wanted for.
	Destinations []string

	Body []byte
	// Header is the request's. A missing Content-Type is guessed from the body.
	Header http.Header
}

// Preview is what a payload becomes: the call record, and the requests that each destination would send for it, with
// secrets masked.
type Preview struct {
	Call     *call.Call           `json:"call"`
	Requests []DestinationPreview `json:"requests,omitempty"`
}

// DestinationPreview is what one destination would send.
type DestinationPreview struct {
	Destination string                `json:"destination"`
	Requests    []destination.Request `json:"requests"`
	// Error says why the destination could not be rendered.
	Error string `json:"error,omitempty"`
}

// MakePreview reads a payload and renders what would be sent for it. Nothing is sent, and neither the store nor any other
// file is opened but those that the configuration names, such as definitions and tenants.
func MakePreview(in PreviewInput) (*Preview, error) {
	app, err := previewApp(in.Config)
	if err != nil {
		return nil, err
	}
	defer app.endPreview()
	src, err := app.source(in.Source)
	if err != nil {
		return nil, fmt.Errorf("unknown source %q: name one of the configuration, or one of %s", in.Source, presetNames())
	}
	preset, err := src.preset(in.Source)
	if err != nil {
		return nil, err
	}
	policy, err := app.previewPolicy(src, &in)
	if err != nil {
		return nil, err
	}
	h := &Handler{sourceConfig: src, preset: preset}
	parser, err := h.parser(policy.Region)
	if err != nil {
		return nil, err
	}
	header := in.Header.Clone()
	if header == nil {
		header = make(http.Header)
	}
	body := openToken(in.Body)
	if header.Get("Content-Type") == "" {
		header.Set("Content-Type", guessContentType(body))
	}
	req := &source.Request{Body: body}
	identity, err := parser.Identify(req)
	if err != nil {
		return nil, fmt.Errorf("the payload cannot be read as one of %s: %w", in.Source, err)
	}
	p := new(Preview)
	if p.Call, err = parser.Parse(req); err != nil {
		return nil, fmt.Errorf("the payload cannot be read as one of %s: %w", in.Source, err)
	}
	item := destination.Item{
		DeliveryID: "preview", EventID: identity.EventID, Attempt: 1, Tenant: in.Tenant, Vars: policy.Vars, Call: p.Call,
		ReceivedAt: time.Now(), Body: in.Body, ContentType: header.Get("Content-Type"), Traceparent: header.Get("Traceparent"),
	}
	for _, name := range in.Destinations {
		if _, ok := app.Destinations[name]; !ok {
			return nil, fmt.Errorf("the configuration has no destination %q; %s", name, haveDestinations(app))
		}
		made := app.preview(name, item)
		p.Requests = append(p.Requests, DestinationPreview{name, made.Requests, made.Error})
	}
	return p, nil
}

func haveDestinations(app *App) string {
	if len(app.Destinations) == 0 {
		return "it has none at all"
	}
	return "it has " + strings.Join(slices.Sorted(maps.Keys(app.Destinations)), ", ")
}

// previewApp provisions the callgate app of a configuration and nothing else of it: other apps, logs and storages could
// touch the disk.
func previewApp(config []byte) (*App, error) {
	if config == nil {
		return new(App), nil
	}
	raw, err := rawApp(config)
	if err != nil {
		return nil, err
	}
	ctx, err := caddy.ProvisionContext(&caddy.Config{
		Admin: &caddy.AdminConfig{Disabled: true}, AppsRaw: caddy.ModuleMap{"callgate": raw},
	})
	if err != nil {
		return nil, err
	}
	app, err := ctx.App("callgate")
	if err != nil {
		return nil, err
	}
	return app.(*App), nil
}

// endPreview gives back what provisioning took of the process.
func (a *App) endPreview() {
	for _, d := range a.Destinations {
		if d == nil {
			continue
		}
		if c, ok := d.module.(caddy.CleanerUpper); ok {
			_ = c.Cleanup() // nothing was used that could be left behind
		}
	}
	_ = a.Cleanup()
}

// previewPolicy is what source and tenant say, the stronger last.
func (a *App) previewPolicy(src *Source, in *PreviewInput) (Policy, error) {
	policy := src.Policy
	if in.Tenant != "" {
		t, ok := a.Tenants[in.Tenant]
		if !ok {
			return policy, fmt.Errorf("there is no tenant %q; tenants are those of the configuration that is given with --config", in.Tenant)
		}
		layers, ok := t.policies(in.Source)
		if !ok {
			return policy, fmt.Errorf("tenant %q does not use the source %q", in.Tenant, in.Source)
		}
		for _, l := range layers {
			policy = l.over(policy)
		}
	}
	if in.Region != "" {
		policy.Region = in.Region
	}
	return policy, nil
}

// guessContentType tells JSON, XML and forms apart by their first character.
func guessContentType(body []byte) string {
	switch b := bytes.TrimSpace(bytes.TrimPrefix(body, []byte("\xef\xbb\xbf"))); {
	case len(b) > 0 && b[0] == '<':
		return "application/xml"
	case len(b) > 0 && b[0] != '{' && b[0] != '[' && b[0] != '"' && bytes.IndexByte(b, '=') > 0 && !bytes.ContainsAny(b[:bytes.IndexByte(b, '=')], " {\n"):
		return "application/x-www-form-urlencoded"
	}
	return "application/json"
}

// openToken is the claims of a payload that is sent as a JSON Web Token, and any other payload as it is.
func openToken(body []byte) []byte {
	parts := bytes.Split(bytes.TrimSpace(body), []byte("."))
	if len(parts) != 3 {
		return body
	}
	claims, err := base64.RawURLEncoding.DecodeString(string(parts[1]))
	if err != nil || !json.Valid(claims) {
		return body
	}
	return claims
}

// ErrPreview says that a destination could not render its requests; the preview tells which and why.
var ErrPreview = errors.New("not every destination could be rendered; see the errors in the output")

// Err is ErrPreview if a destination could not be rendered.
func (p *Preview) Err() error {
	for i := range p.Requests {
		if p.Requests[i].Error != "" {
			return ErrPreview
		}
	}
	return nil
}
