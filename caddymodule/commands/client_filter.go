package commands

import (
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/callgate/callgate/internal/operate"
)

// filter is what the flags of a command select.
type filter struct{ operate.Filter }

// flags defines a flag for each member; states says what --state can be.
func (f *filter) flags(cmd *cobra.Command, states string) {
	f.where(cmd)
	fl := cmd.Flags()
	fl.StringVarP(&f.State, "state", "s", "", "state of the delivery: "+states)
	fl.StringVar(&f.Reason, "reason", "", "a part of the reason why the last attempt failed")
	fl.StringVar(&f.Delivery, "delivery", "", "id of a delivery")
	fl.StringVar(&f.Caller, "caller", "", "the caller's number with its country, such as +15551234567")
	fl.StringVar(&f.From, "from", "", "received at this time or later: 2026-01-31T12:00:00Z, 2026-01-31, or 2h for two hours ago")
	fl.StringVar(&f.To, "to", "", "received before this time")
}

// where defines the flags for what does not change in an event's life.
func (f *filter) where(cmd *cobra.Command) {
	fl := cmd.Flags()
	fl.StringVarP(&f.Destination, "destination", "d", "", "destination")
	fl.StringVarP(&f.Tenant, "tenant", "t", "", "tenant")
	fl.StringVar(&f.Source, "source", "", "source")
	fl.StringVar(&f.EventType, "event-type", "", "the provider's type of the event, such as call_ended")
	fl.StringVar(&f.Event, "event", "", "id of an event")
	fl.StringVar(&f.CallID, "call-id", "", "the provider's id of the call")
}

// settle makes times of how long ago they were.
func (f *filter) settle(now time.Time) (err error) {
	if f.From, err = when("from", f.From, now); err != nil {
		return err
	}
	f.To, err = when("to", f.To, now)
	return err
}

func when(flag, s string, now time.Time) (string, error) {
	if s == "" {
		return "", nil
	}
	for _, layout := range []string{time.RFC3339, time.DateOnly} {
		if _, err := time.Parse(layout, s); err == nil {
			return s, nil
		}
	}
	ago, err := time.ParseDuration(strings.TrimSuffix(s, " ago"))
	if days, isDays := strings.CutSuffix(s, "d"); isDays {
		if ago, err = time.ParseDuration(days + "h"); err == nil {
			ago *= 24
		}
	}
	at := now.Add(-ago)
	if err != nil || ago < 0 || ago > 100*365*24*time.Hour {
		return "", fmt.Errorf("--%s %q is not a time; write 2026-01-31T12:00:00Z, 2026-01-31, or 2h or 7d for that long ago", flag, s)
	}
	return at.UTC().Format(time.RFC3339), nil
}

// query is the filter in a URL. It must not hold a caller's number, because URLs are logged.
func (f *filter) query() url.Values {
	q := make(url.Values)
	for _, name := range operate.TailMembers {
		if v := *f.Parameter(name); v != "" {
			q.Set(name, v)
		}
	}
	return q
}
