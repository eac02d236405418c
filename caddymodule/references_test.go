package caddymodule

import (
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2/caddyconfig"
)

// TestNamesAreCheckedWhereTheyStand: who reads the error finds the line, what there is, and what was probably meant.
func TestNamesAreCheckedWhereTheyStand(t *testing.T) {
	const crm = "{\ncallgate {\ndestination crm http https://a.example {\npass_through\n}\nMORE\n}\n}\n"
	with := func(more, rest string) string { return strings.Replace(crm, "MORE", more, 1) + rest }
	for name, c := range map[string]struct{ config, want string }{
		"a route's destination": {with("", "http:// {\ncallgate nextphone s {\n\ndeliver crn\n}\n}\n"),
			`deliver: no destination "crn"; there are: crm, at Caddyfile:12`},
		"what a route converts to":    {with("", "http:// {\ncallgate nextphone s {\nconvert crn\n}\n}\n"), `convert: no destination "crn"; there are: crm, at Caddyfile:11`},
		"a tenant's destination":      {with("tenant a {\ndeliver crm\ndeliver desk\n}", "http:// {\nrespond ok\n}\n"), `no destination "desk"; there are: crm, at Caddyfile:8`},
		"a source's, defined later":   {"{\ncallgate {\nsource p {\ndeliver crn\n}\ndestination crm http https://a.example {\npass_through\n}\n}\n}\n", `no destination "crn"; there are: crm, at Caddyfile:4`},
		"of a tenant's own source":    {with("tenant a {\nsource nextphone {\ndeliver crn\n}\n}", ""), `no destination "crn"; there are: crm, at Caddyfile:8`},
		"none at all":                 {"http:// {\ncallgate nextphone s {\ndeliver crm\n}\n}\n", `no destination "crm"; define it with destination in the global callgate option, at Caddyfile:3`},
		"in a snippet":                {"(d) {\ndeliver {args[0]}\n}\n" + with("", "http:// {\ncallgate nextphone s {\nimport d crn\n}\n}\n"), `no destination "crn"; there are: crm, at Caddyfile:2 import chain ['Caddyfile:14 (import d)']`},
		"a route's source":            {"http:// {\ncallgate nextfone s\n}\n", "vonage, zendesk, zoom; did you mean nextphone?, at Caddyfile:2"},
		"a route's own source":        {"{\ncallgate {\nsource partner\n}\n}\nhttp:// {\ncallgate partnr s\n}\n", "did you mean partner?, at Caddyfile:7"},
		"a tenant's source":           {"{\ncallgate {\ntenant a {\nsource nextfone\n}\n}\n}\n", "unknown source 'nextfone': define it in the global callgate option, or use one of aircall"},
		"a preset":                    {"{\ncallgate {\nsource p {\npreset strip\n}\n}\n}\n", "zendesk, zoom; did you mean stripe?, at Caddyfile:4"},
		"a kind":                      {"{\ncallgate {\ndestination x htpp\n}\n}\n", "unknown kind of destination 'htpp'; this gateway has fhir, http, hubspot, salesforce; did you mean http?, at Caddyfile:3"},
		"a scheme":                    {"http:// {\ncallgate nextphone s {\nverify standardwebhooks\n}\n}\n", "did you mean standard-webhooks?, at Caddyfile:3"},
		"a scheme to sign with":       {"http:// {\ncallgate nextphone s {\nsign nextfone s\n}\n}\n", "did you mean nextphone?, at Caddyfile:3"},
		"a store":                     {"{\ncallgate {\nstore sqlit\n}\n}\n", "unknown kind of store 'sqlit'; this gateway has postgres, sqlite; did you mean sqlite?, at Caddyfile:3"},
		"a policy line":               {"http:// {\ncallgate nextphone s {\nratelimit 5/s\n}\n}\n", "unrecognized subdirective 'ratelimit'; did you mean rate_limit?, at Caddyfile:3"},
		"a line of the option":        {"{\ncallgate {\ndestinations x\n}\n}\n", "unrecognized subdirective 'destinations'; did you mean destination?, at Caddyfile:3"},
		"a line of a kind":            {"{\ncallgate {\ndestination x hubspot t {\nlogcall\n}\n}\n}\n", "unrecognized subdirective 'logcall'; did you mean log_call?, at Caddyfile:4"},
		"a line of every destination": {"{\ncallgate {\ndestination x hubspot t {\nconcurency 1\n}\n}\n}\n", "unrecognized subdirective 'concurency'; did you mean concurrency?, at Caddyfile:4"},
		"a line of sign":              {"http:// {\ncallgate nextphone s {\nsign hmac s {\nheadr X\n}\n}\n}\n", "unrecognized subdirective 'headr'; did you mean header?, at Caddyfile:4"},
		"a brace at a url":            {"{\ncallgate {\ndestination x http http://x{\nbody hi\n}\n}\n}\n", "a space is missing before the brace at the end of the line, at Caddyfile:3"},
		"a brace at a kind":           {"{\ncallgate {\ndestination x http{\nbody hi\n}\n}\n}\n", "a space is missing before the brace at the end of the line, at Caddyfile:3"},
		"a brace at a source":         {"http:// {\ncallgate nextphone{\nsecret s\n}\n}\n", "a space is missing before the brace at the end of the line, at Caddyfile:2"},
		"a brace at a tenant":         {"{\ncallgate {\ntenant a{\nsecret s\n}\n}\n}\n", "a space is missing before the brace at the end of the line, at Caddyfile:3"},
		"a brace at a line":           {"{\ncallgate {\nalert{\npaused\n}\n}\n}\n", "a space is missing before the brace at the end of the line, at Caddyfile:3"},
		"a brace at the store":        {"{\ncallgate {\nstore sqlite{\nmax_size 1GB\n}\n}\n}\n", "a space is missing before the brace at the end of the line, at Caddyfile:3"},
		"a brace at a file":           {"{\ncallgate {\nstore sqlite x.db{\nmax_size 1GB\n}\n}\n}\n", "a space is missing before the brace at the end of the line, at Caddyfile:3"},
	} {
		t.Run(name, func(t *testing.T) {
			_, _, err := caddyconfig.GetAdapter("caddyfile").Adapt([]byte(c.config), map[string]any{"filename": "Caddyfile"})
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %v\nwant %s", err, c.want)
			}
		})
	}
}

// TestRatesAreWrittenInOneWay on routes, for addresses, for destinations, and in JSON.
func TestRatesAreWrittenInOneWay(t *testing.T) {
	for text, want := range map[string]float64{"20/s": 20, "100/10s": 10, "5/min": 5.0 / 60, "600/m": 10, "5/sec": 5, "3600/h": 1} {
		l, err := (&RateLimit{Rate: text}).compile()
		if err != nil || l == nil || l.PerSecond < want*0.99999 || l.PerSecond > want*1.00001 {
			t.Errorf("rate_limit %s: %+v, %v", text, l, err)
		}
		d, _, err := (&Destination{Rate: text, Burst: 5}).pace()
		if err != nil || d != l.PerSecond {
			t.Errorf("a destination's rate %s: %v, %v", text, d, err)
		}
		adapt(t, "{\ncallgate {\ndestination x http https://a.example {\nrate "+text+" burst 5\npass_through\n}\n}\n}\nhttp:// {\ncallgate nextphone s {\nrate_limit "+text+" burst 5\naddress_limit "+text+"\n}\n}\n")
	}
	if d, _, err := (&Destination{Rate: "off"}).pace(); err != nil || d != 0 {
		t.Errorf("off is %v, %v", d, err)
	}
	if _, _, err := (&Destination{Rate: "off", Burst: 5}).pace(); err == nil {
		t.Error("off took a burst")
	}
	if l, err := (&RateLimit{Rate: "100/10s"}).compile(); err != nil || l.Burst != 100 {
		t.Errorf("100/10s has a burst of %d, %v", l.Burst, err)
	}
}

// TestEmptyVariablesOfTheEnvironmentAreNamed: Caddy leaves nothing of them, and what is missing then is not an argument.
func TestEmptyVariablesOfTheEnvironmentAreNamed(t *testing.T) {
	t.Setenv("CALLGATE_TEST_EMPTY", "")
	for config, line := range map[string]string{
		"http:// {\n\tcallgate {$CALLGATE_TEST_EMPTY}\n}\n":                                                         ":2",
		"http:// {\n\tcallgate /calls/* nextphone {$CALLGATE_TEST_EMPTY} {\n\t\trequire phone\n\t}\n}\n":            ":2",
		"{\n\tcallgate {\n\t\tdestination crm hubspot {$CALLGATE_TEST_EMPTY} {\n\t\t\tlog_call\n\t\t}\n\t}\n}\n":    ":3",
		"{\n\tcallgate {\n\t\tstore sqlite {$CALLGATE_TEST_EMPTY}\n\t}\n}\n":                                        ":3",
		"http:// {\n\tcallgate nextphone {\n\t\tsecret {$CALLGATE_TEST_EMPTY}\n\t}\n}\n":                            ":3",
		"http:// {\n\tcallgate nextphone s {\n\t\tdeliver {$CALLGATE_TEST_EMPTY}\n\t}\n}\n":                         ":3",
		"http:// {\n\tcallgate nextphone s {\n\t\tvars {\n\t\t\towner_name {$CALLGATE_TEST_EMPTY}\n\t\t}\n\t}\n}\n": ":4",
		"{\n\tcallgate {\n\t\tdestination crm hubspot {\n\t\t\ttoken {$CALLGATE_TEST_EMPTY}\n\t\t}\n\t}\n}\n":       ":4",
		"{\n\tcallgate {\n\t\talert {\n\t\t\turl \"{$CALLGATE_TEST_EMPTY}\"\n\t\t}\n\t}\n}\n":                       ":4",
		"(s) {\n\tsecret {$CALLGATE_TEST_EMPTY}\n}\nhttp:// {\n\tcallgate nextphone {\n\t\timport s\n\t}\n}\n":      ":2",
	} {
		file := writeConfig(t, config)
		_, _, err := caddyconfig.GetAdapter("caddyfile").Adapt([]byte(config), map[string]any{"filename": file})
		if err == nil || !strings.Contains(err.Error(), "{$CALLGATE_TEST_EMPTY} is empty: the environment variable CALLGATE_TEST_EMPTY is not set") || !strings.Contains(err.Error(), file+line) {
			t.Errorf("%s: %v", config, err)
		}
	}
}
