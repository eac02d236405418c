package hubspot

import (
	"net/http"
	"slices"
	"strings"

	"github.com/callgate/callgate/internal/destination"
)

const contactsObject = "contacts"

// secondary holds the addresses that a contact has beside its primary one, with semicolons between (HubSpot, "Get the
// secondary email addresses for a contact"). It can be read and not written; a secondary address finds the contact as the
// primary one does.
const secondary = "hs_additional_emails"

// contactColumns are what has to be known of a contact that is there.
var contactColumns = []string{"email", secondary, "firstname", "lastname"}

// hasAddress says whether an address is one of a contact's.
func hasAddress(known map[string]string, address string) (primary, other bool) {
	if address == "" {
		return false, false
	}
	for a := range strings.SplitSeq(known[secondary], ";") {
		other = other || strings.EqualFold(strings.TrimSpace(a), address)
	}
	return strings.EqualFold(known["email"], address), other
}

// maxPasses bounds how often the rows are gone through: a row may turn from upsert to search (address refused), to
// create, to update (conflict).
const maxPasses = 5

// contacts finds or makes the contact of every row.
func (r *run) contacts() {
	r.findByCall()
	r.findByEmail()
	for range maxPasses {
		r.findByPhone()
		var update, upsert, create []*row
		for _, row := range r.rows {
			switch {
			case row.settled || r.halt != nil:
			case row.id != "":
				update = append(update, row)
			case row.email != "":
				upsert = append(upsert, row)
			case row.phone != "" || r.d.conf.CreateNameless:
				create = append(create, row)
			default:
				row.settle(destination.Result{Outcome: destination.Dead, Reason: "the call has neither an e-mail address nor a number to know the caller by; set create_nameless to create a contact all the same, then replay"})
			}
		}
		if len(update)+len(upsert)+len(create) == 0 {
			return
		}
		r.update(update)
		if r.d.conf.API == "v1" {
			r.upsertV1(upsert)
		} else {
			r.upsert(upsert)
		}
		r.create(create)
	}
}

// findByCall takes the contact that was written for the same call, a moment ago or by its unique property.
func (r *run) findByCall() {
	var ins []*input
	var asked []*row
	for _, row := range r.rows {
		if row.settled {
			continue
		}
		if m, ok := r.recall("k:" + row.key); ok && row.key != "" {
			row.found(m.ID, map[string]string{"firstname": m.Name[0], "lastname": m.Name[1]})
		} else if r.d.conf.ContactProperty != "" && row.key != "" {
			asked = append(asked, row)
			ins = append(ins, &input{trace: row.trace, id: row.key})
		}
	}
	if len(ins) == 0 {
		return
	}
	found := r.read(contactsObject, r.d.conf.ContactProperty, ins, contactColumns, "finds the contacts of earlier events of the same calls")
	for _, row := range asked {
		if rec, ok := found[row.key]; ok {
			row.found(string(rec.ID), rec.values())
		}
	}
}

// findByEmail finds out which addresses are new, where something depends on it.
func (r *run) findByEmail() {
	if !r.d.conf.KeepNames && len(r.d.create) == 0 {
		return
	}
	var ins []*input
	for _, row := range r.rows {
		if row.id == "" && row.email != "" && !row.settled {
			ins = append(ins, &input{trace: row.trace, id: row.email})
		}
	}
	if len(ins) == 0 || r.halt != nil {
		return
	}
	found := r.read(contactsObject, "email", ins, contactColumns, "finds out which contacts are new")
	if r.halt != nil {
		return
	}
	for _, row := range r.rows {
		if row.id != "" || row.email == "" {
			continue
		}
		if rec, ok := found[row.email]; ok {
			row.found(string(rec.ID), rec.values())
		} else {
			row.isNew = true
		}
	}
}

func (row *row) found(id string, known map[string]string) {
	row.id, row.known, row.isNew = id, known, false
}

func (rec *record) values() map[string]string {
	m := make(map[string]string, len(rec.Properties))
	for k, v := range rec.Properties {
		m[k] = string(v)
	}
	return m
}

// read reads records by the value of a property, and returns those that exist by that value.
func (r *run) read(object, property string, ins []*input, properties []string, note string) map[string]record {
	found := make(map[string]record)
	if !slices.Contains(properties, property) {
		properties = append([]string{property}, properties...)
	}
	for chunk := range slices.Chunk(ins, MaxInputs) {
		if r.halt != nil {
			return found
		}
		body := appendMember([]byte{'{'}, "idProperty", property)
		body = appendStrings(append(body, `,"properties":`...), properties)
		body = append(body, `,"propertiesWithHistory":[],"inputs":[`...) // which HubSpot's descriptions require
		for i, in := range chunk {
			if i > 0 {
				body = append(body, ',')
			}
			body = append(appendMember(append(body, '{'), "id", in.id), '}')
		}
		body = append(body, `]}`...)
		a, err := r.send(http.MethodPost, r.d.objects+object+"/batch/read", body, note)
		if err != nil || a.Status < 200 || a.Status > 299 {
			res := r.d.judge(a, err)
			if res.Outcome == destination.Dead {
				// The property is not unique, or not there: nothing is wrong with the calls.
				res.Outcome, res.Pause = destination.Retry, true
				res.Reason = "HubSpot cannot read " + object + " by property " + property + "; make it there, with unique values, or take it from the configuration, then resume: " + res.Reason
			}
			r.stop(res)
			return found
		}
		ans, ok := parseBatch(a.Body)
		if !ok { // which does not say that nothing is there
			r.stop(unreadable(a.Status))
			return found
		}
		for _, rec := range ans.Results {
			if v := string(rec.Properties[property]); v != "" && rec.ID != "" {
				if property != "email" {
					found[v] = rec
					continue
				}
				found[strings.ToLower(v)] = rec
				for a := range strings.SplitSeq(string(rec.Properties[secondary]), ";") {
					if a = strings.ToLower(strings.TrimSpace(a)); a != "" {
						found[a] = rec
					}
				}
			}
		}
	}
	return found
}

// upsert writes the rows that have an address.
func (r *run) upsert(rows []*row) {
	ins := make([]*input, len(rows))
	for i, row := range rows {
		ins[i] = &input{trace: row.trace, id: row.email, idProperty: "email", props: slices.Clone(row.props)}
		if row.isNew {
			ins[i].props = append(ins[i].props, r.d.create...)
		}
	}
	r.expect(rows)
	r.write(batch{contactsObject, "upsert", "creates the contacts, or updates those that have the address"}, ins)
	r.take(rows, ins)
}

// update writes the rows whose contact is known.
func (r *run) update(rows []*row) {
	ins := make([]*input, len(rows))
	for i, row := range rows {
		in := &input{trace: row.trace, id: row.id, props: slices.Clone(row.props)}
		if _, other := hasAddress(row.known, row.email); other {
			// The contact has the address already, and which of them is the primary one is for people to say.
			in.props = slices.DeleteFunc(in.props, func(p property) bool { return p.name == "email" })
		}
		if row.existing || r.d.conf.KeepNames {
			in.props = slices.DeleteFunc(in.props, func(p property) bool {
				if p.name != "firstname" && p.name != "lastname" {
					return false
				}
				if row.known == nil {
					return r.d.conf.KeepNames // it may have one
				}
				has := row.known[p.name]
				if has == r.d.conf.DefaultName || has == "" {
					return false
				}
				if row.existing && !strings.EqualFold(has, p.value) {
					row.warn(otherName)
				}
				return true
			})
		}
		ins[i] = in
	}
	r.write(batch{contactsObject, "update", "updates the contacts that were found"}, ins)
	r.take(rows, ins)
}

// create writes the rows whose contact does not exist, as far as HubSpot tells.
func (r *run) create(rows []*row) {
	ins := make([]*input, len(rows))
	for i, row := range rows {
		props := append(slices.Clone(row.props), r.d.create...)
		if row.get("firstname") == "" && row.get("lastname") == "" {
			props = append(props, property{"firstname", r.d.conf.DefaultName})
		}
		ins[i] = &input{trace: row.trace, props: props}
	}
	r.expect(rows)
	r.write(batch{contactsObject, "create", "creates the contacts that were not found"}, ins)
	r.take(rows, ins)
}

// take settles the rows by what became of their inputs, or sends them another way.
func (r *run) take(rows []*row, ins []*input) {
	for i, in := range ins {
		row := rows[i]
		for _, w := range in.warnings {
			row.warn(w)
		}
		switch {
		case in.done:
			if in.recordID != "" {
				row.id = in.recordID
			}
			row.settle(destination.Result{Outcome: destination.Delivered, Status: http.StatusOK, RemoteID: row.id})
			row.did(contactsObject)
			r.rememberContact(row)
		case in.fail != nil:
			r.unexpect(row)
			r.recover(row, in)
		default:
			if in.unknown && row.id == "" {
				// The request may have been on its way for long: what it created is searchable a lag after now at the latest.
				r.expect(rows[i : i+1])
			} else if in.result == nil {
				r.unexpect(row)
			}
			if in.result != nil {
				row.settle(*in.result)
			}
		}
	}
}

// recover finds another way for a row that HubSpot refused, or settles it.
func (r *run) recover(row *row, in *input) {
	f := in.fail
	switch existing := f.existing(); {
	case existing != "" && row.get("email") != "" && f.aboutAddress():
		// The contact has the address: as its primary one, or as a secondary one, which must not take the other's place.
		if existing != row.id {
			row.found(existing, nil)
		}
		row.drop("email")
	case existing != "" && existing != row.id:
		// The contact was there all the time, or has been made meanwhile.
		row.found(existing, nil)
		if row.email == "" {
			row.existing = true
		}
	case row.email != "" && f.badEmail():
		row.email, row.id, row.isNew = "", "", false
		row.drop("email")
		row.warn("HubSpot does not accept the e-mail address, and it was left out")
	case row.id != "" && (f.Category == "OBJECT_NOT_FOUND" || in.result != nil && in.result.Status == http.StatusNotFound):
		// The contact was deleted or merged since it was found.
		r.forget(row)
		row.found("", nil)
		row.existing = false
	case in.result != nil:
		row.settle(*in.result)
	default:
		row.settle(f.row())
	}
}

// badEmail reports whether the failure is about the address.
func (f *failure) badEmail() bool {
	if f.invalid()["email"] != "" {
		return true
	}
	return strings.Contains(string(f.Message), "INVALID_EMAIL") || strings.Contains(string(f.Category), "INVALID_EMAIL")
}
