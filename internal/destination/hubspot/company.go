package hubspot

import (
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/callgate/callgate/internal/condition"
	"github.com/callgate/callgate/internal/destination"
)

// company is the step of the contact's company: found by its domain, or else its name, or made. One that is there is left
// as it is, because people look after companies, and gets the contact.
type company struct {
	when    *condition.Condition
	mapping []mapped
}

func (d *Destination) compileCompany() error {
	c := d.conf.Company
	if c == nil {
		return nil
	}
	if c.Stage != "" || c.Pipeline != "" || c.Unique != "" {
		return fmt.Errorf("%w: company: it has no stage, pipeline or unique property; it is found by its domain or name", ErrConfig)
	}
	all := map[string]string{"name": "company"}
	for name, template := range c.Properties {
		if !validProperty(name) {
			return fmt.Errorf("%w: company: property %q: HubSpot's internal names are lower case letters, digits and _", ErrConfig, truncate(name, 80))
		}
		all[name] = template
	}
	mapping, err := d.compileNames("company: ", all)
	d.company = &company{c.When, mapping}
	return err
}

// employer is the company of a call: what it is known by, and what a new one gets.
type employer struct {
	property, key string
	props         []property

	id      string
	rows    []*row
	unclear bool
}

// companyOf is the company of an item; its key is empty where there is none.
func (d *Destination) companyOf(it *destination.Item) (e employer) {
	if d.company == nil {
		return e
	}
	e.props = fill(nil, d.company.mapping, it)
	for i := range e.props {
		e.props[i].value = truncate(e.props[i].value, maxValue)
	}
	for _, name := range []string{"domain", "name"} {
		if v := strings.ToLower(strings.TrimSpace(valueOf(e.props, name))); v != "" && len(v) <= maxKey {
			e.property, e.key = name, v
			break
		}
	}
	return e
}

// companies finds or makes the companies, and associates them with the contacts.
func (r *run) companies() {
	if r.d.company == nil {
		return
	}
	all := r.employers()
	if len(all) == 0 {
		return
	}
	r.findCompanies(all)
	r.associate(all)
	r.makeCompanies(all)
	for _, e := range all {
		for _, row := range e.rows {
			if row.done[companiesObject] || row.result.Outcome != destination.Delivered {
				continue
			}
			res := destination.Result{Reason: "HubSpot did not say what became of the company; it is looked for again"}
			if r.halt != nil {
				res = *r.halt
			}
			res.Reason = "step company: the contact is written; " + res.Reason
			row.result = res
		}
	}
}

// employers are the companies of the rows whose contact is written, each once.
func (r *run) employers() (all []*employer) {
	for _, row := range r.rows {
		if !row.settled || row.result.Outcome != destination.Delivered || row.done[companiesObject] || row.id == "" {
			continue
		}
		it := &r.items[row.items[len(row.items)-1]]
		e := r.d.companyOf(it)
		if e.key == "" || !wanted(r.ctx, r.d.company.when, it) {
			continue
		}
		i := slices.IndexFunc(all, func(o *employer) bool { return o.property == e.property && o.key == e.key })
		if i < 0 {
			i = len(all)
			all = append(all, &e)
		}
		all[i].rows = append(all[i].rows, row)
	}
	return all
}

// memoKey is what is remembered of it under.
func (e *employer) memoKey() string { return companiesObject + ":" + e.property + ":" + e.key }

// findCompanies finds those that are there already.
func (r *run) findCompanies(all []*employer) {
	for _, property := range []string{"domain", "name"} {
		var open []*employer
		for _, e := range all {
			if e.property != property {
				continue
			}
			m, ok := r.recall(e.memoKey())
			if ok && !m.Pending {
				e.id = m.ID
				continue
			}
			e.unclear = ok
			open = append(open, e)
		}
		for chunk := range slices.Chunk(open, MaxInputs) {
			if r.halt != nil {
				return
			}
			values := make([]string, len(chunk))
			for i, e := range chunk {
				values[i] = e.key
			}
			b := appendMember([]byte(`{"filterGroups":[{"filters":[{`), "propertyName", property)
			b = appendStrings(append(b, `,"operator":"IN","values":`...), values)
			b = appendStrings(append(b, `}]}],"properties":`...), []string{property})
			found, _ := r.trySearch(companiesObject, append(b, `,"limit":200}`...), false, "finds the companies that are there already")
			for _, e := range chunk {
				for i := range found {
					if e.id == "" && strings.EqualFold(strings.TrimSpace(string(found[i].Properties[property])), e.key) {
						e.id = string(found[i].ID)
					}
				}
			}
		}
	}
	for _, e := range all {
		if e.id == "" && e.unclear && r.halt == nil {
			m, _ := r.recall(e.memoKey())
			e.settle(destination.Result{RetryAfter: m.fresh(r.d.conf.Now()), Reason: "step company: the contact is written; its company was perhaps created a moment ago, and HubSpot's search does not tell yet: it is looked for again"})
		}
	}
}

// settle gives all rows of a company a result other than delivered.
func (e *employer) settle(res destination.Result) {
	for _, row := range e.rows {
		row.result = res
	}
}

// associate adds the contacts to the companies that were found, which changes nothing where they belong to them already.
func (r *run) associate(all []*employer) {
	var found []*employer
	b := []byte(`{"inputs":[`)
	for _, e := range all {
		if e.id == "" {
			continue
		}
		found = append(found, e)
		for _, row := range e.rows {
			if b[len(b)-1] == '}' {
				b = append(b, ',')
			}
			b = append(appendMember(append(b, `{"from":{`...), "id", e.id), '}')
			b = append(appendMember(append(b, `,"to":{`...), "id", row.id), `}}`...)
		}
	}
	if len(found) == 0 || r.halt != nil {
		return
	}
	a, err := r.send(http.MethodPost, r.d.associations()+companiesObject+"/"+contactsObject+"/batch/associate/default", append(b, `]}`...), "adds the contacts to the companies that were found")
	if err != nil || a.Status < 200 || a.Status > 299 || a.Status == http.StatusMultiStatus {
		if err == nil && (a.Status == http.StatusMultiStatus || a.Status >= 400 && a.Status < 500 && !halts(a.Status)) {
			// A company that was deleted or merged a moment ago is looked for again.
			for _, e := range found {
				r.d.forget(r.ctx, e.memoKey())
			}
		}
		if err != nil || a.Status != http.StatusMultiStatus {
			res := r.d.judge(a, err)
			if res.Outcome == destination.Dead {
				res.Outcome = destination.Retry // one that is gone is not found by the next search
			}
			res.Reason = "step company: the contact is written; " + res.Reason
			for _, e := range found {
				e.settle(res)
			}
			if err != nil || halts(a.Status) {
				r.stop(res)
			}
		}
		return
	}
	for _, e := range found {
		e.written(r)
	}
}

// associations is the path before the types of objects of associations.
func (d *Destination) associations() string {
	if version, ok := strings.CutPrefix(d.objects, "/crm/objects/"); ok {
		return "/crm/associations/" + version
	}
	return "/crm/v4/associations/"
}

// written says that the company has its contacts.
func (e *employer) written(r *run) {
	r.remember(e.memoKey(), memo{ID: e.id})
	for _, row := range e.rows {
		row.company = e.id
		row.did(companiesObject)
	}
}

// makeCompanies makes those that are not there, with their contacts.
func (r *run) makeCompanies(all []*employer) {
	var ins []*input
	var made []*employer
	for _, e := range all {
		if e.id != "" || e.rows[0].result.Outcome != destination.Delivered || r.halt != nil {
			continue
		}
		in := &input{trace: e.rows[0].trace + "/" + shortHash(e.memoKey()), props: slices.Clone(e.props), fixed: []string{e.property}}
		for _, row := range e.rows {
			in.links = append(in.links, link{row.id, companyToContact})
		}
		r.remember(e.memoKey(), memo{Pending: true})
		ins, made = append(ins, in), append(made, e)
	}
	r.write(batch{companiesObject, "create", "creates the companies that were not found"}, ins)
	for i, in := range ins {
		e := made[i]
		for _, w := range in.warnings {
			e.rows[0].warn(w)
		}
		switch {
		case in.done:
			if e.id = in.recordID; e.id != "" {
				e.written(r)
			}
		case in.fail != nil || in.result != nil:
			if in.unknown {
				r.remember(e.memoKey(), memo{Pending: true})
			} else {
				r.d.forget(r.ctx, e.memoKey())
			}
			res := in.result
			if res == nil {
				row := in.fail.row()
				res = &row
			}
			refused := *res
			refused.Reason = "step company: the contact is written; " + refused.Reason
			e.settle(refused)
		case in.unknown:
			r.remember(e.memoKey(), memo{Pending: true})
		default:
			r.d.forget(r.ctx, e.memoKey())
		}
	}
}
