package caddymodule

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp/reverseproxy"

	"github.com/callgate/callgate/caddymodule/guest"
	"github.com/callgate/callgate/caddymodule/secret"
	"github.com/callgate/callgate/internal/doctor"
	"github.com/callgate/callgate/internal/outbound"
	"github.com/callgate/callgate/internal/source"
)

// Diagnosis is what an experienced operator sees in a configuration.
type Diagnosis struct {
	// Report are the findings. Nothing in them is a secret, or of a caller.
	Report doctor.Report
	// Store is the file of the store; empty where calls are not stored, or not in a file.
	Store string
	// Senders are the routes with what is to be done at their senders.
	Senders []DiagnosedSender
	// Destinations are the names of all destinations, those of tenants as TENANT/NAME, and Upstreams the addresses of receivers
	// behind routes, as they are dialled.
	Destinations, Upstreams []string
	// Secret is set where calls of patients are likely.
	Secret bool
}

// DiagnosedSender is a route, and the checklist of who sends to it.
type DiagnosedSender struct {
	Route  string       `json:"route"`
	Source string       `json:"source"`
	Preset string       `json:"preset"`
	URL    string       `json:"url,omitempty"`
	Setup  source.Setup `json:"setup"`
}

// Diagnose provisions a configuration in Caddy's JSON, as validate does, and looks at it. No listener and no store is opened.
// file is where it comes from, empty if from nowhere.
func Diagnose(config []byte, file string) (*Diagnosis, error) {
	var c caddy.Config
	if err := json.Unmarshal(config, &c); err != nil {
		return nil, fmt.Errorf("the configuration is not one of Caddy: %w", err)
	}
	admin := c.Admin
	c.Admin, c.Logging = &caddy.AdminConfig{Disabled: true}, &caddy.Logging{Logs: map[string]*caddy.CustomLog{"default": {BaseLog: caddy.BaseLog{Level: "ERROR"}}}}
	require, err := takeRequire(&c)
	if err != nil {
		return nil, err
	}
	ctx, err := caddy.ProvisionContext(&c)
	if err != nil {
		return nil, err
	}
	if _, err := ctx.AppIfConfigured("http"); err != nil {
		return nil, fmt.Errorf("the configuration has no site: %w", err)
	}
	v, err := ctx.App("callgate")
	if err != nil {
		return nil, err
	}
	app := v.(*App)
	defer app.endPreview()
	app.Require = require
	d := new(Diagnosis)
	d.Store = storeFileOf(config, app)
	d.Destinations = destinationNames(app)
	d.Secret = app.Require == requireHIPAA || app.seesPatients()
	d.secrets(app, config, file)
	d.storing(app)
	d.sites(app, admin)
	d.senders(app, config)
	if err := app.checkRequired(); err != nil {
		d.Report.Add("require", doctor.Wrong, "", err.Error(), "")
	}
	return d, nil
}

// takeRequire takes what a configuration requires of itself off, so that it can be looked at also where that is not met.
func takeRequire(c *caddy.Config) (require string, err error) {
	app := map[string]json.RawMessage{}
	if raw := c.AppsRaw["callgate"]; raw != nil {
		if err := json.Unmarshal(raw, &app); err != nil {
			return "", err
		}
	}
	if app["require"] == nil {
		return "", nil
	}
	if err := json.Unmarshal(app["require"], &require); err != nil {
		return "", err
	}
	delete(app, "require")
	c.AppsRaw["callgate"], err = json.Marshal(app)
	return require, err
}

// storesCalls reports whether calls are stored.
func (a *App) storesCalls() bool { return a.run.needed || len(a.Destinations) > 0 || a.Manage != nil }

// storeFileOf is the file of the store.
func storeFileOf(config []byte, app *App) string {
	if !app.storesCalls() {
		return ""
	}
	fresh, err := appConfig(config)
	if err != nil {
		fresh = new(App)
	}
	ctx, cancel := caddy.NewContext(caddy.Context{Context: app.run.ctx.Context})
	defer cancel()
	m, err := fresh.storeModule(ctx)
	if err != nil {
		return ""
	}
	if f, ok := m.(guest.StoreFile); ok {
		return f.File()
	}
	return ""
}

func destinationNames(a *App) (names []string) {
	names = namesOf(a.Destinations)
	for _, t := range namesOf(a.Tenants) {
		for _, own := range namesOf(a.Tenants[t].Destinations) {
			names = append(names, ownName(t, own))
		}
	}
	return names
}

// seesPatients reports whether a destination is an EHR, or gets fields of patients.
func (a *App) seesPatients() bool {
	is := func(d *Destination) bool {
		return d != nil && (kindOf(d.module) == "fhir" || slices.ContainsFunc(d.Fields, func(f string) bool { return strings.Contains(f, "patient") }))
	}
	for _, d := range a.Destinations {
		if is(d) {
			return true
		}
	}
	for _, t := range a.Tenants {
		for _, d := range t.Destinations {
			if is(d) {
				return true
			}
		}
	}
	return false
}

// filePlaceholder finds the files that placeholders name.
var filePlaceholder = regexp.MustCompile(`\{file\.([^{}"]+)\}`)

// secrets looks at where secrets are and what they are.
func (d *Diagnosis) secrets(app *App, config []byte, file string) {
	before := len(d.Report)
	literal := app.lacksPlaceholders()
	for _, l := range literal {
		d.Report.Add("secrets", doctor.Warning, "", l, "")
	}
	if len(literal) > 0 && file != "" {
		d.Report.SecretFile("the configuration", file)
	}
	files := make(map[string]bool)
	for _, text := range append([][]byte{config}, tenantTexts(app)...) {
		for _, m := range filePlaceholder.FindAllSubmatch(text, -1) {
			files[string(m[1])] = true
		}
	}
	for _, f := range slices.Sorted(maps.Keys(files)) {
		d.Report.SecretFile("", f)
	}
	app.eachPolicy(func(where string, p *Policy) {
		for _, s := range p.Secrets {
			value, err := secret.Resolve(s)
			if err != nil {
				d.Report.Add("secrets", doctor.Warning, where, "a secret has no value here: "+err.Error(), "")
				continue
			}
			if why := doctor.Weak(value); why != "" {
				d.Report.Add("secrets", doctor.Warning, where, "a secret is weak: "+why, "have the sender make another one, and accept both until it is in use: secret NEW OLD")
			}
		}
	})
	if before == len(d.Report) {
		d.Report.Add("secrets", doctor.Fine, "", "none is written out, short, or in a file that others can read", "")
	}
}

func tenantTexts(app *App) (texts [][]byte) {
	for _, pattern := range app.TenantFiles {
		names, err := filepath.Glob(pattern)
		if err != nil {
			continue // which was told when it was loaded
		}
		for _, name := range names {
			if b, err := os.ReadFile(name); err == nil {
				texts = append(texts, b)
			}
		}
	}
	return texts
}

// eachPolicy calls f with every policy that can have secrets.
func (a *App) eachPolicy(f func(where string, p *Policy)) {
	for _, name := range namesOf(a.Sources) {
		f("source "+name, &a.Sources[name].Policy)
	}
	for _, name := range namesOf(a.Tenants) {
		t := a.Tenants[name]
		f("tenant "+name, &t.Policy)
		for _, src := range namesOf(t.Sources) {
			f("tenant "+name+", source "+src, t.Sources[src])
		}
	}
	for _, name := range namesOf(a.run.routes) {
		f("route "+name, &a.run.routes[name][0].handler.Policy)
	}
}

// storing looks at what becomes of what is stored.
func (d *Diagnosis) storing(app *App) {
	if !app.storesCalls() {
		d.Report.Add("store", doctor.Note, "", "nothing is stored: what a receiver does not take is the sender's to send again", "spool, or deliver, stores calls before they are answered")
		return
	}
	switch {
	case len(app.EncryptionKeys) > 0:
		d.Report.Add("encryption", doctor.Fine, "", "what is stored is sealed", "")
	case d.Secret:
		d.Report.Add("encryption", doctor.Wrong, "", "what patients say is stored as it is, for whoever gets hold of the disk or a backup", "encryption_key {file./run/secrets/callgate.key}, with 32 random bytes in hexadecimal")
	default:
		d.Report.Add("encryption", doctor.Warning, "", "what callers say is stored as it is, for whoever gets hold of the disk or a backup", "encryption_key {file./run/secrets/callgate.key}, with 32 random bytes in hexadecimal")
	}
	for _, k := range app.EncryptionKeys {
		for _, m := range filePlaceholder.FindAllStringSubmatch(k, -1) {
			if d.Store != "" && filepath.Dir(m[1]) == filepath.Dir(d.Store) {
				d.Report.Add("encryption", doctor.Warning, "", "the key is in the directory of the store, so that whoever takes one has both", "keep the key elsewhere")
			}
		}
	}
	if app.Alert == nil {
		d.Report.Add("alert", doctor.Warning, "", "nobody is told when deliveries fail", "alert { url {env.ALERT_URL}; dead_letter; success_rate 95% }")
	} else if app.Alert.URL == "" {
		d.Report.Add("alert", doctor.Note, "", "alerts are logged, and sent to nobody", "alert { url {env.ALERT_URL} … }")
	} else {
		d.Report.Add("alert", doctor.Fine, "", "somebody is told when deliveries fail", "")
	}
	if d.Secret && app.Audit == nil {
		d.Report.Add("audit", doctor.Warning, "", "no audit log is kept of what was sent to whom", "audit { key {file./run/secrets/audit.key} }; require hipaa checks all the rest")
	}
}

// sites looks at what others can reach.
func (d *Diagnosis) sites(app *App, admin *caddy.AdminConfig) {
	for _, f := range app.FaultyTenants() {
		d.Report.Add("tenants", doctor.Wrong, "tenant "+f.Tenant, f.Err.Error(), "")
	}
	for _, a := range app.run.advice {
		found, do, _ := strings.Cut(a, "; ")
		d.Report.Add("sites", doctor.Warning, "", found, do)
	}
	if len(app.run.routes) == 0 {
		d.Report.Add("sites", doctor.Wrong, "", "no site has a route of the gateway", "hooks.example.com { callgate … }")
	} else if len(app.run.advice) == 0 {
		d.Report.Add("sites", doctor.Fine, "", "what no route takes is answered, and not with an empty 200", "")
	}
	for _, p := range app.run.plainSites() {
		found, do, _ := strings.Cut(p, "; ")
		d.Report.Add("ports", doctor.Warning, "", found, do)
	}
	if admin != nil && !admin.Disabled && admin.Listen != "" {
		at, err := caddy.ParseNetworkAddress(admin.Listen)
		if err == nil && !at.IsUnixNetwork() && !at.IsFdNetwork() && !outbound.Loopback(at.Host) {
			d.Report.Add("ports", doctor.Wrong, "", "the admin endpoint listens at "+admin.Listen+", where whoever reaches it can change everything", "admin localhost:2019, or admin unix//run/callgate/admin.sock")
		}
	}
	http := app.run.httpApp()
	if http == nil {
		return
	}
	for _, name := range namesOf(http.Servers) {
		d.Upstreams = append(d.Upstreams, upstreams(http.Servers[name].Routes)...)
	}
	slices.Sort(d.Upstreams)
	d.Upstreams = slices.Compact(d.Upstreams)
}

// upstreams are the addresses of the receivers in routes that have one of the gateway.
func upstreams(routes caddyhttp.RouteList) (all []string) {
	var walk func(caddyhttp.RouteList)
	walk = func(routes caddyhttp.RouteList) {
		for _, r := range routes {
			for _, h := range r.Handlers {
				switch h := h.(type) {
				case *caddyhttp.Subroute:
					walk(h.Routes)
				case *Handler:
					if h.route.Receiver != nil {
						all = append(all, h.route.Receiver.Address())
					}
				case *reverseproxy.Handler:
					for _, u := range h.Upstreams {
						all = append(all, u.Dial)
					}
				}
			}
		}
	}
	for _, r := range routes {
		if one := (caddyhttp.RouteList{r}); outlineOf(one).has("callgate") {
			walk(one)
		}
	}
	return all
}

// senders lists what is to be done at each sender.
func (d *Diagnosis) senders(app *App, config []byte) {
	for _, name := range namesOf(app.run.routes) {
		h := app.run.routes[name][0].handler
		src, err := app.source(h.Source)
		if err != nil {
			continue // it was provisioned, so there is one
		}
		preset, err := src.preset(h.Source)
		if err != nil {
			continue
		}
		url, err := addressOf(config, name, "TENANT")
		if err != nil {
			url = ""
		}
		if public := h.Policy.over(src.Policy).PublicURL; public != "" {
			if _, path, ok := strings.Cut(strings.TrimPrefix(strings.TrimPrefix(url, "https://"), "http://"), "/"); ok {
				url = strings.TrimSuffix(public, "/") + "/" + path
			}
		}
		d.Senders = append(d.Senders, DiagnosedSender{Route: name, Source: h.Source, Preset: preset.Name, URL: url, Setup: preset.Setup(url)})
	}
}
