package minimize

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/callgate/callgate/internal/call"
)

// always are the fields that an allow-list does not need to name.
var always = map[string]bool{
	"provider": true, "event_type": true, "event_id": true, "call_id": true,
	// That somebody waits for a call back, or cannot wait, says nothing of who they are; losing it would harm them.
	"urgent": true, "callback_requested": true,
}

// keep reduces the record to what the allow-list names.
func (s *selection) keep(c *call.Call) {
	for _, f := range order {
		switch {
		case always[f] || s.fields[f] && !(f == "started_at" && s.onlyEnd(c)):
		default:
			empty(c, f)
		}
	}
	if s.all {
		return
	}
	var kept map[string]any
	for _, name := range s.params {
		kept = pick(kept, c.Params, name)
	}
	c.Params = kept
}

// onlyEnd: the name timestamp allows one time, the end of the call, when there is one.
func (s *selection) onlyEnd(c *call.Call) bool {
	return s.timestamp && !s.started && !c.EndedAt.IsZero()
}

// pick copies one parameter, by its name or along a path of dots, as call.Call.Lookup finds it.
func pick(to, from map[string]any, name string) map[string]any {
	v, ok := from[name]
	key := name
	if !ok {
		var rest string
		if key, rest, ok = strings.Cut(name, "."); !ok {
			return to
		}
		inner, isMap := from[key].(map[string]any)
		if !isMap {
			return to
		}
		had, _ := to[key].(map[string]any)
		if had == nil {
			had = map[string]any{}
		}
		picked := pick(had, inner, rest)
		if len(picked) == 0 {
			return to
		}
		v = picked
	} else {
		v = clone(v)
	}
	if to == nil {
		to = map[string]any{}
	}
	to[key] = v
	return to
}

// clone copies a value and everything in it.
func clone(v any) any {
	switch v := v.(type) {
	case map[string]any:
		out := make(map[string]any, len(v))
		for k, e := range v {
			out[k] = clone(e)
		}
		return out
	case []any:
		out := make([]any, len(v))
		for i, e := range v {
			out[i] = clone(e)
		}
		return out
	}
	return v
}

// change drops, hashes and masks.
func (p *Compiled) change(c *call.Call) {
	for _, f := range order {
		s := c.TextField(f)
		switch {
		case p.drop.field(f):
			empty(c, f)
		case s == nil || *s == "":
		case p.hash.field(f):
			*s = p.pseudonym(*s)
		case p.mask.field(f):
			*s = mask(*s)
		}
	}
	if c.Params = p.params(c.Params, ""); len(c.Params) == 0 {
		c.Params = nil
	}
}

// field reports whether the selection, if there is one, has the field.
func (s *selection) field(name string) bool { return s != nil && s.fields[name] }

// params copies parameters, without what is dropped, and with what is hashed or masked.
func (p *Compiled) params(from map[string]any, path string) map[string]any {
	if from == nil {
		return nil
	}
	to := make(map[string]any, len(from))
	for k, v := range from {
		path := path + bare(k)
		switch {
		case p.drop != nil && p.drop.takes(k, path):
		case p.hash != nil && p.hash.takes(k, path):
			to[k] = leaves(v, p.pseudonym)
		case p.mask != nil && p.mask.takes(k, path):
			to[k] = leaves(v, mask)
		default:
			to[k] = p.inside(v, path)
		}
	}
	return to
}

// inside copies a value, with the policy applied to the objects in it.
func (p *Compiled) inside(v any, path string) any {
	switch v := v.(type) {
	case map[string]any:
		return p.params(v, path)
	case []any:
		out := make([]any, len(v))
		for i, e := range v {
			out[i] = p.inside(e, path)
		}
		return out
	}
	return v
}

// leaves copies a value with every plain value in it changed.
func leaves(v any, f func(string) string) any {
	switch v := v.(type) {
	case map[string]any:
		out := make(map[string]any, len(v))
		for k, e := range v {
			out[k] = leaves(e, f)
		}
		return out
	case []any:
		out := make([]any, len(v))
		for i, e := range v {
			out[i] = leaves(e, f)
		}
		return out
	case nil:
		return nil
	case string:
		if v == "" {
			return ""
		}
		return f(v)
	case json.Number:
		return f(string(v))
	default:
		return f(fmt.Sprint(v))
	}
}

// hashDigits is the length of a pseudonym: 128 bits, far more than there are people.
const hashDigits = 32

func (p *Compiled) pseudonym(s string) string {
	h := hmac.New(sha256.New, p.key)
	h.Write([]byte(s))
	return hex.EncodeToString(h.Sum(nil))[:hashDigits]
}

// mask keeps of a text what lets a person recognise it who knows it already.
func mask(s string) string {
	digits, letters := make([]byte, 0, 20), false
	for _, r := range s {
		if '0' <= r && r <= '9' {
			digits = append(digits, byte(r))
		}
		letters = letters || unicode.IsLetter(r)
	}
	first, _ := utf8.DecodeRuneInString(strings.TrimSpace(s))
	switch {
	case strings.IndexByte(s, '@') > 0:
		return string(first) + "***@***"
	case !letters && len(digits) >= 7:
		return "***" + string(digits[len(digits)-4:])
	case letters && unicode.IsLetter(first):
		return string(first) + "***"
	}
	return "***"
}
