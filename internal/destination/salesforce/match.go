package salesforce

import (
	"context"
	"slices"
	"strings"

	"github.com/callgate/callgate/internal/call"
	"github.com/callgate/callgate/internal/destination"
)

// idPrefix are the first characters of the ids of the objects that callers are looked for in.
var idPrefix = map[string]string{"Lead": "00Q", "Contact": "003"}

// match finds the record of the caller among rows, what the look-up found: the one that the call's log belongs to, else
// a contact, else a lead. settled says that the delivery is prepared; when ok is false, res is its result.
func (d *Destination) match(ctx context.Context, w *write, rows map[string][]found, owner string) (settled bool, res destination.Result, ok bool) {
	c := w.record.item.Call
	match := choose(rows[refCaller], c, owner)
	switch {
	case !isID(owner):
	case d.cfg.Object == "Lead" && strings.HasPrefix(owner, idPrefix["Contact"]):
		d.toContact(w, owner) // where conversion, or an earlier event of the call, has put the log
		return true, res, true
	case strings.HasPrefix(owner, idPrefix[d.cfg.Object]):
		logged := match
		if match == nil || match.text("Id") != owner {
			if logged, res, ok = d.fetch(ctx, w, owner); !ok {
				return false, res, false
			}
		}
		if logged != nil && logged.converted() {
			if isID(logged.text(columnContact)) && !w.unlogged {
				d.toContact(w, logged.text(columnContact))
				return true, res, true
			}
			logged = nil
		}
		if logged != nil {
			d.adopt(w.record, logged)
			return true, res, true
		}
	}
	if contact := chooseContact(w.record, rows[refContact], c); contact != nil && !w.unlogged {
		w.instead = &alternative{match}
		d.toContact(w, contact.text("Id"))
		return true, res, true
	}
	if match != nil {
		d.adopt(w.record, match)
	}
	return match != nil, res, true
}

// choose picks the caller's record: the one that the call's log belongs to, the one with the caller's address,
// or the latest with the caller's number, unless that carries another address: several people share a number.
func choose(records []found, c *call.Call, owner string) found {
	for _, f := range records {
		if owner != "" && f.text("Id") == owner {
			return f
		}
	}
	if f := byAddress(records, c); f != nil {
		return f
	}
	for _, f := range records {
		if mayBe(f, c) {
			return f
		}
	}
	return nil
}

// byAddress is the record with the caller's address.
func byAddress(records []found, c *call.Call) found {
	for _, f := range records {
		if email := call.TrimAddress(c.Email); email != "" && strings.EqualFold(f.text("Email"), email) && isID(f.text("Id")) {
			return f
		}
	}
	return nil
}

// mayBe says that a record with the caller's number carries no other address.
func mayBe(f found, c *call.Call) bool {
	return (c.Email == "" || f.text("Email") == "") && isID(f.text("Id"))
}

// chooseContact picks the caller's contact. Of several that share a number, as those of one company do, it is the one
// with the caller's name, else the latest, with a warning.
func chooseContact(r *record, contacts []found, c *call.Call) found {
	if f := byAddress(contacts, c); f != nil {
		return f
	}
	contacts = slices.DeleteFunc(slices.Clone(contacts), func(f found) bool { return !mayBe(f, c) })
	for _, f := range contacts {
		if name := c.Name(); name != "" && strings.EqualFold(strings.TrimSpace(f.text("FirstName")+" "+f.text("LastName")), name) {
			return f
		}
	}
	switch len(contacts) {
	case 0:
		return nil
	case 1:
	default:
		r.warn("several contacts have the caller's number; the call was logged on the latest")
	}
	return contacts[0]
}
