package source

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"
)

func body(tb testing.TB, name string) []byte {
	tb.Helper()
	b, err := os.ReadFile("samples/payloads/" + name)
	if err != nil {
		tb.Fatal(err)
	}
	return b
}

// longTranscript is the end of a call that talked for 200 KiB.
func longTranscript() []byte {
	talk := strings.Repeat("User: It's Mike Johnson, I have a leaky pipe.\nAgent: Thanks, where is that?\n", 200<<10/78)
	b, err := json.Marshal(map[string]any{"event": "call_ended", "call": map[string]any{
		"call_id": "c", "from_number": "+15559876543", "to_number": "+15551234567", "direction": "inbound", "transcript": talk,
	}})
	if err != nil {
		panic(err)
	}
	return b
}

// longLead is a lead of 2 KiB, nearly all of which are its notes.
func longLead() []byte {
	const start, end = `{"lead":{"name":"Mike Johnson","phone":"+15559876543","email":"mjohnson@email.com","company":"",` +
		`"source":"AI Receptionist","created_at":"2026-01-01T00:00:42Z","call_id":"call_000000000001","notes":"`, `"}}`
	words := strings.Repeat("The kitchen pipe leaks, and water stands on the floor. ", 40)
	return []byte(start + words[:2048-len(start)-len(end)] + end)
}

func BenchmarkSource(b *testing.B) {
	for _, c := range []struct {
		name, preset string
		body         []byte
	}{
		{"nextphone lead", "nextphone", body(b, "nextphone-lead.json")},
		{"nextphone 2 KiB", "nextphone", longLead()},
		{"retell 2 KiB", "retell", body(b, "retell-call-analyzed.json")},
		{"vapi 2.5 KiB", "vapi", body(b, "vapi-end-of-call-report.json")},
		{"twilio form", "twilio", body(b, "twilio-voice-status-callback.form")},
		{"retell 200 KiB", "retell", longTranscript()},
	} {
		p := newParser(b, c.preset, Options{})
		r := &Request{Body: c.body}
		b.Run(fmt.Sprintf("identify/%s", c.name), func(b *testing.B) {
			b.SetBytes(int64(len(c.body)))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := p.Identify(r); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run(fmt.Sprintf("parse/%s", c.name), func(b *testing.B) {
			b.SetBytes(int64(len(c.body)))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := p.Parse(r); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkJSONPathID(b *testing.B) {
	text := body(b, "retell-call-analyzed.json")
	for _, expr := range []string{"$.call.call_id", "$..call_id"} {
		j, err := NewJSONPathID(expr)
		if err != nil {
			b.Fatal(err)
		}
		b.Run(expr, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, ok := j.ID(text); !ok {
					b.Fatal("no id")
				}
			}
		})
	}
}
