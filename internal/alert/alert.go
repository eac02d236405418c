// Package alert watches how deliveries go and tells somebody when they go badly, by the thresholds of the setup guide:
// a dead letter, a success rate below 95 %, a receiver that takes longer than 5 s, and retries that spike.
//
// An alert goes straight to its URL and never through the delivery engine, so that a failing alert cannot cause
// another one. It names destinations and numbers and holds nothing of any call.
package alert

import (
	"fmt"
	"net/url"
	"strconv"
	"time"
)

// Kind says what an alert is about.
type Kind string

// The kinds, with the unit of their value and threshold.
const (
	// DeadLetter: deliveries that were given up since the last such alert. Deliveries; the threshold is 1.
	DeadLetter Kind = "dead_letter"
	// Failing: deliveries that failed five times since the last such alert, and are tried on for as long as their
	// schedule goes. Deliveries; the threshold is 1.
	Failing Kind = "failing"
	// SuccessRate: attempts that delivered, of all within the window. Per cent.
	SuccessRate Kind = "success_rate"
	// Latency: the mean time of the attempts within the window. Seconds.
	Latency Kind = "latency"
	// Retries: the share of attempts that are not the first, as a multiple of that share in the twelve windows
	// before. Times.
	Retries Kind = "retries"
	// BreakerOpen: the destination failed so often that it is left alone. Openings since the last such alert.
	BreakerOpen Kind = "breaker_open"
	// Paused: the destination paused itself, because it is gone or refuses the credentials, or was paused. The value
	// is 1.
	Paused Kind = "paused"
)

// State says whether an alert begins or ends.
type State string

// The states. A dead letter never resolves, nor does a delivery that fails: somebody has to look at it.
const (
	Firing   State = "firing"
	Resolved State = "resolved"
)

// Alert is what is posted, as JSON.
type Alert struct {
	Alert       Kind   `json:"alert"`
	State       State  `json:"state"`
	Destination string `json:"destination"`
	// Value and Threshold are in the unit of the kind.
	Value     float64 `json:"value"`
	Threshold float64 `json:"threshold"`
	// Window is the time that the value was taken over, as in "5m0s"; empty for kinds that have none.
	Window string    `json:"window,omitempty"`
	At     time.Time `json:"at"`
	// Text says all of it in a sentence. Slack and those who copied its webhooks show it.
	Text string `json:"text"`
}

// Settings are the thresholds. A threshold that is zero is not watched.
type Settings struct {
	// URL is where alerts are posted; empty: only Options.Notify is told.
	URL string
	// DeadLetter, BreakerOpen and Paused watch for these; DeadLetter also for Failing, which comes before it.
	DeadLetter, BreakerOpen, Paused bool
	// SuccessRate is the per cent of attempts below which there is an alert. The guide's is 95.
	SuccessRate float64
	// Latency is the mean time of an attempt above which there is an alert. The guide's is 5 s.
	Latency time.Duration
	// Retries is how many times as many retries as before are a spike; at least 1.
	Retries float64
	// Window is what rates and means are taken over. Default 5 min.
	Window time.Duration
	// MinAttempts is how many attempts a window needs to mean anything. Default 20.
	MinAttempts int
	// Cooldown is the least time between two alerts of one kind for one destination. An alert that still holds
	// after it is repeated. Default 15 min.
	Cooldown time.Duration
	// MaxDestinations bounds the memory: about 6 KiB each. Default 1000; the one unheard of longest makes room.
	MaxDestinations int
}

// WithDefaults fills the fields that have defaults. Thresholds have none.
func (s Settings) WithDefaults() Settings {
	if s.Window == 0 {
		s.Window = 5 * time.Minute
	}
	if s.MinAttempts == 0 {
		s.MinAttempts = 20
	}
	if s.Cooldown == 0 {
		s.Cooldown = 15 * time.Minute
	}
	if s.MaxDestinations == 0 {
		s.MaxDestinations = 1000
	}
	return s
}

// Validate reports what is wrong with the settings.
func (s Settings) Validate() error {
	if s.URL != "" {
		// The parser's error would quote the URL, which may hold a token.
		u, err := url.Parse(s.URL)
		if err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" {
			return fmt.Errorf("the alert URL is not an http or https URL: check where it comes from")
		}
	}
	switch {
	case s.SuccessRate < 0 || s.SuccessRate > 100:
		return fmt.Errorf("a success rate of %v is not a percentage: give 0 to 100", s.SuccessRate)
	case s.Latency < 0, s.Cooldown < 0, s.MinAttempts < 0, s.MaxDestinations < 0:
		return fmt.Errorf("latency, cool-down, attempts and destinations must not be negative")
	case s.Retries != 0 && s.Retries < 1:
		return fmt.Errorf("retries of %v times are no spike: give 1 or more, such as 3", s.Retries)
	case s.Window != 0 && s.Window < 10*time.Second:
		return fmt.Errorf("a window of %s is too short for a rate: give 10 s or more", s.Window)
	}
	return nil
}

// sentence is the text of an alert.
func sentence(a *Alert) string {
	value := strconv.FormatFloat(a.Value, 'f', -1, 64)
	threshold := strconv.FormatFloat(a.Threshold, 'f', -1, 64)
	if a.State == Resolved {
		switch a.Alert {
		case BreakerOpen:
			return fmt.Sprintf("%s: recovered; deliveries go on.", a.Destination)
		case Paused:
			return fmt.Sprintf("%s: resumed.", a.Destination)
		default:
			return fmt.Sprintf("%s: %s is back to normal.", a.Destination, a.Alert)
		}
	}
	switch a.Alert {
	case DeadLetter:
		return fmt.Sprintf("%s: %s delivered to nobody. Look at the dead letters and replay them.", a.Destination, count(a.Value, "call was", "calls were"))
	case Failing:
		return fmt.Sprintf("%s: %s failed five times and will be tried on. Look at the receiver before they are given up.", a.Destination, count(a.Value, "call has", "calls have"))
	case SuccessRate:
		return fmt.Sprintf("%s: only %s %% of attempts succeeded in %s (threshold %s %%).", a.Destination, value, a.Window, threshold)
	case Latency:
		return fmt.Sprintf("%s: answers take %s s on average over %s (threshold %s s).", a.Destination, value, a.Window, threshold)
	case Retries:
		return fmt.Sprintf("%s: %s times as many retries as usual in %s (threshold %s).", a.Destination, value, a.Window, threshold)
	case BreakerOpen:
		return fmt.Sprintf("%s: failing, so deliveries wait until it recovers.", a.Destination)
	default:
		return fmt.Sprintf("%s: paused; deliveries wait until it is resumed.", a.Destination)
	}
}

func count(n float64, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return strconv.FormatFloat(n, 'f', -1, 64) + " " + many
}
