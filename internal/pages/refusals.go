package pages

import (
	"fmt"
	"strings"

	"github.com/callgate/callgate/internal/operate"
)

// refusalWords says for each code with which requests are refused what was the matter with them, behind a number.
var refusalWords = map[string]string{
	"signature_missing": "not signed", "signature_invalid": "signed with another secret, or changed on the way",
	"timestamp_out_of_tolerance": "signed too long ago, or by a clock that is wrong", "unknown_tenant": "for a tenant that there is not",
	"tenant_faulty": "for a tenant with a mistake in its settings", "method_not_allowed": "with a method that the sender does not use",
	"too_large": "too large", "malformed": "not readable", "field_missing": "without a required field", "rate_limited": "over the tenant's rate",
	"address_limited": "over the rate of an address", "address_refused": "from an address that is not let in",
	"in_flight": "copies of one that was still under way", "event_id_reused": "with the id of another event",
	"breaker_open": "while the receiver did not answer", "sign_failed": "not to be signed anew", "convert_failed": "not to be converted",
	"store_unavailable": "while the store was away", "store_full": "while the store was full", "body_too_slow": "sent too slowly",
	"overloaded": "while too much came at once",
}

// refusalWord says what was the matter, also of a code that is not known here.
func refusalWord(code string) string {
	if w := refusalWords[code]; w != "" {
		return w
	}
	return strings.ReplaceAll(plain(code), "_", " ")
}

// refusedLine says how many requests were refused, and why; empty for none.
func refusedLine(list []operate.RefusalCount) string {
	var all int64
	var parts []string
	for _, r := range list {
		all += r.Count
		parts = append(parts, count(r.Count)+" "+refusalWord(r.Code))
	}
	if len(list) == 0 {
		return ""
	}
	return plural(int(all), "request") + " refused: " + strings.Join(parts, ", ") + "."
}

// sender is the mark of a need that is of a tenant's sender, and where somebody sees how that is set up.
func (q *request) sender(n *operate.Need, l *need) string {
	l.Mark, l.Link = mark{"dead", plain(n.Tenant)}, q.link("tenants", n.Tenant)
	return plain(n.Source)
}

func init() {
	sentences[operate.NeedShutOut] = func(q *request, n *operate.Need, l *need) {
		source := q.sender(n, l)
		l.What = fmt.Sprintf("is shut out: %s from %s refused, none was right", plural(int(n.Count), "request"), source)
		l.Then = "What is sent so is not kept. Was its secret changed at the sender? Then it has to be changed here too; or somebody else sends."
		l.Detail = sentence(refusalWord(n.Reason))
		l.Do = append(l.Do, do{Name: "Look", Link: q.link("tenants", n.Tenant), First: true})
	}
	sentences[operate.NeedRefused] = func(q *request, n *operate.Need, l *need) {
		source := q.sender(n, l)
		l.What = fmt.Sprintf("had %s from %s refused, although they are authentic", plural(int(n.Count), "request"), source)
		l.Then = "Most senders do not send again what is refused for good."
		switch n.Reason {
		case "rate_limited":
			l.Then = "Its rate_limit is lower than what is sent; what is refused so is asked for again later."
		case "field_missing":
			l.Then = "A require line names a field that they do not have. Most senders do not send them again."
		case "too_large":
			l.Then = "They are larger than max_body lets in. Most senders do not send them again."
		case "breaker_open":
			l.Then = "The receiver behind the route does not answer; spool would keep them."
		}
		l.Detail = sentence(refusalWord(n.Reason))
	}
}
