package salesforce

import (
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"strings"

	"github.com/callgate/callgate/internal/destination"
	"github.com/callgate/callgate/internal/jsonscan"
	"github.com/callgate/callgate/internal/outbound"
)

// Headers of the REST API (REST API Developer Guide, "Headers").
const (
	headerAssign    = "Sforce-Auto-Assign"
	headerDuplicate = "Sforce-Duplicate-Rule-Header"
	headerUsage     = "Sforce-Limit-Info"
)

// References of the parts of composite requests.
const (
	refRecord  = "record"  // the record, or the one that carries the call's id
	refCaller  = "caller"  // records with the caller's address or number
	refContact = "contact" // contacts with the caller's address or number
	refTask    = "task"    // the call's log
)

// request is one request, or one part of a composite request.
type request struct {
	method string
	path   string
	// header holds names and values by turns.
	header []string
	body   []byte
}

// recordRequest is the request that writes r.
func (d *Destination) recordRequest(r *record) request {
	q := request{method: http.MethodPatch, path: d.prefix + "/sobjects/" + d.cfg.Object}
	switch {
	case r.id != "":
		q.path += "/" + r.id
	case d.cfg.ExternalID != "":
		q.path += "/" + d.cfg.ExternalID + "/" + escapeSegment(r.key)
	default:
		q.method = http.MethodPost
	}
	switch rule := d.cfg.AssignmentRule; {
	case r.known == present:
		// An owner that was found once stays; without the header Salesforce would apply the active rule again.
		q.header = append(q.header, headerAssign, "FALSE")
	case rule != "":
		q.header = append(q.header, headerAssign, rule)
	}
	if r.forced || d.cfg.Duplicates == AllowDuplicate {
		q.header = append(q.header, headerDuplicate, "allowSave=true")
	}
	q.body = appendBody(make([]byte, 0, bodySize(r.values)), "", d.literal(r.values))
	return q
}

// taskRequest is the request that writes the log t of the record with the id, or with the reference of a
// composite request.
func (d *Destination) taskRequest(t *task, recordID string) request {
	q := request{method: http.MethodPatch, path: d.prefix + "/sobjects/Task"}
	switch {
	case t.id != "":
		q.path += "/" + t.id
	case d.cfg.TaskExternalID != "":
		q.path += "/" + d.cfg.TaskExternalID + "/" + escapeSegment(t.key)
	default:
		q.method = http.MethodPost
	}
	q.body = appendBody(make([]byte, 0, bodySize(t.values)+64), `"`+d.relation()+`":"`+recordID+`",`, literals(t.values))
	return q
}

// literal keeps values from being read as references. In a composite request "@{record.id}" stands for another part's
// answer wherever it is found, and one that cannot be resolved fails the request; there is no way to escape it. So a
// caller's "@{" becomes "@ {" there.
func (d *Destination) literal(values []value) []value {
	if !d.cfg.LogCall {
		return values
	}
	return literals(values)
}

// literals are values with literal texts. Those of logs always are, so that a log is found whichever way it was written.
func literals(values []value) []value {
	if !slices.ContainsFunc(values, func(v value) bool { return strings.Contains(v.text, "@{") }) {
		return values
	}
	values = slices.Clone(values)
	for i := range values {
		values[i].text = literal(values[i].text)
	}
	return values
}

// literal is a text as it is sent where Salesforce looks for references.
func literal(s string) string { return strings.ReplaceAll(s, "@{", "@ {") }

func bodySize(values []value) int {
	n := 16
	for _, v := range values {
		n += len(v.name) + len(v.text) + len(v.text)/16 + 8
	}
	return n
}

// part is one part of a composite request.
type part struct {
	ref string
	request
}

// compositeRequest puts parts into one request. It is not "all or none": a lead must not be lost because its log
// was refused.
func (d *Destination) compositeRequest(parts ...part) request {
	size := 64
	for _, p := range parts {
		size += len(p.body) + len(p.path) + 160
	}
	b := append(make([]byte, 0, size), `{"allOrNone":false,"compositeRequest":[`...)
	for i, p := range parts {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(append(append(b, `{"method":"`...), p.method...), `","url":`...)
		b = jsonscan.AppendString(b, p.path)
		b = append(append(append(b, `,"referenceId":"`...), p.ref...), '"')
		if len(p.header) > 0 {
			b = append(b, `,"httpHeaders":{`...)
			for j := 0; j < len(p.header); j += 2 {
				if j > 0 {
					b = append(b, ',')
				}
				b = append(jsonscan.AppendString(b, p.header[j]), ':')
				b = jsonscan.AppendString(b, p.header[j+1])
			}
			b = append(b, '}')
		}
		if p.body != nil {
			b = append(append(b, `,"body":`...), p.body...)
		}
		b = append(b, '}')
	}
	return request{method: http.MethodPost, path: d.prefix + "/composite", body: append(b, "]}"...)}
}

// send sends q. it is the delivery that it belongs to, nil for a batch.
func (d *Destination) send(ctx context.Context, q request, it *destination.Item) (*outbound.Answer, error) {
	req, err := outbound.NewRequest(ctx, q.method, d.cfg.Instance+q.path, q.body)
	if err != nil {
		return nil, err
	}
	d.dress(req.Header, q, it)
	return d.client.Send(ctx, d.auth, req)
}

// dress sets the headers of q, but for the credentials.
func (d *Destination) dress(h http.Header, q request, it *destination.Item) {
	h.Set("Accept", "application/json")
	if q.body != nil {
		h.Set("Content-Type", "application/json; charset=UTF-8")
	}
	for i := 0; i < len(q.header); i += 2 {
		h.Set(q.header[i], q.header[i+1])
	}
	if it == nil {
		it = &destination.Item{}
	}
	outbound.StampHeaders(h, *it)
	// One delivery takes several requests with different bodies, which an idempotency key would declare the same.
	h.Del("Idempotency-Key")
}

// reply is what became of one record or query.
type reply struct {
	status int
	errs   []apiError
	id     string
	body   json.RawMessage
	// broken says that the status is a success and the body cannot be relied on.
	broken bool
}

func (r *reply) ok() bool { return r.status >= 200 && r.status < 300 && len(r.errs) == 0 && !r.broken }

// readReply reads the answer to a write of one record.
func readReply(status int, body []byte) reply {
	r := reply{status: status, body: body}
	switch {
	case status == http.StatusNoContent:
	case status < 200 || status >= 300:
		r.errs = parseErrors(body)
	default:
		var saved struct {
			ID      string     `json:"id"`
			Success *bool      `json:"success"`
			Errors  []apiError `json:"errors"`
		}
		if json.Unmarshal(body, &saved) != nil || saved.Success == nil || *saved.Success && !isID(saved.ID) {
			r.broken = true
			return r
		}
		r.id = saved.ID
		if !*saved.Success {
			r.errs = cleanErrors(saved.Errors)
			r.broken = len(r.errs) == 0
		}
	}
	return r
}

// readComposite reads the answer to a composite request: one reply for each part, in the order of refs.
func readComposite(body []byte, refs ...string) ([]reply, bool) {
	var all struct {
		CompositeResponse []struct {
			Body           json.RawMessage `json:"body"`
			HTTPStatusCode int             `json:"httpStatusCode"`
			ReferenceID    string          `json:"referenceId"`
		} `json:"compositeResponse"`
	}
	if json.Unmarshal(body, &all) != nil || len(all.CompositeResponse) != len(refs) {
		return nil, false
	}
	out := make([]reply, len(refs))
	for i, p := range all.CompositeResponse {
		if p.ReferenceID != refs[i] {
			return nil, false
		}
		out[i] = reply{status: p.HTTPStatusCode, body: p.Body}
		if p.HTTPStatusCode < 200 || p.HTTPStatusCode >= 300 {
			out[i].errs = parseErrors(p.Body)
		}
	}
	return out, true
}
