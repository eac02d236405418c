package commands

import (
	"testing"
	"time"

	"github.com/callgate/callgate/internal/audit"
)

// TestRecordsAreShownInThisMachinesZone, as all other times are, or in UTC where that is asked for.
func TestRecordsAreShownInThisMachinesZone(t *testing.T) {
	before := time.Local
	time.Local = time.FixedZone("CET", 3600)
	defer func() { time.Local = before }()
	l := &audit.Leaf{Seq: 3, At: time.Date(2026, 1, 31, 23, 30, 0, 0, time.UTC), Kind: "start", Outcome: "clean"}
	for utc, want := range map[bool]string{true: "3 2026-01-31T23:30:00Z start outcome=clean", false: "3 2026-02-01T00:30:00+01:00 start outcome=clean"} {
		if got := recordText(l, utc); got != want {
			t.Errorf("utc %t: %s, want %s", utc, got, want)
		}
	}
}
