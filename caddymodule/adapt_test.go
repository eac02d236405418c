package caddymodule

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
)

var update = flag.Bool("update", false, "write the JSON that fixtures adapt to")

const separator = "\n----------\n"

// TestCaddyfilesAdaptAsTheFixturesSay runs files of a Caddyfile, a line of dashes, and the JSON that it adapts to or,
// in files named error_*, a part of the error.
func TestCaddyfilesAdaptAsTheFixturesSay(t *testing.T) {
	files, err := filepath.Glob("../testdata/adapt/*.caddytest")
	if err != nil || len(files) == 0 {
		t.Fatalf("no fixtures: %v", err)
	}
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".caddytest")
		t.Run(name, func(t *testing.T) {
			b, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			config, want, _ := strings.Cut(string(b), separator)
			config += "\n"
			got, warnings, err := caddyconfig.GetAdapter("caddyfile").Adapt([]byte(config), map[string]any{"filename": "Caddyfile"})
			if strings.HasPrefix(name, "error_") {
				if err == nil || want == "" || !strings.Contains(err.Error(), strings.TrimSpace(want)) {
					t.Errorf("error %v\nwant %s", err, want)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if len(warnings) > 0 {
				t.Errorf("warnings: %v", warnings)
			}
			var indented bytes.Buffer
			if err := json.Indent(&indented, got, "", "\t"); err != nil {
				t.Fatal(err)
			}
			indented.WriteByte('\n')
			if *update {
				if err := os.WriteFile(file, []byte(strings.TrimRight(config, "\n")+separator+indented.String()), 0o600); err != nil {
					t.Fatal(err)
				}
				return
			}
			if indented.String() != want {
				t.Errorf("adapted to\n%s\nwant\n%s", indented.String(), want)
			}
			if formatted := caddyfile.Format([]byte(config)); strings.TrimSpace(string(formatted)) != strings.TrimSpace(config) {
				t.Error("caddy fmt would change the fixture")
			}
		})
	}
}

// TestConfigurationsThatCannotWorkAreRefused has those that adapt, and are found out when they are loaded.
func TestConfigurationsThatCannotWorkAreRefused(t *testing.T) {
	t.Setenv("CALLGATE_TEST_EMPTY", "")
	for name, c := range map[string]struct{ config, want string }{
		"no secret at all":       {"http:// {\ncallgate nextphone\n}", "needs a secret; none is written: add a line secret or public_key to the route, the tenant or the source, such as secret {env.NAME}"},
		"unknown environment":    {"http:// {\ncallgate nextphone {env.CALLGATE_TEST_UNSET}\n}", "env.CALLGATE_TEST_UNSET"},
		"empty environment":      {"http:// {\ncallgate nextphone {env.CALLGATE_TEST_EMPTY}\n}", "env.CALLGATE_TEST_EMPTY"},
		"missing file":           {"http:// {\ncallgate nextphone {\nsecret {file./nonexistent/secret}\n}\n}", "secret"},
		"white space":            {"http:// {\ncallgate nextphone \"secret \"\n}", "white space"},
		"key for a secret":       {"http:// {\ncallgate nextphone {\npublic_key abc\n}\n}", "public key"},
		"wrong kind of secret":   {"http:// {\ncallgate standard-webhooks whsec_!!!\n}", "standard-webhooks"},
		"useless option":         {"http:// {\ncallgate github s {\nverify github {\ntolerance 5m\n}\n}\n}", "tolerance"},
		"id that is not signed":  {"http:// {\ncallgate github s {\nevent_id header X-GitHub-Delivery\n}\n}", "github does not sign it"},
		"hmac without header":    {"http:// {\ncallgate generic s {\nverify hmac\n}\n}", "header"},
		"none without its word":  {"http:// {\ncallgate generic {\nremote_ip 10.0.0.1\nverify none\n}\n}", "write verify none { unsafe }"},
		"none without addresses": {"http:// {\ncallgate generic {\nverify none {\nunsafe\n}\n}\n}", "say with remote_ip which addresses the sender has"},
		"none with a secret":     {"http:// {\ncallgate generic s {\nremote_ip 10.0.0.1\nverify none {\nunsafe\n}\n}\n}", "takes no secret"},
		"unsafe for another":     {"http:// {\ncallgate generic s {\nverify bearer {\nunsafe\n}\n}\n}", "unsafe is a word for verify none"},
		"place as a header":      {"http:// {\ncallgate generic s {\nverify api_key {\nheader $.google_key\n}\n}\n}", "is not the name of a header"},
		"split at no array":      {"{\ncallgate {\nsource p {\nsecret s\nverify bearer\nsplit events\n}\n}\n}\nhttp:// {\ncallgate p\n}", "write it as $.data.events"},
		"path with a hyphen":     {"{\ncallgate {\nsource p {\nsecret s\nverify bearer\ncall {\nphone $.your-phone\n}\n}\n}\n}\nhttp:// {\ncallgate p\n}", "source p: phone: source configuration: \"$.your-phone\" is not a JSONPath"},
		"generic without scheme": {"http:// {\ncallgate generic s\n}", "say which one with verify"},
		"unknown constant tenant": {"http:// {\ncallgate nextphone s {\ntenant nobody\n}\n}",
			`tenant "nobody" is not known on source nextphone`},
		"no tenants":      {"http:// {\ncallgate nextphone s {\ntenant {path.0}\n}\n}", "no tenant is known"},
		"tenant's source": {"{\ncallgate {\ntenant a {\nsource nobody\n}\n}\n}\nhttp:// {\nrespond ok\n}", "unknown source"},
		"tenant's secret": {"{\ncallgate {\ntenant a\ntenant b {\nsecret s\n}\n}\n}\nhttp:// {\ncallgate nextphone {\ntenant {path.0}\n}\n}",
			"tenant a: verify nextphone"},
		"no such file":       {"{\ncallgate {\ntenants /nonexistent/one.json\n}\n}\nhttp:// {\nrespond ok\n}", "there is no such file"},
		"bad region":         {"http:// {\ncallgate nextphone s {\nregion Narnia\n}\n}", "region"},
		"bad mapping":        {"{\ncallgate {\nsource p {\nsecret s\nverify github\ncall {\nfavourite_colour $.x\n}\n}\n}\n}\nhttp:// {\ncallgate p\n}", "favourite_colour"},
		"huge body":          {"http:// {\ncallgate nextphone s {\nmax_body 2GiB\n}\n}", "max_body"},
		"sign":               {"http:// {\ncallgate nextphone s {\nsign nextphone {env.CALLGATE_TEST_UNSET}\n}\n}", "sign nextphone"},
		"braces in a secret": {"http:// {\ncallgate nextphone ab{s3cr3t-part}cd\n}", "secret 1: braces that are no placeholder"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := provision(c.config)
			if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "s3cr3t") {
				t.Errorf("error %v, want one with %q", err, c.want)
			}
		})
	}
}

// TestWhatPassesThroughKeepsNothingBack has a destination that would send fields which the configuration keeps back.
func TestWhatPassesThroughKeepsNothingBack(t *testing.T) {
	const config = "{\ncallgate {\nDESTINATION\n}\n}\nhttp:// {\nrespond ok\n}"
	for _, line := range []string{"fields phone", "drop transcript", "mask phone", "hash phone\nhash_key 0123456789abcdef"} {
		body := "destination crm http https://crm.example {\n%s\n" + line + "\n}"
		_, err := provision(strings.Replace(config, "DESTINATION", fmt.Sprintf(body, "pass_through"), 1))
		if err == nil || !strings.Contains(err.Error(), "destination crm: pass_through sends the provider's whole body") {
			t.Errorf("%s: error %v", line, err)
		}
		if _, err = provision(strings.Replace(config, "DESTINATION", fmt.Sprintf(body, "body `{}`"), 1)); err != nil {
			t.Errorf("%s without pass_through: %v", line, err)
		}
	}
}

// TestSettingsThatAreNoneAreRefused has what only JSON can say.
func TestSettingsThatAreNoneAreRefused(t *testing.T) {
	for _, r := range []RateLimit{{Rate: "5/s", BurstQueue: -1}, {Rate: "5/s", Burst: -1}, {Rate: "off", BurstQueue: 5}} {
		if _, err := r.compile(); err == nil {
			t.Errorf("%+v was accepted", r)
		}
	}
	for _, to := range []string{`{"token":"s3cr3t"}`, `{"type":"","token":"s3cr3t"}`, `null`, `"s3cr3t"`} {
		d := &Destination{ToRaw: json.RawMessage(to)}
		if err := d.provision(caddy.Context{}); err == nil || !strings.Contains(err.Error(), "has no kind") {
			t.Errorf("destination %s: %v", to, err)
		}
	}
}
