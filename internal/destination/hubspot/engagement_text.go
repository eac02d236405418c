package hubspot

import (
	"html"
	"strconv"
	"strings"

	"github.com/callgate/callgate/internal/call"
	"github.com/callgate/callgate/internal/destination"
)

// describe is the engagement of one event, and sets what is only for a new one.
func (d *Destination) describe(k kind, it *destination.Item, e *entry, row *row) []property {
	c := it.Call
	var ps []property
	add := func(name, value string) {
		if value != "" {
			ps = append(ps, property{name, value})
		}
	}
	at := c.StartedAt
	if at.IsZero() {
		at = c.EndedAt
	}
	when := at
	if when.IsZero() {
		when = it.ReceivedAt
	}
	if when.IsZero() {
		when = d.conf.Now()
	}
	e.first = merge(nil, []property{{"hs_timestamp", when.UTC().Format("2006-01-02T15:04:05.000Z")}})
	if !c.StartedAt.IsZero() {
		add("hs_timestamp", e.first[0].value)
		e.first = nil
	}
	add("hubspot_owner_id", d.conf.OwnerID)
	text, cut := d.textOf(k, it, e.token)
	if cut {
		row.warn("the text of the " + k.what + " was cut to the 65,536 characters that HubSpot takes")
	}
	add(k.body, text)
	if k == notes {
		return ps
	}
	add("hs_call_title", title(c))
	from, to := c.CallerNumber, c.ReceivingNumber
	switch c.Direction {
	case call.Inbound:
		add("hs_call_direction", "INBOUND")
	case call.Outbound:
		add("hs_call_direction", "OUTBOUND")
		from, to = to, from
	}
	add("hs_call_from_number", from)
	add("hs_call_to_number", to)
	if c.Duration != nil && *c.Duration >= 0 {
		add("hs_call_duration", strconv.Itoa(*c.Duration*1000)) // milliseconds
	}
	if status, final := statusOf(c); final {
		add("hs_call_status", status)
	} else {
		e.first = append(e.first, property{"hs_call_status", status})
	}
	if strings.HasPrefix(c.RecordingURL, "https://") && len(c.RecordingURL) <= 2048 {
		add("hs_call_recording_url", c.RecordingURL)
	} else if c.RecordingURL != "" {
		row.warn("the recording's address was left out of the call log: HubSpot takes https only")
	}
	add(externalID, e.key)
	if d.conf.CallProperty != "" {
		add(d.conf.CallProperty, e.key)
	}
	return ps
}

// statusOf is the call's status for HubSpot. final tells that no later event takes it back: one that came late must not
// set a completed call to ringing.
func statusOf(c *call.Call) (status string, final bool) {
	word := ""
	for _, name := range []string{"params.call_status", "params.CallStatus", "params.status", "params.disconnection_reason"} {
		if v, ok := c.Lookup(name); ok {
			word = text(v)
			break
		}
	}
	switch strings.Map(letters, strings.ToLower(word)) {
	case "busy", "dialbusy":
		return "BUSY", true
	case "noanswer", "dialnoanswer", "missed", "abandoned":
		return "NO_ANSWER", true
	case "failed", "dialfailed", "error":
		return "FAILED", true
	case "canceled", "cancelled":
		return "CANCELED", true
	}
	event := strings.Map(letters, strings.ToLower(c.EventType))
	switch {
	case !c.EndedAt.IsZero() || c.Duration != nil || c.Summary != "" || c.Transcript != "":
		return "COMPLETED", true
	case strings.Contains(event, "ring"):
		return "RINGING", false
	case strings.Contains(event, "start") || strings.Contains(event, "progress") || strings.Contains(event, "answer"):
		return "IN_PROGRESS", false
	}
	return "COMPLETED", true
}

func letters(r rune) rune {
	if r >= 'a' && r <= 'z' {
		return r
	}
	return -1
}

func title(c *call.Call) string {
	t := "Call"
	switch c.Direction {
	case call.Inbound:
		t = "Inbound call"
	case call.Outbound:
		t = "Outbound call"
	}
	if n := c.Name(); n != "" {
		if c.Direction == call.Outbound {
			t += " to " + n
		} else {
			t += " from " + n
		}
	}
	if c.Urgent {
		t = "URGENT: " + t
	}
	return truncate(t, 250)
}

// textOf is the HTML of the engagement, no longer than HubSpot takes. Every value is escaped.
func (d *Destination) textOf(k kind, it *destination.Item, token string) (text string, cut bool) {
	c := it.Call
	var b strings.Builder
	end := ""
	if k == notes {
		b.WriteString("<p><strong>" + html.EscapeString(title(c)) + "</strong></p>")
		end = "<p>Call reference " + token + "</p>"
	}
	paragraph := func(head, value string) {
		if value == "" || cut {
			return
		}
		open, shut := "<p><strong>"+head+"</strong><br>", "</p>"
		room := maxValue - b.Len() - len(open) - len(shut) - len(end)
		safe := strings.ReplaceAll(html.EscapeString(value), "\n", "<br>")
		if len(safe) > room {
			if room < 100 {
				cut = true
				return
			}
			safe, cut = cutHTML(safe, room-len("…"))+"…", true
		}
		b.WriteString(open + safe + shut)
	}
	if c.CallbackRequested {
		paragraph("Callback", "requested")
	}
	paragraph("Message", c.Message)
	paragraph("Summary", c.Summary)
	if d.conf.Transcript {
		paragraph("Transcript", c.Transcript)
	}
	return b.String() + end, cut
}

// cutHTML cuts escaped text so that no entity or tag is left open.
func cutHTML(s string, n int) string {
	s = truncate(s, n)
	if i := strings.LastIndexAny(s, "&<"); i >= 0 && !strings.ContainsAny(s[i:], ";>") {
		s = s[:i]
	}
	return s
}
