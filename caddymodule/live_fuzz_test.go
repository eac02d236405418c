package caddymodule

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/callgate/callgate/internal/manage"
	"github.com/callgate/callgate/internal/store"
)

// FuzzDocument works documents out as publishing does, without putting them into force: whoever may write them is no operator
// of the machine. Nothing is opened or sent for that. What is wrong is told the same each time, and tells of no secret, no
// environment and no file; what was refused or given up has claimed nothing.
func FuzzDocument(f *testing.F) {
	f.Setenv("CALLGATE_TEST_CANARY", "canary-of-the-environment")
	dir := f.TempDir()
	ctx, err := provision(strings.NewReplacer("SOCKET", "unix/"+filepath.Join(dir, "s"), "STORE", filepath.Join(dir, "store.db"), "NAME", "fuzz-documents").
		Replace(fmt.Sprintf(managing, "http://127.0.0.1:9")))
	if err != nil {
		f.Fatal(err)
	}
	app, err := ctx.App("callgate")
	if err != nil {
		f.Fatal(err)
	}
	l := app.(*App).run.live
	for _, body := range []string{
		`{}`, `[]`, `null`, `{"secrets":["{secret.hook}"]}`, `{"secrets":["{secret.hook}"],"rate_limit":{"rate":"5/s"},"vars":{"a":"b"}}`,
		`{"secrets":["{secret.hook}"],"deliver":[{"to":"own","if":"call.urgent"}],"destinations":{"own":` + httpTo("https://a.example/{{phone}}", `,"bearer":"{secret.token}"`) + `}}`,
		`{"secrets":["{env.CALLGATE_TEST_CANARY}","{file./etc/passwd}"],"verify":{"scheme":"hmac","header":"X-Sig"}}`,
		`{"secrets":["{secret.hook}"],"sources":{"nextphone":{"max_body":"1MB","store_fields":{"fields":["caller_number"],"hash":["email"],"hash_key":"{secret.hook}"}}}}`,
		httpTo("https://a.example", `,"headers":{"X":"{env.CALLGATE_TEST_CANARY}"},"tls":{"ca":"/etc/passwd"}`),
		`{"to":{"type":"hubspot","token":"{secret.LISTED}"},"retry":["1s","1m"],"batch":{"size":10}}`,
		`{"to":{"type":"fhir","base":"https://a.example/fhir","smart":{"token_url":"https://a.example/t","client_id":"c","key":"/etc/passwd"}},"fields":["patient_id"]}`,
		`{"type":"http","http_method":"POST","url":"https://a.example/doc","body_template":{"phone":"{{phone}}"},"parameters":[{"name":"phone","type":"string"}]}`,
	} {
		f.Add(true, []byte(body))
		f.Add(false, []byte(body))
	}
	secrets := []byte(`{"hook":{"value":"value-of-the-hook"},"token":{"value":"value-of-the-token","hosts":["a.example"]}}`)
	f.Fuzz(func(t *testing.T, tenant bool, body []byte) {
		if len(body) > 4096 {
			return // what is large is slow, and no other
		}
		doc := &store.Document{DocumentInfo: store.DocumentInfo{Kind: manage.Destination, Name: "doc", Version: 1}, Body: body, Secrets: secrets}
		if tenant {
			doc.Kind = manage.Tenant
		}
		compile := func() string {
			l.mu.Lock()
			defer l.mu.Unlock()
			c, err := l.compile(doc)
			if err != nil {
				return err.Error()
			}
			l.discard(c)
			return ""
		}
		told := compile()
		if again := compile(); again != told {
			t.Errorf("told %q, and then %q", told, again)
		}
		for _, hidden := range []string{"canary-of-the-environment", "root:", "value-of-the-", "the-listed-secret", "the-other-secret", "of-zen"} {
			if strings.Contains(told, hidden) && !strings.Contains(string(body), hidden) {
				t.Errorf("told %q, which has %s", told, hidden)
			}
		}
		if utf8.Valid(body) && !utf8.ValidString(told) {
			t.Errorf("told %q", told)
		}
		for _, c := range l.compilers {
			for key, of := range c.owners {
				if of == "doc" {
					t.Errorf("%q is still claimed after %q", key, told)
				}
			}
		}
		if l.tenantNamed("doc") != nil || l.hasDestination("doc") {
			t.Error("it is in force")
		}
	})
}
