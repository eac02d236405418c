package caddymodule

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

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
