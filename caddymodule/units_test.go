package caddymodule

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2"
	"go.uber.org/zap"
	logtest "go.uber.org/zap/zaptest/observer"
)

// TestNumbersThatHaveLostTheirUnit are what JSON can say and nobody means.
func TestNumbersThatHaveLostTheirUnit(t *testing.T) {
	for text, want := range map[string]string{
		`{"retention":30}`:                             `retention: 30 is 30 nanoseconds; write "30s", "30m" or "30d", whichever is meant`,
		`{"alert":{"window":5}}`:                       "alert.window: 5 is 5 nanoseconds",
		`{"sources":{"p":{"idempotency":{"ttl":72}}}}`: "sources.p.idempotency.ttl: 72 is",
		`{"tenants":{"a":{"sources":{"retell":{"breaker":{"open_for":10}}}}}}`:                             "tenants.a.sources.retell.breaker.open_for: 10 is",
		`{"destinations":{"x":{"retry":[0,10000000000,30],"to":{"type":"http"}}}}`:                         "destinations.x.retry.2: 30 is",
		`{"destinations":{"x":{"to":{"type":"salesforce","window":90}}}}`:                                  "destination x: window: 90 is",
		`{"sources":{"p":{"preset":"generic","verify":{"scheme":"hmac","header":"X-A","tolerance":300}}}}`: "verify: tolerance: 300 is",
		`{"retention":2592000}`:           `retention: 2592000 is 2.592ms, since a number without a unit is nanoseconds; write "2592000s" or "2592000ms", whichever is meant, or a whole number of 1s`,
		`{"retention":2592000000}`:        `retention: 2592000000 is 2.592s, since a number without a unit is nanoseconds; write "2592000000s" or "2592000000ms"`,
		`{"retention":20000000}`:          `retention: 20000000 is 20ms`,
		`{"retention_dead":31536000}`:     `retention_dead: 31536000 is 31.536ms`,
		`{"retention":2592000000000001}`:  `is 720h0m0.000000001s`,
		`{"retention":12345678901234567}`: `write it with its unit, such as "12345678901ms", or as a whole number of 1s`,
		`{"window":259200}`:               `window: 259200 is 259.2µs`,
		`{"window":259200000}`:            `window: 259200000 is 259.2ms`,
		`{"alert":{"window":5500000}}`:    `alert.window: 5500000 is 5.5ms`,
		`{"retention":20000000000,"window":5000000,"alert":{"window":10500000000}}`:            "",
		`{"retention":"30d","window":"72h","alert":{"window":300000000000},"drain_timeout":0}`: "",
		`{"sources":{"p":{"max_body":1048576,"breaker":{"window":"10s"}}}}`:                    "",
	} {
		_, err := caddy.ProvisionContext(&caddy.Config{
			Admin: &caddy.AdminConfig{Disabled: true}, AppsRaw: caddy.ModuleMap{"callgate": json.RawMessage(text)},
		})
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%s: error %v\nwant %s", text, err, want)
		}
	}
	config := `{"apps":{"http":{"servers":{"a":{"listen":[":0"],"routes":[{"handle":[{"handler":"callgate","source":"nextphone","secrets":["s"],"spool":true,"spool_retry":[10]}]}]}}}}}`
	c := new(caddy.Config)
	if err := json.Unmarshal([]byte(config), c); err != nil {
		t.Fatal(err)
	}
	c.Admin = &caddy.AdminConfig{Disabled: true}
	if _, err := caddy.ProvisionContext(c); err == nil || !strings.Contains(err.Error(), "route nextphone: spool_retry.0: 10 is 10 nanoseconds") {
		t.Errorf("of a route: %v", err)
	}
}

// TestSizesAndSharesThatAreProbablyMeantOtherwise work, and are warned of: a Caddyfile can have written out the same.
func TestSizesAndSharesThatAreProbablyMeantOtherwise(t *testing.T) {
	for text, want := range map[string]string{
		`{"sources":{"p":{"max_body":10}}}`:                        "sources.p.max_body",
		`{"tenants":{"a":{"max_body":10}}}`:                        "tenants.a.max_body",
		`{"idempotency_cache":{"memory":64,"entries":5}}`:          "idempotency_cache.memory",
		`{"unverified_memory":1}`:                                  "unverified_memory",
		`{"alert":{"success_rate":0.95}}`:                          "alert.success_rate",
		`{"alert":{"success_rate":95,"retries":0.5}}`:              "",
		`{"sources":{"p":{"max_body":1024,"min_body_rate":100}}}`:  "",
		`{"sources":{"p":{"idempotency":{"max_replay_body":10}}}}`: "",
	} {
		a := new(App)
		if err := json.Unmarshal([]byte(text), a); err != nil {
			t.Fatal(err)
		}
		core, logs := logtest.New(zap.WarnLevel)
		if err := CheckUnits(a, zap.New(core)); err != nil {
			t.Errorf("%s: %v", text, err)
		}
		got := ""
		for _, e := range logs.All() {
			got += e.ContextMap()["setting"].(string)
		}
		if got != want {
			t.Errorf("%s: warned of %q, want %q", text, got, want)
		}
	}
}
