package outbound

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/callgate/callgate/internal/destination"
)

// MaxExcerpt is how many bytes of an answer ResultFrom keeps.
const MaxExcerpt = 2048

// maxRetryAfter bounds what RetryAfter returns; HubSpot's 477 asks for up to a day.
const maxRetryAfter = 7 * 24 * time.Hour

// StatusMigration is HubSpot's "migration in progress".
const StatusMigration = 477

// Classify says what an answer's status means for a delivery, where the receiving system documents nothing else:
// 2xx is delivered. 408, 423, 425, 429, 477 and 5xx are worth another attempt. So are those that say that the road is
// wrong and nothing of the call: 401 and 407 (the credentials) and 410 (gone), for which ResultFrom asks for a pause;
// 3xx, since redirects are not followed, and 402, 403, 404, 405, 421, 426 and 451, which are astray. All others are dead:
// what is left of 4xx is about this call. Statuses below 200 and above 599 are not HTTP's and worth another attempt.
func Classify(status int) destination.Outcome {
	switch {
	case status < 200 || status >= 500 || astray(status):
		return destination.Retry
	case status < 300:
		return destination.Delivered
	}
	switch status {
	case http.StatusUnauthorized, http.StatusProxyAuthRequired, http.StatusRequestTimeout, http.StatusLocked,
		http.StatusTooEarly, http.StatusTooManyRequests, http.StatusGone, StatusMigration:
		return destination.Retry
	}
	return destination.Dead
}

// astray reports whether a status says that requests do not come to what they are meant for, or not as they should.
func astray(status int) bool {
	switch status {
	case http.StatusPaymentRequired, http.StatusForbidden, http.StatusNotFound, http.StatusMethodNotAllowed,
		http.StatusMisdirectedRequest, http.StatusUpgradeRequired, http.StatusUnavailableForLegalReasons,
		http.StatusNotImplemented, http.StatusNetworkAuthenticationRequired:
		return true
	}
	return status >= 300 && status < 400
}

// RetryAfter is how long the Retry-After header asks to wait, at now: its seconds, or the time until its date
// (RFC 9110, section 10.2.3). It is 0 when there is no such header, or none that can be read, or the date has passed;
// and never more than a week. Fractions of a second, which some receivers send, are rounded up.
func RetryAfter(h http.Header, now time.Time) time.Duration {
	v := strings.TrimSpace(h.Get("Retry-After"))
	if v == "" {
		return 0
	}
	if v[0] >= '0' && v[0] <= '9' {
		whole, frac, _ := strings.Cut(v, ".")
		for _, part := range [...]string{whole, frac} {
			if strings.Trim(part, "0123456789") != "" {
				return 0
			}
		}
		n, err := strconv.ParseInt(whole, 10, 64)
		if err != nil || n >= int64(maxRetryAfter/time.Second) {
			return maxRetryAfter // too long for a number is long
		}
		if strings.Trim(frac, "0") != "" {
			n++
		}
		return time.Duration(n) * time.Second
	}
	at, err := http.ParseTime(v)
	if err != nil {
		return 0
	}
	return max(0, min(at.Sub(now), maxRetryAfter))
}

// ResultFrom turns an answer, or the error of Do or Send in place of one, into a Result for one item by Classify:
// with the time to wait, the reason, and whether the destination should pause, is astray or counts as unhealthy. now is the time
// of the answer. Destinations that can read more from the body fill in or override what they know better.
func ResultFrom(a *Answer, err error, now time.Time) destination.Result {
	if err != nil {
		return failed(err)
	}
	r := destination.Result{
		Outcome: Classify(a.Status),
		Status:  a.Status,
		Excerpt: excerpt(a.Body),
	}
	if r.Outcome == destination.Delivered {
		return r
	}
	r.Reason = reason(a)
	r.Pause = a.Status == http.StatusGone || a.Status == http.StatusUnauthorized || a.Status == http.StatusProxyAuthRequired
	r.Astray = astray(a.Status)
	r.Unhealthy = (a.Status >= 500 || a.Status < 200) && !r.Astray
	if r.Outcome == destination.Retry {
		r.RetryAfter = RetryAfter(a.Header, now)
	}
	return r
}

func failed(err error) destination.Result {
	var network *Error
	var token *TokenError
	switch {
	case errors.As(err, &token):
		r := destination.Result{Unhealthy: !token.Refused}
		if errors.As(token.cause, &network) {
			r = unanswered(network)
		}
		r.Status, r.Reason, r.Pause, r.Unsent = token.Status, token.Error(), token.Refused, true
		return r
	case errors.As(err, &network):
		return unanswered(network)
	default:
		// Nothing was sent, and why is our own affair: such errors come from building the request.
		return destination.Result{Reason: err.Error()}
	}
}

// unanswered is the result of a request without an answer, by what kept it from one.
func unanswered(e *Error) destination.Result {
	r := destination.Result{Reason: e.Error(), Unsent: true}
	switch e.Kind {
	case Stopped:
	case Own:
		r.Own = true
	case DNS, TLS, Forbidden, Barred:
		r.Astray = true
	case ProxyLogin:
		r.Pause = true
	default:
		r.Unhealthy, r.Unsent = true, e.Kind == Refused
	}
	return r
}

func reason(a *Answer) string {
	s := a.Status
	switch {
	case s == http.StatusUnauthorized:
		return unauthorized(a)
	case s == http.StatusProxyAuthRequired:
		return proxyLogin(a.Header.Values("Proxy-Authenticate"))
	case s == http.StatusForbidden:
		return "403: the receiver does not allow this; check permissions, scopes, address lists and signing"
	case s == http.StatusNotFound:
		return "404: there is nothing at the URL; check its path"
	case s == http.StatusGone:
		return "410: the receiver says that this webhook is gone; set the new URL, then resume the destination"
	case s == http.StatusRequestEntityTooLarge:
		return "413: too large for the receiver; leave fields such as the transcript out"
	case s == http.StatusTooManyRequests:
		return "429: the receiver limits our rate; set a lower rate for this destination if this goes on"
	case s >= 300 && s < 400:
		text := fmt.Sprintf("%d: redirects are not followed; set the final URL", s)
		if u, err := url.Parse(a.Header.Get("Location")); err == nil && u.Host != "" && len(u.Host) < 100 {
			text += " (" + u.Scheme + "://" + u.Host + "…)"
		}
		return text
	case astray(s):
		return fmt.Sprintf("%d %s: this is not what takes calls; check URL, method and account", s, http.StatusText(s))
	case s >= 500:
		return fmt.Sprintf("%d: the receiver failed", s)
	case Classify(s) == destination.Retry:
		return fmt.Sprintf("%d %s: the receiver asks for another attempt", s, http.StatusText(s))
	default:
		return fmt.Sprintf("%d %s: the receiver does not accept the request as it is; compare it with a preview", s, http.StatusText(s))
	}
}
