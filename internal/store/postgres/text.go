package postgres

import (
	"encoding/hex"
	"strings"
	"time"
	"unicode/utf8"
)

// PostgreSQL takes no text with a NUL or with what is not UTF-8, and senders are held to neither. What it would refuse is
// written as escape, SUBSTITUTE, and two hexadecimal digits for each such byte, and so is the escape itself.
const escape = 0x1a

// text is how a text is stored.
func text(s string) string {
	if !strings.ContainsAny(s, "\x00\x1a") && utf8.ValidString(s) {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); {
		r, n := utf8.DecodeRuneInString(s[i:])
		if r == 0 || r == escape || r == utf8.RuneError && n == 1 {
			b.WriteByte(escape)
			b.WriteString(hex.EncodeToString([]byte{s[i]}))
		} else {
			b.WriteString(s[i : i+n])
		}
		i += n
	}
	return b.String()
}

// untext is what text has stored.
func untext(s string) string {
	if strings.IndexByte(s, escape) < 0 {
		return s
	}
	var b strings.Builder
	for {
		before, rest, found := strings.Cut(s, string(rune(escape)))
		b.WriteString(before)
		if !found {
			return b.String()
		}
		if len(rest) >= 2 {
			if raw, err := hex.DecodeString(rest[:2]); err == nil {
				b.Write(raw)
				s = rest[2:]
				continue
			}
		}
		b.WriteByte(escape) // nothing of ours
		s = rest
	}
}

// nanos is how times are stored.
func nanos(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixNano()
}

func fromNanos(n int64) time.Time {
	if n == 0 {
		return time.Time{}
	}
	return time.Unix(0, n).UTC()
}
