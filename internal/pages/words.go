package pages

import (
	"fmt"
	"math"
	"reflect"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/callgate/callgate/internal/store"
)

// utc is a time as people read it, in UTC. Scripts put the reader's own in its place.
func utc(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05 UTC") }

// clock is its time of the day, with the day if that is not today.
func (u *UI) clock(t time.Time) string {
	if day := t.UTC().Truncate(24 * time.Hour); !day.Equal(u.o.Now().UTC().Truncate(24 * time.Hour)) {
		return utc(t)
	}
	return t.UTC().Format("15:04:05 UTC")
}

// iso is a time as scripts read it.
func iso(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z") }

// count is a number with its thousands set apart.
func count[N int | int64](n N) string {
	text := strconv.FormatInt(int64(n), 10)
	for i := len(text) - 3; i > 0 && text[i-1] != '-'; i -= 3 {
		text = text[:i] + "," + text[i:]
	}
	return text
}

// counted is count for templates, in which numbers have the types that they have.
func counted(n any) string { return count(reflect.ValueOf(n).Int()) }

// sized is size for templates.
func sized(n any) string { return size(reflect.ValueOf(n).Int()) }

// size is a number of bytes, in units of 1024.
func size[N int | int64](n N) string {
	const units = "KMGTPE"
	f, unit := float64(n), ""
	for i := 0; f >= 1024 && i < len(units); i++ {
		f, unit = f/1024, units[i:i+1]+"iB"
	}
	switch {
	case unit == "":
		return plural(int(n), "byte")
	case f < 10:
		return strconv.FormatFloat(f, 'f', 1, 64) + " " + unit
	}
	return strconv.FormatFloat(math.Floor(f), 'f', 0, 64) + " " + unit
}

// took is how long something took, from milliseconds.
func took(ms float64) string {
	switch {
	case ms < 1:
		return "under 1 ms"
	case ms < 1000:
		return strconv.FormatFloat(ms, 'f', 0, 64) + " ms"
	case ms < 60_000:
		return strconv.FormatFloat(ms/1000, 'f', 1, 64) + " s"
	}
	return lasted(time.Duration(ms * float64(time.Millisecond)))
}

// lasted is a time span in the largest unit that says enough.
func lasted(d time.Duration) string {
	switch {
	case d < time.Minute:
		return plural(int(d/time.Second), "second")
	case d < time.Hour:
		return plural(int(d/time.Minute), "minute")
	case d < 48*time.Hour:
		return plural(int(d/time.Hour), "hour")
	}
	return plural(int(d/(24*time.Hour)), "day")
}

// percent is a share. What is not all of it is never told as 100 %.
func percent(share float64) string {
	p := math.Floor(share*1000) / 10
	if p == math.Trunc(p) {
		return strconv.FormatFloat(p, 'f', 0, 64) + " %"
	}
	return strconv.FormatFloat(p, 'f', 1, 64) + " %"
}

// plural is a number with what is counted.
func plural(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	if base, ok := strings.CutSuffix(what, "y"); ok && len(base) > 0 && !strings.ContainsAny(base[len(base)-1:], "aeiou") {
		return count(n) + " " + base + "ies"
	}
	return count(n) + " " + what + "s"
}

// enumerate lists names, and says how many more there are.
func enumerate(names []string, most int) string {
	if len(names) <= most {
		return strings.Join(names, ", ")
	}
	return strings.Join(names[:most], ", ") + " and " + count(len(names)-most) + " more"
}

// sentence is a text of the service, which begins small as errors do, as a sentence.
func sentence(text string) string {
	first, n := utf8.DecodeRuneInString(text)
	if n == 0 {
		return ""
	}
	text = string(unicode.ToUpper(first)) + text[n:]
	if !strings.ContainsAny(text[len(text)-1:], ".?!”)") {
		text += "."
	}
	return text
}

// longest is how many characters of a text that strangers wrote are on a page.
const longest = 300

// plain is a text that strangers wrote, as it can stand on a page: without what would turn the direction of what stands
// around it or hide it, and not too long. Templates escape it besides.
func plain(text string) string { return short(longest, text) }

// short is plain with a bound of its own.
func short(most int, text string) string { return cleaned(most, text, ' ') }

// read is short for a text that is to be read as it is, such as one that was revealed: its lines stay.
func read(most int, text string) string {
	return cleaned(most, strings.ReplaceAll(text, "\r\n", "\n"), '\n')
}

func cleaned(most int, text string, line rune) string {
	var b strings.Builder
	n := 0
	for _, r := range text {
		if n++; n > most {
			b.WriteString("…")
			break
		}
		switch {
		case r == '\n':
			b.WriteRune(line)
		case r == '\t':
			b.WriteRune(' ')
		case r == utf8.RuneError || unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) || unicode.Is(unicode.Cf, r) && r != '\u200d':
			b.WriteRune('�')
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}

// mark is a state: a word, and the shape that stands before it. The colour only repeats what both say.
type mark struct {
	// Shape is one of the style sheet's: ok, wait, dead or off.
	Shape, Word string
}

// shape makes a mark in a template.
func shape(shape, word string) mark { return mark{shape, word} }

// markOf is the state of a delivery.
func markOf(s store.State, leased bool) mark {
	switch {
	case s == store.Delivered:
		return mark{"ok", "delivered"}
	case s == store.Dead:
		return mark{"dead", "dead"}
	case leased:
		return mark{"wait", "on its way"}
	}
	return mark{"wait", "waiting"}
}

// overall is how an event stands, by the states of its deliveries.
func overall(states map[store.State]int) mark {
	switch {
	case states[store.Dead] > 0 && states[store.Delivered]+states[store.Pending] > 0:
		return mark{"dead", fmt.Sprintf("%d of %d dead", states[store.Dead], states[store.Dead]+states[store.Delivered]+states[store.Pending])}
	case states[store.Dead] > 0:
		return mark{"dead", "dead"}
	case states[store.Pending] > 0:
		return mark{"wait", "waiting"}
	case states[store.Delivered] > 0:
		return mark{"ok", "delivered"}
	}
	return mark{"off", "nowhere to go"}
}
