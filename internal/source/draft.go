package source

import (
	"encoding/json"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/callgate/callgate/internal/call"
	"github.com/callgate/callgate/internal/jsonscan"
)

// maxParams bounds how many parameters a record takes; what comes after them is left out.
const maxParams = 500

// settings are Options, made ready.
type settings struct {
	region    string
	own       map[string]bool
	detectors detectors
	maps      []*mapping
}

// draft is a call record in the making.
type draft struct {
	*call.Call
	settings *settings
	params   []param
	named    named
	files    []string // see document
}

// param is a parameter of the record in the making. Keys are few and looked at often, so what a key means is kept.
type param struct {
	key   string
	value any
	meaning
}

// meaning is what call.FieldOf says of a key.
type meaning struct {
	field string
	rank  int
}

func meaningOf(key string) meaning {
	field, rank := call.FieldOf(key)
	return meaning{field, rank}
}

// emptied is the draft without its content, for its memory.
func (d *draft) emptied() draft {
	clear(d.params)
	clear(d.named)
	return draft{params: d.params[:0], named: d.named[:0]}
}

// param adds a parameter, unless there is one of that name already or it is empty.
func (d *draft) param(key string, v any) {
	if d.takes(key, v) {
		d.params = append(d.params, param{key, v, meaningOf(key)})
	}
}

// paramOf is param for a key whose meaning is known.
func (d *draft) paramOf(key string, is meaning, v any) {
	if d.takes(key, v) {
		d.params = append(d.params, param{key, v, is})
	}
}

func (d *draft) takes(key string, v any) bool {
	return v != nil && v != "" && key != "" && len(d.params) < maxParams && d.find(key) < 0
}

// find is the index of the parameter of that name, or -1. There are few as a rule, and never more than maxParams.
func (d *draft) find(key string) int {
	for i := range d.params {
		if d.params[i].key == key {
			return i
		}
	}
	return -1
}

// drop removes the parameter of that name, if there is one.
func (d *draft) drop(key string) {
	if i := d.find(key); i >= 0 {
		d.params = slices.Delete(d.params, i, i+1)
	}
}

// collect adds every member of an object as a parameter. What was added first stays, so call it for the most telling
// object first.
func (d *draft) collect(v jsonscan.Value, skip ...string) {
next:
	for k, m := range v.Distinct() {
		for _, s := range skip {
			if k == s {
				continue next
			}
		}
		d.param(clean(k), collected(m))
	}
}

// collected is a parameter's value; nil when it is missing, which within objects too is a matter of being left out.
func collected(v jsonscan.Value) any {
	switch v.Kind() {
	case jsonscan.Missing, jsonscan.Null:
		return nil
	case jsonscan.String:
		if s := clean(v.Text()); s != "" {
			return s
		}
		return nil
	case jsonscan.Number:
		return json.Number(v.Raw())
	case jsonscan.Array:
		if v.Len() == 0 {
			return nil
		}
		list := make([]any, 0, v.Len())
		for e := range v.Elements() {
			list = append(list, collected(e))
		}
		return list
	case jsonscan.Object:
		m := make(map[string]any, v.Len())
		for k, e := range v.Members() {
			k = strings.ReplaceAll(k, "\x00", "")
			if c := collected(e); c != nil {
				m[k] = c
			} else {
				delete(m, k) // the last of duplicates wins, also when it is empty
			}
		}
		if len(m) == 0 {
			return nil
		}
		return m
	default:
		return v.Kind() == jsonscan.True
	}
}

// direction reads the words that providers use.
func direction(s string) call.Direction {
	s = strings.ToLower(s)
	switch {
	case strings.HasPrefix(s, "in"), s == "terminating":
		return call.Inbound // inbound, incoming, inboundPhoneCall
	case strings.HasPrefix(s, "out"), s == "originating":
		return call.Outbound // outbound, outgoing, outbound-api, outboundPhoneCall
	default:
		return ""
	}
}

// numbers sets both sides of a call from who dialled and who was dialled. The customer is the side that is not the
// business: by its own numbers where they are known, else by the direction, else the one who dialled.
func (d *draft) numbers(from, to string) {
	a, b := d.keep("from", from), d.keep("to", to)
	ownA, ownB := d.settings.own[a], d.settings.own[b]
	outbound := d.Direction == call.Outbound
	if ownA != ownB {
		outbound = ownA
		if d.Direction == "" {
			d.Direction = map[bool]call.Direction{true: call.Outbound, false: call.Inbound}[outbound]
		}
	}
	if outbound {
		a, b = b, a
	}
	d.CallerNumber, d.ReceivingNumber = a, b
	d.callerAddress(map[bool]string{true: to, false: from}[outbound])
}

// callerAddress keeps the address of a customer who has one with a page or an app and no number, under the name that it has
// whoever wrote first.
func (d *draft) callerAddress(raw string) {
	if d.CallerNumber == "" && call.IsChannel(raw) {
		d.param("caller_address", raw)
	}
}

// sides sets both sides of a call where the provider says itself which is which.
func (d *draft) sides(customer, business string) {
	d.CallerNumber, d.ReceivingNumber = d.keep("caller", customer), d.keep("receiving", business)
}

// keep is a number for the record. What the record cannot hold is kept as a parameter, so that nothing is lost: an
// extension as caller_extension, an address without digits as caller_address.
func (d *draft) keep(side, raw string) string {
	n, ext := call.KeepNumber(raw, d.settings.region)
	if ext != "" {
		d.param(side+"_extension", ext)
	}
	if n == "" && raw != "" && !call.Withheld(raw) {
		d.param(side+"_address", raw)
	}
	return n
}

// person sets the caller's name from one text, or its parts. "Anonymous" and "Unknown caller" are what phone systems
// put where they know no name: a CRM would file all such callers as one person.
func (d *draft) person(full, first, last string) {
	full, first, last = nameText(full), nameText(first), nameText(last)
	if call.NoName(full) {
		full = ""
	}
	if call.NoName(first+last) || call.NoName(first) && last == "" {
		first, last = "", ""
	}
	if first == "" && last == "" {
		first, last = call.SplitName(full)
	}
	if d.FirstName == "" && d.LastName == "" {
		d.FirstName, d.LastName = first, last
	}
}

// nameText is a name without unreplaced variables; empty for what has no letter in it, since phone systems put the
// number where they know no name.
func nameText(s string) string {
	s = withoutVariables(s)
	if strings.IndexFunc(s, unicode.IsLetter) < 0 {
		return ""
	}
	return s
}

// email sets the caller's address if the text can be one. Destinations refuse a record for the sake of an address
// such as "mike at example dot com", so that stays a parameter.
func (d *draft) email(s string) {
	s = strings.TrimSpace(strings.TrimPrefix(s, "mailto:"))
	if s == "" || d.Email != "" {
		return
	}
	user, host, ok := strings.Cut(s, "@")
	if !ok || user == "" || host == "" || strings.ContainsAny(s, " \t\r\n,;<>\"") || strings.Contains(host, "@") {
		d.param("email", s)
		return
	}
	d.Email = s
}

// length sets the duration if it is known and not set yet.
func (d *draft) length(n *int) {
	if d.Duration == nil {
		d.Duration = n
	}
}

// record is the finished record.
func (d *draft) record() *call.Call {
	if len(d.params) > 0 {
		d.Params = make(map[string]any, len(d.params))
		for i := range d.params {
			d.Params[d.params[i].key] = d.params[i].value
		}
	}
	return d.Call
}

// signs finds out whether the call is urgent and a callback wanted, where that is not known.
func (d *draft) signs() {
	wanted := allMarks
	if d.Urgent {
		wanted &^= urgentMark
	}
	if d.CallbackRequested {
		wanted &^= callbackMark
	}
	found := d.settings.detectors.find(d.Call, d.params, wanted)
	d.Urgent = d.Urgent || found&urgentMark != 0
	d.CallbackRequested = d.CallbackRequested || found&callbackMark != 0
}

// times completes start, end and duration from one another.
func (d *draft) times() {
	started, ended := !d.StartedAt.IsZero(), !d.EndedAt.IsZero()
	switch {
	case d.Duration != nil && started && !ended:
		d.EndedAt = d.StartedAt.Add(time.Duration(*d.Duration) * time.Second)
	case d.Duration != nil && ended && !started:
		d.StartedAt = d.EndedAt.Add(-time.Duration(*d.Duration) * time.Second)
	case d.Duration == nil && started && ended && !d.EndedAt.Before(d.StartedAt):
		d.Duration = wholeSeconds(d.EndedAt.Sub(d.StartedAt).Seconds())
	}
}

// fromParams fills the fields that say who called and why from the parameters that say so, where the provider's own
// data does not.
func (d *draft) fromParams() {
	if d.FirstName == "" && d.LastName == "" {
		d.person(d.best("name"), d.best("first_name"), d.best("last_name"))
	}
	if d.Email == "" {
		d.email(d.best("email"))
	}
	if d.Company == "" {
		d.Company = d.best("company")
	}
	if d.Message == "" {
		d.Message = d.best("message")
	}
	if d.CallerNumber == "" {
		d.CallerNumber = d.bestOf("caller_number", d.numberOf)
	}
}

// numberOf is the number that a parameter's value is, if any. A caller whose own number is withheld may have been asked
// for one, so that a "phone" that is "anonymous" must not stand before the "callback_number".
func (d *draft) numberOf(v any) string {
	switch s := v.(type) {
	case string:
		n, _ := call.KeepNumber(s, d.settings.region)
		return n
	case json.Number: // a short one is more likely an id than a number that somebody could dial
		n, _ := call.NormalizeNumber(s.String(), d.settings.region)
		return n
	default:
		return ""
	}
}

// best is the text of the parameter that says a field most plainly, and of several such the first in order.
func (d *draft) best(field string) string {
	return d.bestOf(field, func(v any) string {
		s, _ := v.(string)
		return s
	})
}

// bestOf is best for what is read from a value; what nothing is read from counts as missing.
func (d *draft) bestOf(field string, read func(v any) string) string {
	text, rank := "", 0
	for i := range d.params {
		p := &d.params[i]
		if p.field != field {
			continue
		}
		if s := read(p.value); s != "" && (text == "" || p.rank < rank || p.rank == rank && s < text) {
			text, rank = s, p.rank
		}
	}
	return text
}
