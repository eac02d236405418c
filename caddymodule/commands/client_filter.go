package commands

import (
	"errors"
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
	fl.Var((*by)(&f.Filter), "by", "a field that a find_by line names, and its value, such as patient_id=PT-10023")
	fl.StringVar(&f.From, "from", "", "received at this time or later: 08:00, today, yesterday 08:00, 2026-01-31, \"2026-01-31 08:00\", 2h or 7d for that long ago, or with its zone as in 2026-01-31T08:00:00Z")
	fl.StringVar(&f.To, "to", "", "received before this time")
	fl.StringVar(&f.FailedSince, "failed-since", "", "an attempt failed at this time or later")
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

// by is the flag of a field with its value.
type by operate.Filter

func (b *by) String() string { return b.Field }
func (b *by) Type() string   { return "field=value" }

func (b *by) Set(s string) error {
	var ok bool
	if b.Field, b.Value, ok = strings.Cut(s, "="); !ok || b.Field == "" || b.Value == "" {
		return errors.New("write a field and its value, such as patient_id=PT-10023")
	}
	return nil
}

// settle makes exact times of those that people write.
func (f *filter) settle(now time.Time) error {
	for flag, at := range map[string]*string{"from": &f.From, "to": &f.To, "failed-since": &f.FailedSince} {
		if *at == "" {
			continue
		}
		t, err := operate.When(*at, now)
		if err != nil {
			return fmt.Errorf("--%s %q: %w", flag, *at, err)
		}
		*at = t.Format(time.RFC3339Nano)
	}
	return nil
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
