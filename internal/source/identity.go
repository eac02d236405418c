package source

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"
	"unicode/utf8"

	"github.com/callgate/callgate/internal/jsonscan"
)

// maxID is how long an id may be, and maxType the name of an event, in bytes. Both end up in headers, logs and keys.
const (
	maxID   = 256
	maxType = 128
)

// bounded is the identity with texts that are safe to print and to keep: an id that is too long or not printable is
// replaced with its SHA-256, which tells events apart as well, and such a name of an event counts as missing.
func (id Identity) bounded() Identity {
	if len(id.EventType) > maxType || !printable(id.EventType) {
		id.EventType = ""
	}
	id.EventID, id.CallID = boundedID(id.EventID), boundedID(id.CallID)
	return id
}

func boundedID(s string) string {
	if len(s) <= maxID && printable(s) {
		return s
	}
	sum := sha256.Sum256([]byte(s))
	return "sha256:" + hex.EncodeToString(sum[:])
}

// printable reports whether the text has no control characters and is UTF-8.
func printable(s string) bool {
	for i := range len(s) {
		if s[i] < ' ' || s[i] == 0x7f {
			return false
		}
	}
	return utf8.ValidString(s)
}

// eventID joins what together tells one event from another, with colons; empty if any of it is missing, because half
// an id would make two events one.
func eventID(parts ...string) string {
	for _, p := range parts {
		if p == "" {
			return ""
		}
	}
	return strings.Join(parts, ":")
}

// The names under which a body that follows no provider's rules carries its identity.
var (
	eventIDNames   = []string{"event_id", "eventId", "EventId", "delivery_id", "webhook_id", "idempotency_key", "idempotencyKey"}
	eventTypeNames = []string{"event_type", "eventType", "event"}
	callIDNames    = []string{"call_id", "callId", "CallId", "call_sid", "CallSid", "call_uuid"}
)

// firstOf is the text of the first of the members that has any.
func firstOf(v jsonscan.Value, names []string) string {
	for _, n := range names {
		if s := text(v.Get(n)); s != "" {
			return s
		}
	}
	return ""
}
