package audit

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/callgate/callgate/internal/jsonscan"
)

// MaxLine is the length in bytes of the longest line that is read.
const MaxLine = 1 << 20

// timeLayout is how At is written.
const timeLayout = "2006-01-02T15:04:05.000Z"

// AppendLine appends a leaf as its line, without a line feed: JSON with its members in the order of [Leaf], the same bytes
// for the same leaf. Texts are cut to [MaxText]; bytes that are not UTF-8 become U+FFFD.
func AppendLine(dst []byte, l *Leaf) []byte {
	dst = append(dst, `{"v":1,"seq":`...)
	dst = strconv.AppendInt(dst, l.Seq, 10)
	dst = append(dst, `,"at":"`...)
	dst = l.At.UTC().AppendFormat(dst, timeLayout)
	dst = append(dst, `","kind":`...)
	dst = appendText(dst, string(l.Kind))
	dst = member(dst, `,"boot":`, l.Boot)
	if l.Actor != (Actor{}) {
		dst = append(dst, `,"actor":{`...)
		start := len(dst)
		dst = first(dst, start, `"type":`, l.Actor.Type)
		dst = first(dst, start, `"id":`, l.Actor.ID)
		dst = first(dst, start, `"role":`, l.Actor.Role)
		dst = first(dst, start, `"via":`, l.Actor.Via)
		dst = first(dst, start, `"ip":`, l.Actor.IP)
		dst = append(dst, '}')
	}
	dst = member(dst, `,"operation":`, l.Operation)
	dst = member(dst, `,"tenant":`, l.Tenant)
	dst = member(dst, `,"route":`, l.Route)
	dst = member(dst, `,"source":`, l.Source)
	dst = member(dst, `,"event":`, l.Event)
	dst = member(dst, `,"delivery":`, l.Delivery)
	dst = number(dst, `,"attempt":`, int64(l.Attempt))
	dst = number(dst, `,"version":`, int64(l.Version))
	dst = appendLists(dst, l)
	dst = number(dst, `,"bytes":`, l.Bytes)
	dst = commitment(dst, `,"sent":"`, &l.Sent)
	dst = number(dst, `,"count":`, l.Count)
	dst = member(dst, `,"outcome":`, l.Outcome)
	dst = number(dst, `,"status":`, int64(l.Status))
	dst = number(dst, `,"took_ms":`, l.TookMS)
	dst = member(dst, `,"reason":`, l.Reason)
	dst = member(dst, `,"config":`, l.Config)
	dst = member(dst, `,"policy":`, l.Policy)
	dst = member(dst, `,"why":`, l.Why)
	dst = commitment(dst, `,"subject":"`, &l.Subject)
	return append(dst, '}')
}

func appendLists(dst []byte, l *Leaf) []byte {
	for i, to := range l.To {
		if i == 0 {
			dst = append(dst, `,"to":[`...)
		} else {
			dst = append(dst, ',')
		}
		dst = appendText(append(dst, `{"name":`...), to.Name)
		dst = member(dst, `,"kind":`, to.Kind)
		dst = member(dst, `,"host":`, to.Host)
		dst = append(dst, '}')
	}
	if len(l.To) > 0 {
		dst = append(dst, ']')
	}
	for i, name := range l.Fields {
		if i == 0 {
			dst = append(dst, `,"fields":[`...)
		} else {
			dst = append(dst, ',')
		}
		dst = appendText(dst, name)
	}
	if len(l.Fields) > 0 {
		dst = append(dst, ']')
	}
	return dst
}

func member(dst []byte, name, text string) []byte {
	if text == "" {
		return dst
	}
	return appendText(append(dst, name...), text)
}

// first is member with a comma unless it is the first of its object, which began at start.
func first(dst []byte, start int, name, text string) []byte {
	if text == "" {
		return dst
	}
	if len(dst) > start {
		dst = append(dst, ',')
	}
	return appendText(append(dst, name...), text)
}

func number(dst []byte, name string, n int64) []byte {
	if n == 0 {
		return dst
	}
	return strconv.AppendInt(append(dst, name...), n, 10)
}

func commitment(dst []byte, name string, c *Commitment) []byte {
	if c.IsZero() {
		return dst
	}
	return append(base64.RawURLEncoding.AppendEncode(append(dst, name...), c[:]), '"')
}

// appendText appends a JSON string. What is not UTF-8 is replaced first: escaped it would read back as another text than
// it was written from, and a line has only one form.
func appendText(dst []byte, s string) []byte {
	if !utf8.ValidString(s) {
		s = strings.ToValidUTF8(s, "\uFFFD")
	}
	return jsonscan.AppendString(dst, cut(s))
}

// cut shortens a text to MaxText bytes of whole runes.
func cut(s string) string {
	if len(s) <= MaxText {
		return s
	}
	n := MaxText
	for !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n]
}

// ErrLine is a line that is not a record as this version writes it.
var ErrLine = errors.New("this is not a record of the audit log")

// VersionError is a line that a later version of the gateway has written. It can be verified all the same, and not read.
type VersionError struct{ Version, Seq int64 }

func (e *VersionError) Error() string {
	return fmt.Sprintf("record %d has version %d, and this program reads version %d: read it with a newer one", e.Seq, e.Version, Version)
}

// ParseLine reads what AppendLine wrote, and nothing else: a line has one meaning and a meaning one line. Errors are
// [ErrLine] and [VersionError], and hold no part of the line.
func ParseLine(line []byte) (*Leaf, error) {
	version, seq, err := SeqOf(line)
	if err != nil {
		return nil, err
	}
	if version != Version {
		return nil, &VersionError{Version: version, Seq: seq}
	}
	l := new(Leaf)
	if err := json.Unmarshal(line, l); err != nil {
		return nil, ErrLine
	}
	l.At = l.At.UTC()
	if string(AppendLine(make([]byte, 0, len(line)), l)) != string(line) {
		return nil, ErrLine
	}
	return l, nil
}

// SeqOf reads the version and the place of a line without reading the rest. Every version begins with both.
func SeqOf(line []byte) (version, seq int64, err error) {
	if len(line) > MaxLine {
		return 0, 0, ErrLine
	}
	rest, ok := strings.CutPrefix(string(line[:min(len(line), 64)]), `{"v":`)
	v, rest, ok2 := strings.Cut(rest, `,"seq":`)
	n, _, ok3 := strings.Cut(rest, ",")
	if !ok || !ok2 || !ok3 {
		return 0, 0, ErrLine
	}
	if version, err = decimal(v); err != nil {
		return 0, 0, err
	}
	seq, err = decimal(n)
	return version, seq, err
}

// decimal reads a number that is not negative in its only form.
func decimal(s string) (int64, error) {
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil || n < 0 || strconv.FormatInt(n, 10) != s {
		return 0, ErrLine
	}
	return n, nil
}
