package signature

import (
	"fmt"
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
			keys := strings.Split(path, ".")
			if slices.Contains(keys, "") {
				return nil, fmt.Errorf("{%s} names no value; write keys with points between them", name)
			}
			out = append(out, segment{kind: jsonPath, path: keys})
		default:
			k, ok := map[string]segmentKind{
				"body": body, "timestamp": timestamp, "id": id, "svix-id": id, "method": method, "url": address,
			}[name]
			if !ok {
				return nil, fmt.Errorf("{%s} is unknown; use body, timestamp, id, method, url or json:path", name)
			}
			out = append(out, segment{kind: k})
		}
		t = rest
	}
	return out, nil
}

func validHeaderName(n string) bool {
	for i := range len(n) {
		c := n[i]
		if c <= ' ' || c >= 0x7f || strings.IndexByte("()<>@,;:\\\"/[]?={}", c) >= 0 {
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
	case c.TimestampKey != "" && c.TimestampUnit == "rfc3339" && strings.ContainsAny(sep, ":."):
		return "list_separator is a part of the time; choose another mark"
	case strings.Contains(c.Prefix, sep) || strings.Contains(c.TimestampKey, sep) || strings.Contains(c.SignatureKey, sep):
		return "prefix or a key of the list contains list_separator; one of them is wrong"
	}
	return ""
}

func unprintable(r rune) bool { return r < ' ' || r > '~' }
