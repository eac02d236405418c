package destination_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

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
	doc, _, err := definition.Parse([]byte(`{
		"url": "https://crm.example/calls/{{call_id}}", "headers": {"Authorization": "Bearer example"},
		"body_template": {"name": "{{first_name}} {{last_name}}", "phone": "{{caller_number}}", "notes": "{{issue}}", "transcript": "{{transcript}}"}
	}`), definition.Options{})
	if err != nil {
		tb.Fatal(err)
	}
	h, err1 := hubspot.New(hubspot.Config{Token: "pat-na1-example", Properties: map[string]string{"call_transcript": "transcript"}})
	s, err2 := salesforce.New(salesforce.Config{
		Instance: "https://acme.my.salesforce.com", ExternalID: "Call_Id__c", Fields: []salesforce.Field{{Name: "Transcript__c", From: "transcript"}},
	}, outbound.NewClient(outbound.Options{}), auth, time.Now)
	f, err3 := fhir.New(fhir.Config{Base: "https://ehr.example/fhir", Auth: auth, Fields: append([]string{"transcript"}, fhir.DefaultFields...)})
	w, err4 := httpdest.New(httpdest.Config{Renderer: httpdest.FromDefinition(doc)})
	if err := errors.Join(err1, err2, err3, err4); err != nil {
		tb.Fatal(err)
	}
	return []named{{"hubspot", "", h}, {"salesforce", "", s}, {"fhir", "", f}, {"http", "", w}}
}

// BenchmarkConvert is the way from a provider's bytes to the request of each destination, transcript and all.
func BenchmarkConvert(b *testing.B) {
	parser, err := source.New("retell", source.Options{})
	if err != nil {
		b.Fatal(err)
	}
	for size, body := range benchPayloads() {
		for _, d := range withTranscript(b) {
			b.Run(size+"/"+d.name, func(b *testing.B) {
				b.SetBytes(int64(len(body)))
				b.ReportAllocs()
				for b.Loop() {
					c, err := parser.Parse(&source.Request{Body: body})
					if err != nil {
						b.Fatal(err)
					}
					it := destination.Item{DeliveryID: "dlv_1", EventID: "evt_1", Attempt: 1, Call: c, ReceivedAt: received}
					if _, err := request(b.Context(), d.Destination, it); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
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
			if !json.Valid(sent.Bytes()) || !strings.Contains(sent.String(), "+15559876543") {
				t.Errorf("%s of %s: %s", d.name, size, sent.String())
			}
			if req.Header.Get("Authorization") == "" && req.Header.Get("X-Api-Key") == "" {
				t.Errorf("%s is not signed in", d.name)
			}
		}
	}
}
