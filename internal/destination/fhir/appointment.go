package fhir

import (
	"slices"
	"strings"
	"time"
)

// appointment is nil when the caller named no time.
func (v *view) appointment(subject *reference, service string) *appointment {
	var wanted []string
	for _, name := range v.d.cfg.TimeParams {
		if s := v.text(name); s != "" && !slices.Contains(wanted, s) {
			wanted = append(wanted, s)
		}
	}
	if len(wanted) == 0 {
		return nil
	}
	a := &appointment{
		ResourceType: "Appointment", Status: "proposed", Description: service, Created: v.ended(),
		Participant: []participant{{Actor: subject, Status: "needs-action"}},
	}
	if subject == nil {
		// Invariant app-1: a participant has a type or an actor.
		a.Participant[0].Type = []concept{{Text: "patient"}}
	}
	start, wanted := v.start(wanted)
	if start != "" {
		a.RequestedPeriod = []period{{Start: start}}
		if len(start) == len(time.DateOnly) {
			a.RequestedPeriod[0].End = start // any time on that day
		}
	}
	if len(wanted) > 0 {
		a.Comment = "Wanted: " + strings.Join(wanted, ", ")
	}
	return a
}

// start is the time that the caller's words name, and those of them that say more. Agents ask for the day and the hour as
// often as for both at once: these are put together, and where that cannot be done the day is what is known.
func (v *view) start(wanted []string) (start string, rest []string) {
	without := func(i int) []string { return slices.Delete(slices.Clone(wanted), i, i+1) }
	day := -1
	for i, s := range wanted {
		switch t := v.when(s); {
		case len(t) > len(time.DateOnly):
			return t, slices.DeleteFunc(without(i), func(s string) bool { return strings.HasPrefix(t, s) })
		case t != "" && day < 0:
			day = i
		}
	}
	if day < 0 {
		return "", wanted
	}
	date, rest := v.when(wanted[day]), without(day)
	for i, s := range rest {
		for _, layout := range []string{"15:04", "15:04:05", "3:04 PM", "3:04PM", "3 PM", "3PM"} {
			hour, err := time.Parse(layout, strings.ToUpper(s))
			if err != nil {
				continue
			}
			if t := v.when(date + "T" + hour.Format(time.TimeOnly)); t != "" {
				return t, slices.Delete(rest, i, i+1)
			}
		}
	}
	return date, rest
}

// when reads a time as FHIR writes it; empty for one that has to stay a text.
func (v *view) when(s string) string {
	if t, err := time.Parse(time.RFC3339, s); err == nil && t.Year() > 0 {
		if _, offset := t.Zone(); offset > 14*3600 || offset < -14*3600 {
			t = t.UTC() // R4 knows no zone further away
		}
		return t.Format(time.RFC3339)
	}
	if t, err := time.Parse(time.DateOnly, s); err == nil && t.Year() > 0 {
		return t.Format(time.DateOnly)
	}
	if v.d.cfg.Location == nil {
		return ""
	}
	for _, layout := range []string{"2006-01-02T15:04:05", "2006-01-02T15:04", "2006-01-02 15:04:05", "2006-01-02 15:04"} {
		if t, err := time.ParseInLocation(layout, s, v.d.cfg.Location); err == nil {
			return t.Format(time.RFC3339)
		}
	}
	return ""
}
