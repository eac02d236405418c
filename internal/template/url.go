package template

import (
	"net/url"
	"regexp"
	"strings"
)

// url compiles an absolute URL.
func (c *compiler) url() (node, error) {
	pieces, err := c.split(c.src, func(i int) int { return i })
	if err != nil {
		return node{}, err
	}
	withoutEncoding(pieces)
	if err := c.checkURL(pieces); err != nil {
		return node{}, err
	}
	path, rest := cut(pieces, '?')
	_, inPath := cut(path, '#')
	query, fragment := cut(rest, '#')
	for _, p := range append(inPath, fragment...) {
		if p.e != nil {
			return node{}, c.about(p.e, p.at, "a variable after the # of the URL, which is never sent; put it before the #")
		}
	}
	path, _ = cut(path, '#')
	root := node{kind: kindSequence}
	if root.kids, err = c.path(path); err != nil {
		return node{}, err
	}
	if rest != nil {
		pairs, err := c.pairs(query, "?", appendPercent)
		if err != nil {
			return node{}, err
		}
		root.kids = append(root.kids, pairs)
	}
	return root, nil
}

// checkURL checks that the URL is a good one whatever the variables are, and that its host has none.
func (c *compiler) checkURL(pieces []piece) error {
	if len(pieces) == 0 {
		return c.syntax(0, "the URL is empty")
	}
	first := pieces[0].lit
	authority := strings.Index(first, "://") + 3
	complete := authority > 2 && strings.ContainsAny(first[authority:], "/?#")
	if !complete && (len(pieces) > 1 || pieces[0].e != nil) {
		at := pieces[0]
		if at.e == nil {
			at = pieces[1]
		}
		return c.about(at.e, at.at, "a variable in the scheme or host of the URL; a caller could send the data anywhere, so only what follows the host can have variables")
	}
	var whole strings.Builder
	for _, p := range pieces {
		if p.e != nil {
			whole.WriteByte('x')
			continue
		}
		for i := range len(p.lit) {
			if ch := p.lit[i]; control(ch) || ch == ' ' || ch == '\\' {
				return c.syntax(p.at+i, "a space, backslash or control character in the URL; spaces are written %20")
			}
		}
		whole.WriteString(p.lit)
	}
	u, err := url.Parse(whole.String())
	switch {
	case err != nil:
		return c.syntax(0, "not a URL; write it as in https://api.example.com/v1/leads, with % only before two hexadecimal digits")
	case u.Scheme != "http" && u.Scheme != "https":
		return c.syntax(0, "the URL must begin with https:// (or http://)")
	case u.Hostname() == "":
		return c.syntax(0, "the URL names no host")
	case u.User != nil:
		return c.syntax(0, "a user name or password in the URL; URLs end up in logs, so put credentials in a header")
	case !hosts.MatchString(u.Host):
		return c.syntax(0, "the host of the URL is letters, digits, dots and hyphens, and perhaps a port; an international name is written in its xn-- form")
	}
	return nil
}

// hosts are the hosts that a URL may name: what the DNS has, or an IP address.
var hosts = regexp.MustCompile(`^([A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(:[0-9]{1,5})?$`)

// cut cuts pieces at the first occurrence of a character in constant text; after is nil when it does not occur.
func cut(pieces []piece, sep byte) (before, after []piece) {
	for i, p := range pieces {
		n := strings.IndexByte(p.lit, sep)
		if n < 0 {
			continue
		}
		before = append(before, pieces[:i]...)
		if n > 0 {
			before = append(before, piece{lit: p.lit[:n], at: p.at})
		}
		after = []piece{{lit: p.lit[n+1:], at: p.at + n + 1}}
		return before, append(after, pieces[i+1:]...)
	}
	return pieces, nil
}

// path compiles what comes before the query: constants, and segments with variables in them.
func (c *compiler) path(pieces []piece) ([]node, error) {
	var nodes []node
	segment := node{kind: kindSegment}
	variable := false
	end := func() {
		if variable {
			nodes = append(nodes, segment)
		} else {
			nodes = append(nodes, segment.kids...)
		}
		segment, variable = node{kind: kindSegment}, false
	}
	for _, p := range pieces {
		if p.e != nil {
			if p.e.each() >= 0 {
				return nil, c.about(p.e, p.at, "each in the path of the URL, which is one; it repeats pairs of the query")
			}
			kids, err := c.nodes([]piece{p}, appendPercent, nil)
			if err != nil {
				return nil, err
			}
			segment.kids, variable = append(segment.kids, kids...), true
			continue
		}
		for part := range strings.SplitAfterSeq(p.lit, "/") {
			text, slash := strings.CutSuffix(part, "/")
			if text != "" {
				segment.kids = append(segment.kids, node{lit: encodeRest(text)})
			}
			if slash {
				end()
				nodes = append(nodes, node{lit: []byte("/")})
			}
		}
	}
	end()
	return merge(nodes), nil
}

// merge joins constants that follow one another.
func merge(nodes []node) []node {
	var out []node
	for _, n := range nodes {
		if last := len(out) - 1; n.kind == kindConstant && last >= 0 && out[last].kind == kindConstant {
			out[last].lit = append(out[last].lit, n.lit...)
			continue
		}
		out = append(out, n)
	}
	return out
}

// encodeRest percent-encodes the bytes of constant text that no URL may hold, and leaves the rest as it was written.
func encodeRest(s string) []byte {
	var dst []byte
	for i := range len(s) {
		if c := s[i]; c <= ' ' || c >= 0x7f || strings.IndexByte("\"<>\\^`{|}", c) >= 0 {
			dst = append(dst, '%', upperHex[c>>4], upperHex[c&15])
		} else {
			dst = append(dst, c)
		}
	}
	return dst
}
