package salesforce

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"

	"github.com/callgate/callgate/internal/destination"
	"github.com/callgate/callgate/internal/jsonscan"
)

// batch upserts several calls with sObject Collections, which answer for each record. Records that need a
// request of their own (a duplicate rule to settle) get one.
func (d *Destination) batch(ctx context.Context, items []destination.Item, out []destination.Result) {
	waiting := make([]int, len(items))
	writes := make([]*write, len(items))
	for i := range items {
		waiting[i] = i
		writes[i] = &write{record: d.newRecord(&items[i])}
		d.decide(writes[i].record, unknown)
	}
	for len(waiting) > 0 {
		// Salesforce refuses a request that has one key twice, and the events of one call have to stay in their order.
		var wave, rest []int
		seen := make(map[string]bool, len(waiting))
		for _, i := range waiting {
			key := strings.ToLower(writes[i].record.key) // external ids do not tell case apart unless told to
			if seen[key] {
				rest = append(rest, i)
				continue
			}
			seen[key] = true
			wave = append(wave, i)
		}
		for len(wave) > 0 {
			n := min(len(wave), d.cfg.MaxBatch)
			d.wave(ctx, wave[:n], writes, out)
			wave = wave[n:]
		}
		waiting = rest
	}
}

// wave sends the records of rows, which have different keys, until each is settled.
func (d *Destination) wave(ctx context.Context, rows []int, writes []*write, out []destination.Result) {
	for range maxRounds {
		a, err := d.send(ctx, d.collectionRequest(rows, writes), nil)
		if err != nil {
			res := d.whole(nil, err)
			for _, i := range rows {
				out[i] = writes[i].finish(res)
			}
			return
		}
		for _, i := range rows {
			d.note(writes[i], a.Header)
		}
		if a.Status == http.StatusBadRequest {
			// The request was not even read, for one record's sake; which one, separate requests show.
			for _, i := range rows {
				out[i] = d.write(ctx, writes[i])
			}
			return
		}
		saved, readable := readRows(a.Body, len(rows))
		if a.Status != http.StatusOK || !readable {
			res := d.whole(a, nil)
			if a.Status == http.StatusOK {
				res = unreadable(a.Status)
			}
			for _, i := range rows {
				out[i] = writes[i].finish(res)
			}
			return
		}
		var again []int
		for n, i := range rows {
			w, p := writes[i], saved[n]
			_, duplicate := has(p.errs, "DUPLICATES_DETECTED")
			_, converted := has(p.errs, convertedLead)
			switch {
			case p.ok():
				w.saved = p.id
				out[i] = w.delivered(a.Status)
			case p.broken:
				out[i] = w.finish(unreadable(a.Status))
			case duplicate && d.cfg.Duplicates == UpdateDuplicate, converted:
				out[i] = d.write(ctx, w)
			case d.amend(w.record, p.errs):
				again = append(again, i)
			case d.misconfigured(w.record, p.errs):
				out[i] = w.finish(misconfiguration(p.status, p.errs))
			default:
				out[i] = w.finish(verdict(p.status, p.errs))
			}
		}
		if len(again) == 0 {
			return
		}
		rows = again
	}
	for _, i := range rows {
		out[i] = writes[i].finish(endless(http.StatusBadRequest))
	}
}

// collectionRequest upserts the records of rows at once.
func (d *Destination) collectionRequest(rows []int, writes []*write) request {
	q := d.recordRequest(writes[rows[0]].record) // for the headers, which are the same for all
	q.path = d.prefix + "/composite/sobjects/" + d.cfg.Object + "/" + d.cfg.ExternalID
	size := 64
	for _, i := range rows {
		size += bodySize(writes[i].record.values) + 128
	}
	b := append(make([]byte, 0, size), `{"allOrNone":false,"records":[`...)
	for n, i := range rows {
		if n > 0 {
			b = append(b, ',')
		}
		r := writes[i].record
		head := append(append([]byte(`"attributes":{"type":"`+d.cfg.Object+`"},"`), d.cfg.ExternalID...), `":`...)
		head = append(jsonscan.AppendString(head, r.key), ',')
		b = appendBody(b, string(head), r.values)
	}
	q.body = append(b, "]}"...)
	return q
}

// readRows reads the answer to a collection of n records.
func readRows(body []byte, n int) ([]reply, bool) {
	var rows []struct {
		ID      string     `json:"id"`
		Success bool       `json:"success"`
		Errors  []apiError `json:"errors"`
	}
	if json.Unmarshal(body, &rows) != nil || len(rows) != n {
		return nil, false
	}
	out := make([]reply, n)
	for i, r := range rows {
		if r.Success {
			out[i] = reply{status: http.StatusOK, id: r.ID, broken: !isID(r.ID)}
			continue
		}
		errs := cleanErrors(r.Errors)
		out[i] = reply{status: http.StatusBadRequest, errs: errs, broken: len(errs) == 0}
	}
	return out, true
}
