package outbound

import (
	"net/http"
	"strconv"

	"github.com/callgate/callgate/internal/destination"
)

// UserAgent is how the gateway's requests name it.
const UserAgent = "Callgate"

// AttemptHeader carries the number of the attempt, from 1.
const AttemptHeader = "Callgate-Attempt"

// StampHeaders sets what every request of a delivery carries: webhook-id (Standard Webhooks) and Idempotency-Key (IETF
// draft) with the delivery's id, by which the receiver recognises a repetition; the attempt's number; traceparent (W3C
// Trace Context) where the event came with one; User-Agent. An Idempotency-Key or User-Agent that is set already
// stays, since the receiver's documents may want their own.
//
// A delivery that takes several requests stamps the one that writes; a receiver that knows Idempotency-Key would take
// the others for repetitions of it.
func StampHeaders(h http.Header, item destination.Item) {
	values := make([]string, 0, 5) // which all lie together
	set := func(name, value string) {
		values = append(values, value)
		h[name] = values[len(values)-1 : len(values) : len(values)]
	}
	if item.DeliveryID != "" {
		set("Webhook-Id", item.DeliveryID)
		if h.Get("Idempotency-Key") == "" {
			set("Idempotency-Key", item.DeliveryID)
		}
	}
	if item.Attempt > 0 {
		set(AttemptHeader, strconv.Itoa(item.Attempt))
	}
	if validTraceparent(item.Traceparent) {
		set("Traceparent", item.Traceparent)
	}
	if h.Get("User-Agent") == "" {
		set("User-Agent", UserAgent)
	}
}

// validTraceparent reports whether the text has the form version-traceid-parentid-flags in lower-case hex, perhaps
// followed by what a later version adds. The sender wrote it: anything else is not passed on.
func validTraceparent(s string) bool {
	if len(s) < 55 || len(s) > 128 || len(s) > 55 && (s[55] != '-' || s[:2] == "00") {
		return false
	}
	for i := range len(s) {
		c := s[i]
		dash := i == 2 || i == 35 || i == 52 || i == 55
		if dash != (c == '-') && i <= 55 || !(c >= '0' && c <= '9' || c >= 'a' && c <= 'f' || c == '-') {
			return false
		}
	}
	return s[:2] != "ff" && s[3:35] != "00000000000000000000000000000000" && s[36:52] != "0000000000000000"
}
