package call

import "testing"

func TestTrimAddress(t *testing.T) {
	for given, want := range map[string]string{
		"una.q@example.com.": "una.q@example.com", " una@example.com ": "una@example.com", "una@example.com?!": "una@example.com",
		"MailTo:una@example.com": "una@example.com", "<una@example.com>,": "una@example.com", "una@example.com": "una@example.com",
		"una@example.com\u3002": "una@example.com", "": "", "...": "", "mailto:": "mailto", "o'neil@example.com": "o'neil@example.com",
		"una.@example.com": "una.@example.com",
	} {
		if got := TrimAddress(given); got != want {
			t.Errorf("%q is %q, want %q", given, got, want)
		}
	}
}
