package template

import (
	"strconv"
	"strings"
	"time"
)

// named are the formats that have names.
var named = map[string]func([]byte, time.Time) []byte{
	"rfc3339": layout(time.RFC3339),
	"date":    layout(time.DateOnly),
	"time":    layout(time.TimeOnly),
	"unix":    func(b []byte, t time.Time) []byte { return strconv.AppendInt(b, t.Unix(), 10) },
	"unix_ms": func(b []byte, t time.Time) []byte { return strconv.AppendInt(b, t.UnixMilli(), 10) },
}

// conversions are those of strftime (POSIX.1, and C99's) that do not depend on a language other than English.
var conversions = map[byte]func([]byte, time.Time) []byte{
	'Y': layout("2006"), 'y': layout("06"), 'm': layout("01"), 'd': layout("02"), 'e': layout("_2"), 'j': layout("002"),
	'H': layout("15"), 'I': layout("03"), 'M': layout("04"), 'S': layout("05"), 'p': layout("PM"), 'L': layoutMillis,
	'A': layout("Monday"), 'a': layout("Mon"), 'B': layout("January"), 'b': layout("Jan"), 'h': layout("Jan"),
	'F': layout("2006-01-02"), 'T': layout("15:04:05"), 'R': layout("15:04"), 'D': layout("01/02/06"),
	'z': layout("-0700"), 'Z': layout("MST"), 's': named["unix"],
	'%': func(b []byte, _ time.Time) []byte { return append(b, '%') },
}

func layout(l string) func([]byte, time.Time) []byte {
	return func(b []byte, t time.Time) []byte { return t.AppendFormat(b, l) }
}

// layoutMillis is the milliseconds, as Ruby and others write %L.
func layoutMillis(b []byte, t time.Time) []byte {
	ms := t.Nanosecond() / 1e6
	return append(b, byte('0'+ms/100), byte('0'+ms/10%10), byte('0'+ms%10))
}

// dateFormat compiles a named or strftime format; ok is false when it is neither.
func dateFormat(f string) (_ func([]byte, time.Time) []byte, ok bool) {
	if n := named[f]; n != nil {
		return n, true
	}
	if !strings.Contains(f, "%") || len(f) > 200 {
		return nil, false
	}
	var steps []func([]byte, time.Time) []byte
	for f != "" {
		i := strings.IndexByte(f, '%')
		if i < 0 {
			i = len(f)
		}
		if i > 0 {
			lit := f[:i]
			steps = append(steps, func(b []byte, _ time.Time) []byte { return append(b, lit...) })
			f = f[i:]
			continue
		}
		if len(f) < 2 || conversions[f[1]] == nil {
			return nil, false
		}
		steps = append(steps, conversions[f[1]])
		f = f[2:]
	}
	return func(b []byte, t time.Time) []byte {
		for _, step := range steps {
			b = step(b, t)
		}
		return b
	}, true
}
