package call

import "strings"

// TrimAddress takes from an e-mail address what is not of it: spaces, "mailto:", the angle brackets of a mail header, and the
// punctuation with which speech-to-text ends a sentence. It does not say whether the rest is an address.
func TrimAddress(s string) string {
	trim := func() { s = strings.TrimRight(strings.TrimSpace(s), ".,;:!? \t\r\n\u3002\u2026") }
	trim()
	if n := len(s); n > 1 && s[0] == '<' && s[n-1] == '>' {
		s = s[1 : n-1]
		trim()
	}
	if len(s) > 7 && strings.EqualFold(s[:7], "mailto:") {
		s = strings.TrimSpace(s[7:])
	}
	return s
}
