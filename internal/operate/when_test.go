package operate

import (
	"errors"
	"strings"
	"testing"
	"time"
)

func TestTimesAreReadAsPeopleWriteThem(t *testing.T) {
	berlin, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Skip("this machine has no time zones")
	}
	now := time.Date(2026, 3, 29, 12, 0, 0, 0, berlin) // the clocks were put forward at 02:00
	for text, want := range map[string]string{
		"08:00": "2026-03-29T08:00:00+02:00", "8:00": "2026-03-29T08:00:00+02:00", "08:00:30": "2026-03-29T08:00:30+02:00",
		"today": "2026-03-29T00:00:00+01:00", "today 13:30": "2026-03-29T13:30:00+02:00",
		"yesterday": "2026-03-28T00:00:00+01:00", "yesterday  08:00": "2026-03-28T08:00:00+01:00",
		"2026-11-28": "2026-11-28T00:00:00+01:00", "2026-11-28 08:00": "2026-11-28T08:00:00+01:00", "2026-07-01 08:00:30": "2026-07-01T08:00:30+02:00",
		"2026-01-31T12:00:00Z": "2026-01-31T12:00:00Z", "2026-01-31T12:00:00.5+05:30": "2026-01-31T12:00:00+05:30",
		"2026-01-31 12:00:00Z": "2026-01-31T12:00:00Z", "2026-01-31 12:00:00+05:30": "2026-01-31T12:00:00+05:30",
		"now": "2026-03-29T12:00:00+02:00", "2h": "2026-03-29T10:00:00+02:00", "90m": "2026-03-29T10:30:00+02:00",
		"2h ago": "2026-03-29T10:00:00+02:00", "7d": "2026-03-22T11:00:00+01:00", "1.5d": "2026-03-27T23:00:00+01:00",
		"": "", "-2h": "", "2": "", "d": "", "tomorrow": "", "9999999d": "", "1e300d": "", "NaNd": "", "25:00": "", "08:00 today": "",
		"2026-02-30": "", "2026-01-31 ": "2026-01-31T00:00:00+01:00", "today x": "", "0001-01-01": "", "9999-01-01": "",
		"01/31/2026": "", "1969-12-31T23:00:00Z": "",
	} {
		at, err := When(text, now)
		got := at.Format(time.RFC3339)
		if err != nil {
			got = ""
		}
		if got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
		if err != nil && (!errors.Is(err, ErrBadRequest) || !strings.Contains(err.Error(), "yesterday 08:00")) {
			t.Errorf("%q: %v", text, err)
		}
	}
}

// FuzzWhen: a time is refused or one that the store can keep.
func FuzzWhen(f *testing.F) {
	for _, s := range []string{"2h", "7d", "2026-01-31", "2026-01-31T12:00:00Z", "-1d", "1e9d", "NaNd", "yesterday 08:00", "24:00"} {
		f.Add(s)
	}
	now := time.Date(2026, 1, 31, 12, 0, 0, 0, time.FixedZone("", 3600))
	f.Fuzz(func(t *testing.T, s string) {
		at, err := When(s, now)
		if err == nil && (at.IsZero() || !time.Unix(0, at.UnixNano()).Equal(at)) {
			t.Fatalf("%q became %s", s, at)
		}
	})
}
