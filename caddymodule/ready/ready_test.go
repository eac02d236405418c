package ready

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	_ "github.com/caddyserver/caddy/v2/modules/standard"

	"github.com/callgate/callgate/caddymodule/gatewaytest"

	_ "github.com/callgate/callgate/caddymodule/destinations"
	_ "github.com/callgate/callgate/caddymodule/stores"
	_ "github.com/callgate/callgate/caddymodule/verifiers"
)

const config = `{
	callgate {
		store sqlite STORE {
			LIMIT
		}
		destination crm http {
			url %s
			pass_through
		}
	}
}
http:// {
	bind SOCKET
	handle /ready {
		callgate_ready
	}
	handle {
		respond 404
	}
}`

func TestALoadBalancerIsToldWhetherToSendCalls(t *testing.T) {
	for name, tt := range map[string]struct {
		config string
		status int
		body   string
	}{
		"with a store":         {strings.Replace(config, "LIMIT", "", 1), http.StatusOK, `{"ready":true}`},
		"a store that is full": {strings.Replace(config, "LIMIT", "max_size 16KiB", 1), http.StatusServiceUnavailable, `{"ready":false}`},
		"without a store":      {"http:// {\n\tbind SOCKET\n\tcallgate_ready\n}", http.StatusOK, `{"ready":true}`},
	} {
		g := gatewaytest.Run(t, strings.Replace(tt.config, "%s", "http://127.0.0.1:1", 1))
		if status, body := g.Send("/ready", ""); status != tt.status || strings.TrimSpace(body) != tt.body {
			t.Errorf("%s: %d %s", name, status, body)
		}
		g.Stop()
	}
}

func TestTheDirectiveIsRead(t *testing.T) {
	for text, want := range map[string]time.Duration{
		"callgate_ready": 0, "callgate_ready {\n\tmax_queue_age 30m\n}": 30 * time.Minute,
		"callgate_ready x": -1, "callgate_ready {\n\tmax_queue_age\n}": -1, "callgate_ready {\n\tmax_age 3\n}": -1,
		"callgate_ready {\n\tmax_queue_age 3m\n\tmax_queue_age 3m\n}": -1,
	} {
		var h Handler
		err := h.UnmarshalCaddyfile(caddyfile.NewTestDispenser(text))
		if (err != nil) != (want < 0) || err == nil && h.MaxQueueAge != caddy.Duration(want) {
			t.Errorf("%s: %+v, %v", text, h, err)
		}
	}
}

func TestAnAgeThatHasLostItsUnitIsRefused(t *testing.T) {
	c := &caddy.Config{Admin: &caddy.AdminConfig{Disabled: true}, AppsRaw: caddy.ModuleMap{"http": json.RawMessage(
		`{"servers":{"a":{"listen":[":0"],"routes":[{"handle":[{"handler":"callgate_ready","max_queue_age":1800}]}]}}}`)}}
	if _, err := caddy.ProvisionContext(c); err == nil || !strings.Contains(err.Error(), `max_queue_age: 1800 is 1.8µs`) {
		t.Errorf("got %v", err)
	}
}
