package caddymodule

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/caddyserver/caddy/v2"
	"go.uber.org/zap"

	"github.com/callgate/callgate/caddymodule/guest"
	"github.com/callgate/callgate/internal/source"
)

// Source is where calls come from: a provider's preset, or a partner described in full, with the policy for all that
// it sends.
type Source struct {
	// Preset is the provider whose signature scheme, payload, event ids and habits apply. Default: the name of the
	// source if there is a preset of that name, or else generic.
	Preset string `json:"preset,omitempty"`

	// Call maps the payload to the call record where the preset does not read it, or not as wanted.
	Call *Mapping `json:"call,omitempty"`

	// Split is where the sender puts several events into one request: the way to an array, such as $.data.events, or $
	// where the body is the array. Where events are delivered, each is stored, deduplicated and delivered by itself, and is
	// read, by call and event_id too, as if the array had it alone ($.data.events[0].id); of a body that is an array it is
	// the element ($.id). All of a request are stored or none. Default: as the preset's sender does.
	Split string `json:"split,omitempty"`

	// OwnNumbers are the phone numbers of the business. Where one side of a call has one of them, the other side is
	// the caller.
	OwnNumbers []string `json:"own_numbers,omitempty"`

	// UrgentWords make a call urgent where the caller's words or the summary have one of them. Default: emergency,
	// urgent and ASAP.
	UrgentWords []string `json:"urgent_words,omitempty"`

	Policy
}

// Mapping maps a payload to the call record. Places are JSONPaths ($.lead.phone), which lead into forms and XML too, or
// the names of form fields.
type Mapping struct {
	// Fields maps fields of the call record, such as caller_number, first_name, message, call_id, event_id or
	// event_type, to their places.
	Fields map[string]string `json:"fields,omitempty"`

	// Params maps names of collected parameters to their places.
	Params map[string]string `json:"params,omitempty"`
}

func (m *Mapping) internal() *source.Mapping {
	if m == nil {
		return nil
	}
	return &source.Mapping{Fields: m.Fields, Params: m.Params}
}

// preset finds the preset of a source; name is the source's own.
func (s *Source) preset(name string) (source.Preset, error) {
	want := s.Preset
	if want == "" {
		want = name
	}
	p, ok := source.Find(want)
	switch {
	case ok:
	case s.Preset != "":
		return p, fmt.Errorf("unknown preset %q; presets are %s", s.Preset, presetNames())
	default:
		p, _ = source.Find("generic")
	}
	if s.Split != "" {
		return p.SplitAt(s.Split)
	}
	return p, nil
}

func (s *Source) provision(ctx caddy.Context, name string) error {
	if _, err := s.preset(name); err != nil {
		return err
	}
	return s.Policy.provision(ctx)
}

// provision loads the guest modules of the policy.
func (p *Policy) provision(ctx caddy.Context) error {
	if p.VerifyRaw == nil {
		return nil
	}
	// Caddy's own error for a missing scheme would quote all settings, a secret in the wrong place among them.
	var kind struct {
		Scheme string `json:"scheme"`
	}
	if json.Unmarshal(p.VerifyRaw, &kind) != nil || kind.Scheme == "" {
		return errors.New(`verify: has no scheme; say which one with "scheme" in "verify", such as hmac`)
	}
	mod, err := ctx.LoadModule(p, "VerifyRaw")
	if err != nil {
		return fmt.Errorf("verify: %w", err)
	}
	p.verify = mod.(guest.Verifier)
	if err := CheckUnits(mod, ctx.Logger()); err != nil {
		return fmt.Errorf("verify: %w", err)
	}
	return nil
}

// presetVerifier finds the verifier of a preset's scheme, with the scheme's own options.
func (in *instance) presetVerifier(scheme string) (guest.Verifier, error) {
	if v, ok := in.presetVerifiers[scheme]; ok {
		return v, nil
	}
	mod, err := in.ctx.LoadModuleByID("callgate.verifiers."+scheme, nil)
	if err != nil {
		return nil, fmt.Errorf("verify %s: %w", scheme, err)
	}
	v := mod.(guest.Verifier)
	if in.presetVerifiers == nil {
		in.presetVerifiers = make(map[string]guest.Verifier)
	}
	in.presetVerifiers[scheme] = v
	return v, nil
}

// leftOut tells of a secret that has no value, where others of the same list do.
func (in *instance) leftOut(err error) {
	if in.missing[err.Error()] {
		return
	}
	if in.missing == nil {
		in.missing = make(map[string]bool)
	}
	in.missing[err.Error()] = true
	in.logger.Warn("a secret is left out, and the others of its list are accepted; give it a value, or take it out of the configuration when it is not used any more",
		zap.Error(err))
}

func presets() []string {
	var names []string
	for _, p := range source.Presets() {
		names = append(names, p.Name)
	}
	return names
}

func presetNames() string { return strings.Join(presets(), ", ") }
