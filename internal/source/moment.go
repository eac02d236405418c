package source

import (
	"math"
	"net/mail"
	"strconv"
	"strings"
	"time"

	"github.com/callgate/callgate/internal/call"
	"github.com/callgate/callgate/internal/jsonscan"
)

// layouts are the ISO 8601 forms that providers use. A time without a zone is read as UTC.
var layouts = []string{
	time.RFC3339Nano, "2006-01-02 15:04:05Z07:00", "2006-01-02T15:04:05", "2006-01-02 15:04:05",
	"2006-01-02T15:04:05Z0700", "2006-01-02 15:04:05 -0700", "2006-01-02 15:04:05 UTC", "2006-01-02T15:04Z07:00",
	"2006-01-02T15:04", "2006-01-02 15:04", "2006-01-02", "2006-01-02 15:04:05Z07", "2006-01-02T15:04:05Z07",
	"2006-01-02 15:04:05 Z07:00", "2006-01-02T15:04:05 Z07:00", "2006-01-02T15:04:05 -0700", "2006-01-02 15:04:05 GMT",
	"20060102T150405Z0700",
	"20060102150405-0700", "20060102150405.999-0700",
}

// mailDate is the form of RFC 2822 that is sent. mail.ParseDate tries it after a dozen others.
const mailDate = "Mon, 2 Jan 2006 15:04:05 -0700"

// moment reads a point in time, in UTC: ISO 8601, RFC 2822 as Twilio writes it, or a number of seconds, milliseconds,
// microseconds or nanoseconds since 1970, told apart by their size. It is zero for anything else.
func moment(v jsonscan.Value) time.Time { return parseTime(text(v)) }

func parseTime(s string) time.Time {
	if s = withoutZoneName(s); s == "" || len(s) > 64 {
		return time.Time{}
	}
	if count, ok := strings.CutPrefix(s, "/Date("); ok {
		return dotNetTime(count)
	}
	digit := s[0] >= '0' && s[0] <= '9'
	if digit && !strings.ContainsAny(s, "-:T ") && strings.IndexByte(s, '+') != len("20060102150405") {
		return unixTime(s)
	}
	if digit {
		for _, l := range layouts {
			if t, err := time.Parse(l, s); err == nil {
				return sane(t)
			}
		}
		return slashed(s, false)
	}
	for _, l := range wordLayouts {
		if t, err := time.Parse(l, s); err == nil {
			return sane(t)
		}
	}
	if t, err := time.Parse(mailDate, s); err == nil {
		return sane(t)
	}
	if t, err := mail.ParseDate(s); err == nil {
		return sane(t)
	}
	return time.Time{}
}

// withoutZoneName is a time without the name of its zone, where that follows its offset from UTC: Java's
// "-04:00[America/New_York]", JavaScript's "GMT-0400 (Eastern Daylight Time)".
func withoutZoneName(s string) string {
	n := len(s)
	if n == 0 || n > 120 || s[n-1] != ']' && s[n-1] != ')' || s[0] == '/' {
		return s
	}
	at := strings.IndexAny(s, "[(")
	if at < 0 {
		return s
	}
	return strings.TrimSpace(s[:at])
}

// dotNetTime reads what follows "/Date(" in .NET's JSON: a count of milliseconds, of which an offset after it only says how
// to show it.
func dotNetTime(s string) time.Time {
	count, _, ok := strings.Cut(s, ")/")
	if at := strings.LastIndexAny(count, "+-"); at > 0 {
		count = count[:at]
	}
	n, err := strconv.ParseInt(count, 10, 64)
	if !ok || err != nil {
		return time.Time{}
	}
	return sane(time.UnixMilli(n))
}

// wordLayouts are those that begin with a word, as spreadsheets and JavaScript write them.
var wordLayouts = []string{
	"Jan 2, 2006 3:04 PM", "January 2, 2006 3:04 PM", "Jan 2, 2006 3:04:05 PM", "January 2, 2006 3:04:05 PM",
	"Jan 2, 2006, 3:04 PM", "Jan 2, 2006, 3:04:05 PM", "January 2, 2006 at 3:04 PM", "Jan 2, 2006 15:04", "January 2, 2006 15:04",
	"Mon Jan 02 2006 15:04:05 GMT-0700", "Mon Jan 2 15:04:05 2006",
}

// clockLayouts are the times after the date of slashed.
var clockLayouts = []string{"3:04 PM", "3:04:05 PM", "15:04", "15:04:05", "3:04PM", "3:04:05PM"}

// slashed reads a date with slashes and a time, "09/13/2026 10:00 AM". Where both of its first numbers could be the month it
// is none, unless it is known that the month comes first.
func slashed(s string, monthFirst bool) time.Time {
	date, clock, _ := strings.Cut(strings.Replace(s, ", ", " ", 1), " ")
	parts := strings.Split(date, "/")
	if len(parts) != 3 || len(parts[2]) != 4 {
		return time.Time{}
	}
	var n [3]int
	for i, p := range parts {
		var err error
		if n[i], err = strconv.Atoi(p); err != nil || n[i] < 1 {
			return time.Time{}
		}
	}
	month, day := n[0], n[1]
	switch {
	case n[0] > 12:
		month, day = n[1], n[0]
	case n[1] > 12 || n[0] == n[1] || monthFirst:
	default:
		return time.Time{}
	}
	for _, l := range clockLayouts {
		t, err := time.Parse(l, clock)
		if err != nil {
			continue
		}
		at := time.Date(n[2], time.Month(month), day, t.Hour(), t.Minute(), t.Second(), 0, time.UTC)
		if at.Day() != day || month > 12 {
			return time.Time{}
		}
		return sane(at)
	}
	return time.Time{}
}

// moment is parseTime in the source's region: in the United States the month comes first.
func (d *draft) moment(s string) time.Time {
	if s == "" {
		return time.Time{}
	}
	t := parseTime(s)
	if t.IsZero() && (d.settings.region == "" || d.settings.region == call.DefaultRegion) {
		t = slashed(s, true)
	}
	return t
}

// digitLayouts are dates without signs between their parts, as HL7 and older systems write them. A count since 1970 of as
// many digits would be a time before there were webhooks, or one that nobody lives to see.
var digitLayouts = []string{"20060102150405", "200601021504", "20060102"}

// unixTime reads a count since 1970 whose unit its size gives away: seconds have ten digits until the year 2286.
func unixTime(s string) time.Time {
	for _, l := range digitLayouts {
		if len(s) != len(l) {
			continue
		}
		if t, err := time.Parse(l, s); err == nil && t.Year() >= 1990 && t.Year() <= 2100 {
			return t
		}
	}
	if n, err := strconv.ParseInt(s, 10, 64); err == nil {
		switch {
		case len(s) == len("20060102150405"):
			return time.Time{} // neither a date nor today's in any unit
		case n < 1e11:
			return sane(time.Unix(n, 0))
		case n < 1e14:
			return sane(time.UnixMilli(n))
		case n < 1e17:
			return sane(time.UnixMicro(n))
		default:
			return sane(time.Unix(0, n))
		}
	}
	f, err := strconv.ParseFloat(s, 64)
	if err != nil || !(f > 0 && f < 1e17) {
		return time.Time{}
	}
	switch {
	case f >= 1e14:
		f /= 1e6
	case f >= 1e11:
		f /= 1e3
	}
	// A float holds today's seconds to a quarter of a microsecond.
	whole, part := math.Modf(f)
	return sane(time.Unix(int64(whole), int64(math.Round(part*1e6))*1000))
}

// sane is the time in UTC, or zero when no call can have been then (and JSON could not say it).
func sane(t time.Time) time.Time {
	t = t.UTC()
	if y := t.Year(); y < 1971 || y > 9998 {
		return time.Time{}
	}
	return t
}
