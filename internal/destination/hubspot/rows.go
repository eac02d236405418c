package hubspot

import (
	"slices"
	"strings"
	"time"

	"github.com/callgate/callgate/internal/call"
	"github.com/callgate/callgate/internal/destination"
)

// row is one contact to write, for one item or several: HubSpot refuses an address that comes twice in a batch, and
// events of one call belong together.
type row struct {
	items []int  // into the items of the delivery
	key   string // call key of the latest item
	email string // lower case, or empty
	phone string // E.164, or empty
	// props are the properties with a value, the e-mail address among them.
	props []property

	id       string // of the contact, when it is known
	existing bool   // id was found by the caller's number, so that its name is to be kept
	known    map[string]string
	isNew    bool // certainly: looked for, and not there
	looked   bool // searched for by number
	// unclear is how much longer it may take until a search tells whether an earlier request has created the contact.
	unclear  time.Duration
	trace    string
	warnings []string

	settled bool
	result  destination.Result

	// done are what is written for the row, in this attempt or an earlier one: the contact and the company by the types of
	// their objects, and what belongs to a call by doneOf.
	done map[string]bool
	// company is the id of the company that the contact belongs to, if one is made.
	company string
}

func (r *row) get(name string) string {
	for _, p := range r.props {
		if p.name == name {
			return p.value
		}
	}
	return ""
}

func (r *row) drop(name string) {
	r.props = slices.DeleteFunc(r.props, func(p property) bool { return p.name == name })
}

func (r *row) settle(res destination.Result) {
	if !r.settled {
		r.settled, r.result = true, res
	}
}

func (r *row) warn(text string) {
	if !slices.Contains(r.warnings, text) {
		r.warnings = append(r.warnings, text)
	}
}

// callKey names the call among all calls: the provider's id of it or, where the provider has none, the gateway's id of
// the event, which is the same in every attempt. An id that is too long to be one is replaced by its hash.
func callKey(it *destination.Item) string {
	switch {
	case len(it.Call.ID) > maxKey:
		return "sha256-" + shortHash(it.Call.ID)
	case it.Call.ID != "":
		return it.Call.ID
	case it.EventID != "":
		return it.EventID
	default:
		return it.DeliveryID
	}
}

const maxKey = 255

// rowsOf makes the rows of a delivery. Items are taken in the order in which they came in, and what comes later wins.
func (d *Destination) rowsOf(items []destination.Item) []*row {
	order := make([]int, len(items))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return items[a].ReceivedAt.Compare(items[b].ReceivedAt) })

	rows := make([]*row, 0, len(items))
	byKey, byEmail, byPhone := make(map[string]*row, len(items)), make(map[string]*row, len(items)), make(map[string]*row)
	for _, i := range order {
		r := d.rowOf(&items[i], i)
		into := byEmail[r.email]
		if r.email == "" {
			into = nil
		}
		if same := byKey[r.key]; into == nil && same != nil && r.key != "" && (r.email == "" || same.email == "") {
			into = same
		}
		if same := byPhone[r.phone]; into == nil && same != nil && d.samePhone(same, r) {
			into = same
		}
		if into == nil {
			rows = append(rows, r)
			into = r
		} else {
			into.absorb(r)
		}
		if into.email != "" {
			byEmail[into.email] = into
		}
		if into.phone != "" {
			byPhone[into.phone] = into
		}
		byKey[into.key] = into
	}
	seen := make(map[string]bool, len(rows))
	for _, r := range rows {
		r.trace = items[r.items[0]].DeliveryID
		for r.trace == "" || seen[r.trace] {
			r.trace += "+" // HubSpot wants it unique within a request
		}
		seen[r.trace] = true
	}
	return rows
}

func (d *Destination) rowOf(it *destination.Item, i int) *row {
	r := &row{items: []int{i}, key: callKey(it), props: make([]property, 0, len(d.mapping)+4)}
	r.props = fill(r.props, d.mapping, it)
	for j := range r.props {
		if p := &r.props[j]; len(p.value) > maxValue {
			p.value = truncate(p.value, maxValue)
			r.warn("property " + p.name + " was cut to the 65,536 characters that HubSpot takes")
		}
	}
	if raw := r.get("email"); raw != "" {
		if r.email = address(raw); r.email == "" {
			r.drop("email")
			r.warn("the e-mail address cannot be one, and was left out")
		}
		for j := range r.props {
			if r.props[j].name == "email" {
				r.props[j].value = r.email
			}
		}
	}
	number := r.get("phone")
	if number == "" {
		number = it.Call.CallerNumber
	}
	r.phone, _ = call.NormalizeNumber(number, d.conf.Region)
	if p := d.conf.ContactProperty; p != "" && r.key != "" {
		r.drop(p)
		r.props = append(r.props, property{p, r.key})
	}
	return r
}

// samePhone reports whether a later row with the same number belongs to the contact of an earlier one, by the rules for
// contacts that are in HubSpot already (see fits): in one delivery or in two, the outcome is the same.
func (d *Destination) samePhone(earlier, later *row) bool {
	same := sameName(earlier, later)
	if later.email != "" {
		return same && earlier.email == "" && !d.conf.NoPhoneMatch
	}
	if !same {
		later.drop("firstname")
		later.drop("lastname")
		later.warn(otherName)
	}
	return true
}

// absorb adds a later row about the same contact.
func (r *row) absorb(o *row) {
	r.items = append(r.items, o.items...)
	r.key = o.key
	if o.email != "" {
		r.email = o.email
	}
	if o.phone != "" {
		r.phone = o.phone
	}
	for _, p := range o.props {
		if i := slices.IndexFunc(r.props, func(q property) bool { return q.name == p.name }); i >= 0 {
			r.props[i].value = p.value
		} else {
			r.props = append(r.props, p)
		}
	}
	r.warnings = append(r.warnings, o.warnings...)
}

// address is an e-mail address as HubSpot compares it, in lower case, or empty for what cannot be one. Whether the domain
// can have mailboxes is for HubSpot to say.
func address(s string) string {
	s = strings.ToLower(call.TrimAddress(s))
	local, domain, ok := strings.Cut(s, "@")
	if !ok || local == "" || len(s) > 254 || strings.ContainsRune(domain, '@') || strings.ContainsAny(s, " \t\r\n,;:<>()[]\"\\{}") {
		return ""
	}
	if dot := strings.LastIndexByte(domain, '.'); dot < 1 || len(domain)-dot < 3 || strings.Contains(domain, "..") {
		return ""
	}
	return s
}

const otherName = "the caller gave another name than the contact with this number has, which was kept"

func sameName(a, b *row) bool {
	return agrees(a.get("firstname"), b.get("firstname")) && agrees(a.get("lastname"), b.get("lastname"))
}

// agrees reports whether two names may be one person's: one is missing, or they are equal but for case.
func agrees(a, b string) bool {
	return a == "" || b == "" || strings.EqualFold(a, b)
}

// lockKeys are what no other delivery may work on at the same time.
func (d *Destination) lockKeys(rows []*row, items []destination.Item) []string {
	keys := make([]string, 0, 3*len(items))
	for _, r := range rows {
		if r.email != "" {
			keys = append(keys, "e:"+r.email)
		}
		if r.phone != "" {
			keys = append(keys, "p:"+r.phone)
		}
		for _, i := range r.items {
			if k := callKey(&items[i]); k != "" {
				keys = append(keys, "k:"+k)
			}
			if c := d.companyOf(&items[i]); c.key != "" {
				keys = append(keys, "c:"+c.key)
			}
		}
	}
	return keys
}
