package caddymodule

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/callgate/callgate/internal/operate"
	"github.com/callgate/callgate/internal/store"
)

const storeFieldsConfig = `{
	callgate {
		store sqlite STORE
		destination crm http {
			url %[1]s/leads
			body ` + "`" + `{"name":"{{first_name}}","phone":"{{phone}}","id":"{{patient_id}}","note":"{{notes}}","said":"{{message}}"}` + "`" + `
		}
	}
}
http:// {
	bind SOCKET
	callgate /hook nextphone {
		name NAME
		secret ` + testSecret + `
		store_fields {
			drop notes message summary transcript
			mask phone
			hash patient_id
			hash_key a-key-of-more-than-16-bytes
		}
		deliver crm ` + "`call.message.contains('blood')`" + `
		%[2]s
	}
}`

// storedBytes is all that lies in a directory.
func storedBytes(t *testing.T, dir string) string {
	t.Helper()
	var all strings.Builder
	files, err := filepath.Glob(filepath.Join(dir, "store.db*"))
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		all.Write(b)
	}
	return all.String()
}

func TestStoreFieldsKeepsBackBeforeAnythingIsWritten(t *testing.T) {
	const call = `{"lead":{"first_name":"Ann","phone":"(555) 987-6543","notes":"canary blood test","patient_id":"PT-10023-canary"}}`
	c := newCRM(t)
	c.down.Store(true)
	g := runGateway(t, fmt.Sprintf(storeFieldsConfig, c.URL, ""))
	if res, body := g.send("/hook?token=canary", call); res.StatusCode != 200 {
		t.Fatalf("status %d: %s", res.StatusCode, body)
	}
	if all := storedBytes(t, filepath.Dir(g.socket)); strings.Contains(all, "canary") || strings.Contains(all, "9876543") || !strings.Contains(all, "Ann") {
		t.Error("the store holds what was to be kept back, or not the rest")
	}
	infos, err := g.store().Events(t.Context(), store.Filter{}, store.Page{})
	if err != nil || len(infos) != 1 {
		t.Fatal(infos, err)
	}
	ev, err := g.store().Event(t.Context(), infos[0].ID)
	if err != nil || len(ev.Body) != 0 || ev.URI != "/hook" || ev.CallerHash != "***6543" {
		t.Errorf("stored %q, %q, caller %q, %v", ev.Body, ev.URI, ev.CallerHash, err)
	}
	c.down.Store(false)
	g.stop()
	g.start() // delivered from what is stored
	got := c.next(t).body
	if !strings.HasPrefix(got, `{"name":"Ann","phone":"***6543","id":"`) || !strings.HasSuffix(got, `","note":"","said":""}`) || strings.Contains(got, "canary") {
		t.Errorf("delivered %s", got)
	}
	if res, _ := g.send("/hook", strings.Replace(call, "blood", "hair", 1)); res.StatusCode != 200 {
		t.Error("a call whose condition is not met was not accepted")
	}
	c.nothingMore(t)
}

func TestStoreFieldsInTestModeShowsWhatDestinationsWouldGet(t *testing.T) {
	c := newCRM(t)
	g := runGateway(t, fmt.Sprintf(storeFieldsConfig, c.URL, "test"))
	_, body := g.send("/hook", `{"lead":{"first_name":"Ann","phone":"(555) 987-6543","notes":"canary blood test"}}`)
	if !strings.Contains(body, "***6543") || strings.Contains(body, "canary") {
		t.Errorf("test mode shows %s", body)
	}
}

func TestStoreFieldsRefusesWhatNeedsTheWholeRequest(t *testing.T) {
	for name, c := range map[string]struct{ from, to, want string }{
		"pass_through": {"body `", "pass_through\n#", "pass_through, which sends the provider's whole body"},
		"spool":        {"deliver crm", "spool\n#", "store_fields and spool exclude each other"},
		"short key":    {"a-key-of-more-than-16-bytes", "short", "hash"},
		"find_by":      {"store_fields {", "find_by email\nstore_fields {", "find_by needs an encryption_key"},
		"find_by what": {"store_fields {", "find_by emial\nstore_fields {", "did you mean email"},
		"no number":    {"mask phone", "mask duration", "store_fields"},
	} {
		t.Run(name, func(t *testing.T) {
			config := strings.NewReplacer("SOCKET", "unix/"+filepath.Join(t.TempDir(), "s"), "STORE", filepath.Join(t.TempDir(), "store.db"), "NAME", "stored-"+strings.Fields(name)[0]).
				Replace(strings.Replace(fmt.Sprintf(storeFieldsConfig, "http://127.0.0.1:1", "\n#"), c.from, c.to, 1))
			if err := load(t, config); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("loaded with %v, want an error of %s", err, c.want)
			}
		})
	}
}

func TestFindByErasesAllThatIsStoredOfAPatient(t *testing.T) {
	c := newCRM(t)
	const key = "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE="
	g := runGateway(t, strings.Replace(strings.Replace(fmt.Sprintf(storeFieldsConfig, c.URL, "find_by params.patient_id email"),
		"store sqlite STORE", "encryption_key "+key+"\n\t\tstore sqlite STORE", 1), "call.message.contains('blood')", "true", 1))
	call := func(patient, email string) string {
		return `{"lead":{"first_name":"Ann","phone":"(555) 987-6543","notes":"x` + patient + email + `","patient_id":"` + patient + `","email":"` + email + `"}}`
	}
	for _, body := range []string{call("PT-1", "a@x.example"), call("PT-1", "b@x.example"), call("PT-2", "a@x.example")} {
		if res, answer := g.send("/hook", body); res.StatusCode != 200 {
			t.Fatal(res.StatusCode, answer)
		}
		c.next(t)
	}
	var s *operate.Service
	dispatchers.Range(func(_, v any) bool { s = v.(*dispatcher).operate; return false })
	everybody := operate.Actor{Via: "test", May: operate.Everything}
	count := func(f operate.Filter) (int, error) {
		n, err := s.Erase(t.Context(), everybody, operate.EraseSelection{Selection: operate.Selection{Filter: f, DryRun: true}})
		if err != nil {
			return 0, err
		}
		return n.Events, nil
	}
	for want, f := range map[int]operate.Filter{
		2: {Field: "patient_id", Value: "pt-1 "}, 1: {Field: "email", Value: "b@x.example"}, 0: {Field: "params.patient_id", Value: "PT-3"},
	} {
		if n, err := count(f); err != nil || n != want {
			t.Errorf("%s %s: %d, %v, want %d", f.Field, f.Value, n, err, want)
		}
	}
	if _, err := count(operate.Filter{Field: "first_name", Value: "Ann"}); err == nil || !strings.Contains(err.Error(), "email, patient_id") {
		t.Errorf("a field that nothing is found by: %v", err)
	}
	if _, err := s.Erase(t.Context(), everybody, operate.EraseSelection{Selection: operate.Selection{Filter: operate.Filter{Field: "patient_id", Value: "PT-1"}}}); err != nil {
		t.Fatal(err)
	}
	if n, err := count(operate.Filter{Field: "patient_id", Value: "PT-1"}); err != nil || n != 0 {
		t.Errorf("%d are left, %v", n, err)
	}
	if n, err := count(operate.Filter{Field: "email", Value: "a@x.example"}); err != nil || n != 1 {
		t.Errorf("%d of another patient, %v", n, err)
	}
}
