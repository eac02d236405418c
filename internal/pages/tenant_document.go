package pages

import (
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"maps"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/callgate/callgate/internal/manage"
	"github.com/callgate/callgate/internal/operate"
)

const day = 24 * time.Hour

// tenantDocument is a tenant's document, whose members stay as they are but for those that pages change.
type tenantDocument struct {
	members map[string]json.RawMessage
	// version is the one that was read; secrets are those to be written with it, nil for one that goes.
	version int
	secrets map[string]*manage.SecretInput
	known   map[string]manage.SecretInfo
}

// newTenantDocument is that of a tenant who is added, from a form.
func newTenantDocument(v url.Values) *tenantDocument {
	d := &tenantDocument{members: map[string]json.RawMessage{}}
	vars := map[string]string{}
	for _, name := range []string{"owner_name", "website"} {
		if value := strings.TrimSpace(v.Get(name)); value != "" {
			vars[name] = value
		}
	}
	if len(vars) > 0 {
		d.set("vars", vars)
	}
	return d
}

// document reads the last version of a tenant's.
func (q *request) document(s *operate.Service, name string) (*tenantDocument, error) {
	v, err := s.Document(q.ctx(), q.actor, manage.Tenant, name, operate.DocumentChoice{})
	if err != nil {
		return nil, err
	}
	d := &tenantDocument{version: v.Version, known: v.Secrets}
	if err := json.Unmarshal(v.Body, &d.members); err != nil || d.members == nil {
		return nil, notFound("the tenant was removed; add it again under its name if it is to come back")
	}
	return d, nil
}

func (d *tenantDocument) set(member string, value any) {
	text, err := json.Marshal(value)
	if err != nil {
		panic(err) // of texts and truths
	}
	d.members[member] = text
}

// flag reports whether a member is true.
func (d *tenantDocument) flag(member string) bool { return string(d.members[member]) == "true" }

// secretList are the secrets that verify what comes in, as the document names them.
func (d *tenantDocument) secretList() (list []string) {
	_ = json.Unmarshal(d.members["secrets"], &list) // what is of another form, the gateway does not take
	return list
}

var secretRef = regexp.MustCompile(`^\{secret\.([A-Za-z][A-Za-z0-9_-]{0,63})\}$`)

// named is the name of a secret that the document keeps; empty for another value.
func named(ref string) string {
	if m := secretRef.FindStringSubmatch(ref); m != nil {
		return m[1]
	}
	return ""
}

// addSecret has a secret be accepted besides those that are, before them.
func (d *tenantDocument) addSecret(name, value string) {
	if d.secrets == nil {
		d.secrets = map[string]*manage.SecretInput{}
	}
	d.secrets[name] = &manage.SecretInput{Value: value}
	d.set("secrets", append([]string{"{secret." + name + "}"}, d.secretList()...))
}

// dropSecret has one be accepted no more, and forgets it where the document keeps it.
func (d *tenantDocument) dropSecret(ref string) bool {
	list := d.secretList()
	i := slices.Index(list, ref)
	if i < 0 || len(list) < 2 {
		return false
	}
	list = slices.Delete(list, i, i+1)
	d.set("secrets", list)
	if name := named(ref); name != "" && !slices.Contains(list, ref) {
		if _, kept := d.known[name]; kept {
			d.secrets = map[string]*manage.SecretInput{name: nil}
		}
	}
	return true
}

// save keeps a tenant's document and puts it into force. fresh means that there must be none yet.
func (q *request) save(s *operate.Service, name string, d *tenantDocument, note string, fresh bool) error {
	var text strings.Builder
	text.WriteString("{")
	for i, member := range slices.Sorted(maps.Keys(d.members)) {
		if i > 0 {
			text.WriteString(",")
		}
		key, err := json.Marshal(member)
		if err != nil {
			return err
		}
		text.Write(key)
		text.WriteString(":")
		text.Write(d.members[member])
	}
	text.WriteString("}")
	draft := manage.Draft{Body: json.RawMessage(text.String()), Secrets: d.secrets, Note: note, Publish: true, Base: &d.version}
	if fresh {
		draft.Base = new(int)
	}
	_, err := s.SaveDocument(q.ctx(), q.actor, manage.Tenant, name, draft)
	return err
}

// givenSecret is the secret of a form, or one that is made up where it is empty.
func givenSecret(v url.Values) (secret string, made bool, err error) {
	secret = strings.TrimSpace(v.Get("secret"))
	switch {
	case secret == "":
		var random [32]byte
		_, _ = rand.Read(random[:]) // it never fails
		return hex.EncodeToString(random[:]), true, nil
	case len(secret) < 8 || len(secret) > 4096:
		return "", false, badRequest("a secret has 8 to 4096 characters")
	}
	return secret, false, nil
}

// tenantSecrets shows which secrets of a tenant are accepted and when each was last used, adds one and takes one away.
func (q *request) tenantSecrets() error {
	s, err := q.service()
	if err != nil {
		return err
	}
	name, back := q.args[0], q.link("tenants", q.args[0], "secrets")
	d, err := q.document(s, name)
	if err != nil {
		return err
	}
	type kept struct {
		Ref, Name string
		Info      *manage.SecretInfo
		Drop      bool
	}
	data := struct {
		Name, Made, Back string
		Secrets          []kept
		Uses             []useRow
	}{Name: name, Back: q.link("tenants", name)}
	if q.r.Method == http.MethodPost {
		v, err := q.form()
		if err != nil {
			return err
		}
		if ref := v.Get("drop"); ref != "" {
			if !d.dropSecret(ref) {
				return &problem{http.StatusConflict, "there is no such secret any more, or it is the only one: add another one first, so that calls go on being taken"}
			}
			if err := q.save(s, name, d, "a secret was taken out", false); err != nil {
				return err
			}
			return q.done(back, "The secret is taken out. Calls that are signed with it are refused from now on.")
		}
		secret, made, err := givenSecret(v)
		if err != nil {
			return err
		}
		d.addSecret("hook-"+q.now().Format("20060102-150405"), secret)
		if err := q.save(s, name, d, "a secret was added, to take the place of the one before", false); err != nil {
			return err
		}
		if !made {
			return q.done(back, "The secret is accepted besides those before. Change it at the sender, and take the old one out when it is used no more.")
		}
		data.Made = secret
		if d, err = q.document(s, name); err != nil {
			return err
		}
	}
	list := d.secretList()
	for _, ref := range list {
		k := kept{Ref: ref, Name: named(ref), Drop: len(list) > 1}
		if k.Name == "" {
			k.Name = "a value of the configuration"
		}
		if info, ok := d.known[k.Name]; ok {
			k.Info = &info
		}
		data.Secrets = append(data.Secrets, k)
	}
	if data.Uses, err = q.uses(s, name); err != nil {
		return err
	}
	return q.show("secrets", "Secrets of "+plain(name), data)
}

// testMode asks whether a tenant's test mode is to be turned on or off, and does so.
func (q *request) testMode() error {
	s, err := q.service()
	if err != nil {
		return err
	}
	name, back := q.args[0], q.link("tenants", q.args[0])
	d, err := q.document(s, name)
	if err != nil {
		return err
	}
	on := d.flag("test")
	if q.r.Method != http.MethodPost {
		data := question{Title: "Test mode for " + plain(name) + "?", Button: "Turn it on", Action: q.link("tenants", name, "test"), Back: back,
			Text:   "Its calls are answered with what would be sent. Nothing is sent and nothing is stored until it is turned off: real calls that come meanwhile are lost.",
			Fields: []field{{"test", "on"}}, Grave: true}
		if on {
			data = question{Title: "End the test mode of " + plain(name) + "?", Button: "Turn it off", Action: data.Action, Back: back,
				Text: "Its calls are stored and delivered again from now on.", Fields: []field{{"test", "off"}}}
		}
		return q.show("ask", data.Title, data)
	}
	v, err := q.form()
	if err != nil {
		return err
	}
	want := v.Get("test")
	switch {
	case want != "on" && want != "off":
		return badRequest("test has to be on or off")
	case want == "on":
		d.set("test", true)
	default:
		delete(d.members, "test")
	}
	if err := q.save(s, name, d, "test mode "+want, false); err != nil {
		return err
	}
	if want == "on" {
		return q.done(back, "Test mode is on: nothing of its calls is sent or stored.")
	}
	return q.done(back, "Test mode is off: its calls are delivered.")
}
