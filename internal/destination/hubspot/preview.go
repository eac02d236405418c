package hubspot

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"

	"github.com/callgate/callgate/internal/destination"
	"github.com/callgate/callgate/internal/outbound"
)

// ContactID and CompanyID stand in a preview for the ids that HubSpot would have answered.
const (
	ContactID = "CONTACT_ID"
	CompanyID = "COMPANY_ID"
)

// Preview implements destination.Destination: it shows what is sent for callers whom HubSpot does not know yet. It asks
// nothing, so what depends on an answer (an update in place of a create) is not shown.
func (d *Destination) Preview(items []destination.Item) ([]destination.Request, error) {
	if len(items) > d.MaxBatch() {
		return nil, fmt.Errorf("%w: at most %d calls go into one delivery", ErrConfig, d.MaxBatch())
	}
	var out []destination.Request
	r := &run{d: d, ctx: context.Background(), items: items, rows: d.rowsOf(items), dry: true}
	r.exchange = func(r *run, method, path string, body []byte, note string) (*outbound.Answer, error) {
		h := make(http.Header)
		r.headers(h)
		d.auth.Mask(h)
		out = append(out, destination.Request{Method: method, URL: d.conf.BaseURL + path, Header: h, Body: string(body), Note: note})
		return &outbound.Answer{Status: http.StatusOK, Body: expected(path, body)}, nil
	}
	r.deliver()
	for i, res := range r.results() {
		if res.Outcome == destination.Dead && len(out) == 0 {
			return nil, fmt.Errorf("call %d would not be sent: %s", i+1, res.Reason)
		}
	}
	return out, nil
}

// expected is the answer that says that nothing is there yet, and all is written.
func expected(path string, body []byte) []byte {
	if strings.HasSuffix(path, "/search") || strings.HasSuffix(path, "/batch/read") {
		return []byte(`{"results":[]}`)
	}
	if !strings.Contains(path, "/batch/") {
		return []byte(`{"isNew":true}`)
	}
	var sent struct {
		Inputs []struct {
			Trace string `json:"objectWriteTraceId"`
		} `json:"inputs"`
	}
	_ = json.Unmarshal(body, &sent) // we wrote it ourselves
	id := ContactID
	if strings.Contains(path, "/"+companiesObject+"/") {
		id = CompanyID
	}
	var b bytes.Buffer
	b.WriteString(`{"status":"COMPLETE","results":[`)
	for i, in := range sent.Inputs {
		if i > 0 {
			b.WriteByte(',')
		}
		b.Write(append(appendMember(appendMember([]byte{'{'}, "id", id), "objectWriteTraceId", in.Trace), '}'))
	}
	b.WriteString(`]}`)
	return b.Bytes()
}
