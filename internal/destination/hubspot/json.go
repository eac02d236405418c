package hubspot

import (
	"unicode/utf8"

	"github.com/callgate/callgate/internal/jsonscan"
)

// appendMember appends "name":"value", with a comma before it unless it is the first of its object.
func appendMember(dst []byte, name, value string) []byte {
	if n := len(dst); n > 0 && dst[n-1] != '{' {
		dst = append(dst, ',')
	}
	dst = jsonscan.AppendString(dst, name)
	return jsonscan.AppendString(append(dst, ':'), value)
}

// appendStrings appends a JSON array of strings.
func appendStrings(dst []byte, all []string) []byte {
	dst = append(dst, '[')
	for i, s := range all {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = jsonscan.AppendString(dst, s)
	}
	return append(dst, ']')
}

// truncate cuts s to at most n bytes without splitting a character.
func truncate(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n]
}
