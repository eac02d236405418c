package definition

import (
	"mime"
	"net/http"
	"regexp"
	"slices"
	"strings"

	"github.com/callgate/callgate/internal/charset"
	"github.com/callgate/callgate/internal/template"
)

func (p *parser) url(m *member) {
	switch {
	case p.o.URL != "":
		m = &member{key: "url", offset: -1}
		p.d.URL = p.o.URL
	case m == nil:
		p.err(nil, "the document has no url; write the address that the request goes to")
		return
	default:
		p.d.URL = p.string(m)
	}
	if len(p.d.URL) > maxURL {
		p.err(m, "the URL is longer than 8 KiB")
		return
	}
	source, resolved, ok := p.resolve(m, p.d.URL)
	if !ok {
		return
	}
	o := p.options(m)
	t, err := template.Compile(source, template.URL, o)
	if err != nil {
		p.template(m, err)
		return
	}
	p.d.url = renderedOnce(t)
	if resolved {
		if p.d.shown, err = template.Compile(p.shownURL(), template.URL, o); err != nil {
			p.template(m, err)
			return
		}
	}
	if strings.HasPrefix(source, "http:") {
		p.problem(m, "http:// sends the call unencrypted; use https://")
	}
	if strings.Contains(source, "api.hubapi.com/contacts/v1/") {
		p.problem(m, "HubSpot's contacts/v1 is retired and may stop; use a hubspot destination, which upserts with the current API")
	}
	if secretQuery.MatchString(p.d.URL) {
		p.problem(m, "a secret in the URL, which ends up in logs; put it in a header")
	}
	if strings.Contains(source, "://yourinstance.") || strings.Contains(source, "://yourdomain.") || strings.Contains(source, ".yoursystem.") {
		p.problem(m, "the host is still the example's; put your own in its place")
	}
}

// secretQuery finds query parameters that usually hold secrets.
var secretQuery = regexp.MustCompile(`(?i)[?&](api_?key|hapikey|access_?token|token|secret|password|auth|key)=`)

// template notes the error of compiling a template, which has its own position.
func (p *parser) template(m *member, err error) {
	if e, ok := err.(*template.Error); ok {
		e.Reason = m.key + ": " + e.Reason
	}
	p.errs = append(p.errs, err)
}

// refused are headers that the HTTP client sets, or that would break the connection (RFC 9110, section 7.6.1).
var refused = []string{"Host", "Content-Length", "Transfer-Encoding", "Connection", "Keep-Alive", "Te", "Trailer", "Upgrade", "Expect", "Proxy-Authorization", "Proxy-Connection"}

func (p *parser) headers(m *member) {
	contentType := "application/json"
	defer func() { p.content(m, contentType) }()
	if m == nil {
		return
	}
	list, err := p.members(m.raw, m.offset, m.key)
	if err != nil {
		p.errs = append(p.errs, err)
		return
	}
	if len(list) > maxHeaders {
		p.err(m, "more than 64 headers")
		return
	}
	for i := range list {
		h := &list[i]
		name := http.CanonicalHeaderKey(h.key)
		value, isText := h.text()
		switch {
		case !token.MatchString(h.key):
			p.err(m, "a header's name is letters, digits and hyphens")
		case h.null():
		case !isText:
			p.err(h, "a header's value is text in double quotes")
		case len(value) > maxHeaderValue:
			p.err(h, "the header is longer than 8 KiB")
		case slices.Contains(refused, name):
			p.err(h, "this header is set by the HTTP client; leave it out")
		case slices.ContainsFunc(p.d.headers, func(o header) bool { return o.name == name }):
			p.err(h, "the header occurs twice; the capitals make no difference")
		case name == "Content-Type":
			contentType = value
		default:
			p.header(h, name, value)
		}
	}
}

// token is a header's name (RFC 9110, section 5.6.2), bounded.
var token = regexp.MustCompile("^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,200}$")

func (p *parser) header(m *member, name, value string) {
	source, resolved, ok := p.resolve(m, value)
	if !ok {
		return
	}
	t, err := template.Compile(source, template.Header, p.options(m))
	if err != nil {
		p.template(m, err)
		return
	}
	p.d.headers = append(p.d.headers, header{name: name, value: renderedOnce(t), secret: resolved || credential(name)})
	switch {
	case !credential(name) || resolved || len(t.Variables()) > 0:
	case strings.Contains(value, "YOUR_"):
		p.problem(m, "the value is still the example's; put your own in its place, as in {env.API_KEY}")
	default:
		p.problem(m, "a secret written in the document; put it in the environment or a file, and write {env.NAME} or {file./path} here")
	}
	if host := p.d.URL; name == "Authorization" && strings.Contains(host, ".salesforce.com/") {
		p.problem(m, "Salesforce's access tokens expire within hours; use a salesforce destination, or OAuth for this one")
	}
}

// reference finds {env.X}, {file./path} and the like. What stands in {{…}} is taken out before.
var reference = regexp.MustCompile(`\{[A-Za-z_][\w-]*\.[^{}]{1,500}\}`)

// whyEmpty says that a reference has no value and what to do about it, in the words of Resolve if it has some for this one.
func whyEmpty(reference string, err error) string {
	if err != nil {
		if why, ok := strings.CutPrefix(err.Error(), reference+" "); ok {
			return why
		}
	}
	return "has no value; set the variable or create the file"
}

// resolve replaces the references outside of variables. What they stand for is constant text, braces and all.
func (p *parser) resolve(m *member, s string) (_ string, found, ok bool) {
	var b strings.Builder
	for s != "" {
		variable := strings.Index(s, "{{")
		end := len(s)
		if variable >= 0 {
			end = variable
		}
		last := 0
		for _, span := range reference.FindAllStringIndex(s[:end], -1) {
			found = true
			if p.o.Resolve == nil {
				p.err(m, "the reference cannot be resolved here, where there is no environment")
				return "", true, false
			}
			value, err := p.o.Resolve(s[span[0]:span[1]])
			value = strings.TrimRight(value, "\r\n")
			if err != nil || value == "" {
				p.err(m, "the reference "+s[span[0]:span[1]]+" "+whyEmpty(s[span[0]:span[1]], err))
				return "", true, false
			}
			b.WriteString(s[last:span[0]])
			b.WriteString(strings.ReplaceAll(value, "{{", "{{'{{'}}"))
			last = span[1]
		}
		b.WriteString(s[last:end])
		if s = s[end:]; s != "" {
			n := strings.Index(s, "}}") + 2
			if n < 2 {
				n = len(s)
			}
			b.WriteString(s[:n])
			s = s[n:]
		}
	}
	return b.String(), found, true
}

// shownURL is the URL with Masked for what references stand for. Scheme and host stay: who looks at a request wants to
// know where it would go, and they hold no secret.
func (p *parser) shownURL() string {
	shown := parser{document: p.document, o: p.o}
	sofar := 0 // how much of "scheme://host" there is: 0 nothing, 1 the scheme, 2 all of it
	count := func(s string) (host int) {
		if sofar == 0 {
			i := strings.Index(s, "://")
			if i < 0 {
				return len(s)
			}
			sofar, host = 1, i+3
		}
		if sofar == 1 {
			i := strings.IndexAny(s[host:], "/?#")
			if i < 0 {
				return len(s)
			}
			sofar, host = 2, host+i
			return host
		}
		return 0
	}
	var b strings.Builder
	literal := func(s string) {
		count(s)
		b.WriteString(s)
	}
	rest := p.d.URL
	for rest != "" {
		if strings.HasPrefix(rest, "{{") {
			n := strings.Index(rest, "}}") + 2
			if n < 2 {
				n = len(rest)
			}
			b.WriteString(rest[:n])
			rest = rest[n:]
			continue
		}
		end := len(rest)
		if i := strings.Index(rest, "{{"); i >= 0 {
			end = i
		}
		span := reference.FindStringIndex(rest[:end])
		if span == nil {
			literal(rest[:end])
			rest = rest[end:]
			continue
		}
		literal(rest[:span[0]])
		value, _, _ := shown.resolve(&member{key: "url", offset: -1}, rest[span[0]:span[1]])
		host := count(value)
		b.WriteString(value[:host])
		if secret := value[host:]; secret != "" && secret != "/" {
			if secret[0] == '/' || secret[0] == '?' {
				b.WriteByte(secret[0])
			}
			b.WriteString(Masked)
		} else {
			b.WriteString(secret)
		}
		rest = rest[span[1]:]
	}
	return b.String()
}

// Masked stands for what must not be shown.
const Masked = "***"

// content reads the Content-Type.
func (p *parser) content(m *member, value string) {
	media, params, err := mime.ParseMediaType(value)
	switch {
	case err != nil || !strings.Contains(media, "/") || strings.Contains(value, "{{"):
		p.err(m, "Content-Type is not a media type such as application/json; it has no variables")
	case params["charset"] != "" && charset.Find(params["charset"]) == nil:
		p.err(m, "Content-Type names another charset than "+charset.Names+", in which bodies can be written")
	case params["boundary"] != "":
		p.err(m, "Content-Type names a boundary; leave it out, because it is chosen for each body")
	case media == "text/html":
		p.err(m, "Content-Type text/html: values cannot be kept in their places there; use application/xhtml+xml, or JSON")
	}
	p.charset = charset.Find(params["charset"])
	p.media, p.d.contentType = media, strings.TrimSpace(value)
}
