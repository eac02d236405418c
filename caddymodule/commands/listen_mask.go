package commands

import (
	"fmt"
	"net/url"
	"strings"
	"unicode/utf8"

	"github.com/callgate/callgate/internal/jsonscan"
)

// What is shown of a call where what callers said is not to be on the screen: which fields there are, and how much is in them.

// unmasked are the fields of a call record that say nothing of the caller.
var unmasked = map[string]bool{
	"provider": true, "event_type": true, "event_id": true, "call_id": true, "direction": true, "started_at": true, "ended_at": true,
	"duration": true, "urgent": true, "callback_requested": true,
}

// fields are the members of an object, masked unless they are to be shown.
func (h *listener) fields(object jsonscan.Value, prefix string) (parts []string) {
	for name, v := range object.Distinct() {
		switch {
		case v.Kind() == jsonscan.Object && name == "params":
			parts = append(parts, h.fields(v, name+".")...)
		case prefix != "" || !unmasked[name]:
			parts = append(parts, prefix+name+"="+h.value(v))
		case v.Kind() == jsonscan.True:
			parts = append(parts, name)
		case v.Kind() != jsonscan.False: // urgent and the like are told where they are so
			parts = append(parts, name+"="+v.Text())
		}
	}
	return parts
}

// wrapped joins parts to lines of some hundred characters.
func wrapped(parts []string) (lines []string) {
	for _, p := range parts {
		if last := len(lines) - 1; last >= 0 && len(lines[last])+len(p) < 100 {
			lines[last] += " " + p
		} else {
			lines = append(lines, p)
		}
	}
	return lines
}

func (h *listener) value(v jsonscan.Value) string {
	text := v.Text()
	if v.Kind() != jsonscan.String {
		text = string(v.Raw())
	}
	if h.show {
		return fmt.Sprintf("%q", shortText(text, shownAnswer))
	}
	return hidden(text)
}

// hidden tells of a text how long it is, and of a number its last digits, by which who knows it recognises it.
func hidden(text string) string {
	digits := strings.Map(func(r rune) rune {
		if r >= '0' && r <= '9' {
			return r
		}
		return -1
	}, text)
	if len(digits) >= 7 && len(text) <= len(digits)+6 {
		return "***" + digits[len(digits)-4:]
	}
	return fmt.Sprintf("***(%d)", utf8.RuneCountInString(text))
}

// url is an address without what may be of a caller in it.
func (h *listener) url(raw string) string {
	u, err := url.Parse(raw)
	if h.show || err != nil {
		return raw
	}
	if h.forward != nil && u.Host == h.forward.Host {
		return u.Scheme + "://" + u.Host + u.EscapedPath()
	}
	return u.Scheme + "://" + u.Host + "/***"
}

// body is a body that a destination would send: JSON with its values masked, anything else as how long it is.
func (h *listener) body(text string) string {
	if h.show {
		return shortText(text, shownAnswer)
	}
	var scan jsonscan.Doc
	if err := scan.Scan([]byte(text)); err != nil {
		return fmt.Sprintf("%d bytes; --show prints them", len(text))
	}
	return shortText(string(maskedJSON(nil, scan.Root())), shownAnswer)
}

func maskedJSON(b []byte, v jsonscan.Value) []byte {
	switch v.Kind() {
	case jsonscan.Object:
		b = append(b, '{')
		for name, e := range v.Distinct() {
			if b[len(b)-1] != '{' {
				b = append(b, ',')
			}
			b = maskedJSON(append(jsonscan.AppendString(b, name), ':'), e)
		}
		return append(b, '}')
	case jsonscan.Array:
		b = append(b, '[')
		for e := range v.Elements() {
			if b[len(b)-1] != '[' {
				b = append(b, ',')
			}
			b = maskedJSON(b, e)
		}
		return append(b, ']')
	case jsonscan.String, jsonscan.Number:
		if v.Text() == "" {
			return append(b, `""`...)
		}
		return jsonscan.AppendString(b, hidden(v.Text()))
	}
	return append(b, v.Raw()...)
}
