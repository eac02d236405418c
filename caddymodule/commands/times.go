package commands

import (
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"
)

// display is how a command shows things to people.
type display struct {
	utc, wide bool
	now       func() time.Time
}

func (d *display) add(cmd *cobra.Command) {
	fl := cmd.Flags()
	fl.BoolVar(&d.utc, "utc", false, "show times in UTC and not in this machine's zone")
	fl.BoolVar(&d.wide, "wide", false, "show tables with all columns in full, however wide the screen is")
	d.now = time.Now
}

// table begins a table that fits where it is printed.
func (d *display) table(out io.Writer, columns ...column) *table {
	return newTable(out, d.width(out), columns...)
}

// width is that of where it is printed; 0 for no bound.
func (d *display) width(out io.Writer) int {
	if d.wide {
		return 0
	}
	return screenWidth(out)
}

// stamp is a time with its zone, as --from and --to understand it too.
func (d *display) stamp(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	if d.utc {
		t = t.UTC()
	} else {
		t = t.Local()
	}
	return t.Format("2006-01-02 15:04:05Z07:00")
}

// span is how long it is between two times, in few characters.
func span(from, to time.Time) string {
	d := max(0, to.Sub(from))
	switch {
	case d < time.Minute:
		return d.Truncate(time.Second).String()
	case d < 24*time.Hour:
		s := d.Truncate(time.Minute).String()
		return s[:len(s)-len("0s")]
	}
	return fmt.Sprintf("%dd%dh", d/(24*time.Hour), d%(24*time.Hour)/time.Hour)
}
