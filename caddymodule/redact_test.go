package caddymodule

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	logtest "go.uber.org/zap/zaptest/observer"

	"github.com/callgate/callgate/caddymodule/redact"
)

// tokenSite is a site whose logs, at the level DEBUG, go to a file: requests to /up reach the receiver, those to /down find
// none, and both logs are written with the format that is given.
const tokenSite = `{
	log {
		output file FILE
		level DEBUG
		FORMAT
	}
}
:80 {
	log {
		output file FILE.access
		FORMAT
	}
	callgate generic s3cr3t-token-of-the-tests {
		name NAME
		tenant acme
		idempotency off
		verify SCHEME
		LINES
	}
	reverse_proxy /up* UPSTREAM
	reverse_proxy /down* 127.0.0.1:1
}`

// tokenRequests sends requests with a token in some headers, right and wrong ones, to a site that is adapted with an adapter.
// It gives what was logged and what the receiver got.
func tokenRequests(t *testing.T, adapter, format, scheme, lines string, headers map[string]string) (log string, got http.Header) {
	t.Helper()
	up := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { got = r.Header.Clone() }))
	defer up.Close()
	file := filepath.Join(t.TempDir(), "log")
	config := strings.NewReplacer("FILE", file, "FORMAT", format, "SCHEME", scheme, "LINES", lines, "NAME", "redact-"+t.Name(),
		"UPSTREAM", strings.TrimPrefix(up.URL, "http://"), "tenant acme", "").Replace(tokenSite)
	text, _, err := caddyconfig.GetAdapter(adapter).Adapt([]byte(config), map[string]any{"filename": "Caddyfile"})
	if err != nil {
		t.Fatal(err)
	}
	var c caddy.Config
	if err := json.Unmarshal(text, &c); err != nil {
		t.Fatal(err)
	}
	c.Admin = &caddy.AdminConfig{Disabled: true}
	ctx, err := caddy.ProvisionContext(&c)
	if err != nil {
		t.Fatal(err)
	}
	app, err := ctx.App("http")
	if err != nil {
		t.Fatal(err)
	}
	server := app.(*caddyhttp.App).Servers["srv0"]
	for _, path := range []string{"/up", "/down", "/up?token=s3cr3t-token-in-the-query"} {
		for _, wrong := range []string{"", "wrong-"} {
			r := httptest.NewRequest(http.MethodPost, "http://h"+path, strings.NewReader(`{"phone":"+14155550100"}`))
			r.RequestURI = r.URL.RequestURI()
			r.Header.Set("Content-Type", "application/json")
			r.Header.Set("X-Kept", "kept")
			for name, prefix := range headers {
				r.Header.Set(name, prefix+wrong+"s3cr3t-token-of-the-tests")
			}
			server.ServeHTTP(httptest.NewRecorder(), r)
		}
	}
	for _, f := range []string{file, file + ".access"} {
		b, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		log += string(b)
	}
	return log, got
}

var tokenSchemes = []struct {
	scheme  string
	headers map[string]string // with what stands before the token
}{
	{"bearer", map[string]string{"Authorization": "Bearer "}},
	{"bearer {\nheader X-Partner-Key\n}", map[string]string{"X-Partner-Key": ""}},
	{"api_key", map[string]string{"X-Api-Key": ""}},
	{"api_key {\nheader X-Another-Key\n}", map[string]string{"X-Another-Key": ""}},
	{"vapi", map[string]string{"Authorization": "Bearer "}},
	{"vapi", map[string]string{"X-Vapi-Secret": ""}},
	{"vapi-secret", map[string]string{"X-Vapi-Secret": ""}},
	{"vapi-bearer", map[string]string{"Authorization": "Bearer "}},
}

func TestTokensStayOutOfLogs(t *testing.T) {
	for _, c := range tokenSchemes {
		for _, how := range []struct{ adapter, format string }{
			{"caddyfile", "format callgate"},
			{"caddyfile", "format callgate {\nwrap console\n}"},
			{redact.AdapterName, ""},
			{redact.AdapterName, "format json"},
			{redact.AdapterName, "format filter {\nrequest>headers>User-Agent delete\n}"},
		} {
			log, got := tokenRequests(t, how.adapter, how.format, c.scheme, "", c.headers)
			if strings.Contains(log, "s3cr3t-token") {
				t.Errorf("%s, %s: the log shows the token:\n%s", c.scheme, how.format, log)
			}
			for _, line := range []string{
				"handled request", "upstream roundtrip", "http.log.error", "request refused", `"X-Kept"`, `?token=REDACTED`, "REDACTED", "kept",
			} {
				if !strings.Contains(log, line) {
					t.Errorf("%s, %s: no %q in the log", c.scheme, how.format, line)
				}
			}
			for name := range c.headers {
				if got == nil || got.Get(name) != "" || got.Get("X-Kept") != "kept" {
					t.Errorf("%s: the receiver got %v", c.scheme, got)
				}
			}
		}
	}
}

func TestATokenIsHandedOnWhereAsked(t *testing.T) {
	for _, c := range tokenSchemes {
		log, got := tokenRequests(t, redact.AdapterName, "", c.scheme, "keep_token", c.headers)
		for name, prefix := range c.headers {
			if got.Get(name) != prefix+"s3cr3t-token-of-the-tests" {
				t.Errorf("%s: the receiver got %v", c.scheme, got)
			}
		}
		if strings.Contains(log, "s3cr3t-token") {
			t.Errorf("%s: the log shows the token:\n%s", c.scheme, log)
		}
	}
}

func TestLogsThatShowTokensAreToldOf(t *testing.T) {
	for _, c := range []struct {
		tokens   string
		redacted bool
		want     int
	}{{"bearer", false, 1}, {"bearer", true, 0}, {"", false, 0}} {
		core, logs := logtest.New(zapcore.WarnLevel)
		(&instance{tokens: c.tokens, logger: zap.New(core)}).warnOfTokensInLogs(c.redacted)
		if logs.Len() != c.want {
			t.Errorf("%+v: %d warnings", c, logs.Len())
		}
	}
	for scheme, want := range map[string]string{"vapi-secret": "vapi-secret", "github": ""} {
		ctx, err := provision(":80 {\ncallgate generic s3cr3t {\nname shown-" + scheme + "\nverify " + scheme + "\n}\nrespond ok\n}")
		if err != nil {
			t.Fatal(err)
		}
		app, err := ctx.App("callgate")
		if err != nil {
			t.Fatal(err)
		}
		if got := app.(*App).run.tokens; got != want {
			t.Errorf("%s: tokens of %q", scheme, got)
		}
	}
}

// Without the encoder Caddy writes them, so the tests above test something.
func TestTokensAreInLogsWithoutTheEncoder(t *testing.T) {
	log, _ := tokenRequests(t, "caddyfile", "format json", "vapi-secret", "", map[string]string{"X-Vapi-Secret": ""})
	if !strings.Contains(log, "s3cr3t-token-of-the-tests") {
		t.Error("Caddy no longer writes the header: the tests above test nothing")
	}
}
