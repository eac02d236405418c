package caddymodule

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/caddyserver/caddy/v2"
	"go.uber.org/zap"

	"github.com/callgate/callgate/caddymodule/grammar"
	"github.com/callgate/callgate/caddymodule/guest"
	"github.com/callgate/callgate/caddymodule/scheme"
	"github.com/callgate/callgate/caddymodule/secret"
	"github.com/callgate/callgate/internal/call"
	"github.com/callgate/callgate/internal/delivery"
	"github.com/callgate/callgate/internal/minimize"
	"github.com/callgate/callgate/internal/operate"
	"github.com/callgate/callgate/internal/signature"
)

// Destination is one system that calls are delivered to, and the terms on which it is.
type Destination struct {
	// ToRaw is the kind of system, with its settings.
	ToRaw json.RawMessage `json:"to" caddy:"namespace=callgate.destinations inline_key=type"`

	// On limits the destination to event types, as patterns in which * stands for any characters: call_ended,
	// call_*. Default: all.
	On []string `json:"on,omitempty"`

	// Rate is how many requests may start in a span of time, such as "5/s", "100/10s" or "600/min", or "off" for no limit,
	// also where the kind of system has one. However the span is laid, no more start in it, so that what a system says of
	// its own limit can be written here as it is. Waiting costs no attempt. Default: as the kind of system needs it, or no
	// limit.
	Rate string `json:"rate,omitempty"`

	// Burst is how many requests may start at once after a pause. One that is written comes on top of Rate: with "90/10s"
	// and 10, up to 100 start in ten seconds. Default: a tenth of Rate's number, and at least 1, within Rate; with more Shards
	// than that the requests of a second, on top of it.
	Burst int `json:"burst,omitempty"`

	// RateGroup is a name that destinations have in common which the receiving system counts together, such as those that
	// write with one account or token: they share one rate, the lowest of theirs, and the lowest burst. Default: each has a
	// rate of its own.
	RateGroup string `json:"rate_group,omitempty"`

	// Shards divides what is sent here among gateways that share a store, by calls, for a receiver that one gateway cannot
	// serve: 2 to 64 parts, each delivered by one gateway with its part of rate and burst. Concurrency, breaker and order
	// are each part's. Without a shared store it changes nothing. Default: 1, so that one gateway at a time delivers here.
	Shards int `json:"shards,omitempty"`

	// Concurrency is how many requests run at once. With 1 the events of a call arrive in their order. Default: 4.
	Concurrency int `json:"concurrency,omitempty"`

	// Timeout bounds one attempt. Default: 30s.
	Timeout caddy.Duration `json:"timeout,omitempty"`

	// Retry is the wait before each attempt; that before the first, 0s, can be left out. After the last attempt the
	// delivery is dead, which means that it is kept until somebody replays it. Default: 0s 10s 30s 1m 5m, then twice as
	// long each time up to 1h, for 72h.
	Retry []caddy.Duration `json:"retry,omitempty"`

	// Exponential takes the place of Retry: waits that double up to a longest one, for a bounded number of attempts.
	Exponential *Exponential `json:"exponential,omitempty"`

	// RetryAfterMax is how long a receiver's Retry-After is obeyed at most. Default: 1h.
	RetryAfterMax caddy.Duration `json:"retry_after_max,omitempty"`

	// BatchWait is how long to wait for a batch to fill, for kinds that send batches. Default: 0, which takes what
	// waits already.
	BatchWait caddy.Duration `json:"batch_wait,omitempty"`

	// Breaker leaves the system alone while it fails; deliveries wait and no attempt is burnt. Default: on.
	Breaker *Breaker `json:"breaker,omitempty"`

	// Fields are the only fields of the call that leave for this destination, Drop those that do not, Mask and Hash
	// those that leave in part or as a keyed hash. Default: all leave.
	Fields []string `json:"fields,omitempty"`
	Drop   []string `json:"drop,omitempty"`
	Mask   []string `json:"mask,omitempty"`
	Hash   []string `json:"hash,omitempty"`

	// HashKey is the secret that Hash is keyed with, of at least 16 bytes.
	HashKey string `json:"hash_key,omitempty"`

	// Region is the ISO 3166 code of the country whose national phone numbers the filters e164 and national understand, such
	// as those that callers are asked for. Default: US. Callers' own numbers are read by the region of the route.
	Region string `json:"region,omitempty"`

	// KeepExcerpt keeps the beginning of the receiver's answers, which may hold data of callers. Default: false.
	KeepExcerpt bool `json:"keep_excerpt,omitempty"`

	// Sign signs what is sent, for kinds that can.
	Sign *scheme.Sign `json:"sign,omitempty"`

	module guest.Destination
	// doc resolves what stands in a document; nil for a destination of the configuration.
	doc *documentSecrets
	// exposed is what the kind told of settings that expose what is sent, by the setting.
	exposed map[string]guest.Exposure
	// shown are the settings, masked. Those of the kind are gone when it is loaded.
	shown []operate.Setting
}

// Exponential is a schedule of waits that double.
type Exponential struct {
	// First is the wait after the first failure. Default: 10s.
	First caddy.Duration `json:"first,omitempty"`
	// Max bounds the wait. Default: 1h.
	Max caddy.Duration `json:"max,omitempty"`
	// Attempts bounds the number of attempts. Default: 12.
	Attempts int `json:"attempts,omitempty"`
}

func (d *Destination) provision(ctx caddy.Context) error {
	// Caddy's own error for a missing kind would quote all settings, secrets among them.
	var kind struct {
		Type string `json:"type"`
	}
	if d.ToRaw == nil || json.Unmarshal(d.ToRaw, &kind) != nil || kind.Type == "" {
		return fmt.Errorf(`has no kind; say what it is with "type" in "to", such as http or hubspot`)
	}
	if settings, err := json.Marshal(d); err == nil {
		d.shown = operate.MaskSettings(settings)
	}
	mod, err := ctx.LoadModule(d, "ToRaw")
	if err != nil {
		return err
	}
	d.module = mod.(guest.Destination)
	return CheckUnits(mod, ctx.Logger())
}

// kindOf is the kind of a destination, such as hubspot.
func kindOf(m guest.Destination) string {
	if m, ok := m.(caddy.Module); ok {
		return m.CaddyModule().ID.Name()
	}
	return ""
}

// config is the destination as the delivery engine takes it. kept are its notes in the store, nil without one.
func (d *Destination) config(name string, logger *zap.Logger, kept guest.Notes) (delivery.Config, error) {
	c := delivery.Config{
		Kind:        kindOf(d.module),
		Concurrency: d.Concurrency, BatchWait: time.Duration(d.BatchWait),
		Timeout: time.Duration(d.Timeout), RetryAfterMax: time.Duration(d.RetryAfterMax),
		KeepExcerpt: d.KeepExcerpt, EventTypes: d.On, Shards: d.Shards,
	}
	if c.Timeout == 0 {
		c.Timeout = delivery.DefaultTimeout
	}
	var err error
	if c.Rate, c.Burst, c.Schedule, err = d.terms(); err != nil {
		return c, err
	}
	if c.RateGroup, err = d.rateGroup(name); err != nil {
		return c, err
	}
	if !call.ValidRegion(d.Region) {
		return c, fmt.Errorf("region %q: write the ISO 3166 code of a country, such as US or GB", d.Region)
	}
	if r, ok := d.module.(guest.DefaultRater); ok && d.Rate == "" {
		c.Rate, c.Burst = r.DefaultRate()
	}
	if c.Breaker, err = d.Breaker.settings(); err != nil {
		return c, err
	}
	if d.Breaker != nil && d.Breaker.Off {
		c.Breaker.ConsecutiveFailures, c.Breaker.FailureRatio = -1, -1
	}
	secrets := []string{d.HashKey}
	if d.Sign != nil {
		secrets = append(secrets, d.Sign.Secret)
	}
	if d.doc == nil {
		warnOfLiterals(logger, "destination", name, secrets...)
	}
	if c.Minimize, err = minimizer(minimize.Policy{Fields: d.Fields, Drop: d.Drop, Mask: d.Mask, Hash: d.Hash}, d.HashKey); err != nil {
		return c, err
	}
	o := guest.DestinationOptions{Name: name, Resolve: secret.ResolveText, Timeout: c.Timeout, Fields: d.Fields, Region: d.Region, Notes: kept, Logger: logger.Named(name)}
	d.exposed = make(map[string]guest.Exposure)
	o.Expose = func(e guest.Exposure, setting string) { d.exposed[setting] = e }
	if p, ok := kept.(guest.Progress); ok {
		o.Progress = p
	}
	if d.doc != nil {
		o.Resolve, o.Bounds = d.doc.send, d.doc.bounds
	}
	if w, ok := d.module.(guest.Wholesaler); ok && w.SendsAll() && c.Minimize != nil {
		return c, fmt.Errorf("pass_through sends the provider's whole body, so fields, drop, mask and hash would keep nothing back; " +
			"say what to send with body or a definition, or take them out")
	}
	if d.Sign != nil {
		signer, err := d.Sign.Signer()
		if err != nil {
			return c, err
		}
		o.Sign = signFunc(signer)
	}
	if c.Destination, err = d.module.NewDestination(o); err != nil {
		return c, err
	}
	return c, c.Validate()
}

// signFunc signs outgoing requests. A scheme that puts its signature into the body or the URL cannot sign what is
// rendered already.
func signFunc(s signature.Signer) func(string, string, http.Header, []byte, string, time.Time) error {
	return func(method, url string, h http.Header, body []byte, id string, now time.Time) error {
		m := signature.Message{Method: method, URL: url, Header: h, Body: body}
		if err := s.Sign(&m, id, now); err != nil {
			return err
		}
		if m.URL != url || len(m.Body) != len(body) || len(body) > 0 && &m.Body[0] != &body[0] {
			return fmt.Errorf("this scheme signs by changing the URL or the body; choose one that signs with a header")
		}
		return nil
	}
}

// terms are what is written in a notation of its own, which the Caddyfile checks too.
func (d *Destination) terms() (perSecond float64, burst int, s delivery.Schedule, err error) {
	if perSecond, burst, err = d.pace(); err != nil {
		return perSecond, burst, s, err
	}
	s, err = d.schedule()
	return perSecond, burst, s, err
}

// rateGroup is the group as the engine knows it: a tenant's groups are its own.
func (d *Destination) rateGroup(name string) (string, error) {
	if d.RateGroup == "" {
		return "", nil
	}
	if err := checkDestinationName(d.RateGroup); err != nil {
		return "", fmt.Errorf("rate_group %q: a name consists of up to 64 letters, digits, hyphens, dots and underscores", d.RateGroup)
	}
	if tenant, _, own := strings.Cut(name, "/"); own {
		return tenant + "/" + d.RateGroup, nil
	}
	return d.RateGroup, nil
}

// pace is in requests a second, 0 for no limit, with how many of them may start at once.
func (d *Destination) pace() (perSecond float64, burst int, err error) {
	if d.Rate == "off" && d.Burst != 0 {
		return 0, 0, fmt.Errorf("rate off takes no burst")
	}
	if d.Rate == "" || d.Rate == "off" {
		return 0, d.Burst, nil
	}
	n, per, err := grammar.ParseRate(d.Rate)
	if err != nil {
		return 0, 0, fmt.Errorf("rate %w, or off", err)
	}
	if d.Burst != 0 {
		return n / per.Seconds(), d.Burst, nil
	}
	// After a pause the burst starts at once, and then one at each interval. In a span without its end that is the burst
	// with as many intervals as begin in it after its start, which together are to be n.
	burst = max(1, int(n/10))
	if d.Shards > burst { // one for each would leave little of the rate beside it
		return n / per.Seconds(), 0, nil
	}
	return (n - float64(burst) + 1) / per.Seconds(), burst, nil
}

func (d *Destination) schedule() (delivery.Schedule, error) {
	e := d.Exponential
	switch {
	case e != nil && len(d.Retry) > 0:
		return delivery.Schedule{}, fmt.Errorf("retry is either a list or exponential")
	case e == nil && len(d.Retry) == 0:
		return delivery.DefaultSchedule(), nil
	case e == nil:
		delays := make([]time.Duration, len(d.Retry))
		for i, r := range d.Retry {
			delays[i] = time.Duration(r)
		}
		s := delivery.ListSchedule(delays...)
		return s, s.Validate()
	}
	first, longest, attempts := time.Duration(e.First), time.Duration(e.Max), e.Attempts
	if first == 0 {
		first = 10 * time.Second
	}
	if longest == 0 {
		longest = time.Hour
	}
	if attempts == 0 {
		attempts = 12
	}
	s := delivery.ExponentialSchedule(first, longest, attempts, 0)
	return s, s.Validate()
}
