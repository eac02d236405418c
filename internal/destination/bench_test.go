package destination_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/callgate/callgate/internal/call"
	"github.com/callgate/callgate/internal/definition"
	"github.com/callgate/callgate/internal/destination"
	"github.com/callgate/callgate/internal/destination/fhir"
	"github.com/callgate/callgate/internal/destination/httpdest"
	"github.com/callgate/callgate/internal/destination/hubspot"
	"github.com/callgate/callgate/internal/destination/salesforce"
	"github.com/callgate/callgate/internal/outbound"
	"github.com/callgate/callgate/internal/source"
)

// benchPayloads are the events of two calls: one with a transcript of some lines, one that talked for 200 KiB.
func benchPayloads() map[string][]byte {
	event := func(analysis, transcript string) []byte {
		b, err := json.Marshal(map[string]any{"event": "call_analyzed", "call": map[string]any{
			"call_id": "Jabr9TXYYJHfvl6Syypi88rdAHYHmcq6", "from_number": "+15559876543", "to_number": "+15551234567",
			"direction": "inbound", "start_timestamp": 1767225600000, "end_timestamp": 1767225642000, "transcript": transcript,
			"call_analysis": map[string]any{"call_summary": analysis, "custom_analysis_data": map[string]any{
				"first_name": "Mike", "last_name": "Johnson", "email": "mjohnson@email.com", "issue": "leaky pipe in kitchen",
			}},
		}})
		if err != nil {
			panic(err)
		}
		return b
	}
	const line = "User: It's Mike Johnson, I have a leaky pipe.\nAgent: Thanks, where is that?\n"
	return map[string][]byte{
		"lead 2 KiB":         event("Mike Johnson has a leaky pipe and wants a quote.", strings.Repeat(line, 19)),
		"transcript 200 KiB": event("Mike Johnson has a leaky pipe and wants a quote.", strings.Repeat(line, 200<<10/len(line))),
	}
}

// request makes the request that writes the call: what a proxy would send (convert), credentials included.
func request(ctx context.Context, d destination.Destination, it destination.Item) (*http.Request, error) {
	switch d := d.(type) {
	case interface {
		Convert(context.Context, destination.Item) (*http.Request, error)
	}:
		return d.Convert(ctx, it)
	case interface {
		Request(context.Context, destination.Item) (*http.Request, error)
	}:
		return d.Request(ctx, it)
	}
	return nil, fmt.Errorf("%T makes no single request", d)
}

// withTranscript are the destinations with the transcript in what they send.
func withTranscript(tb testing.TB) []named {
	tb.Helper()
	auth, err := outbound.Bearer("example")
	if err != nil {
		tb.Fatal(err)
	}
	h, err1 := hubspot.New(hubspot.Config{Token: "pat-na1-example", Properties: map[string]string{"call_transcript": "transcript"}})
	s, err2 := salesforce.New(salesforce.Config{
		Instance: "https://acme.my.salesforce.com", ExternalID: "Call_Id__c", Fields: []salesforce.Field{{Name: "Transcript__c", From: "transcript"}},
	}, outbound.NewClient(outbound.Options{}), auth, time.Now)
	f, err3 := fhir.New(fhir.Config{Base: "https://ehr.example/fhir", Auth: auth, Fields: append([]string{"transcript"}, fhir.DefaultFields...)})
	if err := errors.Join(err1, err2, err3); err != nil {
		tb.Fatal(err)
	}
	return append(documentsWithTranscript(tb), named{"hubspot", "", h}, named{"salesforce", "", s}, named{"fhir", "", f})
}

// documentsWithTranscript are documents of each content type.
func documentsWithTranscript(tb testing.TB) (all []named) {
	tb.Helper()
	const object = `{"name": "{{first_name}} {{last_name}}", "phone": "{{caller_number}}", "notes": "{{issue}}", "transcript": "{{transcript}}"}`
	for _, kind := range []struct{ name, contentType, template string }{
		{"http JSON", "application/json", object},
		{"http XML", "application/xml", `"<call><name>{{first_name}} {{last_name}}</name><phone>{{caller_number}}</phone><transcript>{{transcript}}</transcript></call>"`},
		{"http form", "application/x-www-form-urlencoded", object},
	} {
		doc, _, err := definition.Parse(fmt.Appendf(nil, `{"url": "https://crm.example/calls/{{call_id}}", "headers": {"Authorization": "Bearer example", "Content-Type": %q},
			"body_template": %s}`, kind.contentType, kind.template), definition.Options{})
		if err != nil {
			tb.Fatal(err)
		}
		w, err := httpdest.New(httpdest.Config{Renderer: httpdest.FromDefinition(doc)})
		if err != nil {
			tb.Fatal(err)
		}
		all = append(all, named{kind.name, "", w})
	}
	return all
}

// BenchmarkConvert is the way from a provider's bytes to the request of each destination, transcript and all; what accepting
// does with them, which is to read them and write and read the record; and as the limit what encoding/json alone takes to
// read the same bytes, and to read and write them.
func BenchmarkConvert(b *testing.B) {
	parser, err := source.New("retell", source.Options{})
	if err != nil {
		b.Fatal(err)
	}
	payloads := benchPayloads()
	for _, size := range slices.Sorted(maps.Keys(payloads)) {
		body := payloads[size]
		run := func(name string, f func() error) {
			b.Run(size+"/"+name, func(b *testing.B) {
				b.SetBytes(int64(len(body)))
				b.ReportAllocs()
				began := cpuTime()
				for b.Loop() {
					if err := f(); err != nil {
						b.Fatal(err)
					}
				}
				if used := cpuTime() - began; used > 0 {
					b.ReportMetric(float64(len(body)*b.N)/1e6/used.Seconds(), "MB/CPU-s")
				}
			})
		}
		for _, d := range withTranscript(b) {
			run(d.name, func() error {
				c, err := parser.Parse(&source.Request{Body: body})
				if err != nil {
					return err
				}
				it := destination.Item{DeliveryID: "dlv_1", EventID: "evt_1", Attempt: 1, Call: c, ReceivedAt: received}
				_, err = request(b.Context(), d.Destination, it)
				return err
			})
		}
		run("accepted", func() error {
			c, err := parser.Parse(&source.Request{Body: body})
			if err != nil {
				return err
			}
			record, err := c.Encode()
			if err != nil {
				return err
			}
			_, err = call.Decode(record)
			return err
		})
		run("encoding json, read", func() error {
			var v any
			return json.Unmarshal(body, &v)
		})
		run("encoding json, read and written", func() error {
			var v any
			if err := json.Unmarshal(body, &v); err != nil {
				return err
			}
			_, err := json.Marshal(v)
			return err
		})
	}
}

// TestConvertedRequestsCarryTheCall holds what the benchmark makes.
func TestConvertedRequestsCarryTheCall(t *testing.T) {
	for size, body := range benchPayloads() {
		it := item(t, "retell", &source.Request{Body: body})
		for _, d := range append(withTranscript(t), destinations(t)...) {
			req, err := request(t.Context(), d.Destination, it)
			if err != nil {
				t.Fatalf("%s: %v", d.name, err)
			}
			var sent bytes.Buffer
			if _, err := sent.ReadFrom(req.Body); err != nil {
				t.Fatal(err)
			}
			isJSON := d.name != "http XML" && d.name != "http form"
			if isJSON != json.Valid(sent.Bytes()) || !strings.Contains(strings.ReplaceAll(sent.String(), "%2B", "+"), "+15559876543") {
				t.Errorf("%s of %s: %.500s", d.name, size, sent.String())
			}
			if req.Header.Get("Authorization") == "" && req.Header.Get("X-Api-Key") == "" {
				t.Errorf("%s is not signed in", d.name)
			}
		}
	}
}
