package manage

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/callgate/callgate/internal/store"
	"github.com/callgate/callgate/internal/store/storetest"
)

// fakeGateway takes documents without the word mistake in them.
type fakeGateway struct {
	s       store.Store
	applied []string
}

func (f *fakeGateway) Taken(kind, name string) string {
	if name == "config" {
		return "tenant config in the configuration"
	}
	return ""
}

func (f *fakeGateway) Check(_ context.Context, d *store.Document) ([]string, error) {
	if strings.Contains(string(d.Body), "mistake") {
		return nil, errors.New("line 1: a mistake")
	}
	return []string{"beware"}, nil
}

func (f *fakeGateway) Apply(ctx context.Context, kind, name string) error {
	d, err := f.s.DocumentInForce(ctx, kind, name)
	if err != nil {
		f.applied = append(f.applied, "none")
		return nil
	}
	f.applied = append(f.applied, string(d.Body))
	return nil
}

func service(t *testing.T) (*Service, *fakeGateway) {
	t.Helper()
	f := &fakeGateway{s: storetest.NewMemory(storetest.Options{Sealing: true})}
	return New(Options{Store: f.s, Gateway: func() Gateway { return f }, Fingerprint: func(s string) string { return fmt.Sprint(len(s)) },
		Now: func() time.Time { return time.Unix(1000, 0) }}), f
}

func body(text string) Draft { return Draft{Body: []byte(text)} }

func published(text string) Draft { return Draft{Body: []byte(text), Publish: true} }

func TestDocumentsGoTheirWay(t *testing.T) {
	s, f := service(t)
	ctx := t.Context()
	save := func(d Draft) *Change {
		t.Helper()
		c, err := s.Save(ctx, "ann", Tenant, "acme", d)
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	if c := save(Draft{Body: []byte(`{"a":1}`), DryRun: true}); c.Version != 1 || len(c.Differences) != 1 || c.Warnings[0] != "beware" {
		t.Errorf("dry run: %+v", c)
	}
	if _, err := s.Show(ctx, Tenant, "acme", 0); !errors.Is(err, ErrNotFound) {
		t.Errorf("a dry run keeps something: %v", err)
	}
	save(body(`{"a":1}`))
	if c := save(body(`{ "a": 1 }`)); !c.Unchanged || c.Version != 1 {
		t.Errorf("the same again: %+v", c)
	}
	if c := save(published(`{"a":1}`)); c.Unchanged || c.Version != 2 {
		t.Errorf("published: %+v", c)
	}
	if c := save(published(`{"a":1}`)); !c.Unchanged || c.Version != 2 {
		t.Errorf("published again: %+v", c)
	}
	c := save(published(`{"a":2,"b":[true,{"c":"x"}]}`))
	if got := fmt.Sprint(c.Differences); got != `[~ a: 1 → 2 + b[0]: true + b[1].c: "x"]` {
		t.Errorf("differences %s", got)
	}
	if _, err := s.Rollback(ctx, "bob", Tenant, "acme", 0, "", false); err != nil {
		t.Fatal(err)
	}
	last, err := s.Show(ctx, Tenant, "acme", 0)
	if err != nil || string(last.Body) != `{"a":1}` || last.Version != 4 || last.Note != "back to version 2" || last.PublishedBy != "bob" {
		t.Errorf("rolled back: %+v, %v", last, err)
	}
	if d, err := s.Diff(ctx, Tenant, "acme", 3, 4); err != nil || len(d) != 3 {
		t.Errorf("diff %v, %v", d, err)
	}
	if c, err := s.Remove(ctx, "bob", Tenant, "acme", "", true); err != nil || c.Version != 4 || len(c.Differences) != 1 {
		t.Errorf("dry removal: %+v, %v", c, err)
	}
	if _, err := s.Remove(ctx, "bob", Tenant, "acme", "over", false); err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(f.applied, " "); got != `{"a":1} {"a":2,"b":[true,{"c":"x"}]} {"a":1} none` {
		t.Errorf("applied %s", got)
	}
	if err := s.Forget(ctx, Tenant, "acme"); err != nil {
		t.Fatal(err)
	}
	if list, err := s.List(ctx, Tenant, "", 10); err != nil || len(list) != 0 {
		t.Errorf("left %v, %v", list, err)
	}
}

func TestMistakesAreNotKept(t *testing.T) {
	s, f := service(t)
	ctx := t.Context()
	one := 1
	for name, c := range map[string]struct {
		name string
		d    Draft
		is   error
	}{
		"check":       {"acme", published(`{"mistake":1}`), ErrBadRequest},
		"no JSON":     {"acme", published(`{`), ErrBadRequest},
		"both":        {"acme", Draft{Body: []byte(`{}`), Text: `{}`}, ErrBadRequest},
		"nothing":     {"acme", Draft{}, ErrBadRequest},
		"taken":       {"config", published(`{}`), ErrConflict},
		"name":        {"a b", published(`{}`), ErrBadRequest},
		"note":        {"acme", Draft{Body: []byte(`{}`), Note: "a\nb"}, ErrBadRequest},
		"base":        {"acme", Draft{Body: []byte(`{}`), Base: &one}, ErrConflict},
		"secret name": {"acme", Draft{Body: []byte(`{}`), Secrets: map[string]*SecretInput{"a b": {Value: "x"}}}, ErrBadRequest},
		"no value":    {"acme", Draft{Body: []byte(`{}`), Secrets: map[string]*SecretInput{"a": {Hosts: []string{"evil.example"}}}}, ErrBadRequest},
		"URL":         {"acme", Draft{Body: []byte(`{}`), Secrets: map[string]*SecretInput{"a": {Value: "x", Hosts: []string{"https://a.example"}}}}, ErrBadRequest},
		"every host":  {"acme", Draft{Body: []byte(`{}`), Secrets: map[string]*SecretInput{"a": {Value: "x", Hosts: []string{"*"}}}}, ErrBadRequest},
	} {
		if _, err := s.Save(ctx, "ann", Tenant, c.name, c.d); !errors.Is(err, c.is) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if list, err := s.List(ctx, Tenant, "", 10); err != nil || len(list) != 0 || len(f.applied) != 0 {
		t.Errorf("kept %v, %v, applied %v", list, err, f.applied)
	}
	if _, err := s.List(ctx, "route", "", 10); !errors.Is(err, ErrNotFound) {
		t.Errorf("another kind: %v", err)
	}
	off := New(Options{Store: f.s, Gateway: func() Gateway { return nil }})
	if _, err := off.List(ctx, Tenant, "", 1); !errors.Is(err, ErrOff) {
		t.Errorf("not managed: %v", err)
	}
}

func TestSecretsAreWrittenAndNeverRead(t *testing.T) {
	s, f := service(t)
	ctx := t.Context()
	save := func(d Draft) {
		t.Helper()
		if _, err := s.Save(ctx, "ann", Destination, "crm", d); err != nil {
			t.Fatal(err)
		}
	}
	first := published(`{"v":1}`)
	first.Secrets = map[string]*SecretInput{"token": {Value: "canary-one", Hosts: []string{"crm.example"}}, "old": {Value: "canary"}}
	save(first)
	save(published(`{"v":2}`)) // which keeps them
	second := published(`{"v":3}`)
	second.Secrets = map[string]*SecretInput{"token": {Value: "canary-and-two", Hosts: []string{"crm.example"}}, "old": nil}
	c, err := s.Save(ctx, "ann", Destination, "crm", second)
	if err != nil {
		t.Fatal(err)
	}
	v, err := s.Show(ctx, Destination, "crm", 0)
	if err != nil || len(v.Secrets) != 1 || v.Secrets["token"].Fingerprint != "14" || v.Secrets["token"].Hosts[0] != "crm.example" || v.Secrets["token"].At.IsZero() {
		t.Errorf("%+v, %v", v, err)
	}
	if text := fmt.Sprintf("%+v %v", v, c.Differences); strings.Contains(text, "canary") {
		t.Errorf("shown: %s", text)
	}
	// Back to a version with a secret that was replaced: the new one stays, and what is gone comes back.
	if _, err := s.Rollback(ctx, "bob", Destination, "crm", 1, "", false); err != nil {
		t.Fatal(err)
	}
	d, err := f.s.DocumentInForce(ctx, Destination, "crm")
	if err != nil {
		t.Fatal(err)
	}
	secrets, err := ReadSecrets(d.Secrets)
	if err != nil || secrets["token"].Value != "canary-and-two" || secrets["old"].Value != "canary" || string(d.Body) != `{"v":1}` {
		t.Errorf("after going back: %+v %s, %v", secrets, d.Body, err)
	}
}

// TestWhatIsNotThereIsNamed: who mistypes a name is told of the name, and who mistypes a version of the version.
func TestWhatIsNotThereIsNamed(t *testing.T) {
	s, _ := service(t)
	ctx := t.Context()
	if _, err := s.Save(ctx, "ann", Tenant, "acme", published(`{"a":1}`)); err != nil {
		t.Fatal(err)
	}
	_, show := s.Show(ctx, Tenant, "acne", 0)
	_, versions := s.Versions(ctx, Tenant, "acne")
	_, diff := s.Diff(ctx, Tenant, "acne", 0, 0)
	_, publish := s.Publish(ctx, "bob", Tenant, "acne", 0)
	_, rollback := s.Rollback(ctx, "bob", Tenant, "acne", 0, "", false)
	_, remove := s.Remove(ctx, "bob", Tenant, "acne", "", false)
	for _, err := range []error{show, versions, diff, publish, rollback, remove} {
		if !errors.Is(err, ErrNotFound) || err.Error() != "there is no tenant acne" {
			t.Errorf("without the document: %v", err)
		}
	}
	_, show = s.Show(ctx, Tenant, "acme", 7)
	_, diff = s.Diff(ctx, Tenant, "acme", 7, 0)
	_, rollback = s.Rollback(ctx, "bob", Tenant, "acme", 7, "", false)
	for _, err := range []error{show, diff, rollback} {
		if !errors.Is(err, ErrNotFound) || err.Error() != "there is no version 7 of tenant acme" {
			t.Errorf("without the version: %v", err)
		}
	}
}

// TestDifferencesAreAsWritten: & and < are shown as they stand in the document.
func TestDifferencesAreAsWritten(t *testing.T) {
	s, _ := service(t)
	c, err := s.Save(t.Context(), "ann", Tenant, "acme", published(`{"vars":{"owner_name":"Roof & Sons <3"}}`))
	if err != nil || fmt.Sprint(c.Differences) != `[+ vars.owner_name: "Roof & Sons <3"]` {
		t.Errorf("%v, %v", c, err)
	}
}

// follower is a gateway on a store that others publish in.
type follower struct {
	*fakeGateway
	versions map[string]map[string]int
	away     bool
}

func (f *follower) InForce(kind string) map[string]int { return maps.Clone(f.versions[kind]) }

func (f *follower) Apply(ctx context.Context, kind, name string) error {
	if f.away {
		return fmt.Errorf("%w: it is away", store.ErrUnavailable)
	}
	d, err := f.s.DocumentInForce(ctx, kind, name)
	if f.versions[kind] == nil {
		f.versions[kind] = map[string]int{}
	}
	if err != nil {
		delete(f.versions[kind], name)
		f.applied = append(f.applied, name+" gone")
		return nil
	}
	f.versions[kind][name] = d.Version
	f.applied = append(f.applied, fmt.Sprintf("%s %d", name, d.Version))
	if strings.Contains(string(d.Body), "newer") {
		return errors.New("a line that this version does not know")
	}
	return nil
}

// What one gateway publishes comes into force at the others, and nothing else is touched there.
func TestCatchUp(t *testing.T) {
	s, _ := service(t)
	ctx := t.Context()
	f := &follower{fakeGateway: &fakeGateway{s: s.o.Store.(store.Store)}, versions: map[string]map[string]int{}}
	expect := func(what string, wantErr bool, want ...string) {
		t.Helper()
		f.applied = nil
		n, mistakes, err := s.CatchUp(ctx, f)
		slices.Sort(f.applied)
		if n+len(mistakes) != len(want) || !slices.Equal(f.applied, want) || (mistakes != nil) != wantErr || err != nil {
			t.Errorf("%s: %d, %v, %v, %v; want %v", what, n, f.applied, mistakes, err, want)
		}
	}
	do := func(_ any, err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	expect("nothing", false)
	do(s.Save(ctx, "ann", Tenant, "acme", published(`{"a":1}`)))
	do(s.Save(ctx, "ann", Destination, "crm", published(`{"a":1}`)))
	f.away = true
	if n, mistakes, err := s.CatchUp(ctx, f); n != 0 || mistakes != nil || !errors.Is(err, store.ErrUnavailable) {
		t.Errorf("without the store: %d, %v, %v", n, mistakes, err)
	}
	f.away = false
	do(s.Save(ctx, "ann", Tenant, "draft", body(`{"a":1}`)))
	expect("published", false, "acme 1", "crm 1")
	expect("again", false)
	do(s.Save(ctx, "ann", Tenant, "acme", body(`{"a":2}`)))
	expect("a draft", false)
	do(s.Publish(ctx, "ann", Tenant, "acme", 0))
	do(s.Save(ctx, "ann", Tenant, "broken", published(`{"newer":1}`)))
	expect("two", true, "acme 2", "broken 1")
	expect("not again and again", false)
	do(s.Remove(ctx, "ann", Destination, "crm", "", false))
	expect("removed", false, "crm gone")
	do(s.Remove(ctx, "ann", Tenant, "acme", "", false))
	do(nil, s.Forget(ctx, Tenant, "acme"))
	expect("removed and forgotten", false, "acme gone")
	var many []string
	for i := range followPage + 5 {
		name := fmt.Sprintf("t%05d", i)
		do(s.Save(ctx, "ann", Tenant, name, published(`{"a":1}`)))
		many = append(many, name+" 1")
	}
	expect("more than a page", false, many...)
}
