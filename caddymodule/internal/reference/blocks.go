package main

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// lines finds the lines of a block: those under path in the doc comment of its function.
func (g *generator) lines(b block) ([]*line, error) {
	level, err := g.code[cmp.Or(b.from, b.dir)].syntax(b.function)
	if err != nil {
		return nil, err
	}
	for _, name := range b.path {
		var inner []*line
		for _, l := range level {
			if l.name == name && l.inner != nil {
				inner = l.inner
				break
			}
		}
		if inner == nil {
			return nil, fmt.Errorf("%s has no block %s", b.function, name)
		}
		level = inner
	}
	return level, nil
}

// options writes a heading for each line of a block. Lines in their braces become a table.
func (s *sheet) options(g *generator, level int, b block, tables map[string]block) error {
	lines, err := g.lines(b)
	if err != nil {
		return err
	}
	all, err := g.options(b, lines)
	if err != nil {
		return err
	}
	var said string // what was said last, and under which heading: fields that share a comment follow each other
	var saidBy heading
	for _, o := range all {
		s.head(level, strings.Trim(o.line.name, "[]"))
		facts := []string{quoted(o.line.text)}
		if o.fallback != "" {
			facts = append(facts, "default: "+o.fallback)
		}
		facts = append(facts, "JSON: `"+strings.Join(o.json, "`, `")+"`")
		s.add(strings.Join(facts, " · "))
		if o.text == said {
			s.add(fmt.Sprintf("It is described with [%s](#%s).", saidBy.text, saidBy.id))
		} else {
			s.add(o.text)
			said, saidBy = o.text, s.headings[len(s.headings)-1]
		}
		if inner, ok := tables[o.line.name]; ok {
			if text := g.code[inner.dir].structs[inner.typ].doc; strings.Contains(text, ". ") {
				as := "It"
				if strings.HasSuffix(inner.typ, "s") {
					as = "They"
				}
				s.about(g, inner.dir, inner.typ, as)
			}
			if err := s.optionTable(g, inner); err != nil {
				return err
			}
		}
		if part := parts[b.typ+"."+o.line.name]; part != "" {
			if err := s.members(g, b.dir, part); err != nil {
				return err
			}
		}
		example := find(g.caddyfiles, b.place, o.line.name)
		if example == "" {
			g.unseen = append(g.unseen, o.line.name+" in "+b.place)
			continue
		}
		s.add(example)
	}
	for _, l := range lines {
		if where := b.skip[l.name]; where != "" {
			s.head(level, strings.Trim(l.name, "<>"))
			s.add(quoted(l.text) + " · " + where)
		}
	}
	return nil
}

// optionTable writes the lines of a block as a table.
func (s *sheet) optionTable(g *generator, b block) error {
	lines, err := g.lines(b)
	if err != nil {
		return err
	}
	all, err := g.options(b, lines)
	if err != nil {
		return err
	}
	var rows [][]string
	for i, o := range all {
		text := o.text
		if i > 0 && all[i-1].text == text {
			text = "see the line above"
		}
		rows = append(rows, []string{quoted(o.line.text), o.fallback, text})
	}
	s.table([]string{"line", "default", "what it says"}, rows)
	return nil
}

// members writes the fields of a struct as a table, by their names in JSON.
func (s *sheet) members(g *generator, dir, typ string) error {
	all, err := g.own(dir, typ)
	if err != nil {
		return err
	}
	shown := make(map[string]string)
	for _, f := range all {
		shown[f.name] = f.tag
	}
	var rows [][]string
	for _, f := range all {
		text, fallback := split(f)
		rows = append(rows, []string{"`" + f.tag + "`", prose(fallback, shown), prose(text, shown)})
	}
	s.table([]string{"in JSON", "default", "what it says"}, rows)
	return nil
}

// about writes the comment of a type, under the name that it has in a Caddyfile. Tables and lists have a place of their own
// on the page, and what stands only to introduce one, or is said there, is left out.
func (s *sheet) about(g *generator, dir, typ, as string, without ...string) {
	text := strings.TrimSpace(g.code[dir].structs[typ].doc)
	text = as + strings.TrimPrefix(text, typ)
	var keep []string
	all := strings.Split(text, "\n\n")
	tabular := func(p string) bool { return strings.Contains(p, "------------") || strings.HasPrefix(p, "\t") }
	for i, p := range all {
		if head, ok := strings.CutSuffix(p, ":"); ok && i+1 < len(all) && tabular(all[i+1]) {
			if p = ""; strings.Contains(head, ". ") {
				p = head + "."
			}
		}
		apart := slices.ContainsFunc(without, func(w string) bool { return strings.HasPrefix(p, w) })
		if p != "" && !apart && !tabular(p) {
			keep = append(keep, p)
		}
	}
	s.add(prose(strings.Join(keep, "\n\n"), nil))
}

func (g *generator) global(s *sheet) error {
	s.add("It stands once, in the block at the top of the Caddyfile. Sources and tenants hold [policy lines](policy.md); the lines of a destination are on a [page of their own](destinations.md).")
	app := block{dir: "caddymodule", typ: "App", function: "App.UnmarshalCaddyfile", path: []string{"callgate"}, place: "app"}
	s.head(2, "callgate")
	s.about(g, "caddymodule", "App", "`callgate`")
	inner := func(typ string, path ...string) block {
		return block{dir: "caddymodule", typ: typ, function: "App.UnmarshalCaddyfile", path: append([]string{"callgate"}, path...)}
	}
	err := s.options(g, 3, app, map[string]block{
		"audit": inner("Audit", "audit"), "alert": inner("Alert", "alert"), "metrics": inner("Metrics", "metrics"), "idempotency_cache": inner("CacheLimits", "idempotency_cache"),
		"manage": inner("Manage", "manage"), "data_keys": inner("DataKeys", "data_keys"),
	})
	if err != nil {
		return err
	}
	s.head(2, "source")
	s.about(g, "caddymodule", "Source", "A source")
	s.add("Besides [policy lines](policy.md) it takes these:")
	source := inner("Source", "source")
	source.place = "source"
	if err := s.options(g, 3, source, nil); err != nil {
		return err
	}
	s.about(g, "caddymodule", "Mapping", "The block `call`")
	s.head(2, "tenant")
	s.about(g, "caddymodule", "Tenant", "A tenant")
	s.add("It takes [policy lines](policy.md), and `source <name> { … }` with policy lines for one source; a tenant that has any is known on the routes of these sources only. `destination <name> <kind> { … }` in it is a [destination](destinations.md) of the tenant's own: a `deliver` line that says its name means it for this tenant's calls, before the one of all tenants, and everything else knows it as `TENANT/NAME`. A tenant file (`tenants`) is the same in JSON, with the names under JSON, `sources`, `destinations` and `name`.")
	s.head(2, "store sqlite")
	s.about(g, "caddymodule/stores", "SQLite", "`sqlite`")
	if err := s.options(g, 3, block{dir: "caddymodule/stores", typ: "SQLite", function: "SQLite.UnmarshalCaddyfile", path: []string{"store"}, place: "store"}, nil); err != nil {
		return err
	}
	s.head(2, "store postgres")
	s.about(g, "caddymodule/stores", "Postgres", "`postgres`")
	return s.options(g, 3, block{dir: "caddymodule/stores", typ: "Postgres", function: "Postgres.UnmarshalCaddyfile", path: []string{"store"}, place: "store"}, nil)
}

func (g *generator) policy(s *sheet) error {
	s.about(g, "caddymodule", "Policy", "A policy")
	all, err := g.code["caddymodule"].syntax("App.UnmarshalCaddyfile")
	if err != nil {
		return err
	}
	tables := map[string]block{}
	for name, typ := range map[string]string{"idempotency": "Idempotency", "breaker": "Breaker", "store_fields": "StoreFields"} {
		tables[name] = block{dir: "caddymodule", typ: typ, function: "App.UnmarshalCaddyfile", path: []string{name}}
	}
	b := block{dir: "caddymodule", typ: "Policy", function: "App.UnmarshalCaddyfile", place: "policy", skip: map[string]string{"callgate": ""}}
	if all[0].name != "callgate" {
		return fmt.Errorf("the first block of App.UnmarshalCaddyfile is that of callgate no more")
	}
	s.head(2, "The lines")
	return s.options(g, 3, b, tables)
}

func (g *generator) route(s *sheet) error {
	s.head(2, "The directive callgate")
	s.about(g, "caddymodule", "Handler", "`callgate`", exceptFor)
	s.add("`callgate [<matcher>] <source> [<secret>...] { … }` takes [policy lines](policy.md) and these:")
	b := block{dir: "caddymodule", typ: "Handler", function: "Handler.UnmarshalCaddyfile", path: []string{"callgate"}, place: "route"}
	if err := s.options(g, 3, b, nil); err != nil {
		return err
	}
	s.head(2, "Placeholders")
	if err := g.placeholders(s); err != nil {
		return err
	}
	s.head(2, "The directive callgate_ready")
	s.about(g, "caddymodule/ready", "Handler", "`callgate_ready`")
	b = block{dir: "caddymodule/ready", typ: "Handler", function: "Handler.UnmarshalCaddyfile", path: []string{"callgate_ready"}, place: "callgate_ready"}
	if err := s.options(g, 3, b, nil); err != nil {
		return err
	}
	s.head(2, "The directive callgate_dashboard")
	s.about(g, "caddymodule/dashboard", "Handler", "`callgate_dashboard`")
	b = block{dir: "caddymodule/dashboard", typ: "Handler", function: "Handler.UnmarshalCaddyfile", path: []string{"callgate_dashboard"}, place: "callgate_dashboard"}
	if err := s.options(g, 3, b, nil); err != nil {
		return err
	}
	s.head(2, "transport callgate")
	s.add("In a block of `reverse_proxy`, in place of `transport http`, with its options: cheaper, HTTP/1.1 only.")
	s.about(g, "caddymodule/transport", "Transport", "`transport callgate`")
	b = block{dir: "caddymodule/transport", typ: "Transport", function: "Transport.UnmarshalCaddyfile", path: []string{"transport"}, place: "transport:callgate"}
	if err := s.options(g, 3, b, nil); err != nil {
		return err
	}
	s.head(2, "format callgate")
	s.about(g, "caddymodule/redact", "Encoder", "`format callgate`")
	b = block{dir: "caddymodule/redact", typ: "Encoder", function: "Encoder.UnmarshalCaddyfile", path: []string{"format"}, place: "format:callgate"}
	return s.options(g, 3, b, nil)
}

func (g *generator) destinations(s *sheet) error {
	s.head(2, "destination")
	s.about(g, "caddymodule", "Destination", "A destination")
	s.add("`destination <name> <kind> { … }` stands in the global option `callgate`. Whatever the kind, it takes these lines:")
	in := func(typ, function string, path ...string) block {
		return block{dir: "caddymodule/destinations", typ: typ, function: function, path: path}
	}
	b := block{dir: "caddymodule", typ: "Destination", function: "unmarshalDestination", path: []string{"destination"}, place: "destination"}
	exponential := block{dir: "caddymodule", typ: "Exponential", function: "unmarshalDestination", path: []string{"destination", "retry"}}
	if err := s.options(g, 3, b, map[string]block{"retry": exponential}); err != nil {
		return err
	}
	s.head(2, "Signing in")
	s.about(g, "caddymodule/destinations", "Login", "Login")
	s.add("The kinds http and fhir take these lines:")
	b = in("Login", "Login.lines")
	b.place = "destination"
	if err := s.options(g, 3, b, map[string]block{"oauth2": in("OAuth2Login", "Login.lines", "oauth2")}); err != nil {
		return err
	}
	s.head(2, "The connection")
	s.about(g, "caddymodule/destinations", "Connection", "Connection")
	s.add("All kinds take these lines. Those from `client_cert` on stand in `tls` in JSON.")
	b = in("Connection", "Connection.lines")
	b.place, b.skip = "destination", map[string]string{"client_cert": "", "TLS": "-"}
	if err := s.options(g, 3, b, nil); err != nil {
		return err
	}
	b = in("TLS", "tlsLines")
	b.place = "destination"
	if err := s.options(g, 3, b, nil); err != nil {
		return err
	}
	step := in("HTTPStep", "HTTP.UnmarshalCaddyfile", "http", "step")
	step.skip = map[string]string{"post|put|patch|get|delete": "", "definition": ""} // which are those of one request
	for _, kind := range []struct {
		name, typ string
		tables    map[string]block
	}{
		{"http", "HTTP", map[string]block{"poll": in("HTTPPoll", "HTTP.UnmarshalCaddyfile", "http", "poll"), "step": step}},
		{"hubspot", "HubSpot", map[string]block{
			"oauth":   in("HubSpotOAuth", "HubSpot.UnmarshalCaddyfile", "hubspot", "oauth"),
			"company": in("HubSpotCompany", "HubSpot.UnmarshalCaddyfile", "hubspot", "company"),
			"deal":    in("HubSpotStep", "HubSpot.UnmarshalCaddyfile", "hubspot", "deal"),
			"ticket":  in("HubSpotStep", "HubSpot.UnmarshalCaddyfile", "hubspot", "ticket"),
		}},
		{"salesforce", "Salesforce", map[string]block{
			"refresh_token": in("SalesforceRefresh", "Salesforce.UnmarshalCaddyfile", "salesforce", "refresh_token"),
			"jwt":           in("SalesforceJWT", "Salesforce.UnmarshalCaddyfile", "salesforce", "jwt"),

			"case":            in("SalesforceCase", "Salesforce.UnmarshalCaddyfile", "salesforce", "case"),
			"opportunity":     in("SalesforceOpportunity", "Salesforce.UnmarshalCaddyfile", "salesforce", "opportunity"),
			"campaign_member": in("SalesforceCampaignMember", "Salesforce.UnmarshalCaddyfile", "salesforce", "campaign_member"),
		}},
		{"fhir", "FHIR", map[string]block{"smart": in("SMARTLogin", "FHIR.UnmarshalCaddyfile", "fhir", "smart")}},
	} {
		s.head(2, "Kind "+kind.name)
		s.about(g, "caddymodule/destinations", kind.typ, "`"+kind.name+"`")
		b := in(kind.typ, kind.typ+".UnmarshalCaddyfile", kind.name)
		b.place = "destination:" + kind.name
		b.skip = map[string]string{"bearer": "", "proxy": "", "Proxy": "-", "TLS": "-"}
		if kind.name == "http" || kind.name == "fhir" {
			s.add("It takes the lines of [signing in](#signing-in) and of [the connection](#the-connection), and these:")
		} else {
			s.add("It takes the lines of [the connection](#the-connection), and these:")
		}
		if err := s.options(g, 3, b, kind.tables); err != nil {
			return fmt.Errorf("%s: %w", kind.name, err)
		}
	}
	return nil
}
