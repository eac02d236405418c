package operate

import (
	"strings"
	"time"
)

// When reads a time as people write it, seen from now, whose zone is theirs: 08:00 for today, today, yesterday or a date
// such as 2026-01-31 for its beginning, or with a time of the day behind it (yesterday 08:00, 2026-01-31 08:00:30); now;
// 2h, 90m or 7d for that long ago; and a full time with its zone, as in RFC 3339 or as the commands print it.
func When(text string, now time.Time) (time.Time, error) {
	s := strings.Join(strings.Fields(text), " ")
	for _, layout := range []string{time.RFC3339, "2006-01-02 15:04:05Z07:00", "2006-01-02 15:04Z07:00"} {
		if t, err := time.Parse(layout, s); err == nil {
			return inStore(t)
		}
	}
	if s == "now" {
		return inStore(now)
	}
	if ago, ok := readAgo(strings.TrimSuffix(s, " ago")); ok {
		return inStore(now.Add(-ago))
	}
	day, clock, both := strings.Cut(s, " ")
	if !both && strings.Contains(day, ":") {
		day, clock = "today", day
	}
	y, m, d := now.Date()
	switch day {
	case "today":
	case "yesterday":
		y, m, d = now.AddDate(0, 0, -1).Date()
	default:
		t, err := time.Parse(time.DateOnly, day)
		if err != nil {
			return t, errWhen
		}
		y, m, d = t.Date()
	}
	at, err := time.Time{}, error(nil)
	if clock != "" || both {
		if at, err = time.Parse("15:04:05", clock); err != nil {
			at, err = time.Parse("15:04", clock)
		}
	}
	if err != nil {
		return at, errWhen
	}
	return inStore(time.Date(y, m, d, at.Hour(), at.Minute(), at.Second(), 0, now.Location()))
}

var errWhen = badRequest("it is not a time; write 08:00, today, yesterday 08:00, 2026-01-31, 2026-01-31 08:00 or 2026-01-31T08:00:00Z, or 2h or 7d for that long ago")

// readAgo reads how long ago something was: a duration, or days.
func readAgo(s string) (time.Duration, bool) {
	ago, err := time.ParseDuration(s)
	if days, isDays := strings.CutSuffix(s, "d"); isDays {
		if ago, err = time.ParseDuration(days + "h"); err == nil {
			if ago > longestAgo/24 {
				return 0, false
			}
			ago *= 24
		}
	}
	return ago, err == nil && ago >= 0 && ago <= longestAgo
}

const longestAgo = 100 * 365 * 24 * time.Hour

// inStore refuses times that nanoseconds since 1970 cannot tell.
func inStore(t time.Time) (time.Time, error) {
	if t.Year() < 1970 || t.Year() > 2261 {
		return time.Time{}, errWhen
	}
	return t, nil
}
