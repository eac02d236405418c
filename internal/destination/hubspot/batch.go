package hubspot

import (
	"errors"
	"net/http"
	"slices"

	"github.com/callgate/callgate/internal/destination"
	"github.com/callgate/callgate/internal/outbound"
)

// maxBody is the size of a batch request in bytes above which it is divided: HubSpot's answer repeats it, and must stay
// under what the client reads.
const maxBody = 256 << 10

// maxRounds is how often a request is repeated without properties that HubSpot refused. Each repetition leaves out at
// least one.
const maxRounds = 3

// input is one record of a batch request, and what became of it.
type input struct {
	trace      string
	id         string // of the record, or the value of idProperty; empty for a new record
	idProperty string
	props      []property
	links      []link   // what a new record belongs to
	fixed      []string // properties that are not left out, whatever HubSpot says of them

	done     bool
	recordID string
	unknown  bool                // sent, and nobody knows whether it was carried out
	fail     *failure            // HubSpot's refusal
	result   *destination.Result // judgement, where fail says too little
	warnings []string
}

// link is an association with another record, and its type (HubSpot, "Association type IDs").
type link struct {
	id   string
	kind int
}

// batch is one batch request: the type of object, what to do ("upsert", "update", "create", "read"), and a note for
// previews.
type batch struct {
	object, verb, note string
}

// write sends the inputs, in as many requests as they need, until each is done, has failed, or the delivery halts.
func (r *run) write(b batch, ins []*input) {
	r.withoutRefused(b, ins)
	for len(ins) > 0 && r.halt == nil {
		n, size := 0, 0
		for n < len(ins) && n < MaxInputs {
			if size += ins[n].size(); size > maxBody && n > 0 {
				break
			}
			n++
		}
		r.attempt(b, ins[:n], 0)
		ins = ins[n:]
	}
}

func (in *input) size() int {
	n := 100
	for _, p := range in.props {
		n += len(p.name) + len(p.value) + 8
	}
	return n
}

// attempt sends the inputs in one request and sorts out the answer.
func (r *run) attempt(b batch, ins []*input, round int) {
	if len(ins) == 0 || r.halt != nil {
		return
	}
	a, err := r.send(http.MethodPost, r.d.objects+b.object+"/batch/"+b.verb, appendInputs(nil, ins), b.note)
	switch {
	case err != nil || a.Status >= 500 || a.Status < 200 || halts(a.Status):
		unknown(ins, perhaps(a, err))
		r.stop(r.d.judge(a, err))
	case a.Status < 300:
		r.sort(b, ins, a, round)
	default:
		f := parseFailure(a.Body)
		if f.Category == categoryRate {
			r.stop(r.d.judge(a, nil))
			return
		}
		switch {
		case a.Status == http.StatusNotFound && b.verb != "update":
			// Not a record is missing but the end point. The calls must not be lost for a wrong setting.
			r.stop(destination.Result{Status: a.Status, Pause: true, Reason: "404: HubSpot has no such end point; check api and the base URL, then resume the destination"})
		case round < maxRounds && r.dropInvalid(b, ins, &f):
			r.attempt(b, ins, round+1)
		case len(ins) > 1:
			// One record spoils the request and HubSpot does not say which. Nothing was written.
			half := len(ins) / 2
			r.attempt(b, ins[:half], 0)
			r.attempt(b, ins[half:], 0)
		default:
			res := r.d.judge(a, nil)
			ins[0].fail, ins[0].result = &f, &res
		}
	}
}

func unknown(ins []*input, perhaps bool) {
	for _, in := range ins {
		in.unknown = perhaps
	}
}

// perhaps reports whether a request that failed as a whole may have been carried out all the same: its answer got lost, or
// HubSpot failed at some point of it.
func perhaps(a *outbound.Answer, err error) bool {
	var e *outbound.Error
	switch {
	case errors.As(err, &e):
		return e.Kind == outbound.Broken || e.Kind == outbound.TimedOut || e.Kind == outbound.Stopped
	case err != nil:
		return false // no credentials
	}
	return a.Status >= 500 && a.Status != http.StatusServiceUnavailable || a.Status == http.StatusRequestTimeout || a.Status < 200
}

// halts reports whether a status concerns the account and not the request, so that nothing else should be sent now.
func halts(status int) bool {
	switch status {
	case http.StatusUnauthorized, http.StatusForbidden, http.StatusProxyAuthRequired, http.StatusRequestTimeout,
		http.StatusLocked, http.StatusTooEarly, http.StatusTooManyRequests, outbound.StatusMigration:
		return true
	}
	return false
}

// sort gives each input its part of an answer with a status of 2xx. Results come in any order: they are told apart by
// trace, or else by the id or the value that was sent.
func (r *run) sort(b batch, ins []*input, a *outbound.Answer, round int) {
	ans, ok := parseBatch(a.Body)
	open := slices.Clone(ins)
	take := func(match func(*input) bool) *input {
		i := slices.IndexFunc(open, match)
		if i < 0 {
			return nil
		}
		in := open[i]
		open = slices.Delete(open, i, i+1)
		return in
	}
	var rest []record
	for _, rec := range ans.Results {
		in := take(func(in *input) bool { return len(rec.TraceID) > 0 && in.trace == rec.TraceID[0] })
		if in == nil && len(rec.TraceID) == 0 {
			in = take(func(in *input) bool { return in.matches(&rec) })
		}
		switch {
		case in != nil:
			in.done, in.recordID = true, string(rec.ID)
		default:
			rest = append(rest, rec)
		}
	}
	var again []*input
	refuse := func(in *input, f *failure) {
		if round < maxRounds && r.dropInvalid(b, []*input{in}, f) {
			again = append(again, in)
			return
		}
		in.fail = f
	}
	for i := range ans.Errors {
		f := &ans.Errors[i]
		in := take(func(in *input) bool { t := f.trace(); return t != "" && in.trace == t || f.about(in.id) })
		if in == nil && len(ans.Errors) == 1 && len(open) == 1 {
			in = take(func(*input) bool { return true })
		}
		if in != nil {
			refuse(in, f)
		}
	}
	switch {
	case len(open) == 0:
	case len(open) == 1 && len(rest) == 1:
		open[0].done, open[0].recordID = true, string(rest[0].ID)
	case len(ins) == 1 && !ok:
		unknown(ins, true)
		r.stop(unreadable(a.Status))
	case len(ins) == 1 && a.Status != http.StatusMultiStatus && (ans.Status == "" || ans.Status == "COMPLETE"):
		// HubSpot confirmed the one record there was, and does not name it.
		open[0].done = true
	case len(ins) > 1 && b.verb != "create":
		// The answer does not tell these apart. Sending each alone does, and changes nothing that is written already.
		for _, in := range open {
			r.attempt(b, []*input{in}, round)
		}
	default:
		unknown(open, true)
		for _, in := range open {
			in.result = &destination.Result{Status: a.Status, Reason: "HubSpot did not say what became of the record; it is looked for again"}
		}
	}
	r.attempt(b, again, round+1)
}

// matches reports whether a record in an answer without traces is that of the input.
func (in *input) matches(rec *record) bool {
	if in.id == "" {
		return false
	}
	if in.idProperty != "" {
		return string(rec.Properties[in.idProperty]) == in.id
	}
	return string(rec.ID) == in.id
}

// dropInvalid leaves out the properties that the failure names, or gives them a value that HubSpot takes where it says which
// those are, and reports whether that changes the request. What
// HubSpot does not have or does not let us write is left out everywhere, a value that it does not accept in the one
// input that the failure is about. The value that identifies the record cannot be left out.
func (r *run) dropInvalid(b batch, ins []*input, f *failure) bool {
	changed := false
	for name, v := range f.validities() {
		code := string(v.Error)
		always := code == codeUnknown || code == codeReadOnly
		if !always && len(ins) > 1 {
			continue
		}
		dropped := false
		for _, in := range ins {
			n := len(in.props)
			if name == in.idProperty || name == "email" && !always || slices.Contains(in.fixed, name) && !r.mendable(b, in, name, v) {
				continue
			}
			if i := slices.IndexFunc(in.props, func(p property) bool { return p.name == name }); i >= 0 && !always {
				if value, ok := r.d.mend(b.object, name, in.props[i].value, v); ok {
					in.props[i].value, dropped = value, true
					continue
				}
			}
			in.props = slices.DeleteFunc(in.props, func(p property) bool { return p.name == name })
			if len(in.props) == n {
				continue
			}
			dropped = true
			if !always {
				in.warnings = append(in.warnings, "property "+name+" was left out: HubSpot does not accept the value ("+plain(code)+")")
			}
		}
		changed = changed || dropped
		if always && dropped && !r.dry {
			r.d.refused.add(b.object+"."+name, r.d.conf.Now())
			if r.d.firstWarning(b.object + "." + name) {
				ins[0].warnings = append(ins[0].warnings, "property "+name+" of "+b.object+" is left out from now on: HubSpot does not have it or does not let it be written ("+plain(code)+"); make it in HubSpot or take it from the configuration")
			}
		}
	}
	return changed
}

// mendable says whether a value that HubSpot refused can be written as it takes it.
func (r *run) mendable(b batch, in *input, name string, v validity) bool {
	_, ok := r.d.mend(b.object, name, valueOf(in.props, name), v)
	return ok
}

// withoutRefused leaves out what HubSpot refused before, and writes values as it takes them.
func (r *run) withoutRefused(b batch, ins []*input) {
	now := r.d.conf.Now()
	for _, in := range ins {
		for i := range in.props {
			in.props[i].value = r.d.fitting(b.object, in.props[i].name, in.props[i].value)
		}
		if r.d.refused.empty() {
			continue
		}
		in.props = slices.DeleteFunc(in.props, func(p property) bool {
			return p.name != in.idProperty && !slices.Contains(in.fixed, p.name) && r.d.refused.has(b.object+"."+p.name, now)
		})
	}
}

// appendInputs appends the body of a batch request.
func appendInputs(dst []byte, ins []*input) []byte {
	size := 16
	for _, in := range ins {
		size += in.size() + 64
	}
	dst = slices.Grow(dst, size)
	dst = append(dst, `{"inputs":[`...)
	for i, in := range ins {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(dst, '{')
		if in.idProperty != "" {
			dst = appendMember(dst, "idProperty", in.idProperty)
		}
		if in.id != "" {
			dst = appendMember(dst, "id", in.id)
		}
		dst = appendMember(dst, "objectWriteTraceId", in.trace)
		dst = append(dst, `,"properties":`...)
		dst = appendProperties(dst, in.props)
		switch {
		case len(in.links) > 0:
			dst = append(dst, `,"associations":[`...)
			for i, l := range in.links {
				if i > 0 {
					dst = append(dst, ',')
				}
				dst = appendMember(append(dst, `{"to":{`...), "id", l.id)
				dst = append(dst, `},"types":[{"associationCategory":"HUBSPOT_DEFINED","associationTypeId":`...)
				dst = append(appendInt(dst, l.kind), `}]}`...)
			}
			dst = append(dst, ']')
		case in.id == "": // HubSpot's descriptions require the list of a new record
			dst = append(dst, `,"associations":[]`...)
		}
		dst = append(dst, '}')
	}
	return append(dst, `]}`...)
}

func appendProperties(dst []byte, props []property) []byte {
	dst = append(dst, '{')
	for _, p := range props {
		dst = appendMember(dst, p.name, p.value)
	}
	return append(dst, '}')
}
