// Package manage keeps tenants and destinations as documents: they are written as drafts, checked, compared, published,
// rolled back and removed. Every change is a version with its author and a note. It knows nothing of what a document says:
// a Gateway checks that, and brings into force what was published.
package manage

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/callgate/callgate/internal/store"
)

// The kinds of documents.
const (
	Tenant      = "tenant"
	Destination = "destination"
)

// Kinds are all that there are.
func Kinds() []string { return []string{Tenant, Destination} }

// Gateway is the configuration in force.
type Gateway interface {
	// Taken says where the configuration itself has a name, which no document can take; empty if it does not.
	Taken(kind, name string) string
	// Check works a document out as if it were published, and changes nothing. What may be a mistake is a warning.
	Check(ctx context.Context, d *store.Document) (warnings []string, err error)
	// Apply brings into force what the store says of a document now.
	Apply(ctx context.Context, kind, name string) error
}

// Options are what a service works on.
type Options struct {
	Store store.Documents
	// Gateway is asked for at each operation; it gives nil where documents are not managed.
	Gateway func() Gateway
	// Fingerprint tells secrets apart without saying anything of them.
	Fingerprint func(secret string) string
	// Now is the clock. Default: time.Now.
	Now func() time.Time
}

// Service carries operations out. It is safe for concurrent use.
type Service struct{ o Options }

// New makes a service.
func New(o Options) *Service {
	if o.Now == nil {
		o.Now = time.Now
	}
	return &Service{o}
}

// Error is an error for whoever asked.
type Error struct {
	Kind error
	text string
}

// Kinds of errors.
var (
	ErrBadRequest = errors.New("bad request")
	ErrNotFound   = errors.New("not found")
	ErrConflict   = errors.New("conflict")
	ErrOff        = errors.New("not managed")
)

// Error implements error.
func (e *Error) Error() string { return e.text }

// Unwrap gives the kind.
func (e *Error) Unwrap() error { return e.Kind }

func fail(kind error, format string, args ...any) error {
	return &Error{kind, fmt.Sprintf(format, args...)}
}

// begin makes sure that there is something to manage.
func (s *Service) begin(kind string) (Gateway, error) {
	g := s.o.Gateway()
	if g == nil {
		return nil, fail(ErrOff, "tenants and destinations are not managed here: write manage in the global option callgate")
	}
	if !slices.Contains(Kinds(), kind) {
		return nil, fail(ErrNotFound, "there is no kind of document %.100q", kind)
	}
	return g, nil
}

// beginChange makes sure besides that a document may have a name.
func (s *Service) beginChange(kind, name, note string) (Gateway, error) {
	g, err := s.begin(kind)
	if err != nil {
		return nil, err
	}
	if name == "" || len(name) > 128 || strings.ContainsFunc(name, func(r rune) bool { return r <= ' ' || r > '~' || strings.ContainsRune("{}/", r) }) {
		return nil, fail(ErrBadRequest, "a %s's name has 1 to 128 visible ASCII characters without braces and slashes", kind)
	}
	if len(note) > 500 || !utf8.ValidString(note) || strings.ContainsFunc(note, unicode.IsControl) {
		return nil, fail(ErrBadRequest, "a note is a line of up to 500 bytes")
	}
	if where := g.Taken(kind, name); where != "" {
		return nil, fail(ErrConflict, "%s %s is taken: it is %s, and no document overrides that; take it out there, or choose another name", kind, name, where)
	}
	return g, nil
}

// storedVersion is stored for one that is asked for by its version, of which 0 is the last.
func storedVersion(err error, kind, name string, version int) error {
	if version != 0 && errors.Is(err, store.ErrNotFound) {
		return fail(ErrNotFound, "there is no version %d of %s %s", version, kind, name)
	}
	return stored(err, kind, name)
}

// stored turns an error of the store into one for whoever asked.
func stored(err error, kind, name string) error {
	switch {
	case errors.Is(err, store.ErrNotFound):
		return fail(ErrNotFound, "there is no %s %s", kind, name)
	case errors.Is(err, store.ErrConflict):
		return fail(ErrConflict, "%s %s was changed by somebody else meanwhile: look at its last version, and do it again if you still mean it", kind, name)
	case errors.Is(err, store.ErrUnsealed), errors.Is(err, store.ErrDocumentSize):
		return fail(ErrBadRequest, "%s", err)
	}
	return err
}

// Secret is a secret of a document as it is kept.
type Secret struct {
	Value       string    `json:"value"`
	Hosts       []string  `json:"hosts,omitempty"`
	Fingerprint string    `json:"fingerprint"`
	At          time.Time `json:"at"`
}

// Secrets are those of a document by name.
type Secrets map[string]Secret

// ReadSecrets reads what a store.Document keeps.
func ReadSecrets(text []byte) (Secrets, error) {
	s := Secrets{}
	if len(text) == 0 {
		return s, nil
	}
	if json.Unmarshal(text, &s) != nil {
		return nil, errors.New("the secrets of the document cannot be read") // and are not quoted
	}
	return s, nil
}

// SecretInput is a secret that is written. Hosts are those that it may be sent to; without any it verifies what comes in.
type SecretInput struct {
	Value string   `json:"value"`
	Hosts []string `json:"hosts,omitempty"`
}

// SecretInfo is what is shown of a secret: never its value.
type SecretInfo struct {
	Fingerprint string    `json:"fingerprint"`
	At          time.Time `json:"at"`
	Hosts       []string  `json:"hosts,omitempty"`
}

// Version is a version of a document as it is shown.
type Version struct {
	store.DocumentInfo
	Body    json.RawMessage       `json:"body,omitempty"`
	Secrets map[string]SecretInfo `json:"secrets,omitempty"`
}

func shown(d *store.Document) (*Version, error) {
	secrets, err := ReadSecrets(d.Secrets)
	if err != nil {
		return nil, err
	}
	v := &Version{DocumentInfo: d.DocumentInfo, Body: d.Body}
	for name, s := range secrets {
		if v.Secrets == nil {
			v.Secrets = make(map[string]SecretInfo)
		}
		v.Secrets[name] = SecretInfo{s.Fingerprint, s.At, s.Hosts}
	}
	return v, nil
}

var secretName = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_-]{0,63}$`)

// merge lays what is written over the secrets that there are. A nil one takes a secret away.
func (s *Service) merge(secrets Secrets, written map[string]*SecretInput) (Secrets, error) {
	merged := maps.Clone(secrets)
	for _, name := range slices.Sorted(maps.Keys(written)) {
		in := written[name]
		switch {
		case !secretName.MatchString(name):
			return nil, fail(ErrBadRequest, "secret %.70q: a name begins with a letter and has up to 64 letters, digits, hyphens and underscores", name)
		case in == nil:
			delete(merged, name)
			continue
		case in.Value == "" || len(in.Value) > 16<<10:
			return nil, fail(ErrBadRequest, "secret %s: a value has 1 to 16384 bytes; hosts cannot be changed without it", name)
		case slices.ContainsFunc(in.Hosts, func(h string) bool { return !isHost(h) }):
			return nil, fail(ErrBadRequest, "secret %s: a host is a name such as crm.example.com, or *.example.com, without scheme and path", name)
		}
		merged[name] = Secret{in.Value, in.Hosts, s.o.Fingerprint(in.Value), s.o.Now().UTC()}
	}
	return merged, nil
}

func isHost(h string) bool {
	return h != "" && len(h) <= 260 && !strings.ContainsAny(strings.TrimPrefix(h, "*."), "*/@? #\\") && strings.Trim(h, "*.") != ""
}

// List lists the documents of a kind whose names come after a name, at most limit, each as its last version.
func (s *Service) List(ctx context.Context, kind, after string, limit int) ([]store.DocumentInfo, error) {
	if _, err := s.begin(kind); err != nil {
		return nil, err
	}
	return s.o.Store.DocumentHeads(ctx, kind, after, limit)
}

// Show gives a version of a document; 0 is the last.
func (s *Service) Show(ctx context.Context, kind, name string, version int) (*Version, error) {
	if _, err := s.begin(kind); err != nil {
		return nil, err
	}
	d, err := s.o.Store.Document(ctx, kind, name, version)
	if err != nil {
		return nil, storedVersion(err, kind, name, version)
	}
	return shown(d)
}

// Versions lists the versions of a document, the last first.
func (s *Service) Versions(ctx context.Context, kind, name string) ([]store.DocumentInfo, error) {
	if _, err := s.begin(kind); err != nil {
		return nil, err
	}
	list, err := s.o.Store.DocumentVersions(ctx, kind, name)
	if err == nil && len(list) == 0 {
		err = store.ErrNotFound
	}
	if err != nil {
		return nil, stored(err, kind, name)
	}
	return list, nil
}

// Draft is what somebody writes.
type Draft struct {
	// Body is the document: the JSON of a tenant file, of a destination, or a NextPhone webhook document.
	Body json.RawMessage `json:"body,omitempty"`
	// Text is the same as it stands in a file, in place of Body: mistakes are told with their places in it.
	Text string `json:"text,omitempty"`
	// Secrets are written with it, and laid over those that there are; null takes one away.
	Secrets map[string]*SecretInput `json:"secrets,omitempty"`
	// Note says why.
	Note string `json:"note,omitempty"`
	// Base is the last version that the author has seen; another one is a conflict. Without it there is none.
	Base *int `json:"base,omitempty"`
	// Publish puts it into force at once.
	Publish bool `json:"publish,omitempty"`
	// DryRun checks and compares it, and keeps nothing.
	DryRun bool `json:"dry_run,omitempty"`
}

// Change is what became of a change.
type Change struct {
	Kind    string              `json:"kind"`
	Name    string              `json:"name"`
	Version int                 `json:"version,omitempty"` // that is the last now
	State   store.DocumentState `json:"state,omitempty"`
	DryRun  bool                `json:"dry_run,omitempty"`
	// Unchanged tells that there was nothing to do.
	Unchanged bool `json:"unchanged,omitempty"`
	// Differences are from the version in force.
	Differences []Difference `json:"differences"`
	Warnings    []string     `json:"warnings,omitempty"`
}

// Save checks a document and keeps it as a new version. One with a mistake is not kept.
func (s *Service) Save(ctx context.Context, by, kind, name string, in Draft) (*Change, error) {
	g, err := s.beginChange(kind, name, in.Note)
	if err != nil {
		return nil, err
	}
	if in.Text != "" && in.Body == nil {
		in.Body = json.RawMessage(in.Text)
	} else if in.Text != "" || !json.Valid(in.Body) {
		return nil, fail(ErrBadRequest, "body has to be the document, in JSON, or text what stands in its file")
	}
	last, force, err := s.state(ctx, kind, name)
	if err != nil {
		return nil, err
	}
	if in.Base != nil && *in.Base != last.Version {
		return nil, stored(store.ErrConflict, kind, name)
	}
	secrets, err := ReadSecrets(last.Secrets)
	if err != nil {
		return nil, err
	}
	if secrets, err = s.merge(secrets, in.Secrets); err != nil {
		return nil, err
	}
	d := &store.Document{Body: in.Body}
	if err := s.fill(d, by, kind, name, last.Version+1, in.Note, secrets, in.Publish); err != nil {
		return nil, err
	}
	return s.keep(ctx, g, d, last, force, in.DryRun)
}

// Compose makes the document that Save would keep of a draft, and neither checks nor keeps it. Its name may be empty or the
// configuration's, as of one that somebody begins from.
func (s *Service) Compose(ctx context.Context, by, kind, name string, in Draft) (*store.Document, error) {
	if _, err := s.begin(kind); err != nil {
		return nil, err
	}
	if len(name) > 128 {
		return nil, fail(ErrBadRequest, "a %s's name has up to 128 characters", kind)
	}
	if in.Text != "" && in.Body == nil {
		in.Body = json.RawMessage(in.Text)
	}
	if !json.Valid(in.Body) {
		return nil, fail(ErrBadRequest, "body has to be the document, in JSON, or text what stands in its file")
	}
	var secrets Secrets
	version := 0
	if name != "" {
		last, _, err := s.state(ctx, kind, name)
		if err != nil {
			return nil, err
		}
		if secrets, err = ReadSecrets(last.Secrets); err != nil {
			return nil, err
		}
		version = last.Version
	}
	if secrets == nil {
		secrets = Secrets{}
	}
	secrets, err := s.merge(secrets, in.Secrets)
	if err != nil {
		return nil, err
	}
	d := &store.Document{Body: in.Body}
	return d, s.fill(d, by, kind, cmp.Or(name, "draft"), version+1, in.Note, secrets, false)
}

// fill gives a new version all but its body.
func (s *Service) fill(d *store.Document, by, kind, name string, version int, note string, secrets Secrets, publish bool) error {
	d.Kind, d.Name, d.Version, d.Author, d.Note, d.At, d.State = kind, name, version, by, note, s.o.Now().UTC(), store.Draft
	if publish {
		d.State, d.PublishedBy, d.PublishedAt = store.Published, by, d.At
	}
	if len(secrets) == 0 {
		return nil
	}
	var err error
	d.Secrets, err = json.Marshal(secrets)
	return err
}

// keep checks a new version and keeps it.
func (s *Service) keep(ctx context.Context, g Gateway, d, last, force *store.Document, dryRun bool) (*Change, error) {
	warnings, err := g.Check(ctx, d)
	if err != nil {
		return nil, fail(ErrBadRequest, "%s", err)
	}
	c := &Change{Kind: d.Kind, Name: d.Name, Version: d.Version, State: d.State, DryRun: dryRun, Warnings: warnings}
	if c.Differences, err = compare(force, d); err != nil {
		return nil, err
	}
	sinceLast, err := compare(last, d)
	if err != nil {
		return nil, err
	}
	already := last.State == store.Published || last.State == store.Draft && d.State == store.Draft
	if c.Unchanged = len(sinceLast) == 0 && already; c.Unchanged {
		c.Version, c.State = last.Version, last.State
		return c, nil
	}
	if dryRun {
		return c, nil
	}
	if err := s.o.Store.AddDocument(ctx, d); err != nil {
		return nil, stored(err, d.Kind, d.Name)
	}
	if d.State != store.Draft {
		err = g.Apply(ctx, d.Kind, d.Name)
	}
	return c, err
}

// state is the last version of a document and the one in force. Where there is none it has the number 0.
func (s *Service) state(ctx context.Context, kind, name string) (last, force *store.Document, err error) {
	none := func(d *store.Document, err error) (*store.Document, error) {
		if errors.Is(err, store.ErrNotFound) {
			return &store.Document{DocumentInfo: store.DocumentInfo{Kind: kind, Name: name}}, nil
		}
		return d, err
	}
	if last, err = none(s.o.Store.Document(ctx, kind, name, 0)); err != nil {
		return nil, nil, err
	}
	force, err = none(s.o.Store.DocumentInForce(ctx, kind, name))
	return last, force, err
}

// Publish puts the last version, a draft, into force. version is the one that is meant; 0 is the last.
func (s *Service) Publish(ctx context.Context, by, kind, name string, version int) (*Change, error) {
	g, err := s.beginChange(kind, name, "")
	if err != nil {
		return nil, err
	}
	last, force, err := s.state(ctx, kind, name)
	switch {
	case err != nil:
		return nil, err
	case last.Version == 0:
		return nil, stored(store.ErrNotFound, kind, name)
	case version != 0 && version != last.Version:
		return nil, fail(ErrConflict, "version %d of %s %s is not the last, which is %d; roll back to it, or write it anew", version, kind, name, last.Version)
	case last.State != store.Draft:
		return nil, fail(ErrConflict, "version %d of %s %s is %s already", last.Version, kind, name, last.State)
	}
	warnings, err := g.Check(ctx, last) // the configuration may be another by now
	if err != nil {
		return nil, fail(ErrBadRequest, "%s", err)
	}
	c := &Change{Kind: kind, Name: name, Version: last.Version, State: store.Published, Warnings: warnings}
	if c.Differences, err = compare(force, last); err != nil {
		return nil, err
	}
	if err := s.o.Store.PublishDocument(ctx, kind, name, last.Version, by, s.o.Now().UTC()); err != nil {
		return nil, stored(err, kind, name)
	}
	return c, g.Apply(ctx, kind, name)
}

// Rollback publishes what an earlier version says, as a new version. Secrets stay as they are now, since one that was taken
// back may be known to somebody; only those come back that there are none of any more. version 0 is the last one that was
// published before the one in force.
func (s *Service) Rollback(ctx context.Context, by, kind, name string, version int, note string, dryRun bool) (*Change, error) {
	g, err := s.beginChange(kind, name, note)
	if err != nil {
		return nil, err
	}
	last, force, err := s.state(ctx, kind, name)
	if err != nil {
		return nil, err
	}
	if last.Version == 0 {
		return nil, stored(store.ErrNotFound, kind, name)
	}
	if version == 0 {
		if version, err = s.before(ctx, kind, name, cmp.Or(force.Version, last.Version)); err != nil {
			return nil, err
		}
	}
	old, err := s.o.Store.Document(ctx, kind, name, version)
	if err != nil {
		return nil, storedVersion(err, kind, name, version)
	}
	if old.Body == nil {
		return nil, fail(ErrConflict, "version %d of %s %s is its removal: use remove", version, kind, name)
	}
	secrets, err := ReadSecrets(old.Secrets)
	if err != nil {
		return nil, err
	}
	now, err := ReadSecrets(last.Secrets)
	if err != nil {
		return nil, err
	}
	maps.Copy(secrets, now)
	d := &store.Document{Body: old.Body}
	if err := s.fill(d, by, kind, name, last.Version+1, cmp.Or(note, fmt.Sprintf("back to version %d", version)), secrets, true); err != nil {
		return nil, err
	}
	return s.keep(ctx, g, d, last, force, dryRun)
}

// before is the last version before another that was published.
func (s *Service) before(ctx context.Context, kind, name string, version int) (int, error) {
	list, err := s.o.Store.DocumentVersions(ctx, kind, name)
	if err != nil {
		return 0, err
	}
	for _, v := range list {
		if v.Version < version && v.State == store.Published {
			return v.Version, nil
		}
	}
	return 0, fail(ErrConflict, "%s %s has no earlier version that was published", kind, name)
}

// Remove takes a document out of force. Its versions are kept, and can be rolled back to, until Forget.
func (s *Service) Remove(ctx context.Context, by, kind, name, note string, dryRun bool) (*Change, error) {
	g, err := s.beginChange(kind, name, note)
	if err != nil {
		return nil, err
	}
	last, force, err := s.state(ctx, kind, name)
	switch {
	case err != nil:
		return nil, err
	case last.Version == 0:
		return nil, stored(store.ErrNotFound, kind, name)
	}
	c := &Change{Kind: kind, Name: name, Version: last.Version, State: store.Removed, DryRun: dryRun, Unchanged: last.State == store.Removed}
	d := new(store.Document)
	if c.Differences, err = compare(force, d); err != nil || c.Unchanged || dryRun {
		return c, err
	}
	if err := s.fill(d, by, kind, name, last.Version+1, note, nil, true); err != nil {
		return nil, err
	}
	d.State, c.Version = store.Removed, d.Version
	if err := s.o.Store.AddDocument(ctx, d); err != nil {
		return nil, stored(err, kind, name)
	}
	return c, g.Apply(ctx, kind, name)
}

// Forget deletes all versions of a document that was removed.
func (s *Service) Forget(ctx context.Context, kind, name string) error {
	if _, err := s.begin(kind); err != nil {
		return err
	}
	return stored(s.o.Store.ForgetDocument(ctx, kind, name), kind, name)
}

// Diff compares two versions. to 0 is the last one, and from 0 the one in force.
func (s *Service) Diff(ctx context.Context, kind, name string, from, to int) ([]Difference, error) {
	if _, err := s.begin(kind); err != nil {
		return nil, err
	}
	last, force, err := s.state(ctx, kind, name)
	if err != nil {
		return nil, err
	}
	if last.Version == 0 {
		return nil, stored(store.ErrNotFound, kind, name)
	}
	for _, which := range []struct {
		version int
		into    **store.Document
	}{{from, &force}, {to, &last}} {
		if which.version == 0 {
			continue
		}
		if *which.into, err = s.o.Store.Document(ctx, kind, name, which.version); err != nil {
			return nil, storedVersion(err, kind, name, which.version)
		}
	}
	return compare(force, last)
}
