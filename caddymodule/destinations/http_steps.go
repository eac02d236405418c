package destinations

import (
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/callgate/callgate/caddymodule/grammar"
	"github.com/callgate/callgate/caddymodule/guest"
	"github.com/callgate/callgate/internal/condition"
	"github.com/callgate/callgate/internal/definition"
	"github.com/callgate/callgate/internal/destination"
	"github.com/callgate/callgate/internal/destination/httpdest"
	"github.com/callgate/callgate/internal/outbound"
	"github.com/callgate/callgate/internal/template"
)

// HTTPStep is one request of several. It takes all lines of one request besides, such as header, body and success;
// post, put, patch, get and delete say method and url in one. It carries an Idempotency-Key of its own, which is the
// delivery's id and the step's name, so that a receiver that knows the header takes no step for another and a repeated one
// for what it is.
type HTTPStep struct {
	// Name is what later steps and reasons call it: small letters, digits and _.
	Name string `json:"name,omitempty"`

	HTTPRequest

	// When is a condition on the call, as of a deliver line, without which the step is left out. Default: every call.
	When string `json:"when,omitempty"`

	// Keep says what is kept of the answer for later steps, by name: a path into the body ($.id, $.data.items[0].id), or an
	// expression over status, header, body and text as in SuccessIf (header["location"]). A success without one of them is
	// none. A value is text, of at most 200 bytes ({{steps.contact.id|integer}} makes a number of it), and all steps together
	// keep at most 12. Default: nothing.
	Keep map[string]string `json:"keep,omitempty"`

	// Find is the URL of a question that is asked with GET before, for receivers that know no Idempotency-Key: where its
	// answer has all that is to be kept, the step is done without being sent; 404, and an answer without them, mean that
	// there is nothing. Two calls of one caller at once may both find nothing; concurrency 1 rules that out. Default: none.
	Find string `json:"find,omitempty"`

	// FindKeep says where the values of Keep stand in the answer to Find, under the same names. Default: where they stand in
	// the other.
	FindKeep map[string]string `json:"find_keep,omitempty"`
}

// HTTPPoll says how the outcome of a request is asked for that was answered with 202. When the bound (tries or within) is
// over, the delivery is attempted again by its schedule, which asks again and sends nothing twice. Only the receiver's own
// host is asked, with the headers and the login of the request.
type HTTPPoll struct {
	// At is where the answer says where to ask, as in Keep: $.status_url. Default: the header Location, or else
	// Operation-Location.
	At string `json:"at,omitempty"`

	// Every is the wait between two questions where the receiver sends no Retry-After. Default: 2s.
	Every caddy.Duration `json:"every,omitempty"`

	// Tries bounds the questions of one attempt. Default: 10.
	Tries int `json:"tries,omitempty"`

	// Within bounds the time for them, which the destination's timeout bounds as well. Default: 20s.
	Within caddy.Duration `json:"within,omitempty"`

	// Done is an expression over status, header, body and text that says of an answer with a status of 2xx that it is the
	// outcome: body.status == "done". The outcome must be a success besides. Default: every status of 2xx but 202.
	Done string `json:"done,omitempty"`

	// Failed is an expression that says that the receiver has failed for good, after which the delivery is dead. Default: none.
	Failed string `json:"failed,omitempty"`
}

func (h *HTTP) unmarshalStep(d *caddyfile.Dispenser) error {
	s := new(HTTPStep)
	h.Steps = append(h.Steps, s)
	return s.UnmarshalCaddyfile(d)
}

// UnmarshalCaddyfile sets up a step from Caddyfile tokens. Its syntax is that of the line step in HTTP.
func (s *HTTPStep) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	var err error
	if s.Name, err = grammar.BlockName(d); err != nil {
		return err
	}
	lines := s.HTTPRequest.lines().With(grammar.Lines{
		"when": grammar.Text(&s.When),
		"keep": grammar.Pairs(&s.Keep),
		"find": s.unmarshalFind,
	})
	for _, m := range methods {
		lines[strings.ToLower(m)] = func(d *caddyfile.Dispenser) error {
			if s.Method != "" || s.URL != "" {
				return d.Errf("%s says the method and the url, and one of them is given already", d.Val())
			}
			s.Method = m
			return grammar.OneArg(d, &s.URL)
		}
	}
	if err := grammar.Block(d, lines, "header", "keep"); err != nil {
		return err
	}
	s.FilesDigest = grammar.Digest(s.Definition, s.BodyFile)
	return nil
}

func (s *HTTPStep) unmarshalFind(d *caddyfile.Dispenser) error {
	if err := grammar.OneArg(d, &s.Find); err != nil {
		return err
	}
	return grammar.Block(d, grammar.Lines{"keep": grammar.Pairs(&s.FindKeep)}, "keep")
}

// unmarshalPoll reads how the outcome is asked for.
func (h *HTTPRequest) unmarshalPoll(d *caddyfile.Dispenser) error {
	p := new(HTTPPoll)
	h.Poll = p
	if err := grammar.Optional(d, &p.At); err != nil {
		return err
	}
	return grammar.Block(d, grammar.Lines{
		"every":  grammar.Time(&p.Every),
		"tries":  p.unmarshalTries,
		"within": grammar.Time(&p.Within),
		"done":   grammar.Text(&p.Done),
		"failed": grammar.Text(&p.Failed),
	})
}

func (p *HTTPPoll) unmarshalTries(d *caddyfile.Dispenser) error {
	var n string
	if err := grammar.OneArg(d, &n); err != nil {
		return err
	}
	var err error
	if p.Tries, err = strconv.Atoi(n); err != nil || p.Tries < 1 || p.Tries > maxPollTries {
		return d.Errf("'%s' is not a number of questions from 1 to %d", n, maxPollTries)
	}
	return nil
}

const maxPollTries = 1000

var stepName = regexp.MustCompile(`^[a-z][a-z0-9_]{0,31}$`)

// checkSteps says what is wrong with the steps.
func (h *HTTP) checkSteps() error {
	if h.URL != "" || h.Method != "" || h.Definition != "" || h.Body != "" || h.BodyFile != "" || h.ContentType != "" || h.PassThrough ||
		h.Success != nil || h.SuccessIf != "" || h.AnyAnswer || h.Poll != nil {
		return errors.New("a destination with steps says its requests in them; move url, method, definition, body, success and poll into a step")
	}
	seen := make(map[string]bool)
	for _, s := range h.Steps {
		switch {
		case !stepName.MatchString(s.Name):
			return fmt.Errorf("step '%s': a name is small letters, digits and _, such as contact", s.Name)
		case seen[s.Name]:
			return fmt.Errorf("step %s is given twice", s.Name)
		case len(s.FindKeep) > 0 && !maps.EqualFunc(s.Keep, s.FindKeep, func(_, _ string) bool { return true }):
			return fmt.Errorf("step %s: find keeps other names than the step; later steps need the same", s.Name)
		case s.Find != "" && len(s.Keep) == 0:
			return fmt.Errorf("step %s: find without keep, which says what tells that it is there; keep its id", s.Name)
		}
		seen[s.Name] = true
		for name := range s.Keep {
			if !stepName.MatchString(name) {
				return fmt.Errorf("step %s: keep '%s': a name is small letters, digits and _, such as id", s.Name, name)
			}
		}
		if err := s.HTTPRequest.check(); err != nil {
			return fmt.Errorf("step %s: %w", s.Name, err)
		}
	}
	return nil
}

// chain makes a destination of several requests, or of one whose outcome is asked for.
func (h *HTTP) chain(o guest.DestinationOptions, client *outbound.Client, auth outbound.Authorizer) (destination.Destination, error) {
	c := httpdest.ChainConfig{Auth: auth, Sign: o.Sign, Client: client, AllowHTTP: h.AllowHTTP, Progress: o.Progress}
	if len(h.Steps) == 0 {
		only, err := h.request(o)
		if err != nil {
			return nil, err
		}
		poll, err := h.Poll.compile()
		if err != nil {
			return nil, err
		}
		c.Steps = []httpdest.Step{{Config: only, Poll: poll}}
		return httpdest.NewChain(c)
	}
	before := make(map[string][]string)
	for _, s := range h.Steps {
		step, err := h.step(o, s, before)
		if err != nil {
			return nil, fmt.Errorf("step %s: %w", s.Name, err)
		}
		c.Steps = append(c.Steps, step)
		before[s.Name] = slices.Sorted(maps.Keys(s.Keep))
	}
	return httpdest.NewChain(c)
}

// step compiles a step; before are the names that each step before it keeps.
func (h *HTTP) step(o guest.DestinationOptions, s *HTTPStep, before map[string][]string) (step httpdest.Step, err error) {
	step.Name = s.Name
	if step.Config, err = h.single(s.HTTPRequest, before).request(o); err != nil {
		return step, err
	}
	if step.When, err = when(s.When); err != nil {
		return step, err
	}
	if step.Keep, err = kepts(s.Keep); err != nil {
		return step, err
	}
	if step.Poll, err = s.Poll.compile(); err != nil {
		return step, err
	}
	if s.Find == "" {
		return step, nil
	}
	find := HTTPRequest{URL: s.Find, Method: "GET", Headers: s.Headers}
	renderer, err := h.single(find, before).renderer(o)
	if err != nil {
		return step, within("find", err)
	}
	step.Find = &httpdest.Find{Renderer: renderer, Keep: step.Keep}
	if len(s.FindKeep) > 0 {
		if step.Find.Keep, err = kepts(s.FindKeep); err != nil {
			return step, within("find", err)
		}
	}
	return step, nil
}

// single is a destination of one request of the steps, with what holds for all of them.
func (h *HTTP) single(r HTTPRequest, before map[string][]string) *HTTP {
	headers := maps.Clone(h.Headers)
	for name, value := range r.Headers {
		maps.DeleteFunc(headers, func(common, _ string) bool { return strings.EqualFold(common, name) })
		if headers == nil {
			headers = make(map[string]string)
		}
		headers[name] = value
	}
	r.Headers = headers
	r.OmitEmpty = r.OmitEmpty || h.OmitEmpty && !r.Strict
	r.Strict = r.Strict || h.Strict && !r.OmitEmpty
	return &HTTP{HTTPRequest: r, AllowHTTP: h.AllowHTTP, Login: h.Login, before: before}
}

func kepts(all map[string]string) (list []httpdest.Kept, err error) {
	for _, name := range slices.Sorted(maps.Keys(all)) {
		v, err := condition.CompileValue(all[name])
		if err != nil {
			return nil, within("keep "+name, err)
		}
		list = append(list, httpdest.Kept{Name: name, Value: v})
	}
	return list, nil
}

// compile makes a Poll of what is configured; nil of nothing.
func (p *HTTPPoll) compile() (*httpdest.Poll, error) {
	if p == nil {
		return nil, nil
	}
	c := &httpdest.Poll{Every: time.Duration(p.Every), Tries: p.Tries, Within: time.Duration(p.Within)}
	if c.Every < 0 || c.Within < 0 || c.Tries < 0 || c.Tries > maxPollTries {
		return nil, fmt.Errorf("poll: give positive times, and at most %d tries", maxPollTries)
	}
	if c.Every == 0 {
		c.Every = httpdest.DefaultPollEvery
	}
	if c.Within == 0 {
		c.Within = httpdest.DefaultPollWithin
	}
	if c.Tries == 0 {
		c.Tries = httpdest.DefaultPollTries
	}
	var err error
	if p.At != "" {
		if c.At, err = condition.CompileValue(p.At); err != nil {
			return nil, within("poll", err)
		}
	}
	for _, e := range []struct {
		what, text string
		into       **condition.Success
	}{{"poll: done", p.Done, &c.Done}, {"poll: failed", p.Failed, &c.Failed}} {
		if e.text == "" {
			continue
		}
		if *e.into, err = condition.CompileSuccess(e.text); err != nil {
			return nil, within(e.what, err)
		}
	}
	return c, nil
}

// checkVariables refuses values of steps that no step before keeps.
func (h *HTTP) checkVariables(d *definition.Definition) error {
	for _, v := range d.Variables() {
		name, ok := strings.CutPrefix(v, template.Steps)
		if !ok {
			continue
		}
		step, value, _ := strings.Cut(name, ".")
		kept, known := h.before[step]
		switch {
		case len(h.before) == 0:
			return fmt.Errorf("{{%s}}: there is no step before that keeps anything", v)
		case !known:
			return fmt.Errorf("{{%s}}: there is no step %s before; there is %s", v, step, strings.Join(slices.Sorted(maps.Keys(h.before)), ", "))
		case len(kept) == 0:
			return fmt.Errorf("{{%s}}: step %s keeps nothing; give it a line such as keep id $.id", v, step)
		case !slices.Contains(kept, value):
			return fmt.Errorf("{{%s}}: step %s keeps %s and no %s", v, step, strings.Join(kept, ", "), value)
		}
	}
	return nil
}
