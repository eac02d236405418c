package gateway

import (
	"net/url"
	"strings"
	"unicode/utf8"
)

// plainPath reports whether a path means the same to everybody who reads it. Where the tenant comes from the path, one that
// a receiver could read otherwise, because it resolves dot segments, decodes slashes or drops path parameters, would be
// verified as one tenant's and carried out as another's.
func plainPath(u *url.URL) bool {
	path := u.Path
	if !utf8.ValidString(path) || strings.ContainsFunc(path, func(r rune) bool { return r == '\\' || r < ' ' || r == 0x7f }) {
		return false
	}
	if strings.Contains(path, "%") && encodedAgain(path) {
		return false
	}
	// RawPath is there where Path alone does not tell which slashes were encoded.
	if u.RawPath != "" && strings.Contains(strings.ToLower(u.RawPath), "%2f") {
		return false
	}
	for segment := range strings.SplitSeq(path, "/") {
		if name, _, _ := strings.Cut(segment, ";"); name == "." || name == ".." {
			return false
		}
	}
	return true
}

// encodedAgain reports whether a decoded path still has a dot, a slash, a backslash or a percent sign encoded in it, which
// somebody might decode once more.
func encodedAgain(path string) bool {
	for i := 0; i+2 < len(path); i++ {
		if path[i] != '%' {
			continue
		}
		switch strings.ToLower(path[i+1 : i+3]) {
		case "2e", "2f", "5c", "25":
			return true
		}
	}
	return false
}
