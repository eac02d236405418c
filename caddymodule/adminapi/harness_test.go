package adminapi

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"

	_ "github.com/caddyserver/caddy/v2/modules/standard"

	"github.com/callgate/callgate/caddymodule/gatewaytest"
	"github.com/callgate/callgate/internal/operate"
)

// asked is what the admin API answered.
type asked struct {
	t      testing.TB
	status int
	body   string
}

// at gives a request the way that it comes in at an address.
func at(r *http.Request, address net.Addr) *http.Request {
	return r.WithContext(context.WithValue(r.Context(), http.LocalAddrContextKey, address))
}

// socket is the address of a unix socket with some mode; a file is as good, since nobody connects to it.
func socket(t testing.TB, mode os.FileMode) net.Addr {
	t.Helper()
	name := filepath.Join(t.TempDir(), "admin")
	if err := errors.Join(os.WriteFile(name, nil, 0o600), os.Chmod(name, mode)); err != nil {
		t.Fatal(err)
	}
	return &net.UnixAddr{Name: name, Net: "unix"}
}

// ask sends a request to the admin API as Caddy's endpoint would hand it on.
func ask(t testing.TB, method, target, body string) asked {
	t.Helper()
	r := at(httptest.NewRequest(method, target, strings.NewReader(body)), socket(t, 0o600))
	if method == "POST" {
		r.Header.Set("Content-Type", "application/json")
	}
	return serveAdmin(t, r)
}

func serveAdmin(t testing.TB, r *http.Request) asked {
	t.Helper()
	w := httptest.NewRecorder()
	err := (&Admin{ctx: caddy.Context{Context: t.Context()}}).serve(w, r)
	if err == nil {
		return asked{t, w.Code, w.Body.String()}
	}
	apiErr, ok := err.(caddy.APIError) // Caddy looks no deeper
	if !ok {
		t.Fatalf("%s %s: %v is no caddy.APIError", r.Method, r.URL, err)
	}
	if w.Body.Len() > 0 {
		t.Errorf("%s %s: an answer was begun before the error", r.Method, r.URL)
	}
	return asked{t, apiErr.HTTPStatus, apiErr.Error()}
}

func (a asked) ok(into any) {
	a.t.Helper()
	if a.status != http.StatusOK {
		a.t.Fatalf("status %d: %s", a.status, a.body)
	}
	if err := json.Unmarshal([]byte(a.body), into); err != nil {
		a.t.Fatalf("%v: %s", err, a.body)
	}
}

func (a asked) count(member string) int {
	a.t.Helper()
	var counts map[string]any
	a.ok(&counts)
	n, ok := counts[member].(float64)
	if !ok {
		a.t.Fatalf("no %s in %s", member, a.body)
	}
	return int(n)
}

const operatedConfig = `{
	callgate {
		store sqlite STORE
		encryption_key 0000000000000000000000000000000000000000000000000000000000000001
		tenant acme {
			secret ` + gatewaytest.Secret + `
		}
		tenant beta {
			secret ` + gatewaytest.Secret + `
		}
		destination crm http {
			url %[1]s/leads
			pass_through
			retry 0s
			breaker off
		}
		destination log http {
			url %[2]s/log
			pass_through
		}
	}
}
http:// {
	bind SOCKET
	callgate /hook/* nextphone {
		name NAME
		tenant {path.1}
		shared_secret
		deliver crm
		deliver log
	}
}`

func leadOf(n int) string {
	return fmt.Sprintf(`{"lead":{"name":"Mike Johnson","phone":"+1555987654%d","notes":"private words %d"}}`, n, n)
}

// operated is a gateway with six events, of which two are of tenant beta. Those for crm are dead.
func operated(t *testing.T) (g *gatewaytest.Gateway, down, up *gatewaytest.Receiver) {
	t.Helper()
	down, up = gatewaytest.NewReceiver(t), gatewaytest.NewReceiver(t)
	down.Down.Store(true)
	g = gatewaytest.Run(t, fmt.Sprintf(operatedConfig, down.URL, up.URL))
	for n := range 6 {
		tenant := "acme"
		if n >= 4 {
			tenant = "beta"
		}
		if status, body := g.Send("/hook/"+tenant, leadOf(n)); status != 200 {
			t.Fatalf("status %d: %s", status, body)
		}
	}
	settled(t, "crm", 0, 6)
	settled(t, "log", 6, 0)
	return g, down, up
}

// settled waits until a destination has so many delivered and dead deliveries.
func settled(t *testing.T, destination string, delivered, dead int64) {
	t.Helper()
	deadline := time.Now().Add(time.Minute)
	for {
		var s operate.Statistics
		ask(t, "GET", "/callgate/stats", "").ok(&s)
		for _, d := range s.Destinations {
			if d.Name == destination && d.Pending == 0 && d.Delivered == delivered && d.Dead == dead {
				return
			}
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s has not %d delivered and %d dead: %+v", destination, delivered, dead, s)
		}
		time.Sleep(5 * time.Millisecond) // the store has no event for this
	}
}
