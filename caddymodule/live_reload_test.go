package caddymodule

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/callgate/callgate/internal/audit"
	"github.com/callgate/callgate/internal/auditor"
	"github.com/callgate/callgate/internal/standin"
)

// TestAReloadKeepsWhatWorked: one with which something in the store no longer goes is refused, and everything goes on; what is
// out since the start keeps no reload away.
func TestAReloadKeepsWhatWorked(t *testing.T) {
	all := newCRM(t)
	config := strings.Replace(fmt.Sprintf(managing, all.URL), "manage {", `audit {
			key `+auditKey+`
			checkpoint 1h file STORE.published
		}
		manage {`, 1)
	config = strings.Replace(config, "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f", strings.Repeat("0", 63)+"1", 1) // auditOf's
	// Over TCP: where a reload is refused after its sites listen, Caddy forgets that the one before has a unix socket open.
	address := fmt.Sprintf("127.0.0.1:%d", standin.FreePort(t))
	config = strings.Replace(config, "http:// {\n\tbind SOCKET", "http://"+strings.Replace(address, "127.0.0.1", "", 1)+" {\n\tbind 127.0.0.1", 1)
	g := runGateway(t, config)
	g.client = &http.Client{Transport: again{&http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "tcp", address)
	}}}}
	for _, name := range []string{"acme", "beta"} {
		if _, err := someDispatcher(t).documents.Save(t.Context(), "ann", "tenant", name, tenantDraft(true, "of-"+name, `,"deliver":[{"to":"crm"}]`)); err != nil {
			t.Fatal(err)
		}
	}
	send := func(want int, n int) {
		t.Helper()
		if got := g.sendFor("acme", n); got != want {
			t.Errorf("status %d, want %d", got, want)
		}
		if want == 200 {
			all.next(t)
		}
	}
	send(200, 1)
	without := g.fill.Replace(strings.ReplaceAll(config, "destination crm http", "destination other http"))
	err := load(t, without)
	for _, says := range []string{"the one before stays in force", `tenant acme:1:30: deliver: no destination "crm"`, "tenant beta:1:30"} {
		if !strings.Contains(fmt.Sprint(err), says) {
			t.Errorf("told %v, want %s", err, says)
		}
	}
	send(200, 2)

	// Another name of the log is refused too, and what was refused is recorded.
	private, _, err := audit.GenerateKey("clinic.example/another")
	if err != nil {
		t.Fatal(err)
	}
	if err := load(t, strings.Replace(g.config, auditKey, private, 1)); !errors.Is(err, auditor.ErrOtherName) && !strings.Contains(fmt.Sprint(err), "the log is clinic.example/callgate, and the key is for clinic.example/another") {
		t.Errorf("another log's key: %v", err)
	}
	send(200, 3)
	// So is one of which another part fails, after its documents are in force. Caddy starts its apps in any order, so that it
	// takes some tries until the other part comes last.
	for range 20 {
		if err := load(t, g.config+"\nhttp://127.0.0.1:1 {\nbind 192.0.2.1\nrespond 200\n}"); err == nil {
			t.Error("it listens where nobody can")
		}
	}
	send(200, 4)
	g.stop()
	leaves, _ := auditOf(t, g.fill.Replace("STORE"))
	var got []string
	hash := ""
	for _, l := range leaves {
		if l.Kind == audit.ConfigLoaded || l.Kind == audit.ConfigRefused {
			got = append(got, string(l.Kind))
			if l.Kind == audit.ConfigRefused && (l.Reason == "" || l.Config == "" || l.Actor.Via != "config") {
				t.Errorf("%+v", l)
			}
			hash = l.Config
		}
	}
	want := []string{"config.loaded", "config.loaded", "config.refused", "config.refused", "config.loaded", "config.refused"}
	for len(want) < len(got) {
		want = append(want, "config.loaded", "config.refused")
	}
	if !slices.Equal(got, want) || hash == "" {
		t.Errorf("recorded %v", got)
	}

	// At the start the tenants are out, and a reload leaves them out.
	for range 2 {
		if err := load(t, without); err != nil {
			t.Fatal(err)
		}
		send(503, 5)
	}
}
