package operate

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"github.com/callgate/callgate/internal/curl"
	"github.com/callgate/callgate/internal/definition"
	"github.com/callgate/callgate/internal/manage"
	"github.com/callgate/callgate/internal/source"
	"github.com/callgate/callgate/internal/source/samples"
	"github.com/callgate/callgate/internal/template"
)

// BuilderKitList is what does not change while somebody builds: filters, sources, secrets, and what one can begin from.
type BuilderKitList struct {
	Filters []template.FilterInfo `json:"filters"`
	// Sources are those of the configuration and the presets.
	Sources  []string             `json:"sources"`
	Tenants  []string             `json:"tenants"`
	Secrets  []ListedSecret       `json:"secrets"`
	Examples []definition.Example `json:"examples"`
	// Samples are those that the gateway has, by preset.
	Samples []NamedSample `json:"samples"`
	// Sample is the payload that serves where nothing else is chosen.
	Sample string `json:"sample"`
	// MayReveal tells whether the actor may look at calls in the clear.
	MayReveal bool `json:"may_reveal,omitempty"`
}

// NamedSample is a sample of a preset.
type NamedSample struct {
	Source string `json:"source"`
	Name   string `json:"name"`
}

// BuilderKit gives what somebody needs to build.
func (s *Service) BuilderKit(ctx context.Context, a Actor) (*BuilderKitList, error) {
	drafts, err := s.beginDraft(ctx, a, Record{Operation: "BuilderKit"})
	if err != nil {
		return nil, err
	}
	k := &BuilderKitList{
		Filters: template.DescribeFilters(), Secrets: drafts.Secrets(), Examples: definition.Guide(), Sample: guidePayload,
		Sources: []string{}, Tenants: []string{}, MayReveal: a.May(Reveal),
	}
	if s.o.Names != nil {
		names := s.o.Names()
		k.Sources, k.Tenants = append(k.Sources, names.Sources...), append(k.Tenants, names.Tenants...)
	} else {
		for _, p := range source.Presets() {
			k.Sources = append(k.Sources, p.Name)
		}
	}
	slices.Sort(k.Tenants)
	for _, one := range samples.All() {
		k.Samples = append(k.Samples, NamedSample{one.Preset, one.Name})
	}
	return k, nil
}

// Beginning is what somebody begins from; one of its members is given.
type Beginning struct {
	// Curl is a curl command.
	Curl string `json:"curl,omitempty"`
	// Document is a NextPhone webhook document.
	Document string `json:"document,omitempty"`
	// Example is the name of one of the guide's documents.
	Example string `json:"example,omitempty"`
	// Destination is one of the configuration, or one that lives in the store.
	Destination string `json:"destination,omitempty"`
}

// Begun is a draft to go on with.
type Begun struct {
	// Body is the document, as the JSON of a destination.
	Body json.RawMessage `json:"body"`
	// Secrets are those that it names and that are to be given, with the hosts that they are for. A value that stood in what
	// was pasted is there for whoever pasted it.
	Secrets map[string]*manage.SecretInput `json:"secrets,omitempty"`
	// Notes say what was left out, or has to be looked at.
	Notes []string `json:"notes,omitempty"`
}

// BuilderBegin makes a draft of what somebody has. Nothing is kept, and credentials become secrets.
func (s *Service) BuilderBegin(ctx context.Context, a Actor, in Beginning) (*Begun, error) {
	drafts, err := s.beginDraft(ctx, a, Record{Operation: "BuilderBegin", Destination: in.Destination})
	if err != nil {
		return nil, err
	}
	switch {
	case in.Curl != "":
		return beginCurl(in.Curl)
	case in.Document != "":
		return beginDocument([]byte(in.Document))
	case in.Example != "":
		for _, e := range definition.Guide() {
			if e.Name == in.Example {
				return beginDocument([]byte(e.Text))
			}
		}
		return nil, badRequest("the guide has no example of that name")
	case in.Destination != "":
		return s.beginDestination(ctx, drafts, in.Destination)
	}
	return nil, badRequest("say what to begin from: curl, document, example or destination")
}

// beginDestination begins from one that there is.
func (s *Service) beginDestination(ctx context.Context, drafts Drafts, name string) (*Begun, error) {
	if body, ok := drafts.Settings(name); ok {
		return &Begun{Body: body, Notes: []string{name + " stands in the configuration: keep this under another name, or copy it as Caddyfile into the configuration. Its secrets are to be given anew"}}, nil
	}
	if s.o.Documents == nil {
		return nil, NoStore()
	}
	v, err := s.o.Documents.Show(ctx, manage.Destination, name, 0)
	if err != nil {
		return nil, scope{}.documented(err)
	}
	var members map[string]json.RawMessage
	if json.Unmarshal(v.Body, &members) == nil && members["to"] == nil {
		return beginDocument(v.Body)
	}
	return &Begun{Body: v.Body}, nil
}

// httpSettings are the settings of a destination, as far as one begins with them.
type httpSettings struct {
	Type        string            `json:"type"`
	URL         string            `json:"url,omitempty"`
	Method      string            `json:"method,omitempty"`
	Headers     map[string]string `json:"headers,omitempty"`
	Body        string            `json:"body,omitempty"`
	ContentType string            `json:"content_type,omitempty"`
	Bearer      string            `json:"bearer,omitempty"`
	Basic       *namePassword     `json:"basic,omitempty"`
	Digest      *namePassword     `json:"digest,omitempty"`
	APIKey      *keyInHeader      `json:"api_key,omitempty"`
	Document    json.RawMessage   `json:"document,omitempty"`
}

type namePassword struct {
	User     string `json:"user,omitempty"`
	Password string `json:"password,omitempty"`
}

type keyInHeader struct {
	Header string `json:"header,omitempty"`
	Value  string `json:"value,omitempty"`
}

// beginner makes settings of a request that was pasted.
type beginner struct {
	to    httpSettings
	begun Begun
}

// placeholder finds texts that stand for a secret in examples and commands: YOUR_API_KEY, <token>, $TOKEN, {env.TOKEN}.
var placeholder = regexp.MustCompile(`^(?:YOUR[_ -]?[A-Za-z0-9_ -]*|<[^<>]*>|\[[^\[\]]*\]|\$\{?[A-Za-z_][A-Za-z0-9_]*\}?|\{(?:env|secret)\.[A-Za-z][A-Za-z0-9_-]*\}|x{3,}|\*{3,}|•+|…|\.{3})$`)

// namesIn finds the name in such a text.
var namesIn = regexp.MustCompile(`^(?:\$\{?|\{(?:env|secret)\.)([A-Za-z][A-Za-z0-9_-]*)\}?$|^YOUR[_ -]?([A-Za-z0-9_-]*)$`)

// secret makes a secret of a text, under the name that it has or one that is proposed, and gives how the document names it.
func (b *beginner) secret(value, proposed string) string {
	name := proposed
	if m := namesIn.FindStringSubmatch(value); m != nil && m[1]+m[2] != "" {
		name = m[1] + m[2]
	}
	if placeholder.MatchString(value) {
		value = ""
	}
	for n := 2; b.begun.Secrets[name] != nil && b.begun.Secrets[name].Value != value; n++ {
		name = proposed + "_" + string(rune('0'+n%10))
	}
	if b.begun.Secrets == nil {
		b.begun.Secrets = make(map[string]*manage.SecretInput)
	}
	s := &manage.SecretInput{Value: value}
	if host := hostOf(b.to.URL); host != "" {
		s.Hosts = []string{host}
	}
	b.begun.Secrets[name] = s
	return "{secret." + name + "}"
}

// secretHeader finds headers whose values are credentials.
var secretHeader = regexp.MustCompile(`(?i)authorization|api-?key|token|secret|password|cookie|access-key|credential|x-auth`)

// header takes a header over. A credential becomes a way to sign in, or a secret.
func (b *beginner) header(name, value string) {
	scheme, rest, _ := strings.Cut(value, " ")
	rest = strings.TrimSpace(rest)
	signs := b.to.Bearer != "" || b.to.Basic != nil || b.to.Digest != nil || b.to.APIKey != nil
	switch {
	case strings.EqualFold(name, "Content-Type"):
		b.to.ContentType = value
	case strings.EqualFold(name, "Authorization") && strings.EqualFold(scheme, "Bearer") && !signs && !strings.Contains(rest, "{{"):
		b.to.Bearer = b.secret(rest, "API_TOKEN")
	case secretHeader.MatchString(name) && !strings.Contains(value, "{{"):
		if !signs && !strings.EqualFold(name, "Authorization") && !strings.EqualFold(name, "Cookie") {
			b.to.APIKey = &keyInHeader{name, b.secret(value, "API_KEY")}
			return
		}
		prefix := ""
		if rest != "" && strings.EqualFold(name, "Authorization") {
			prefix, value = scheme+" ", rest
		}
		b.put(name, prefix+b.secret(value, "API_KEY"))
	default:
		if references.MatchString(value) {
			b.note("the header " + name + " has a reference such as {env.NAME}, which is text here; use a secret in its place")
		}
		b.put(name, value)
	}
}

// references are what stands for settings of the machine, in files that its operators write.
var references = regexp.MustCompile(`(?:^|[^{])\{(?:env|file)\.[^{}]+\}`)

func (b *beginner) put(name, value string) {
	if b.to.Headers == nil {
		b.to.Headers = make(map[string]string)
	}
	b.to.Headers[name] = value
}

func (b *beginner) note(text string) { b.begun.Notes = append(b.begun.Notes, text) }

// finish looks at the URL, and writes the document.
func (b *beginner) finish() (*Begun, error) {
	if references.MatchString(b.to.URL) {
		b.note("the URL has a reference such as {env.NAME}, which is text here; use a secret in its place")
	}
	if u, err := url.Parse(b.to.URL); err == nil {
		for name, values := range u.Query() {
			if secretHeader.MatchString(name) && len(values) == 1 && !strings.Contains(values[0], "{{") {
				b.note("the query parameter " + name + " looks like a credential, and URLs are logged on their way: send it in a header if the receiver takes it there")
			}
		}
		if u.Scheme == "http" {
			b.note("the URL is http://, by which anybody on the way can read along; write https:// if the receiver has it")
		}
	}
	text, err := json.Marshal(map[string]any{"to": b.to})
	if err != nil {
		return nil, err
	}
	b.begun.Body = text
	return &b.begun, nil
}

func beginCurl(command string) (*Begun, error) {
	r, err := curl.Parse(command)
	if err != nil {
		return nil, badRequest("%s", err)
	}
	b := beginner{to: httpSettings{Type: "http", URL: r.URL, Method: r.Method}}
	b.begun.Notes = append(b.begun.Notes, r.Notes...)
	if r.User != "" {
		user, password, _ := strings.Cut(r.User, ":")
		if placeholder.MatchString(user) || password == "" && user != "" { // a key alone, as some vendors have it
			user = b.secret(user, "API_USER")
		}
		password = b.secretOr(password, "API_PASSWORD")
		if login := (&namePassword{user, password}); r.Digest {
			b.to.Digest = login
		} else {
			b.to.Basic = login
		}
	}
	for _, h := range r.Headers {
		b.header(h.Name, h.Value)
	}
	b.to.Body = pretty(r.Body, b.to.ContentType)
	for _, v := range r.Variables {
		if b.begun.Secrets[v] == nil {
			b.note("$" + v + " is a variable of the shell, whose value is not known here; put a {{variable}} or a text in its place")
		}
	}
	return b.finish()
}

// secretOr is a secret for a text, or nothing for an empty one.
func (b *beginner) secretOr(value, proposed string) string {
	if value == "" {
		return ""
	}
	return b.secret(value, proposed)
}

// pretty is a body that is easier to edit and says the same.
func pretty(body, contentType string) string {
	media, _, _ := strings.Cut(strings.ToLower(contentType), ";")
	switch media = strings.TrimSpace(media); {
	case strings.HasSuffix(media, "json"):
		if text, err := indented([]byte(body)); err == nil {
			return text
		}
	case media == "application/x-www-form-urlencoded":
		return strings.ReplaceAll(body, "&", "&\n")
	}
	return body
}

func beginDocument(text []byte) (*Begun, error) {
	p, problems, err := definition.ReadPlain(text, definition.Options{})
	var b beginner
	if errors.Is(err, definition.ErrNotPlain) {
		b.to = httpSettings{Type: "http", Document: bytes.TrimSpace(text)}
		if !json.Valid(text) {
			return nil, badRequest("the document has comments, and multipart/form-data is sent by a document as it is: take the comments out")
		}
		return b.finish()
	}
	if err != nil {
		return nil, badRequest("%s", err)
	}
	b.to = httpSettings{Type: "http", URL: p.URL, Method: p.Method, Body: p.Body, ContentType: p.ContentType}
	for _, name := range sortedNames(p.Headers) {
		b.header(name, p.Headers[name])
	}
	b.begun.Notes = append(b.begun.Notes, p.Notes...)
	for _, problem := range problems {
		if !strings.Contains(problem.Message, "{{") && problem.Field != "Authorization" && problem.Field != "parameters" && problem.Field != "url" { // which the preview says
			b.note(problem.Message)
		}
	}
	return b.finish()
}

func sortedNames(m map[string]string) []string {
	var names []string
	for name := range m {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// indented is JSON for people, with its members in their order.
func indented(text []byte) (string, error) {
	var b bytes.Buffer
	if err := json.Indent(&b, bytes.TrimSpace(text), "", "  "); err != nil {
		return "", err
	}
	return b.String(), nil
}

// hostOf is the host of a URL that may have variables; empty if there is none.
func hostOf(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return ""
	}
	return u.Hostname()
}
