package salesforce

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/callgate/callgate/internal/destination"
	"github.com/callgate/callgate/internal/outbound"
	"github.com/callgate/callgate/internal/standin"
)

// BenchmarkConvert turns a call into the request that upserts its lead, without sending it.
func BenchmarkConvert(b *testing.B) {
	for name, cfg := range map[string]Config{"lead": {Match: MatchCall, ExternalID: "Call_Id__c"}, "lead and log": {Match: MatchCall, ExternalID: "Call_Id__c", LogCall: true, TaskExternalID: "Log_Id__c"}} {
		for size, n := range map[string]int{"2KiB": 2 << 10, "200KiB": 200 << 10} {
			b.Run(name+" "+size, func(b *testing.B) {
				_, d := org(b, standin.SalesforceConfig{}, cfg)
				c := mike()
				c.Transcript = strings.Repeat("It's Mike, the pipe leaks.\n", n/27)
				it := item(c)
				b.ReportAllocs()
				for b.Loop() {
					w := &write{record: d.newRecord(&it)}
					if cfg.LogCall {
						w.task = d.newTask(&it, w.record.key, "", "")
					}
					d.decide(w.record, unknown)
					if q := d.wholeRequest(w); len(q.body) == 0 {
						b.Fatal("no body")
					}
				}
			})
		}
	}
}

// upserted answers every upsert without a network.
type upserted struct{ answer string }

func (u upserted) RoundTrip(r *http.Request) (*http.Response, error) {
	_, _ = io.Copy(io.Discard, r.Body)
	return &http.Response{StatusCode: 200, Header: http.Header{"Sforce-Limit-Info": {"api-usage=18/5000"}}, Body: io.NopCloser(strings.NewReader(u.answer)), Request: r}, nil
}

// BenchmarkDeliver delivers through an in-memory transport; the figures are per call.
func BenchmarkDeliver(b *testing.B) {
	const row = `{"id":"00Q000000000001AAA","success":true,"errors":[],"created":false}`
	for _, n := range []int{1, 200} {
		b.Run(fmt.Sprintf("batch %d", n), func(b *testing.B) {
			answer := row
			if n > 1 {
				answer = "[" + strings.TrimSuffix(strings.Repeat(row+",", n), ",") + "]"
			}
			auth, err := outbound.Bearer("t")
			if err != nil {
				b.Fatal(err)
			}
			d, err := New(Config{Instance: "https://acme.my.salesforce.com", ExternalID: "Call_Id__c"},
				outbound.NewClient(outbound.Options{Transport: upserted{answer}}), auth, clock)
			if err != nil {
				b.Fatal(err)
			}
			items := make([]destination.Item, n)
			for i := range items {
				c := *mike()
				c.ID = fmt.Sprint(i)
				items[i] = item(&c)
			}
			b.ReportAllocs()
			for i := 0; i < b.N; i += n {
				for _, res := range d.Deliver(context.Background(), items) {
					if res.Outcome != destination.Delivered {
						b.Fatal(res.Reason)
					}
				}
			}
		})
	}
}
