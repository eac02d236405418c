package call

import (
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/nyaruka/phonenumbers"
)

// Masked is a value of a call as it is shown to those who may not see what was said.
type Masked struct {
	// Name is that of the field, or params. and the path to a collected parameter.
	Name string `json:"name"`
	// Shown is what is shown in place of the value. Clear tells that it is the value itself, which says nothing of anybody.
	Shown string `json:"shown"`
	Clear bool   `json:"clear,omitempty"`
}

const (
	// maxMasked is how many collected parameters are shown, and maxDepth how deep they may lie.
	maxMasked, maxDepth = 60, 4
	// longestName is the longest name of a parameter that is shown.
	longestName = 64
)

// Mask shows what a call has, and nothing of what was said: of numbers their country and last four digits, of an e-mail's
// address how its domain ends, of texts how long they are. Names of parameters are a provider's or its customer's, and are
// shown unless they look like a value themselves. more is how many parameters are left out.
func (c *Call) Mask() (list []Masked, more int) {
	add := func(name, shown string, clear bool) {
		if shown != "" {
			list = append(list, Masked{name, shown, clear})
		}
	}
	add("caller_number", MaskNumber(c.CallerNumber), false)
	add("receiving_number", MaskNumber(c.ReceivingNumber), false)
	add("first_name", maskText(c.FirstName), false)
	add("last_name", maskText(c.LastName), false)
	add("email", maskMail(c.Email), false)
	add("company", maskText(c.Company), false)
	add("message", maskText(c.Message), false)
	add("summary", maskText(c.Summary), false)
	add("transcript", maskText(c.Transcript), false)
	if c.RecordingURL != "" {
		add("recording_url", "an address", false)
	}
	if c.Direction == Inbound || c.Direction == Outbound {
		add("direction", string(c.Direction), true)
	}
	add("started_at", timeText(c.StartedAt), true)
	add("ended_at", timeText(c.EndedAt), true)
	if c.Duration != nil {
		add("duration", (time.Duration(*c.Duration) * time.Second).String(), true)
	}
	add("urgent", yesNo(c.Urgent), true)
	add("callback_requested", yesNo(c.CallbackRequested), true)
	m := masker{}
	m.object("params", c.Params, 1)
	return append(list, m.list...), m.more
}

func timeText(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339)
}

func yesNo(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}

type masker struct {
	list []Masked
	more int
}

func (m *masker) object(path string, o map[string]any, depth int) {
	names := make([]string, 0, len(o))
	for name := range o {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		m.value(path+"."+maskName(name), o[name], depth)
	}
}

func (m *masker) value(path string, v any, depth int) {
	if inner, ok := v.(map[string]any); ok && len(inner) > 0 && depth < maxDepth {
		m.object(path, inner, depth+1)
		return
	}
	if len(m.list) >= maxMasked {
		m.more++
		return
	}
	shown := ""
	switch v := v.(type) {
	case nil:
		shown = "empty"
	case string:
		if shown = maskText(v); shown == "" {
			shown = "empty"
		}
	case bool:
		shown = "yes or no"
	case json.Number, float64, int, int64:
		shown = "a number"
	case []any:
		shown = several(len(v), "item")
	case map[string]any:
		shown = several(len(v), "member")
	default:
		shown = "a value"
	}
	m.list = append(m.list, Masked{Name: path, Shown: shown})
}

// maskName shows a name, unless it looks like something that was said: as where answers are kept by whom they are of.
func maskName(name string) string {
	digits := 0
	for _, r := range name {
		if unicode.IsDigit(r) {
			digits++
		}
	}
	if digits > 4 || len(name) > longestName || strings.ContainsAny(name, "@ \n") || !utf8.ValidString(name) {
		return fmt.Sprintf("(a name of %s)", several(utf8.RuneCountInString(name), "character"))
	}
	return name
}

// MaskNumber shows a number's country and its last four digits, as in +1 ••• ••• 6543; of one that is short or cannot be
// read less. It is empty for none.
func MaskNumber(number string) string {
	if number == "" {
		return ""
	}
	var digits []rune
	for _, r := range number {
		if r >= '0' && r <= '9' {
			digits = append(digits, r)
		}
	}
	n, err := phonenumbers.Parse(number, "")
	if err != nil || len(digits) < 8 {
		return "••• •••"
	}
	last := string(digits[len(digits)-4:])
	if n.GetCountryCode() == 1 {
		return "+1 ••• ••• " + last
	}
	return "+" + strconv.Itoa(int(n.GetCountryCode())) + " ••• ••• " + last
}

// maskMail shows how the domain of an address ends.
func maskMail(address string) string {
	if address == "" {
		return ""
	}
	end := address[strings.LastIndexByte(address, '.')+1:]
	if u, err := url.Parse("mailto:" + address); err != nil || u.Opaque == "" || !strings.Contains(address, "@") || len(end) > 4 || strings.ContainsFunc(end, func(r rune) bool { return !unicode.IsLetter(r) }) {
		return maskText(address)
	}
	return "•••@•••." + end
}

// maskText shows how long a text is: few words are counted, many characters.
func maskText(text string) string {
	switch words := len(strings.Fields(text)); {
	case text == "":
		return ""
	case words > 0 && words <= 3:
		return several(words, "word")
	}
	return several(utf8.RuneCountInString(text), "character")
}

func several(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return strconv.Itoa(n) + " " + what + "s"
}
