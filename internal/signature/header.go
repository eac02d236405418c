package signature

import (
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// The bounds of what is read from headers. Real ones stay far below.
const (
	// maxHeader is how long a signature header may be. A JWT may be maxToken long.
	maxHeader = 4 << 10
	maxToken  = 16 << 10
	// maxSignatures is how many signatures one header may hold. Senders that rotate their keys send two.
	maxSignatures = 16
	// maxID is how long a message's id may be.
	maxID = 256
	// maxDigest is the size of the largest digest (SHA-512) and of an ed25519 signature.
	maxDigest = 64
)

// get is the value of a header, whose name is canonical, that must be there exactly once: with several values it
// would be open which of them a receiver behind us believes.
func get(h http.Header, name string, limit int) (string, error) {
	switch v := h[name]; {
	case len(v) == 0:
		return "", fmt.Errorf("%w: header %s is missing; check that the sender is configured to sign", ErrMissing, name)
	case len(v) > 1:
		return "", fmt.Errorf("%w: header %s is there %d times; one is expected", ErrMalformed, name, len(v))
	case v[0] == "":
		return "", fmt.Errorf("%w: header %s is empty; check that the sender is configured to sign", ErrMissing, name)
	case len(v[0]) > limit:
		return "", fmt.Errorf("%w: header %s is longer than %d bytes", ErrMalformed, name, limit)
	default:
		return v[0], nil
	}
}

// has reports whether a header is there at all, be it empty.
func has(h http.Header, name string) bool { return len(h[name]) > 0 }

// set sets a header of a message that may have none yet.
func set(m *Message, name, value string) {
	if m.Header == nil {
		m.Header = make(http.Header)
	}
	m.Header[name] = []string{value}
}

var (
	std64    = base64.StdEncoding.Strict()
	url64    = base64.URLEncoding.Strict()
	rawURL64 = base64.RawURLEncoding.Strict()
)

// digest decodes a signature of exactly size bytes.
func digest(dst *[maxDigest]byte, s string, size int, e encoding) bool {
	switch e {
	case hexAny, hexLower:
		if len(s) != 2*size {
			return false
		}
		for i := range size {
			hi, lo := nibble(s[2*i], e), nibble(s[2*i+1], e)
			if hi|lo > 15 {
				return false
			}
			dst[i] = hi<<4 | lo
		}
		return true
	}
	enc := std64
	if e == base64URL {
		enc = url64
		if !strings.HasSuffix(s, "=") {
			enc = rawURL64
		}
	}
	if len(s) != enc.EncodedLen(size) {
		return false
	}
	var src [maxDigest * 2]byte
	var out [maxDigest + 8]byte
	n, err := enc.Decode(out[:], src[:copy(src[:], s)])
	copy(dst[:], out[:])
	return err == nil && n == size // line feeds, which Decode skips, make it shorter
}

func nibble(c byte, e encoding) byte {
	switch {
	case '0' <= c && c <= '9':
		return c - '0'
	case 'a' <= c && c <= 'f':
		return c - 'a' + 10
	case 'A' <= c && c <= 'F' && e == hexAny:
		return c - 'A' + 10
	}
	return 0xff
}

// appendDigest encodes a signature.
func appendDigest(b, sum []byte, e encoding) []byte {
	switch e {
	case hexAny, hexLower:
		const digits = "0123456789abcdef"
		for _, c := range sum {
			b = append(b, digits[c>>4], digits[c&15])
		}
		return b
	case base64URL:
		return url64.AppendEncode(b, sum)
	}
	return std64.AppendEncode(b, sum)
}

// parseTime reads the text of a time. Digits only: a sign, a point or white space is no timestamp that a sender makes.
func parseTime(s string, u unit) (time.Time, bool) {
	if ls := timeLayouts[u]; ls != nil {
		if len(s) > 40 {
			return time.Time{}, false
		}
		for _, l := range ls {
			if t, err := time.Parse(l, s); err == nil {
				return t.UTC(), true
			}
		}
		return time.Time{}, false
	}
	if s == "" || len(s) > 15 || s[0] == '0' { // a zero in front could be one of what is signed before the time
		return time.Time{}, false
	}
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return time.Time{}, false
		}
	}
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil {
		return time.Time{}, false
	}
	if u == millis || u == autoUnit && n >= 1e11 { // 1e11 s is the year 5138, 1e11 ms is 1973
		return time.UnixMilli(n).UTC(), true
	}
	return time.Unix(n, 0).UTC(), true
}

// timeLayouts are the forms of times that are texts; the first is that in which we write them. What has no zone is of UTC.
var timeLayouts = [...][]string{
	rfc3339: {time.RFC3339},
	iso8601: {
		time.RFC3339, "2006-01-02 15:04:05", "2006-01-02T15:04:05", "2006-01-02 15:04:05Z07:00", "2006-01-02 15:04:05 Z07:00",
		"2006-01-02T15:04:05Z0700", "2006-01-02 15:04:05Z0700", "2006-01-02 15:04:05 Z0700", "20060102T150405Z0700",
	},
	utcText:  {time.DateTime},
	httpDate: {http.TimeFormat},
}

// formatTime is the text of a time, for signing.
func formatTime(t time.Time, u unit) string {
	if ls := timeLayouts[u]; ls != nil {
		return t.UTC().Format(ls[0])
	}
	if u == millis {
		return strconv.FormatInt(t.UnixMilli(), 10)
	}
	return strconv.FormatInt(t.Unix(), 10)
}

// checkTime holds a signed time to its tolerance, both ends included. where names the header.
//
// Both distances are subtractions, neither is the other one negated: beyond 292 years a distance is the longest or the
// shortest Duration, and the shortest one negated is negative still. Milliseconds read as seconds lie that far ahead.
func checkTime(where string, t, now time.Time, past, future time.Duration) error {
	switch age, ahead := now.Sub(t), t.Sub(now); {
	case age > past:
		return fmt.Errorf("%w: the time in %s is %s ago, and %s are allowed; check the clocks, or whether the request was replayed",
			ErrTimestamp, where, age.Round(time.Second), past)
	case ahead > future:
		return fmt.Errorf("%w: the time in %s is %s ahead, and %s are allowed; check the clocks, and the unit of the time",
			ErrTimestamp, where, ahead.Round(time.Second), future)
	}
	return nil
}

// longDigest decodes a signature of any size that a key may have.
func longDigest(s string, e encoding) ([]byte, bool) {
	var b []byte
	var err error
	switch {
	case e == hexAny || e == hexLower:
		b, err = hex.DecodeString(s)
	case e == base64URL && !strings.HasSuffix(s, "="):
		b, err = rawURL64.DecodeString(s)
	case e == base64URL:
		b, err = url64.DecodeString(s)
	default:
		b, err = std64.DecodeString(s)
	}
	return b, err == nil && len(b) > 0 && !strings.ContainsAny(s, "\r\n")
}
