package pages

import (
	"errors"
	"net/http"
	"net/url"
	"slices"
	"time"

	"github.com/callgate/callgate/internal/operate"
	"github.com/callgate/callgate/internal/source"
	"github.com/callgate/callgate/internal/store"
)

var tenantPages = []page{
	{methods: get, pattern: "tenants", operation: "Tenants", nav: "Tenants", serve: (*request).tenants},
	{methods: getPost, pattern: "add-tenant", operation: "SaveDocument", section: "tenants", serve: (*request).addTenant},
	{methods: get, pattern: "tenants/{name}", operation: "Tenants", section: "tenants", serve: (*request).tenant},
	{methods: get, pattern: "tenants/{name}/setup", operation: "Tenants", section: "tenants", serve: (*request).setup},
	{methods: getPost, pattern: "tenants/{name}/secrets", operation: "SaveDocument", section: "tenants", serve: (*request).tenantSecrets},
	{methods: getPost, pattern: "tenants/{name}/deliver", operation: "SaveDocument", section: "tenants", serve: (*request).tenantDeliver},
	{methods: getPost, pattern: "tenants/{name}/test", operation: "SaveDocument", section: "tenants", serve: (*request).testMode},
}

// tenantRow is a tenant in a list.
type tenantRow struct {
	operate.TenantView
	Mark mark
	// Rate is the share of attempts that delivered in a day, if there were any.
	Rate *float64
}

func tenantRowOf(t *operate.TenantView) tenantRow {
	row := tenantRow{TenantView: *t, Mark: mark{"ok", "well"}}
	if t.Attempted > 0 {
		share := float64(t.Succeeded) / float64(t.Attempted)
		row.Rate = &share
	}
	switch {
	case t.Faulty:
		row.Mark = mark{"dead", "its settings have a mistake"}
	case !t.Known:
		row.Mark = mark{"dead", "not configured"}
	case !t.FailingSince.IsZero():
		row.Mark = mark{"dead", "a destination takes nothing"}
	case len(t.Refused) > 0 && t.Refused[0].Kind == operate.NeedShutOut:
		row.Mark = mark{"dead", "its sender is shut out"}
	case len(t.Refused) > 0:
		row.Mark = mark{"wait", "some are refused"}
	case t.Dead > 0:
		row.Mark = mark{"wait", "some are dead"}
	case row.Rate != nil && 100**row.Rate < operate.LowSuccess:
		row.Mark = mark{"wait", "many fail"}
	case t.Attempted+t.Accepted == 0:
		row.Mark = mark{"off", "quiet for a day"}
	}
	return row
}

// tenants lists them.
func (q *request) tenants() error {
	s, err := q.service()
	if err != nil {
		return err
	}
	list, err := s.Tenants(q.ctx(), q.actor)
	if err != nil {
		return err
	}
	data := struct {
		Rows []tenantRow
		// Add is where one is added; empty for those who may not, and where they stand in the configuration only.
		Add string
		// Try is where a test is sent, for those who may.
		Try string
	}{}
	for i := range list.Tenants {
		data.Rows = append(data.Rows, tenantRowOf(&list.Tenants[i]))
	}
	if q.may("SaveDocument") {
		data.Add = q.link("add-tenant")
	}
	if q.may("TestDestination") {
		data.Try = q.link("try")
	}
	return q.show("tenants", "Tenants", data)
}

// findTenant is the tenant of the address.
func (q *request) findTenant(s *operate.Service) (*operate.TenantView, error) {
	list, err := s.Tenants(q.ctx(), q.actor)
	if err != nil {
		return nil, err
	}
	i := slices.IndexFunc(list.Tenants, func(t operate.TenantView) bool { return t.Name == q.args[0] })
	if i < 0 {
		return nil, notFound("there is no such tenant, or it is none of yours")
	}
	return &list.Tenants[i], nil
}

// newestEvent is a tenant's; nil if there is none.
func (q *request) newestEvent(s *operate.Service, tenant string) (*store.EventInfo, error) {
	p, err := s.Events(q.ctx(), q.actor, operate.Listing{Filter: operate.Filter{Tenant: tenant}, Limit: 1})
	if err != nil || len(p.Events) == 0 {
		return nil, err
	}
	return &p.Events[0], nil
}

// useRow is when one of a tenant's secrets was last used.
type useRow struct {
	operate.SecretUse
	Source, Route string
	Mark          mark
	// Since is since when its use is noted, of one that was not used.
	Since time.Time
}

// tenant shows one.
func (q *request) tenant() error {
	s, err := q.service()
	if err != nil {
		return err
	}
	t, err := q.findTenant(s)
	if err != nil {
		return err
	}
	newest, err := q.newestEvent(s, t.Name)
	if err != nil {
		return err
	}
	of := func(state string) *search {
		found := &search{terms: []term{{"tenant", "tenant", t.Name}}}
		if state != "" {
			found.terms = append(found.terms, term{"state", "state", state})
		}
		return found
	}
	data := struct {
		tenantRow
		Newest               *store.EventInfo
		All, Waiting, IsDead string
		Setup, Secrets, Test string
		// Deliver is where one says to which destinations its calls go.
		Deliver string
		// Testing tells that its calls are shown and not delivered.
		Testing bool
		// Elsewhere says why it is not changed here.
		Elsewhere string
		Uses      []useRow
		// Refusals are whose requests of it are refused, and why.
		Refusals []need
	}{tenantRow: tenantRowOf(t), Newest: newest, All: of("").address(q.link("events")), Waiting: of("waiting").address(q.link("deliveries")),
		IsDead: of("dead").address(q.link("deliveries"))}
	if data.Uses, err = q.uses(s, t.Name); err != nil {
		return err
	}
	for i := range t.Refused {
		l := q.need(&t.Refused[i])
		l.Mark.Word, l.Link, l.Do = plain(t.Refused[i].Source), "", nil
		data.Refusals = append(data.Refusals, l)
	}
	data.Setup = q.link("tenants", t.Name, "setup")
	if q.may("SaveDocument") {
		doc, err := q.document(s, t.Name)
		switch {
		case err == nil:
			data.Testing = doc.flag("test")
			data.Secrets, data.Test = q.link("tenants", t.Name, "secrets"), q.link("tenants", t.Name, "test")
			data.Deliver = q.link("tenants", t.Name, "deliver")
		case errors.Is(err, operate.ErrNotFound) || errors.Is(err, operate.ErrUnavailable):
			data.Elsewhere = "It stands in the gateway's configuration, and is changed there."
		default:
			return err
		}
	}
	return q.show("tenant", t.Name, data)
}

// uses are when the secrets of a tenant were last used, where it has several.
func (q *request) uses(s *operate.Service, tenant string) (rows []useRow, err error) {
	l, err := s.Rotations(q.ctx(), q.actor)
	if errors.Is(err, operate.ErrUnavailable) {
		return nil, nil // nobody notes it
	}
	if err != nil {
		return nil, err
	}
	for _, r := range l.Rotations {
		for _, use := range r.Secrets {
			if r.Tenant != tenant {
				continue
			}
			row := useRow{SecretUse: use, Source: r.Source, Route: r.Route, Mark: mark{"ok", "in use"}}
			switch {
			case use.LastUsed.IsZero():
				row.Mark, row.Since = mark{"off", "not used"}, l.Since
			case q.now().Sub(use.LastUsed) > day:
				row.Mark = mark{"off", "not used for " + lasted(q.now().Sub(use.LastUsed))}
			}
			rows = append(rows, row)
		}
	}
	return rows, nil
}

// sender is what is done at a sender, for a tenant.
type sender struct {
	Tenant, Source, Summary, URL string
	source.Setup
	SecretIs string
	// Secret is one that was just made up, which is shown once.
	Secret string
	// Next is the page that waits for the first call, and Newest the last one that came; nil if none has.
	Next   string
	Newest *store.EventInfo
	// Choices are the senders that there are, for those who have not said which.
	Choices []source.Preset
	// Likely is the one that is chosen among them: whose call came last.
	Likely string
}

func senderOf(tenant, name, address string) sender {
	p, ok := source.Find(name)
	if !ok {
		return sender{Tenant: tenant, Choices: source.Presets(), URL: address}
	}
	out := sender{Tenant: tenant, Source: p.Name, Summary: p.Summary, URL: address, Setup: p.Setup(plain(address))}
	out.SecretIs = out.Setup.Secret
	return out
}

// setup says what is to be done at a sender, and waits for the first call. Nothing secret is on it.
func (q *request) setup() error {
	s, err := q.service()
	if err != nil {
		return err
	}
	t, err := q.findTenant(s)
	if err != nil {
		return err
	}
	v := q.query()
	address, err := addressOf(v)
	if err != nil {
		return err
	}
	data := senderOf(t.Name, v.Get("source"), address)
	if data.Newest, err = q.newestEvent(s, t.Name); err != nil {
		return err
	}
	if data.Likely = "nextphone"; data.Newest != nil {
		data.Likely = data.Newest.Source
	}
	if data.Newest == nil && data.Source != "" {
		q.w.Header().Set("Refresh", waitFor)
	}
	return q.show("setup", "Set the sender up", data)
}

// waitFor is after how many seconds a page that waits for a call asks again by itself.
const waitFor = "5"

// addressOf is the address that a sender is to be given, from a form.
func addressOf(v url.Values) (string, error) {
	text := v.Get("url")
	if text == "" {
		return "", nil
	}
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" || u.User != nil || len(text) > 500 || plain(text) != short(len(text), text) {
		return "", badRequest("the address has to be one as senders take it, such as https://hooks.example.com/hooks/acme")
	}
	return u.String(), nil
}

// addTenant asks for what a tenant needs, adds it, and shows what is to be pasted at its sender.
func (q *request) addTenant() error {
	s, err := q.service()
	if err != nil {
		return err
	}
	if q.r.Method != http.MethodPost {
		return q.show("addtenant", "Add a tenant", struct{ Presets []source.Preset }{source.Presets()})
	}
	v, err := q.form()
	if err != nil {
		return err
	}
	address, err := addressOf(v)
	if err != nil {
		return err
	}
	name := v.Get("name")
	secret, made, err := givenSecret(v)
	if err != nil {
		return err
	}
	if _, ok := source.Find(v.Get("source")); !ok {
		return badRequest("choose the sender from the list")
	}
	doc := newTenantDocument(v)
	doc.addSecret("hook", secret)
	if err := q.save(s, name, doc, "added in the dashboard", true); err != nil {
		return err
	}
	data := senderOf(name, v.Get("source"), address)
	if made {
		data.Secret = secret
	}
	data.Next = withQuery(q.link("tenants", name, "setup"), url.Values{"source": {data.Source}, "url": {address}})
	return q.show("setup", "Set the sender up", data)
}
