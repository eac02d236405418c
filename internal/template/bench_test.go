package template

import (
	"strings"
	"testing"
	"time"

	"github.com/callgate/callgate/internal/call"
)

const leadBody = `{"lead": {"name": "{{first_name}} {{last_name}}", "phone": "{{caller_number}}", "email": "{{email}}",
	"company": "{{company_name}}", "notes": "{{message}}", "source": "AI Receptionist", "created_at": "{{timestamp}}", "seconds": "{{call_duration}}"}}`

func benchmarkAppend(b *testing.B, context Context, source string, o Options, message string) {
	tpl, err := Compile(source, context, o)
	if err != nil {
		b.Fatal(err)
	}
	seconds := 42
	s := &Scope{ReceivedAt: time.Unix(1e9, 0), Call: &call.Call{CallerNumber: "+15559876543", FirstName: "Mike", LastName: "Johnson",
		Email: "mjohnson@email.com", Message: message, EndedAt: time.Unix(1e9, 0), Duration: &seconds}}
	var dst []byte
	b.ReportAllocs()
	for b.Loop() {
		if dst, err = tpl.Append(dst[:0], s); err != nil {
			b.Fatal(err)
		}
	}
	b.SetBytes(int64(len(dst)))
}

func BenchmarkJSON(b *testing.B) {
	types := Options{Types: map[string]Type{"call_duration": Integer}}
	omit := types
	omit.Policy = OmitEmpty
	b.Run("lead", func(b *testing.B) { benchmarkAppend(b, JSON, leadBody, types, "leaky pipe in kitchen") })
	b.Run("omit", func(b *testing.B) { benchmarkAppend(b, JSON, leadBody, omit, "leaky pipe in kitchen") })
	b.Run("2KiB", func(b *testing.B) { benchmarkAppend(b, JSON, leadBody, types, strings.Repeat("said \"so\"\n", 180)) })
	b.Run("200KiB", func(b *testing.B) {
		benchmarkAppend(b, JSON, leadBody, types, strings.Repeat("Agent: good morning, how can I help you?\n", 5000))
	})
}

func BenchmarkXML(b *testing.B) {
	benchmarkAppend(b, XML, `<lead><name>{{name}}</name><phone>{{caller_number}}</phone><notes>{{message}}</notes></lead>`, Options{}, "leaky pipe & more")
}

func BenchmarkURL(b *testing.B) {
	benchmarkAppend(b, URL, "https://api.example.com/contacts/{{email}}?phone={{caller_number}}", Options{}, "")
}

func BenchmarkCompile(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Compile(leadBody, JSON, Options{}); err != nil {
			b.Fatal(err)
		}
	}
}
