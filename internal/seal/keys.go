package seal

import (
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"strings"
)

// ParseRing makes a ring of keys written as text: 64 hexadecimal digits, or base64 of 32 bytes (standard or URL
// alphabet, with or without padding). Each text may hold several keys, one a line, with blank lines and lines that
// begin with # left out, as in a key file; or it may be exactly 32 raw bytes, as `head -c 32 /dev/urandom` makes them.
// Errors hold nothing of the keys.
func ParseRing(texts ...string) (*Ring, error) {
	var keys [][]byte
	for i, text := range texts {
		if len(text) == KeySize && !printable(text) {
			keys = append(keys, []byte(text))
			continue
		}
		before := len(keys)
		for line := range strings.Lines(text) {
			line = strings.TrimSpace(line)
			if line == "" || line[0] == '#' {
				continue
			}
			key, err := parseKey(line)
			if err != nil {
				return nil, fmt.Errorf("encryption key %d: %w", i+1, err)
			}
			keys = append(keys, key)
		}
		if len(keys) == before {
			return nil, fmt.Errorf("encryption key %d is empty: %w", i+1, ErrKey)
		}
	}
	return NewRing(keys...)
}

// printable tells whether a text is one somebody typed: a pass phrase of 32 letters is no key.
func printable(s string) bool {
	for i := range len(s) {
		if (s[i] < ' ' || s[i] > '~') && s[i] != '\n' && s[i] != '\r' && s[i] != '\t' {
			return false
		}
	}
	return true
}

func parseKey(s string) ([]byte, error) {
	if len(s) == 2*KeySize {
		if key, err := hex.DecodeString(s); err == nil {
			return key, nil
		}
		return nil, ErrKey
	}
	encoding := base64.RawStdEncoding
	if strings.ContainsAny(s, "-_") {
		encoding = base64.RawURLEncoding
	}
	key, err := encoding.Strict().DecodeString(strings.TrimRight(s, "="))
	if err != nil || len(key) != KeySize {
		return nil, ErrKey
	}
	return key, nil
}
