package curl

import (
	"errors"
	"slices"
	"strings"
)

// option is what an option of curl means here. Those with an argument are given it.
type option struct {
	argument bool
	does     func(p *parser, arg string) error
}

// ignored is an option that changes nothing of what is sent.
func ignored(argument bool) option {
	return option{argument, func(*parser, string) error { return nil }}
}

// refused is an option without which the command would be another one.
func refused(argument bool, why string) option {
	return option{argument, func(*parser, string) error { return errors.New(why) }}
}

func header(name string) option {
	return option{true, func(p *parser, arg string) error { return p.header(name + ": " + arg) }}
}

// noted is an option that is left out, which is said.
func noted(argument bool, note string) option {
	return option{argument, func(p *parser, _ string) error {
		p.note(note)
		return nil
	}}
}

func (p *parser) note(text string) {
	if !slices.Contains(p.r.Notes, text) {
		p.r.Notes = append(p.r.Notes, text)
	}
}

const (
	noFiles  = "the command reads a file, which is not here: paste what is in it instead of @ and its name"
	noForms  = "-F sends multipart/form-data, for which a webhook document is needed: begin from one whose Content-Type is multipart/form-data"
	insecure = "-k accepts any certificate, so anybody on the way could read along: leave it out, and give the receiver's own authority as ca or pin"
	noProxy  = "a proxy was left out; it is a setting of the destination"
	noCert   = "a client certificate was left out; it is a setting of the destination"
)

// options are those of curl by their long names.
var options map[string]option

func init() {
	options = map[string]option{
		"request": {true, func(p *parser, arg string) error {
			p.method = strings.ToUpper(arg)
			return nil
		}},
		"url":        {true, (*parser).url},
		"header":     {true, (*parser).header},
		"user-agent": header("User-Agent"), "referer": header("Referer"),
		"user": {true, func(p *parser, arg string) error {
			p.r.User = arg
			return nil
		}},
		"digest":        {false, func(p *parser, _ string) error { p.r.Digest = true; return nil }},
		"oauth2-bearer": {true, func(p *parser, arg string) error { return p.header("Authorization: Bearer " + arg) }},
		"cookie": {true, func(p *parser, arg string) error {
			if !strings.Contains(arg, "=") {
				return errors.New(noFiles)
			}
			return p.header("Cookie: " + arg)
		}},
		"data": {true, (*parser).text}, "data-ascii": {true, (*parser).text}, "data-binary": {true, (*parser).text},
		"data-raw": {true, func(p *parser, arg string) error { p.data = append(p.data, arg); return nil }},
		"json": {true, func(p *parser, arg string) error {
			p.isJSON = true
			if strings.HasPrefix(arg, "@") {
				return errors.New(noFiles)
			}
			if n := len(p.data); n > 0 { // which curl puts together without anything between
				p.data[n-1] += arg
				return nil
			}
			p.data = append(p.data, arg)
			return nil
		}},
		"data-urlencode": {true, (*parser).encoded},
		"get":            {false, func(p *parser, _ string) error { p.get = true; return nil }},
		"head":           {false, func(p *parser, _ string) error { p.head = true; return nil }},
		"form":           refused(true, noForms), "form-string": refused(true, noForms),
		"upload-file": refused(true, noFiles), "config": refused(true, noFiles), "next": refused(false, "--next sends a second request; paste one of them"),
		"insecure": refused(false, insecure), "proxy-insecure": refused(false, insecure),
		"unix-socket": refused(true, "a unix socket is no address that a destination may have"),
		"connect-to":  refused(true, "--connect-to sends to another host than the URL names; write that host into the URL"),
		"resolve":     refused(true, "--resolve sends to another address than the URL's host has; leave it out"),
		"proxy":       noted(true, noProxy), "proxy-user": noted(true, noProxy), "socks5": noted(true, noProxy), "socks5-hostname": noted(true, noProxy), "preproxy": noted(true, noProxy),
		"cert": noted(true, noCert), "key": noted(true, noCert), "cacert": noted(true, "an authority was left out; it is the setting ca of the destination"),
		"location": noted(false, "-L was left out: redirects are not followed, since what a call says would go to another address"),
		"max-time": noted(true, "the bound of time was left out; it is the setting timeout of the destination"),
		"retry":    noted(true, "retries were left out; they are a setting of the destination"),
		"fail":     ignored(false), "fail-with-body": ignored(false), "silent": ignored(false), "show-error": ignored(false), "verbose": ignored(false),
		"include": ignored(false), "compressed": ignored(false), "no-buffer": ignored(false), "globoff": ignored(false), "progress-bar": ignored(false),
		"http1.1": ignored(false), "http2": ignored(false), "http1.0": ignored(false), "http2-prior-knowledge": ignored(false), "http3": ignored(false), "tlsv1.2": ignored(false), "tlsv1.3": ignored(false),
		"basic": ignored(false), "ipv4": ignored(false), "ipv6": ignored(false), "no-progress-meter": ignored(false), "path-as-is": ignored(false),
		"output": ignored(true), "write-out": ignored(true), "connect-timeout": ignored(true), "dump-header": ignored(true), "cookie-jar": ignored(true),
		"trace-ascii": ignored(true), "stderr": ignored(true), "retry-delay": ignored(true), "retry-max-time": ignored(true),
	}
}

// short are the names of options of one letter.
var short = map[byte]string{
	'X': "request", 'H': "header", 'd': "data", 'u': "user", 'A': "user-agent", 'e': "referer", 'b': "cookie", 'G': "get", 'I': "head",
	'F': "form", 'T': "upload-file", 'K': "config", ':': "next", 'k': "insecure", 'x': "proxy", 'U': "proxy-user", 'E': "cert", 'L': "location",
	'm': "max-time", 'f': "fail", 's': "silent", 'S': "show-error", 'v': "verbose", 'i': "include", 'N': "no-buffer", 'g': "globoff", '#': "progress-bar",
	'0': "http1.0", '4': "ipv4", '6': "ipv6", 'o': "output", 'w': "write-out", 'D': "dump-header", 'c': "cookie-jar",
}
