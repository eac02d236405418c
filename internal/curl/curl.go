// Package curl reads a curl command as somebody copies it from a vendor's page, a browser or a terminal, and says what
// request it sends. Nothing is run, read or sent.
package curl

import (
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Header is a header line.
type Header struct{ Name, Value string }

// Request is what a command sends.
type Request struct {
	Method, URL string
	// Headers are in their order, with those that an option stands for (--json, -A), and without Authorization of User.
	Headers []Header
	// Body is empty where there is none.
	Body string
	// User is NAME:PASSWORD of -u, sent as Basic or, with Digest, as an answer to a challenge; empty for none.
	User   string
	Digest bool
	// Variables are those of the shell that stand in the command, whose values are not known.
	Variables []string
	// Notes say what of the command was left out, and why.
	Notes []string
}

// parser is what was read so far.
type parser struct {
	r      Request
	data   []string
	isJSON bool
	get    bool
	head   bool
	method string
}

// Parse reads a command. Its errors say what to change and quote no value.
func Parse(command string) (*Request, error) {
	list, err := words(command)
	if err != nil {
		return nil, err
	}
	for len(list) > 0 && (list[0].text == "$" || list[0].text == "%") { // of a terminal
		list = list[1:]
	}
	if len(list) == 0 || list[0].text != "curl" && !strings.HasSuffix(list[0].text, "/curl") && list[0].text != "curl.exe" {
		return nil, errors.New("this is no curl command; it begins with curl")
	}
	p := new(parser)
	for _, w := range list {
		for _, v := range w.variables {
			if !slices.Contains(p.r.Variables, v) {
				p.r.Variables = append(p.r.Variables, v)
			}
		}
	}
	if err := p.read(list[1:]); err != nil {
		return nil, err
	}
	return p.finish()
}

// read goes through the words behind curl.
func (p *parser) read(list []word) error {
	onlyURLs := false
	for len(list) > 0 {
		w := list[0].text
		list = list[1:]
		switch {
		case onlyURLs || len(w) < 2 || w[0] != '-':
			if err := p.url(w); err != nil {
				return err
			}
		case w == "--":
			onlyURLs = true
		case w[1] == '-':
			name, arg, has := strings.Cut(w[2:], "=")
			o, known := options[name]
			if !known {
				return fmt.Errorf("the option --%.40s is not known here; leave it out", printable(name))
			}
			if o.argument && !has {
				if len(list) == 0 {
					return fmt.Errorf("the option --%s has no value", name)
				}
				arg, list = list[0].text, list[1:]
			}
			if err := o.does(p, arg); err != nil {
				return err
			}
		default:
			var err error
			if list, err = p.letters(w[1:], list); err != nil {
				return err
			}
		}
	}
	return nil
}

// letters are options of one letter in one word, of which the last may have a value.
func (p *parser) letters(letters string, list []word) ([]word, error) {
	for i := 0; i < len(letters); i++ {
		name := short[letters[i]]
		o, known := options[name]
		if !known {
			return nil, fmt.Errorf("the option -%s is not known here; leave it out", printable(letters[i:i+1]))
		}
		if !o.argument {
			if err := o.does(p, ""); err != nil {
				return nil, err
			}
			continue
		}
		arg := letters[i+1:]
		if arg == "" {
			if len(list) == 0 {
				return nil, fmt.Errorf("the option -%c has no value", letters[i])
			}
			arg, list = list[0].text, list[1:]
		}
		return list, o.does(p, arg)
	}
	return list, nil
}

// printable is a text that can stand in an error.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r <= ' ' || r > '~' {
			return '?'
		}
		return r
	}, s)
}

func (p *parser) url(arg string) error {
	switch {
	case p.r.URL != "":
		return errors.New("the command has several URLs; paste one that has one")
	case arg == "":
		return errors.New("the URL is empty")
	case !strings.Contains(arg, "://"):
		p.note("the URL has no scheme; https:// was put before it")
		arg = "https://" + arg
	}
	p.r.URL = arg
	return nil
}

func (p *parser) header(arg string) error {
	if strings.HasPrefix(arg, "@") {
		return errors.New(noFiles)
	}
	name, value, ok := strings.Cut(arg, ":")
	name = strings.TrimSpace(name)
	if !ok {
		if name, ok = strings.CutSuffix(name, ";"); !ok {
			return errors.New("a header has the form Name: value")
		}
	} else if strings.TrimSpace(value) == "" {
		p.note("the header " + printable(name) + " was left out, since the command takes it away")
		return nil
	}
	if name == "" || strings.ContainsFunc(name, func(r rune) bool { return r <= ' ' || r > '~' }) || !utf8.ValidString(value) || strings.ContainsFunc(strings.TrimSpace(value), unicode.IsControl) {
		return errors.New("a header has the form Name: value, in a line")
	}
	switch strings.ToLower(name) {
	case "host", "content-length", "connection", "transfer-encoding", "accept-encoding":
		p.note("the header " + name + " was left out; the gateway writes it itself")
		return nil
	}
	p.r.Headers = append(p.r.Headers, Header{name, strings.TrimSpace(value)})
	return nil
}

func (p *parser) text(arg string) error {
	if strings.HasPrefix(arg, "@") {
		return errors.New(noFiles)
	}
	p.data = append(p.data, arg)
	return nil
}

// encoded is name=content, =content or content; with an @ before the content curl reads a file.
func (p *parser) encoded(arg string) error {
	i := strings.IndexAny(arg, "=@")
	name, content := "", arg
	switch {
	case i >= 0 && arg[i] == '@':
		return errors.New(noFiles)
	case i >= 0:
		name, content = arg[:i], arg[i+1:]
	}
	if name != "" {
		name += "="
	}
	p.data = append(p.data, name+url.QueryEscape(content))
	return nil
}

// Get is the value of a header; empty if there is none.
func (r *Request) Get(name string) string {
	for _, h := range r.Headers {
		if strings.EqualFold(h.Name, name) {
			return h.Value
		}
	}
	return ""
}

// finish puts together what curl would send.
func (p *parser) finish() (*Request, error) {
	r := &p.r
	if r.URL == "" {
		return nil, errors.New("the command has no URL")
	}
	data := strings.Join(p.data, "&")
	switch {
	case p.get:
		if data != "" {
			sep := "?"
			if strings.Contains(r.URL, "?") {
				sep = "&"
			}
			r.URL += sep + data
		}
		r.Method = "GET"
	case len(p.data) > 0:
		r.Method, r.Body = "POST", data
		if r.Get("Content-Type") == "" {
			kind := "application/x-www-form-urlencoded"
			if p.isJSON {
				kind = "application/json"
			}
			r.Headers = append(r.Headers, Header{"Content-Type", kind})
		}
		if p.isJSON && r.Get("Accept") == "" {
			r.Headers = append(r.Headers, Header{"Accept", "application/json"})
		}
	case p.head:
		return nil, errors.New("-I asks for headers and sends nothing; a destination is sent calls")
	default:
		r.Method = "GET"
	}
	if p.method != "" {
		r.Method = p.method
	}
	if !slices.Contains([]string{"POST", "GET", "PUT", "PATCH", "DELETE"}, r.Method) {
		return nil, errors.New("the method must be POST, GET, PUT, PATCH or DELETE")
	}
	if !utf8.ValidString(r.URL+r.Body) || strings.ContainsRune(r.Body, 0) || strings.ContainsFunc(r.URL, unicode.IsControl) { // of an escape
		return nil, errors.New("the command is not text")
	}
	u, err := url.Parse(r.URL)
	if err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" { // the error's text would quote it
		return nil, errors.New("the URL cannot be read; it has the form https://host/path")
	}
	if u.User != nil {
		if r.User == "" {
			password, _ := u.User.Password()
			r.User = u.User.Username() + ":" + password
		}
		u.User = nil
		r.URL = u.String()
	}
	r.URL, _, _ = strings.Cut(r.URL, "#") // which is not sent
	return r, nil
}
