package caddymodule

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"

	"github.com/callgate/callgate/internal/standin"
)

func TestDataKeysAreRefused(t *testing.T) {
	notPEM := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(notPEM, []byte("no certificate"), 0o600); err != nil {
		t.Fatal(err)
	}
	const key = "encryption_key 0000000000000000000000000000000000000000000000000000000000000001\n"
	const transit = "transit https://vault.example.com:8200\nkey callgate\n"
	for name, c := range map[string]struct{ lines, says string }{
		"no encryption_key":         {"data_keys", "encryption_key is needed besides"},
		"a key without transit":     {key + "data_keys {\nkey callgate\n}", "write transit <url>"},
		"transit wraps, and is not": {key + "data_keys {\nwrap_with transit\n}", "needs transit <url>"},
		"plain http":                {key + "data_keys {\ntransit http://vault.example.com:8200\nkey callgate\n}", "the address of transit is https://"},
		"no key":                    {key + "data_keys {\ntransit https://vault.example.com:8200\n}", "name of a key of transit"},
		"no such file":              {key + "data_keys {\n" + transit + "ca /none/ca.pem\n}", "ca: open /none/ca.pem"},
		"no certificate in it":      {key + "data_keys {\n" + transit + "ca " + notPEM + "\n}", "no certificate in the file"},
		"braces":                    {key + "data_keys {\n" + transit + "token \"pre{secret}\"\n}", "token: braces"},
	} {
		err := load(t, "{\ncallgate {\nstore sqlite "+filepath.Join(t.TempDir(), "store.db")+"\n"+c.lines+"\n}\n}\n")
		if err == nil || !strings.Contains(err.Error(), c.says) || strings.Contains(err.Error(), "secret}") {
			t.Errorf("%s: %v, want %q", name, err, c.says)
		}
	}
}

// TestReloadsChangeWhoWrapsDataKeys goes from encryption_key to Transit and back while the gateway runs, and refuses a reload
// after which calls could not be read. Nothing of it needs a restart.
func TestReloadsChangeWhoWrapsDataKeys(t *testing.T) {
	dir := t.TempDir()
	tokens := filepath.Join(dir, "token")
	vault := standin.NewTransit(t, standin.TransitConfig{Token: "hvs.first"})
	store := filepath.Join(dir, "store.db")
	port := standin.FreePort(t) // a unix socket would be closed by one of reloads that follow each other at once
	receiver := standin.NewReceiver(t)
	with := func(lines string) error {
		return load(t, fmt.Sprintf(`{
	callgate {
		store sqlite %s
		encryption_key 0000000000000000000000000000000000000000000000000000000000000001
		data_keys {
			%s
		}
		tenant acme
		tenant globex
		tenant initech
		destination crm http {
			url %s
			pass_through
			retry 0s
		}
	}
}
http://:%d {
	bind 127.0.0.1
	callgate /hook/* nextphone `+testSecret+` {
		name data-keys
		tenant {path.1}
		shared_secret
		deliver crm
	}
}`, store, lines, receiver.URL, port))
	}
	t.Cleanup(func() {
		if err := caddy.Stop(); err != nil {
			t.Error(err)
		}
	})
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}} // a reload ends connections that are idle
	send := func(tenant string, want int) {
		t.Helper()
		body := fmt.Sprintf(`{"lead":{"phone":"+15551234567","notes":"%d"}}`, time.Now().UnixNano())
		var res *http.Response
		var err error
		for range 20 { // a reload may end a connection that nobody has accepted yet, as a sender finds out
			r := lead(t, fmt.Sprintf("http://127.0.0.1:%d/hook/%s", port, tenant), body)
			r.RequestURI = ""
			if res, err = client.Do(r); err == nil {
				break
			}
		}
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		if res.StatusCode != want {
			t.Fatalf("a call of %s is answered %d, want %d", tenant, res.StatusCode, want)
		}
		if want == http.StatusOK {
			select {
			case <-receiver.Arrived:
			case <-time.After(time.Minute):
				t.Fatalf("the call of %s is not delivered", tenant)
			}
		}
	}
	transit := fmt.Sprintf("transit %s\nkey callgate\ntimeout 1s\ntoken {file.%s}", vault.URL, tokens)
	if err := with(""); err != nil {
		t.Fatal(err)
	}
	send("acme", 200)
	// The agent has not written the token yet: the gateway goes on, and refuses whom it has no key for.
	if err := with(transit); err != nil {
		t.Fatal(err)
	}
	send("acme", 200)
	send("globex", 503)
	if err := os.WriteFile(tokens, []byte("hvs.first\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := with(transit + "\nnamespace \"\""); err == nil {
		t.Error("an empty namespace is one")
	}
	if err := with(transit + "\nkeep 1h"); err != nil { // which forgets that it was away
		t.Fatal(err)
	}
	send("globex", 200)
	if err := with(""); err == nil || !strings.Contains(err.Error(), "leave transit in data_keys") {
		t.Errorf("without who has wrapped a key: %v", err)
	}
	send("globex", 200)
	if err := with(transit + "\nwrap_with encryption_key"); err != nil {
		t.Fatal(err)
	}
	vault.Seal(true)
	send("initech", 200)
	send("acme", 200)
}
