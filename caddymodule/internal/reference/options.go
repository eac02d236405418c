package main

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// block is a block of lines with the struct that they fill.
type block struct {
	dir, typ string
	// function has the lines in its doc comment, in the block under path there. from is its package, where that is another.
	function, from string
	path           []string
	// place is where examples of the lines are looked for; see node.within. Empty for blocks that are shown whole.
	place string
	// skip are lines that are described elsewhere, with where.
	skip map[string]string
}

// names are the lines whose fields are not of their own name, with those fields in JSON.
var names = map[string][]string{
	"App.retention":                 {"retention", "retention_dead"},
	"App.tenants":                   {"tenant_files"},
	"Source.call":                   {"call"},
	"Handler.spool":                 {"spool", "spool_retry"},
	"Destination.rate":              {"rate", "burst"},
	"Destination.retry":             {"retry", "exponential"},
	"Breaker.ratio":                 {"ratio", "min_requests"},
	"Breaker.per_tenant":            {"per_tenant", "shared"},
	"HTTP.success":                  {"success", "success_if"},
	"HTTPStep.find":                 {"find", "find_keep"},
	"HubSpot.omit":                  {"properties"},
	"HubSpot.property":              {"properties"},
	"Salesforce.omit":               {"fields"},
	"SalesforceCase.omit":           {"fields"},
	"SalesforceOpportunity.omit":    {"fields"},
	"SalesforceCampaignMember.omit": {"fields"},
	"Salesforce.describe":           {"no_describe"},
	"Postgres.tenant_max_size":      {"tenant_max_size", "tenant_limits"},
	"Postgres.tenant_max_events":    {"tenant_max_events", "tenant_limits"},
	"SQLite.tenant_max_size":        {"tenant_max_size", "tenant_limits"},
	"SQLite.tenant_max_events":      {"tenant_max_events", "tenant_limits"},
	"TLS.client_cert":               {"certificate", "key"},
	"TLS.pin":                       {"pins"},
	"TLS.unsafe_tls":                {"unsafe"},
	"OAuth2Login.refresh_token":     {"refresh_token"},
	"SalesforceJWT.audience":        {"audience"},
}

// parts are the structs of lines whose arguments have comments of their own.
var parts = map[string]string{
	"Policy.rate_limit": "RateLimit",
	"Policy.event_id":   "EventID",
	"Policy.deliver":    "Deliver",
	"Source.call":       "Mapping",
	"Login.api_key":     "APIKeyLogin",
	"Salesforce.field":  "SalesforceField",
}

// arguments are fields that stand behind the name of their block, or in the JSON only, with where.
var arguments = map[string]string{
	"App.tenant_files_digest":           "",
	"HTTP.files_digest":                 "",
	"HTTPStep.name":                     "in the line",
	"HTTPPoll.at":                       "behind poll",
	"HTTP.document":                     "",
	"Handler.source":                    "behind the directive's name",
	"Destination.to":                    "behind the destination's name",
	"Postgres.address":                  "behind postgres",
	"SQLite.path":                       "behind sqlite",
	"Source.preset":                     "",
	"Tenant.name":                       "in tenant files",
	"SalesforceRefresh.client_id":       "in the line",
	"SalesforceRefresh.client_secret":   "in the line",
	"SalesforceRefresh.refresh_token":   "in the line",
	"HubSpotOAuth.client_id":            "in the line",
	"HubSpotOAuth.client_secret":        "in the line",
	"HubSpotOAuth.refresh_token":        "in the line",
	"SalesforceCampaignMember.campaign": "in the line",
	"SalesforceJWT.client_id":           "in the line",
	"SalesforceJWT.user":                "in the line",
	"SalesforceJWT.key":                 "in the line",
	"Idempotency.off":                   "idempotency off",
	"Breaker.off":                       "breaker off",
}

// fields are the struct's own and those of what is embedded in it.
func (g *generator) fields(dir, typ string) (all []field, err error) {
	c := g.code[dir]
	name := typ
	if pkg, of, ok := strings.Cut(typ, "."); ok {
		c, name = g.code["caddymodule/"+pkg], of
	}
	if c == nil || c.structs[name] == nil {
		return nil, fmt.Errorf("%s has no struct %s", dir, typ)
	}
	all = append(all, c.structs[name].fields...)
	return all, nil
}

// own are the fields of a struct, with those of the embedded ones that have no block of their own.
func (g *generator) own(dir, typ string) ([]field, error) {
	direct, err := g.fields(dir, typ)
	if err != nil {
		return nil, err
	}
	var all []field
	for _, f := range direct {
		switch {
		case !f.embedded:
			all = append(all, f)
		case f.typ == "Refresh" || f.typ == "HTTPRequest" && typ == "HTTP" || f.typ == "scheme.Options" || f.typ == "Options":
			from := dir
			if f.typ == "Options" {
				from = "caddymodule/scheme"
			}
			inner, err := g.fields(from, f.typ)
			if err != nil {
				return nil, err
			}
			all = append(all, inner...)
		}
	}
	return all, nil
}

// option is a line with what is said of it.
type option struct {
	line           *line
	text, fallback string
	json           []string
}

// options joins the lines of a block with the fields of its struct, and fails where one has no other.
func (g *generator) options(b block, lines []*line) ([]option, error) {
	all, err := g.own(b.dir, b.typ)
	if err != nil {
		return nil, err
	}
	short := b.typ[strings.LastIndex(b.typ, ".")+1:]
	shown := make(map[string]string) // names in Go and the lines that stand for them
	taken := make(map[string]bool)
	of := make(map[*line][]field)
	for _, l := range lines {
		if _, elsewhere := b.skip[l.name]; elsewhere || strings.HasPrefix(l.name, "<") {
			continue
		}
		want := names[short+"."+l.name]
		if want == nil {
			want = []string{l.name, l.name + "s", l.name + "es", strings.TrimSuffix(l.name, "y") + "ies"}
		}
		for _, f := range all {
			if slices.Contains(want, f.tag) {
				of[l] = append(of[l], f)
				taken[f.tag] = true
				shown[f.name] = f.tag
			}
		}
		if len(of[l]) == 0 {
			return nil, fmt.Errorf("%s: the line %q has no field in %s", b.function, l.name, b.typ)
		}
	}
	for _, f := range all {
		if shown[f.name] == "" {
			shown[f.name] = f.tag
		}
		_, elsewhere := b.skip[f.tag]
		if _, argument := arguments[short+"."+f.tag]; !taken[f.tag] && !elsewhere && !argument && b.skip[f.name] == "" {
			return nil, fmt.Errorf("%s: the field %s of %s has no line", b.function, f.tag, b.typ)
		}
	}
	var found []option
	for _, l := range lines {
		if of[l] == nil {
			continue
		}
		o := option{line: l}
		var texts []string
		for _, f := range of[l] {
			o.json = append(o.json, f.tag)
			text, fallback := split(f)
			switch {
			case o.fallback == "" && len(texts) == 0:
				o.fallback = prose(fallback, shown)
			case fallback != "" && fallback != o.fallback:
				text += " Default: " + fallback + "."
			}
			if text = prose(text, shown); !slices.Contains(texts, text) {
				texts = append(texts, text)
			}
		}
		if o.text = strings.Join(texts, "\n\n"); o.text == "" {
			return nil, fmt.Errorf("%s: the field of the line %q in %s has no comment", b.function, l.name, b.typ)
		}
		if strings.HasPrefix(of[l][0].typ, "bool") && o.fallback == "" {
			o.fallback = "off"
		}
		if o.json[0] == "no_"+l.name && o.fallback == "off" { // the line says the contrary
			o.fallback = "on"
		}
		found = append(found, o)
	}
	return found, nil
}

var (
	defaultIs  = regexp.MustCompile(`(?s)\s*\bDefault:\s+(.*?)(\.\s+|\.$)`)
	required   = regexp.MustCompile(`\s*\bRequired\.`)
	identifier = regexp.MustCompile(`\b[A-Z][A-Za-z0-9]*\b`)
	docLink    = regexp.MustCompile(`\[([A-Z]\w+)\]`)
)

// split takes the default out of a field's comment.
func split(f field) (text, fallback string) {
	text = strings.TrimSpace(f.doc)
	if m := defaultIs.FindStringSubmatchIndex(text); m != nil {
		fallback = strings.Join(strings.Fields(text[m[2]:m[3]]), " ")
		text = strings.TrimSpace(text[:m[0]] + " " + text[m[1]:])
	} else if required.MatchString(text) {
		fallback = "required"
		text = required.ReplaceAllString(text, "")
	}
	if strings.HasPrefix(f.typ, "bool") && fallback == "false" {
		fallback = "off"
	}
	return text, fallback
}

var acronyms = []string{"API", "CA", "JWT", "OAuth", "SMART", "TLS", "URL"}

// prose is the text of a comment as Markdown: names of fields become those of lines. A capital that begins a sentence
// may be that of a plain word, so only a comment's first word, names that are no word, and what stands in the middle
// of a sentence count. An acronym further on is a plain word.
func prose(text string, shown map[string]string) string {
	var paragraphs []string
	for p := range strings.SplitSeq(docLink.ReplaceAllString(text, "$1"), "\n\n") {
		var items []string
		for i, item := range strings.Split("\n"+p, "\n  - ") {
			if item = strings.Join(strings.Fields(item), " "); item != "" && i > 0 {
				item = "- " + item
			}
			if item != "" {
				items = append(items, item)
			}
		}
		paragraphs = append(paragraphs, strings.Join(items, "\n"))
	}
	text = strings.Join(paragraphs, "\n\n")
	var out strings.Builder
	at := 0
	for _, m := range identifier.FindAllStringIndex(text, -1) {
		word := text[m[0]:m[1]]
		to, ok := shown[word]
		before := strings.TrimSpace(text[:m[0]])
		begins := before == "" || strings.ContainsAny(before[len(before)-1:], ".:")
		plain := strings.ToLower(word[1:]) == word[1:]
		acronym := slices.Contains(acronyms, word)
		if !ok || to == "" || before != "" && (begins && plain || acronym) || m[0] > 0 && strings.ContainsAny(text[m[0]-1:m[0]], "`/.-{$") ||
			m[1] < len(text) && strings.ContainsAny(text[m[1]:m[1]+1], "`-}") {
			continue
		}
		out.WriteString(escape(text[at:m[0]]) + "`" + to + "`")
		at = m[1]
	}
	out.WriteString(escape(text[at:]))
	return out.String()
}

// escape keeps Markdown from taking text for markup. What is quoted with backquotes stays as it is.
func escape(s string) string {
	parts := strings.Split(s, "`")
	if len(parts)%2 == 0 { // a quotation that goes on in what comes after
		return s
	}
	for i := 0; i < len(parts); i += 2 {
		parts[i] = strings.NewReplacer("*", `\*`, "<", `\<`).Replace(parts[i])
	}
	return strings.Join(parts, "`")
}

// cell is a text in a table.
func cell(s string) string {
	return strings.ReplaceAll(strings.Join(strings.Fields(s), " "), "|", `\|`)
}
