package caddymodule

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/callgate/callgate/caddymodule/guest"
)

// requireHIPAA is the word that the line require takes.
const requireHIPAA = "hipaa"

// HIPAARule is one line of what a healthcare provider asks of the gateway.
type HIPAARule struct {
	// Name is what refusals call the rule.
	Name string
	// Guide is the line of the guide for HIPAA-compliant webhooks, or of the Security or the Privacy Rule (45 CFR 164), that it
	// answers. The numbers were compared with the text of the regulation, of editions from 2003 to 2026; none of its words is
	// repeated here.
	Guide string
	// Line is what meets it in a Caddyfile; empty for what no configuration can do.
	Line string
	// Refused says what require hipaa refuses for its sake; empty if nothing.
	Refused string
	// Tests have the rule shown, as directory: test. There is one at least, but for what is organisational.
	Tests []string
	// Left is what remains for people to do, or cannot be seen from here.
	Left string

	missing func(*App) []string
}

// HIPAARules are the rules in the order in which what is missing is told.
func HIPAARules() []HIPAARule {
	const here, shows = "caddymodule: TestHIPAARefuses", "caddymodule: TestHIPAAStarts"
	return []HIPAARule{
		{
			Name: "audit", Guide: "Audit logging: all webhook transmissions with timestamps, recipient, data sent; 164.312(b)", Line: "audit { key {file./run/secrets/audit.key} … }",
			Refused: "no block `audit`; `record_first` is on without being written", Tests: []string{here, "caddymodule: TestTheGatewayKeepsAnAuditLog", "caddymodule: TestHIPAAImpliesRecordFirst"},
			Left: "somebody has to read the log, 164.308(a)(1)(ii)(D)", missing: (*App).lacksAudit,
		},
		{
			Name: "checkpoint", Guide: "Integrity of the record; 164.312(c)(1)", Line: "checkpoint 1h syslog tls://logs.example.com:6514", Refused: "no `checkpoint`, so that whoever holds the key could write the log anew",
			Tests: []string{here, shows}, Left: "a sink on a machine that the gateway's operators cannot change", missing: (*App).lacksCheckpoint,
		},
		{
			Name: "encryption", Guide: "Encryption at rest; 164.312(a)(2)(iv)", Line: "encryption_key {file./run/secrets/callgate.key}", Refused: "no `encryption_key`",
			Tests: []string{here, "internal/store/sqlite: TestSealedAtRest"}, Left: "the key is backed up apart from the store", missing: (*App).lacksKey,
		},
		{
			Name: "minimal", Guide: "Minimal PII: only send necessary patient information; 164.502(b)", Line: "fields patient_id service_type", Tests: []string{here, "caddymodule: TestWhatPassesThroughKeepsNothingBack", "caddymodule: TestHIPAAHoldsDocuments"},
			Refused: "a destination without `fields`, with `pass_through` or `keep_excerpt`; a route with `spool`, which sends the whole body",
			Left:    "which fields are necessary; what a receiver behind the route gets of a request that is handed on, which is all of it", missing: (*App).lacksMinimal,
		},
		{
			Name: "transit", Guide: "HTTPS/TLS 1.2+: all webhook traffic encrypted in transit; 164.312(e)(1)", Line: "hooks.example.com { … } and https:// in each destination", Tests: []string{here, "internal/outbound: TestInClear"},
			Refused: "a site with the gateway that is served over plain HTTP off loopback; a destination, or a `reverse_proxy` or `forward` in such a site, at http:// off loopback; `allow_http`; `unsafe_tls`",
			Left:    "receivers behind other handlers, and the way from a TLS proxy before the gateway", missing: (*App).lacksTransit,
		},
		{
			Name: "authentic", Guide: "Signature verification; 164.312(d)", Line: "secret {env.WEBHOOK_SECRET}", Refused: "`verify none`", Tests: []string{here}, missing: (*App).lacksAuthentic,
		},
		{
			Name: "secrets", Guide: "Access controls: who can view webhook configurations; 164.312(a)(1)", Line: "{env.NAME} or {file./run/secrets/name}", Refused: "a secret that is written out in the configuration",
			Tests: []string{here, "caddymodule: TestEveryLiteralSecretWarns"}, Left: "who may read the files and the environment", missing: (*App).lacksPlaceholders,
		},
		{
			Name: "roles", Guide: "Access controls: who can view webhook logs; unique users, 164.312(a)(2)(i)", Line: "callgate_dashboard /callgate/* { viewer group staff … }", Refused: "no site with `callgate_dashboard`, without which operators are not told apart",
			Tests: []string{here, "caddymodule/dashboard: TestWhoMayDoWhat"}, Left: "who has which role, multi-factor sign-in and log-off, which are the identity provider's; Caddy's admin endpoint, which stays at loopback or a unix socket", missing: (*App).lacksRoles,
		},
		{
			Name: "retention", Guide: "Data retention: how long webhook logs are kept, and secure deletion; 164.316(b)(2)(i)", Line: "retention 30d and audit { keep 6y }",
			Tests: []string{"internal/store/sqlite: TestErasedFromDisk", "internal/store/sqlite: TestExpireShrinksTheFile", shows}, Left: "how long the law of the place asks for: the six years of 164.316 are for documentation, and it does not say whether a log is that",
		},
		{
			Name: "disposal", Guide: "Data retention: secure deletion of all copies when a contract ends; 164.504(e)(2)(ii)(J)", Line: "data_keys { transit https://vault.example.com:8200 … key_per_tenant }",
			Tests: []string{"internal/store/sqlite: TestDestroyedContentIsGone", "caddymodule/commands: TestDataKeysOfAGateway"},
			Left:  "without `key_per_tenant`, what has wrapped the data keys in older backups; and what the receivers have",
		},
		{Name: "agreements", Guide: "BAA agreements with the sender and the receiving systems; 164.504(e)", Left: "organisational: contracts with NextPhone or another sender, with each receiver, and with whoever hosts the gateway, encrypted or not"},
		{Name: "risk analysis", Guide: "164.308(a)(1)(ii)(A)", Left: "organisational: the analysis, and what follows from it"},
		{Name: "training", Guide: "164.308(a)(5)", Left: "organisational: those who operate the gateway and read its logs"},
	}
}

// checkRequired refuses a configuration that does not meet what it requires of itself. All routes are provisioned by then.
func (a *App) checkRequired() error {
	if a.Require != requireHIPAA {
		return nil
	}
	var lines []string
	for _, r := range HIPAARules() {
		if r.missing == nil {
			continue
		}
		for _, m := range r.missing(a) {
			lines = append(lines, "\n- "+r.Name+": "+m)
		}
	}
	if len(lines) == 0 {
		return nil
	}
	return fmt.Errorf("require hipaa: the configuration does not hold; missing (%d):%s", len(lines), strings.Join(lines, ""))
}

// checkDocument refuses a document with what it lacks, where the configuration requires it. Its secrets are not looked at:
// one that is written out was refused before, and those that it names are resolved by now.
func (a *App) checkDocument(l lacking) error {
	all := slices.Concat(l.minimal, l.transit, l.authentic)
	if a.Require != requireHIPAA || len(all) == 0 {
		return nil
	}
	return errors.New("require hipaa: " + strings.Join(all, "; "))
}

// lacking is what a part of the configuration lacks, by the rule.
type lacking struct{ minimal, transit, authentic, secrets []string }

func (l *lacking) add(o lacking) {
	l.minimal, l.transit = append(l.minimal, o.minimal...), append(l.transit, o.transit...)
	l.authentic, l.secrets = append(l.authentic, o.authentic...), append(l.secrets, o.secrets...)
}

// lacks is what a destination lacks. in says which it is, and is empty or ends in a colon and a space.
func (d *Destination) lacks(in string) (l lacking) {
	if len(d.Fields) == 0 {
		l.minimal = append(l.minimal, in+"write fields with those that are necessary, such as fields patient_id service_type")
	}
	if w, ok := d.module.(guest.Wholesaler); !ok || w.SendsAll() {
		l.minimal = append(l.minimal, in+"pass_through sends the provider's whole body; write a body of your own in its place")
	}
	if d.KeepExcerpt {
		l.minimal = append(l.minimal, in+"take out keep_excerpt, which keeps what receivers say of callers")
	}
	keys := []string{d.HashKey}
	if d.Sign != nil {
		keys = append(keys, d.Sign.Secret)
	}
	if n := literals(keys...); n > 0 {
		l.secrets = append(l.secrets, written(in, n))
	}
	for _, setting := range namesOf(d.exposed) {
		switch d.exposed[setting] {
		case guest.SecretWritten:
			l.secrets = append(l.secrets, in+setting+" has a secret written out; write {env.NAME} or {file./path}")
		case guest.InClear:
			l.transit = append(l.transit, in+setting+" lets calls go unencrypted; write https:// and no allow_http, or have a TLS proxy at 127.0.0.1")
		case guest.WeakTLS:
			l.transit = append(l.transit, in+"take out "+setting+"; update the receiver, or have a TLS proxy before it")
		}
	}
	return l
}

func written(in string, n int) string {
	return fmt.Sprintf("%ssecrets are written out (%d); write {env.NAME} or {file./path}", in, n)
}

// lacks is what a policy lacks.
func (p *Policy) lacks(in string) (l lacking) {
	if p == nil {
		return l
	}
	if v, ok := p.verify.(guest.Described); ok && v.SchemeName() == "none" {
		l.authentic = append(l.authentic, in+"verify none lets in what nobody signed; write the sender's scheme, or verify bearer with a secret")
	}
	if n := literals(p.keys()...); n > 0 {
		l.secrets = append(l.secrets, written(in, n))
	}
	return l
}

// lacks is what a tenant's own settings lack, but for its destinations.
func (t *Tenant) lacks(in string) (l lacking) {
	l = t.Policy.lacks(in)
	for _, src := range namesOf(t.Sources) {
		l.add(t.Sources[src].lacks(in + "source " + src + ": "))
	}
	return l
}

// lacking is what sources, tenants, destinations and routes lack.
func (a *App) lacking() (l lacking) {
	for _, name := range namesOf(a.Sources) {
		l.add(a.Sources[name].Policy.lacks("source " + name + ": "))
	}
	for _, name := range namesOf(a.Tenants) {
		t := a.Tenants[name]
		l.add(t.lacks("tenant " + name + ": "))
		for _, own := range namesOf(t.Destinations) {
			l.add(t.Destinations[own].lacks("destination " + ownName(name, own) + ": "))
		}
	}
	for _, name := range namesOf(a.Destinations) {
		l.add(a.Destinations[name].lacks("destination " + name + ": "))
	}
	for _, name := range namesOf(a.run.routes) {
		h, in := a.run.routes[name][0].handler, "route "+name+": "
		l.add(h.Policy.lacks(in))
		if h.Spool {
			l.minimal = append(l.minimal, in+"spool sends the provider's whole body again; deliver to a destination with fields in its place")
		}
	}
	return l
}

func (a *App) lacksAudit() []string {
	if a.Audit == nil {
		return []string{"write audit { key {file./run/secrets/audit.key} }, with a key that callgate audit keygen makes"}
	}
	return nil
}

func (a *App) lacksCheckpoint() []string {
	if a.Audit == nil || len(a.Audit.Checkpoints) == 0 {
		return []string{"write where signed checkpoints go in audit, such as checkpoint 1h syslog tls://logs.example.com:6514"}
	}
	return nil
}

func (a *App) lacksKey() []string {
	if len(a.EncryptionKeys) == 0 {
		return []string{"write encryption_key {file./run/secrets/callgate.key}, with 32 random bytes in hexadecimal"}
	}
	return nil
}

func (a *App) lacksMinimal() []string   { return a.lacking().minimal }
func (a *App) lacksAuthentic() []string { return a.lacking().authentic }

// lacksPlaceholders looks at what is written in the global option besides.
func (a *App) lacksPlaceholders() (missing []string) {
	of := func(in string, secrets ...string) {
		if n := literals(secrets...); n > 0 {
			missing = append(missing, written(in+": ", n))
		}
	}
	of("encryption_key", a.EncryptionKeys...)
	if a.DataKeys != nil {
		of("data_keys: token", a.DataKeys.Token)
	}
	if a.Audit != nil {
		of("audit: key", a.Audit.Key)
		for _, c := range a.Audit.Checkpoints {
			if c != nil {
				of("audit: checkpoint webhook", c.Webhook)
			}
		}
	}
	if a.Alert != nil {
		of("alert: url", a.Alert.URL)
	}
	if a.Manage != nil {
		for _, name := range namesOf(a.Manage.Secrets) {
			if s := a.Manage.Secrets[name]; s != nil {
				of("manage: secret "+name, s.Value)
			}
		}
	}
	return append(missing, a.lacking().secrets...)
}

func (a *App) lacksTransit() []string { return append(a.run.plainSites(), a.lacking().transit...) }

func (a *App) lacksRoles() []string {
	if app := a.run.httpApp(); app != nil {
		for _, s := range app.Servers {
			if outlineOf(s.Routes).has("callgate_dashboard") {
				return nil
			}
		}
	}
	return []string{"write callgate_dashboard /callgate/* with a line for each role, such as viewer group staff, into a site behind basic_auth, forward_auth or client certificates"}
}

// httpApp is the app that the routes are in; nil if there is none.
func (in *instance) httpApp() *caddyhttp.App {
	if in.http != nil {
		return in.http
	}
	v, err := in.ctx.AppIfConfigured("http")
	if err != nil {
		return nil
	}
	app, _ := v.(*caddyhttp.App)
	return app
}
