package signature

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
)

// compileSigned splits a template into its parts.
func compileSigned(t string) ([]segment, error) {
	var out []segment
	for t != "" {
		lit, rest, found := strings.Cut(t, "{")
		if lit != "" {
			out = append(out, segment{kind: text, text: []byte(lit)})
		}
		if !found {
			break
		}
		name, rest, closed := strings.Cut(rest, "}")
		if !closed {
			return nil, fmt.Errorf("a { has no }; close it")
		}
		switch path, isPath := strings.CutPrefix(name, "json:"); {
		case isPath:
			keys, ok := bodyPath(path)
			if !ok {
				return nil, fmt.Errorf("{%s} names no value; write keys with points between them", name)
			}
			out = append(out, segment{kind: jsonPath, path: keys})
		case strings.HasPrefix(name, "header:"):
			h := strings.TrimPrefix(name, "header:")
			if h == "" || !validHeaderName(h) {
				return nil, fmt.Errorf("{%s} names no header; write it as {header:X-Nonce}", name)
			}
			out = append(out, segment{kind: headerValue, name: http.CanonicalHeaderKey(h)})
		default:
			k, ok := map[string]segmentKind{
				"body": body, "timestamp": timestamp, "id": id, "svix-id": id, "method": method, "url": address,
			}[name]
			if !ok {
				return nil, fmt.Errorf("{%s} is unknown; use body, timestamp, id, method, url, header:Name or json:path", name)
			}
			out = append(out, segment{kind: k})
		}
		t = rest
	}
	return out, nil
}

// bodyPath are the keys that lead to a value in a JSON body: "call.call_id", or the JSONPath "$.call.call_id".
func bodyPath(path string) (keys []string, ok bool) {
	keys = strings.Split(strings.TrimPrefix(path, "$."), ".")
	return keys, !slices.ContainsFunc(keys, func(k string) bool { return k == "" || strings.ContainsAny(k, "$[]*?@'\"") })
}

// validHeaderName reports whether a text can be the name of a header. The dollar sign is refused though a name may have it:
// who writes it means a place in the body.
func validHeaderName(n string) bool {
	for i := range len(n) {
		c := n[i]
		if c <= ' ' || c >= 0x7f || strings.IndexByte("()<>@,;:\\\"/[]?={}$", c) >= 0 {
			return false
		}
	}
	return true
}

// ambiguous says what in the configuration would make it impossible to take the header apart again.
func (c *HMACConfig) ambiguous() string {
	sep := c.ListSeparator
	if sep == "" && c.SignatureKey != "" {
		sep = ","
	}
	switch {
	case strings.HasPrefix(c.Prefix, " ") || strings.ContainsFunc(c.Prefix, unprintable):
		return "prefix starts with white space or is not printable; HTTP does not carry it"
	case strings.ContainsFunc(c.TimestampKey+c.SignatureKey, func(r rune) bool { return r == '=' || r == ' ' || unprintable(r) }):
		return "a key of the list contains =, white space or what is not printable; name only the key"
	case c.SignatureKey != "" && c.TimestampKey == c.SignatureKey:
		return "timestamp_key and signature_key are the same; name different ones"
	case sep == "":
		return ""
	case strings.ContainsFunc(sep, func(r rune) bool {
		return unprintable(r) || r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || strings.ContainsRune("+/=-_", r)
	}):
		return "list_separator contains what a signature may consist of; choose a mark such as a comma"
	case c.TimestampKey != "" && slices.Contains([]string{"rfc3339", "iso8601", "utc"}, c.TimestampUnit) && strings.ContainsAny(sep, ":. "),
		c.TimestampKey != "" && c.TimestampUnit == "http" && strings.ContainsAny(sep, ":, "):
		return "list_separator is a part of the time; choose another mark"
	case strings.Contains(c.Prefix, sep) || strings.Contains(c.TimestampKey, sep) || strings.Contains(c.SignatureKey, sep):
		return "prefix or a key of the list contains list_separator; one of them is wrong"
	}
	return ""
}

func unprintable(r rune) bool { return r < ' ' || r > '~' }
