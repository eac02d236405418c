package hubspot

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/callgate/callgate/internal/destination"
	"github.com/callgate/callgate/internal/outbound"
)

// Waits where HubSpot does not say how long (usage guidelines, error handling).
const (
	waitSecond   = time.Second
	waitRolling  = 10 * time.Second
	waitLocked   = 2 * time.Second
	waitDaily    = 4 * time.Hour // without the account's time zone
	waitAfterDay = time.Minute   // clocks differ
)

const categoryRate = "RATE_LIMITS"

// judge turns the answer to a whole request, or the error in place of one, into a result.
func (d *Destination) judge(a *outbound.Answer, err error) destination.Result {
	now := d.conf.Now()
	res := outbound.ResultFrom(a, err, now)
	if err != nil || res.Outcome == destination.Delivered {
		return res
	}
	f := parseFailure(a.Body)
	switch {
	case a.Status == http.StatusTooManyRequests || f.Category == categoryRate:
		// HubSpot has been seen to answer 500 with the category of a rate limit.
		res.Outcome, res.Unhealthy, res.Pause = destination.Retry, false, false
		res.RetryAfter, res.Reason, res.Spent = d.limited(a, &f, now)
	case a.Status == http.StatusLocked:
		res.RetryAfter = max(res.RetryAfter, waitLocked)
	case a.Status == outbound.StatusMigration:
		res.Spent, res.Reason = true, "477: HubSpot is moving the account; it goes on by itself"
	case a.Status == http.StatusUnauthorized:
		res.Reason = "401: HubSpot refuses the token; make a new one (private app) or authorise the app again (OAuth), then resume the destination" + f.trailer()
	case a.Status == http.StatusForbidden:
		res.Outcome, res.Pause = destination.Retry, true
		if s := f.scopes(); len(s) > 0 {
			res.Reason = "403: the token lacks scope " + strings.Join(s, ", ") + "; add it to the app in HubSpot, then resume the destination" + f.trailer()
		} else {
			res.Reason = "403: HubSpot does not allow this to the token; check the app's scopes, then resume the destination" + f.trailer()
		}
	case a.Status >= 400 && a.Status < 500:
		res.Reason = strconv.Itoa(a.Status) + " " + f.reason()
	}
	return res
}

// unreadable is the result of a success that is not HubSpot's, such as the page of a proxy, or was cut: what became of the
// request is not known, and repeating it changes nothing that is written already.
func unreadable(status int) destination.Result {
	return destination.Result{Status: status, Unhealthy: true, Reason: strconv.Itoa(status) +
		" without HubSpot's answer: the outcome is unknown, another attempt follows; check the base URL, and that no proxy stands between"}
}

// limited is the time to wait for a rate limit, and the reason. spent tells the limit of a day from the shorter ones.
func (d *Destination) limited(a *outbound.Answer, f *failure, now time.Time) (wait time.Duration, reason string, spent bool) {
	asked := outbound.RetryAfter(a.Header, now)
	policy := strings.ToUpper(string(f.PolicyName))
	message := strings.ToLower(string(f.Message))
	switch {
	case strings.Contains(policy, "DAILY") || policy == "" && strings.Contains(message, "daily"):
		return max(asked, d.untilMidnight(now)), "429: HubSpot's daily limit is used up; it starts anew at midnight in the account's time zone (set time_zone to wait exactly until then)", true
	case strings.HasPrefix(policy, "TEN"), strings.Contains(message, "ten_secondly"):
	case policy == "SECONDLY" || strings.Contains(message, "secondly"):
		return max(asked, waitSecond), "429: HubSpot's limit for one second; set a lower rate if this goes on", false
	}
	if asked == 0 {
		asked = waitRolling
		if ms, err := strconv.Atoi(a.Header.Get("X-HubSpot-RateLimit-Interval-Milliseconds")); err == nil && ms > 0 && ms <= 600_000 {
			asked = time.Duration(ms) * time.Millisecond
		}
	}
	return asked, "429: HubSpot's limit for ten seconds; set a lower rate if this goes on", false
}

func (d *Destination) untilMidnight(now time.Time) time.Duration {
	if d.conf.TimeZone == nil {
		return waitDaily
	}
	y, m, day := now.In(d.conf.TimeZone).Date()
	return time.Date(y, m, day+1, 0, 0, 0, 0, d.conf.TimeZone).Sub(now) + waitAfterDay
}

// row judges the failure of one row of a batch.
func (f *failure) row() destination.Result {
	if f.Category == categoryRate {
		return destination.Result{RetryAfter: waitSecond, Reason: "HubSpot limited the rate within the batch"}
	}
	switch {
	case strings.Contains(string(f.Category), "INTERNAL"), strings.Contains(string(f.Category), "TIMEOUT"):
		return destination.Result{Reason: "HubSpot failed at this record: " + f.reason()}
	}
	return destination.Result{Outcome: destination.Dead, Status: http.StatusBadRequest, Reason: f.reason()}
}

// reason is the failure in words, without its message, which quotes values of the call.
func (f *failure) reason() string {
	what := "the request"
	if c := plain(string(f.Category)); c != "" {
		what = c
	}
	if inv := f.invalid(); len(inv) > 0 {
		var list []string
		for _, n := range slices.Sorted(maps.Keys(inv)) {
			if n, code := plain(n), plain(inv[n]); n != "" && len(list) < 10 {
				list = append(list, fmt.Sprintf("property %s: %s", n, code))
			}
		}
		what += " (" + strings.Join(list, ", ") + ")"
	}
	return "HubSpot does not accept " + what + "; compare a preview with the account's properties" + f.trailer()
}

// trailer names the request for HubSpot's support.
func (f *failure) trailer() string {
	if id := plain(string(f.CorrelationID)); id != "" {
		return " (correlation id " + id + ")"
	}
	return ""
}

// plain is s if it is one short word that can be shown, such as a code or an id, and empty otherwise.
func plain(s string) string {
	if len(s) > 100 {
		return ""
	}
	for _, c := range []byte(s) {
		if !(c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '_' || c == '-' || c == '.') {
			return ""
		}
	}
	return s
}
