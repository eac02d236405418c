package caddymodule

import (
	"fmt"
	"testing"
	"time"

	"github.com/callgate/callgate/internal/manage"
	"github.com/callgate/callgate/internal/store"
)

// BenchmarkPublishing publishes one tenant among 10,000, and measures what the others cost at the start and at a reload.
func BenchmarkPublishing(b *testing.B) {
	const tenants = 10_000
	g := runGateway(b, fmt.Sprintf(managing, "https://crm.example"))
	d := someDispatcher(b)
	secrets := func(n int) []byte {
		return fmt.Appendf(nil, `{"hook":{"value":"of-%d"},"token":{"value":"t","hosts":["crm.example"]}}`, n)
	}
	for n := range tenants {
		body := `{"secrets":["{secret.hook}"],"vars":{"owner_name":"Clinic"}}`
		if n%10 == 0 {
			body = `{"secrets":["{secret.hook}"],"destinations":{"crm":{"to":{"type":"http","url":"https://crm.example/x","body":"{}","bearer":"{secret.token}"}}}}`
		}
		if err := d.store.AddDocument(b.Context(), &store.Document{DocumentInfo: store.DocumentInfo{
			Kind: manage.Tenant, Name: fmt.Sprintf("t%d", n), Version: 1, State: store.Published, At: time.Unix(1, 0),
		}, Body: []byte(body), Secrets: secrets(n)}); err != nil {
			b.Fatal(err)
		}
	}
	g.stop()
	begun := time.Now()
	g.start()
	start := time.Since(begun)
	begun = time.Now()
	g.start()
	reload := time.Since(begun)
	docs := someDispatcher(b).documents
	n := 0
	for b.Loop() {
		n++
		if _, err := docs.Save(b.Context(), "ann", manage.Tenant, "one", tenantDraft(true, "of-one", fmt.Sprintf(`,"vars":{"n":"%d"}`, n))); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(start.Milliseconds()), "start-ms")
	b.ReportMetric(float64(reload.Milliseconds()), "reload-ms")
}
