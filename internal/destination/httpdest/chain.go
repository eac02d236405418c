package httpdest

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/callgate/callgate/internal/condition"
	"github.com/callgate/callgate/internal/destination"
	"github.com/callgate/callgate/internal/destination/chain"
	"github.com/callgate/callgate/internal/outbound"
)

// ChainConfig configures a destination of several requests.
type ChainConfig struct {
	// Steps are carried out in their order. Auth, Sign, Client, AllowHTTP and Now of a step are those of the chain.
	Steps []Step
	// Auth, Sign, Client, AllowHTTP and Now are as in Config.
	Auth      outbound.Authorizer
	Sign      SignFunc
	Client    *outbound.Client
	AllowHTTP bool
	Now       func() time.Time
	// Progress keeps how far deliveries have come; nil keeps it in memory, where a restart loses it.
	Progress chain.Store
	// Wait waits; nil means a timer. It ends early, with an error, when the context does.
	Wait func(context.Context, time.Duration) error
}

// Step is one request of a chain.
type Step struct {
	// Name is the step's, by which later ones and reasons name it. It is empty for the only one.
	Name string
	// Config is its request and what means success.
	Config
	// When says for which calls the step is carried out; nil for all.
	When *condition.Condition
	// Keep is what is kept of the answer for later steps. A success without it is none.
	Keep []Kept
	// Find, if set, is asked before: where its answer has all that is to be kept, the step is done.
	Find *Find
	// Poll, if set, asks for the outcome where the receiver answers 202 and says where to ask.
	Poll *Poll
}

// Kept is a value of an answer with the name it is kept under.
type Kept struct {
	Name  string
	Value *condition.Value
}

// Find is a question whether what a step makes is there already.
type Find struct {
	// Renderer makes the request.
	Renderer Renderer
	// Keep is what is kept of the answer, under the names of the step's Keep.
	Keep []Kept
	// destination sends it.
	destination *Destination
}

// maxKept bounds a value that is kept, in bytes, and maxKeeps how many are of one chain: all of them together fit into
// what a store keeps of one delivery.
const (
	maxKept  = 200
	maxKeeps = 12
)

// Chain sends several requests for each item, each with what was kept of the answers before. It implements
// destination.Destination.
type Chain struct {
	cfg   ChainConfig
	steps []*step
}

// step is a Step with what sends it.
type step struct {
	Step
	destination *Destination
}

var _ destination.Destination = (*Chain)(nil)

// NewChain checks the configuration and returns the destination.
func NewChain(cfg ChainConfig) (*Chain, error) {
	if len(cfg.Steps) == 0 {
		return nil, errors.New("a chain needs a step")
	}
	if cfg.Progress == nil {
		cfg.Progress = chain.NewMemory()
	}
	if cfg.Client == nil {
		cfg.Client = outbound.NewClient(outbound.Options{})
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Wait == nil {
		cfg.Wait = wait
	}
	c := &Chain{cfg: cfg}
	keeps := 0
	for _, s := range cfg.Steps {
		if keeps += len(s.Keep); keeps > maxKeeps {
			return nil, fmt.Errorf("step %s: the steps keep more than %d values; keep only what later steps need", s.Name, maxKeeps)
		}
		own := s.Config
		own.Auth, own.Sign, own.Client, own.AllowHTTP, own.Now = cfg.Auth, cfg.Sign, cfg.Client, cfg.AllowHTTP, cfg.Now
		d, err := New(own)
		if err != nil {
			return nil, s.within(err)
		}
		if s.Find != nil {
			find := *s.Find
			own.Renderer, own.PassThrough, own.Success, own.Condition = find.Renderer, false, nil, nil
			if find.destination, err = New(own); err != nil {
				return nil, s.within(err)
			}
			s.Find = &find
		}
		c.steps = append(c.steps, &step{s, d})
	}
	return c, nil
}

func (s *Step) within(err error) error {
	if s.Name == "" {
		return err
	}
	return fmt.Errorf("step %s: %w", s.Name, err)
}

// MaxBatch returns 1.
func (c *Chain) MaxBatch() int { return 1 }

// Deliver carries out the steps of each item that were not carried out yet, until one fails.
func (c *Chain) Deliver(ctx context.Context, items []destination.Item) []destination.Result {
	results := make([]destination.Result, len(items))
	for i, item := range items {
		results[i] = c.deliver(ctx, item)
	}
	return results
}

func (c *Chain) deliver(ctx context.Context, item destination.Item) destination.Result {
	progress, err := chain.Load(ctx, c.cfg.Progress, item.DeliveryID)
	if err != nil {
		return destination.Result{Reason: err.Error()}
	}
	all := destination.Result{Outcome: destination.Delivered}
	for i, s := range c.steps {
		if _, done := progress.Done[s.Name]; done || !s.wanted(ctx, &item) {
			continue
		}
		item.Steps = progress.Values()
		w := &work{c: c, step: s, item: item, progress: progress}
		r := w.run(ctx)
		r.Warnings = append(all.Warnings, r.Warnings...)
		if r.Outcome != destination.Delivered {
			r.Reason = s.where() + r.Reason
			return r
		}
		if id := w.kept["id"]; id != "" {
			r.RemoteID = id
		} else {
			r.RemoteID = all.RemoteID
		}
		all = r
		if i == len(c.steps)-1 {
			break // which the delivery's own outcome says
		}
		if err := progress.Finish(ctx, s.Name, w.kept); err != nil {
			all.Warnings = append(all.Warnings, s.where()+"that it is carried out cannot be noted ("+err.Error()+"), so that it is sent again if a later step fails")
		}
	}
	return all
}

// where names the step in front of a reason.
func (s *Step) where() string {
	if s.Name == "" {
		return ""
	}
	return "step " + s.Name + ": "
}

// wanted says whether the step is for the item. Where that cannot be told it is.
func (s *Step) wanted(ctx context.Context, item *destination.Item) bool {
	if s.When == nil {
		return true
	}
	in := condition.Input{Call: item.Call, Tenant: item.Tenant}
	if item.Call != nil {
		in.Source, in.EventType = item.Call.Provider, item.Call.EventType
	}
	match, _ := s.When.Eval(ctx, in)
	return match
}

// id is what the step's request is known by: a receiver that knows Idempotency-Key would take it for a repetition of
// another step's if it were the delivery's.
func (s *Step) id(item *destination.Item) string {
	if s.Name == "" || item.DeliveryID == "" {
		return item.DeliveryID
	}
	return item.DeliveryID + "-" + s.Name
}

// work is one step of one item under way.
type work struct {
	c        *Chain
	step     *step
	item     destination.Item
	progress *chain.Progress
	kept     map[string]string
}

// run carries the step out.
func (w *work) run(ctx context.Context) destination.Result {
	s := w.step
	if a := w.progress.Asking; a != nil && a.Step == s.Name && s.Poll != nil {
		return w.ask(ctx)
	}
	if s.Find != nil {
		if r, done := w.find(ctx); done {
			return r
		}
	}
	req, _, warnings, err := s.destination.buildAs(ctx, w.item, s.id(&w.item))
	if err != nil {
		return destination.Result{Outcome: destination.Dead, Reason: err.Error()}
	}
	a, err := w.c.cfg.Client.Send(ctx, w.c.cfg.Auth, req)
	if err == nil && s.Poll != nil && a.Status == http.StatusAccepted {
		if place, warning := s.Poll.place(ctx, a, req.URL); place != "" {
			r := w.accepted(ctx, a, place)
			r.Warnings = append(warnings, r.Warnings...)
			return r
		} else if warning != "" {
			warnings = append(warnings, warning)
		}
	}
	r := s.destination.judge(ctx, req, a, err)
	r.Warnings = warnings
	if r.Outcome == destination.Delivered {
		w.keep(ctx, a, &r)
	}
	return r
}

// find asks whether what the step makes is there already; done says that there is nothing more to do in this attempt.
func (w *work) find(ctx context.Context) (r destination.Result, done bool) {
	f := w.step.Find
	req, _, _, err := f.destination.buildAs(ctx, w.item, "")
	if err != nil {
		return destination.Result{Outcome: destination.Dead, Reason: "find: " + err.Error()}, true
	}
	a, err := w.c.cfg.Client.Send(ctx, w.c.cfg.Auth, req)
	if err == nil && (a.Status == http.StatusNotFound || a.Status == http.StatusGone) {
		return r, false
	}
	if r = f.destination.judge(ctx, req, a, err); r.Outcome != destination.Delivered {
		r.Reason = "find: " + r.Reason
		return r, true
	}
	if a.Truncated {
		return destination.Result{Status: a.Status, Reason: "find: the answer was cut off, so that it does not tell what is there; another attempt follows"}, true
	}
	kept, missing := values(ctx, f.Keep, a)
	if len(missing) > 0 {
		return r, false
	}
	w.kept = kept
	return r, true
}

// keep takes what is to be kept of a successful answer. A success without it is none: the steps that need it could not be
// carried out, and what to do about it is for people to say, who have named a place in the answer where nothing stands.
func (w *work) keep(ctx context.Context, a *outbound.Answer, r *destination.Result) {
	kept, missing := values(ctx, w.step.Keep, a)
	if w.progress.Asking != nil { // what is missing may have stood in the first answer
		for name, value := range w.progress.Asking.Kept {
			if kept[name] == "" {
				kept[name] = value
				missing = slices.DeleteFunc(missing, func(m string) bool { return m == name })
			}
		}
	}
	if w.kept = kept; len(missing) == 0 {
		return
	}
	what := fmt.Sprintf("%d, but the answer has nothing for keep %s", r.Status, strings.Join(missing, ", "))
	r.Outcome = destination.Retry
	if a.Truncated {
		r.Reason = what + ", since it was cut off; another attempt follows"
		return
	}
	// Every call meets with that, so that the destination is held when several do.
	r.Astray = true
	r.Reason = what + "; keep excerpts to see what it says, and correct the line"
}

// values are what is to be kept of an answer, and the names of what it does not have.
func values(ctx context.Context, all []Kept, a *outbound.Answer) (kept map[string]string, missing []string) {
	kept = make(map[string]string, len(all))
	for _, k := range all {
		v := k.Value.Eval(ctx, condition.Answer{Status: a.Status, Header: a.Header, Body: a.Body})
		if v == "" || len(v) > maxKept {
			missing = append(missing, k.Name)
			continue
		}
		kept[k.Name] = v
	}
	return kept, missing
}
