package template

import (
	"bytes"
	"encoding/json"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
)

// textOf is a value as text: lists joined with ", ", or as JSON when they hold more than plain values; objects as
// JSON; times in RFC 3339.
func textOf(v any) string {
	switch v := v.(type) {
	case nil:
		return ""
	case string:
		return v
	case int:
		return strconv.Itoa(v)
	case bool:
		return strconv.FormatBool(v)
	case json.Number:
		return string(v)
	case time.Time:
		return v.UTC().Format(time.RFC3339Nano)
	case []any:
		return joined(v, ", ")
	default:
		return jsonText(v)
	}
}

// joined is the text of a list.
func joined(list []any, sep string) string {
	parts := make([]string, 0, len(list))
	for _, v := range list {
		switch v.(type) {
		case []any, map[string]any:
			return jsonText(list)
		case nil:
		default:
			parts = append(parts, textOf(v))
		}
	}
	return strings.Join(parts, sep)
}

func jsonText(v any) string { return string(appendJSON(nil, v, 0)) }

// appendJSON appends a value as JSON, with the keys of objects sorted. What nests deeper than maxDepth becomes null:
// no parser of a payload lets it pass.
func appendJSON(dst []byte, v any, depth int) []byte {
	if depth > maxDepth {
		return append(dst, "null"...)
	}
	switch v := v.(type) {
	case nil:
		return append(dst, "null"...)
	case string:
		return appendJSONString(dst, v)
	case bool:
		return strconv.AppendBool(dst, v)
	case int:
		return strconv.AppendInt(dst, int64(v), 10)
	case int64:
		return strconv.AppendInt(dst, v, 10)
	case json.Number:
		if !isNumber(string(v)) {
			return appendJSONString(dst, string(v))
		}
		return append(dst, v...)
	case float64:
		if math.IsNaN(v) || math.IsInf(v, 0) {
			return append(dst, "null"...)
		}
		text, _ := json.Marshal(v)
		return append(dst, text...)
	case time.Time:
		return appendJSONString(dst, textOf(v))
	case []any:
		dst = append(dst, '[')
		for i, e := range v {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = appendJSON(dst, e, depth+1)
		}
		return append(dst, ']')
	case map[string]any:
		dst = append(dst, '{')
		for i, k := range slices.Sorted(maps.Keys(v)) {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = append(appendJSONString(dst, k), ':')
			dst = appendJSON(dst, v[k], depth+1)
		}
		return append(dst, '}')
	default:
		text, err := json.Marshal(v)
		if err != nil {
			return append(dst, "null"...)
		}
		return append(dst, text...)
	}
}

// appendTyped appends a value as JSON of a declared type. A value that cannot be read as the type is appended as a
// string, and fits is false.
func appendTyped(dst []byte, v any, t Type) (_ []byte, fits bool) {
	text, isText := v.(string)
	switch t {
	case "", String:
		return appendJSONString(dst, textOf(v)), true
	case Number, Integer:
		if s := strings.TrimSpace(textOf(v)); isNumber(s) {
			if t == Number {
				return append(dst, s...), true
			}
			if whole, ok := wholeNumber(s); ok {
				return append(dst, whole...), true
			}
		}
	case Boolean:
		switch strings.ToLower(strings.TrimSpace(textOf(v))) {
		case "true", "yes", "y", "on", "1":
			return append(dst, "true"...), true
		case "false", "no", "n", "off", "0":
			return append(dst, "false"...), true
		}
	case Array:
		if _, ok := v.([]any); ok {
			return appendJSON(dst, v, 0), true
		} else if isText {
			return appendRaw(dst, text, '[')
		}
	case Object:
		if _, ok := v.(map[string]any); ok {
			return appendJSON(dst, v, 0), true
		} else if isText {
			return appendRaw(dst, text, '{')
		}
	}
	return appendJSONString(dst, textOf(v)), false
}

// appendRaw appends a text that is JSON and begins with the character, compacted; any other as a string.
func appendRaw(dst []byte, text string, opening byte) (_ []byte, fits bool) {
	s := strings.TrimSpace(strings.ToValidUTF8(text, "\uFFFD"))
	if s == "" || s[0] != opening || !json.Valid([]byte(s)) {
		return appendJSONString(dst, text), false
	}
	b := bytes.NewBuffer(dst)
	if err := json.Compact(b, []byte(s)); err != nil {
		return appendJSONString(dst, text), false
	}
	return b.Bytes(), true
}

// wholeNumber is a JSON number without fraction and exponent, if it is whole.
func wholeNumber(s string) (string, bool) {
	if strings.ContainsAny(s, "eE") {
		f, err := strconv.ParseFloat(s, 64)
		if err != nil || f != math.Trunc(f) || math.Abs(f) > 1<<53 {
			return "", false
		}
		return strconv.FormatInt(int64(f), 10), true
	}
	whole, fraction, _ := strings.Cut(s, ".")
	if whole == "-0" {
		whole = "0"
	}
	return whole, strings.Trim(fraction, "0") == ""
}

// isNumber reports whether a text is a number of JSON (RFC 8259, section 6).
func isNumber(s string) bool {
	i := 0
	digits := func() bool {
		from := i
		for i < len(s) && '0' <= s[i] && s[i] <= '9' {
			i++
		}
		return i > from
	}
	if i < len(s) && s[i] == '-' {
		i++
	}
	if i < len(s) && s[i] == '0' {
		i++
	} else if !digits() {
		return false
	}
	if i < len(s) && s[i] == '.' {
		i++
		if !digits() {
			return false
		}
	}
	if i < len(s) && (s[i] == 'e' || s[i] == 'E') {
		i++
		if i < len(s) && (s[i] == '+' || s[i] == '-') {
			i++
		}
		if !digits() {
			return false
		}
	}
	return i == len(s)
}
