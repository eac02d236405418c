package hubspot

import (
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
)

// upsertV1 writes the rows by contacts/v1, as the setup guide for voice agents shows it.
func (r *run) upsertV1(rows []*row) {
	for i, row := range rows {
		in := &input{trace: row.trace, id: row.email, props: slices.Clone(row.props)}
		if row.isNew {
			in.props = append(in.props, r.d.create...)
		}
		b := batch{contactsObject, "v1", "creates the contact, or updates the one that has the address"}
		r.withoutRefused(b, []*input{in})
		r.expect(rows[i : i+1])
		for round := 0; r.halt == nil; round++ {
			a, err := r.send(http.MethodPost, "/contacts/v1/contact/createOrUpdate/email/"+url.PathEscape(row.email), bodyV1(in.props), b.note)
			if err != nil || a.Status < 200 || a.Status >= 500 || halts(a.Status) {
				in.unknown = perhaps(a, err)
				r.stop(r.d.judge(a, err))
				break
			}
			if a.Status < 300 {
				var ans v1Answer
				if !json.Valid(a.Body) {
					in.unknown = true
					r.stop(unreadable(a.Status))
					break
				}
				_ = json.Unmarshal(a.Body, &ans) // the status says that it is written
				in.done, in.recordID = true, ans.VID.String()
				if r.dry {
					in.recordID = ContactID
				}
				break
			}
			f := parseFailure(a.Body)
			if round < maxRounds && r.dropInvalid(b, []*input{in}, &f) {
				continue
			}
			res := r.d.judge(a, nil)
			in.fail, in.result = &f, &res
			break
		}
		r.take(rows[i:i+1], []*input{in})
	}
}

func bodyV1(props []property) []byte {
	b := []byte(`{"properties":[`)
	for i, p := range props {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(appendMember(appendMember(append(b, '{'), "property", p.name), "value", p.value), '}')
	}
	return append(b, `]}`...)
}
