package caddymodule

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"
)

// TestADestinationReadsNationalNumbersOfItsRegion: a number that a caller was asked for is called back in their country.
func TestADestinationReadsNationalNumbersOfItsRegion(t *testing.T) {
	const config = `{
	callgate {
		store sqlite STORE
		destination crm http {
			url %s
			region %s
			body ` + "`" + `{"back":"{{params.other|e164}}"}` + "`" + `
		}
	}
}
http:// {
	bind SOCKET
	callgate /hook nextphone ` + testSecret + ` {
		name NAME
		deliver crm
	}
}`
	c := newCRM(t)
	g := runGateway(t, fmt.Sprintf(config, c.URL, "GB"))
	if res, body := g.send("/hook", `{"lead":{"first_name":"Ann","phone":"+15559876543","other":"020 7946 0958"}}`); res.StatusCode != 200 {
		t.Fatalf("status %d: %s", res.StatusCode, body)
	}
	if got := c.next(t).body; got != `{"back":"+442079460958"}` {
		t.Errorf("delivered %s", got)
	}
	g.stop()
	bad := strings.NewReplacer("SOCKET", "unix/"+filepath.Join(t.TempDir(), "s"), "STORE", filepath.Join(t.TempDir(), "store.db"), "NAME", "region").Replace(fmt.Sprintf(config, c.URL, "Narnia"))
	if err := load(t, bad); err == nil || !strings.Contains(err.Error(), "ISO 3166") {
		t.Errorf("loaded with %v", err)
	}
	g.start()
}
