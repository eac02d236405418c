package operate

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"regexp"
	"slices"

	"github.com/callgate/callgate/internal/destination"
	"github.com/callgate/callgate/internal/manage"
	"github.com/callgate/callgate/internal/store"
)

// Drafts works documents of destinations out as if they were published.
type Drafts interface {
	// Open works a document out, and changes nothing. The caller closes it, also what an error comes with.
	Open(ctx context.Context, d *store.Document) (*OpenDraft, error)
	// Secrets are those that every document may use.
	Secrets() []ListedSecret
	// Lines writes a document as lines of a Caddyfile that say the same.
	Lines(name string, body []byte) (string, error)
	// Settings are those of a destination of the configuration, as a document, without its secrets.
	Settings(name string) (body json.RawMessage, ok bool)
}

// OpenDraft is a document that was worked out.
type OpenDraft struct {
	// Warnings are what may be a mistake.
	Warnings []string
	// Preview makes the requests that would be sent, without secrets.
	Preview func(destination.Item) ([]destination.Request, error)
	// Deliver sends an item.
	Deliver func(context.Context, destination.Item) destination.Result
	// Fields asks the account which fields it has. nil where the kind of system cannot tell.
	Fields func(context.Context) ([]destination.Field, error)
	// Close lets go of what the document took.
	Close func()
}

// ListedSecret is a secret that documents may use, and where it may be sent to.
type ListedSecret struct {
	Name  string   `json:"name"`
	Hosts []string `json:"hosts,omitempty"`
}

// DraftInput is what somebody works on, and with which call it is looked at.
type DraftInput struct {
	// Name is that of the document, whose secrets it may use; empty while it has none.
	Name string `json:"name"`
	// Body is the document: the JSON of a destination, or a NextPhone webhook document.
	Body json.RawMessage `json:"body"`
	// Secrets are written with it when it is kept. Those without a value are taken for given in a preview.
	Secrets map[string]*manage.SecretInput `json:"secrets"`
	Sample  Sample                         `json:"sample"`
}

// DraftPreview is what a draft would send.
type DraftPreview struct {
	Requests []destination.Request `json:"requests"`
	// Problems are what is wrong with it, errors before warnings.
	Problems []DraftProblem `json:"problems"`
	// Masked tells that the values are those of a real call, in part.
	Masked bool `json:"masked,omitempty"`
}

// DraftProblem is something that is wrong, and where.
type DraftProblem struct {
	// Severity is error or warning.
	Severity string `json:"severity"`
	// Field is the setting: body, url, success_if, or the name of a header; empty where it is about the whole.
	Field string `json:"field,omitempty"`
	// Line and Column are the place in it, from 1; 0 for none in particular.
	Line     int    `json:"line,omitempty"`
	Column   int    `json:"column,omitempty"`
	Variable string `json:"variable,omitempty"`
	Message  string `json:"message"`
}

// beginDraft begins an operation on a draft. It is recorded but for a preview, which follows each key that is pressed: of
// that it is recorded which stored call somebody looks at.
func (s *Service) beginDraft(ctx context.Context, a Actor, r Record) (Drafts, error) {
	if _, err := s.permit(ctx, a, r); err != nil {
		return nil, err
	}
	if r.Operation != "PreviewDraft" {
		if err := s.note(ctx, a, r); err != nil {
			return nil, err
		}
	}
	if s.o.Drafts != nil {
		if d := s.o.Drafts(); d != nil {
			return d, nil
		}
	}
	return nil, &Error{Kind: ErrUnavailable, text: "destinations are not built here: write manage in the global option callgate"}
}

// PreviewDraft renders what a draft would send for a call, the way in which deliveries are. Nothing is sent or kept.
func (s *Service) PreviewDraft(ctx context.Context, a Actor, in DraftInput) (*DraftPreview, error) {
	drafts, err := s.beginDraft(ctx, a, Record{Operation: "PreviewDraft", Destination: in.Name})
	if err != nil {
		return nil, err
	}
	sampled, err := s.sample(ctx, a, "PreviewDraft", &in.Sample)
	if err != nil {
		return nil, err
	}
	p := &DraftPreview{Requests: []destination.Request{}, Problems: []DraftProblem{}, Masked: sampled.masked}
	p.Problems = append(p.Problems, conditionProblems(in.Body)...)
	doc, missing, err := s.composed(ctx, a, drafts, &in)
	if err != nil {
		return nil, err
	}
	open, err := drafts.Open(ctx, doc)
	if open != nil {
		defer open.Close()
	}
	if err == nil {
		sampled.item.DeliveryID = "preview"
		p.Requests, err = open.Preview(sampled.item)
	}
	if err != nil {
		p.add(problemsOf(err)...)
	}
	nameSecrets(p.Requests, in.Body)
	for _, name := range missing {
		p.add(DraftProblem{Severity: "warning", Field: "secrets", Variable: name, Message: "the secret " + name + " has no value yet; give it one before this is tested or kept"})
	}
	if open != nil {
		for _, w := range open.Warnings {
			d := DraftProblem{Severity: "warning", Variable: variableIn(w), Message: w}
			if m := settingOf.FindStringSubmatch(w); m != nil {
				d.Field, d.Message = m[1], w[len(m[0]):]
			}
			p.add(d)
		}
	}
	for _, name := range s.absent(ctx, &in, &sampled) {
		p.add(DraftProblem{Severity: "warning", Field: "body", Variable: name, Message: "none of the last calls has {{" + name + "}}; give it a default, as in {{" + name + "|default:'unknown'}}"})
	}
	return p, nil
}

// add adds problems that are not there yet.
func (p *DraftPreview) add(list ...DraftProblem) {
	for _, d := range list {
		same := func(o DraftProblem) bool {
			return o.Message == d.Message || isCondition(d.Field) && o.Field == d.Field || d.Severity == "warning" && d.Variable != "" && o.Variable == d.Variable
		}
		if !slices.ContainsFunc(p.Problems, same) {
			p.Problems = append(p.Problems, d)
		}
	}
}

// secretRef is how a document names a secret.
var secretRef = regexp.MustCompile(`\{secret\.([A-Za-z][A-Za-z0-9_-]{0,63})\}`)

// composed is the document of a draft. Secrets that it names and that have no value stand in as random texts for no host
// that there is, in the form that HubSpot's have, which is looked at; missing are their names.
func (s *Service) composed(ctx context.Context, a Actor, drafts Drafts, in *DraftInput) (doc *store.Document, missing []string, err error) {
	if s.o.Documents == nil {
		return nil, nil, NoStore()
	}
	given := map[string]*manage.SecretInput{}
	for name, secret := range in.Secrets {
		if secret != nil && secret.Value != "" {
			given[name] = secret
		}
	}
	compose := func() error {
		doc, err = s.o.Documents.Compose(ctx, author(a), manage.Destination, in.Name, manage.Draft{Body: in.Body, Secrets: given})
		return scope{}.documented(err)
	}
	if err := compose(); err != nil {
		return nil, nil, err
	}
	has, err := manage.ReadSecrets(doc.Secrets)
	if err != nil {
		return nil, nil, err
	}
	listed := drafts.Secrets()
	for _, m := range secretRef.FindAllSubmatch(in.Body, -1) {
		name := string(m[1])
		_, known := has[name]
		if known || slices.Contains(missing, name) || slices.ContainsFunc(listed, func(l ListedSecret) bool { return l.Name == name }) {
			continue
		}
		missing = append(missing, name)
		given[name] = &manage.SecretInput{Value: "pat-" + rand.Text(), Hosts: []string{"unset.invalid"}}
	}
	if len(missing) > 0 {
		err = compose()
	}
	return doc, missing, err
}

// DraftLines is a draft as it stands in a file.
type DraftLines struct {
	// Caddyfile are lines of the global option callgate; empty where there is none that says the same, and Why says so.
	Caddyfile string `json:"caddyfile,omitempty"`
	Why       string `json:"why,omitempty"`
	// JSON is the document.
	JSON string `json:"json"`
}

// DraftAsLines writes a draft as lines of a Caddyfile and as JSON. Secrets stand in them by their names.
func (s *Service) DraftAsLines(ctx context.Context, a Actor, in DraftInput) (*DraftLines, error) {
	drafts, err := s.beginDraft(ctx, a, Record{Operation: "DraftAsLines", Destination: in.Name})
	if err != nil {
		return nil, err
	}
	if !json.Valid(in.Body) {
		return nil, badRequest("body has to be the document, in JSON")
	}
	l := new(DraftLines)
	text, err := indented(in.Body)
	if err != nil {
		return nil, err
	}
	l.JSON = text
	if l.Caddyfile, err = drafts.Lines(in.Name, in.Body); err != nil {
		l.Why = err.Error()
	}
	return l, nil
}

// Manages reports whether documents are managed, and destinations built.
func Manages(s *Service) bool { return s.o.Drafts != nil && s.o.Drafts() != nil }
