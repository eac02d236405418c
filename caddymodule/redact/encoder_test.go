package redact

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	_ "github.com/caddyserver/caddy/v2/caddyconfig/httpcaddyfile"
	_ "github.com/caddyserver/caddy/v2/modules/logging"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
)

// encoder is the one that a format block makes, with JSON behind it.
func encoder(t *testing.T, block string) (e *Encoder, clean func()) {
	t.Helper()
	e = new(Encoder)
	if err := e.UnmarshalCaddyfile(caddyfile.NewTestDispenser("callgate " + block)); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := caddy.NewContext(caddy.Context{Context: context.Background()})
	if err := e.Provision(ctx); err != nil {
		t.Fatal(err)
	}
	return e, func() {
		cancel()
		if err := e.Cleanup(); err != nil {
			t.Error(err)
		}
	}
}

func TestNothingOfATokenIsWritten(t *testing.T) {
	e, clean := encoder(t, "{\nheader x-mine\nquery mine\n}")
	defer clean()
	var out bytes.Buffer
	log := zap.New(zapcore.NewCore(e, zapcore.AddSync(&out), zapcore.DebugLevel))
	h := http.Header{"X-Api-Key": {"s3cr3t"}, "x-vapi-secret": {"s3cr3t"}, "X-Mine": {"s3cr3t", "s3cr3t"}, "X-Kept": {"kept"}}
	nested := zap.Dict("outer", zap.Object("headers", header(h)), zap.Strings("uris", []string{"/?mine=s3cr3t"}), zap.String("X-Api-Key", "s3cr3t"))
	log.With(nested, zap.String("uri", "/?token=s3cr3t")).With(zap.Namespace("deeper"), nested).Error("Get /?key=s3cr3t",
		nested, zap.Any("header", h), zap.Any("map", map[string][]string(h)), zap.Error(errors.New("Get /?sig=s3cr3t")),
		zap.ByteString("bytes", []byte("/?token=s3cr3t")), zap.Objects("list", []zapcore.ObjectMarshaler{header(h)}),
		zap.Reflect("Authorization", "s3cr3t"), zap.Stringer("took", time.Second), zap.Int("status", 200), zap.Inline(header(h)))
	log.Info("next", zap.Int("status", 201))
	if text := out.String(); strings.Contains(text, "s3cr3t") || strings.Count(text, `"kept"`) != 7 || !strings.Contains(text, "/?sig=REDACTED") {
		t.Errorf("wrote %s", text)
	}
	lines := bytes.Split(bytes.TrimSpace(out.Bytes()), []byte("\n"))
	for _, line := range lines {
		if !json.Valid(line) {
			t.Errorf("not JSON: %s", line)
		}
	}
	if len(lines) != 2 || bytes.Contains(lines[1], []byte("outer")) {
		t.Errorf("fields of one entry are in another: %s", out.Bytes())
	}
}

func TestInForce(t *testing.T) {
	before := inForce.Load()
	_, clean := encoder(t, "")
	if !InForce() || inForce.Load() != before+1 {
		t.Fatal("not counted")
	}
	clean()
	clean()
	if inForce.Load() != before {
		t.Fatal("counted after it was cleaned up")
	}
}

func TestFormatsThatAreNone(t *testing.T) {
	for _, block := range []string{"json", "{\nwrap\n}", "{\nwrap nothing\n}", "{\nheader\n}", "{\nquery\n}", "{\nfields\n}", "{\nwrap json\nwrap json\n}"} {
		if err := new(Encoder).UnmarshalCaddyfile(caddyfile.NewTestDispenser("callgate " + block)); err == nil {
			t.Errorf("%q was taken", block)
		}
	}
}

func TestWrap(t *testing.T) {
	for in, want := range map[string]string{
		`{}`:   `{"logging":{"logs":{"default":{"encoder":{"format":"callgate"}}}}}`,
		`null`: `{"logging":{"logs":{"default":{"encoder":{"format":"callgate"}}}}}`,
		`{"apps":{"x":1},"logging":{"sink":{},"logs":{"default":{"level":"DEBUG","exclude":["a"]},"a":{"encoder":{"format":"console","time_local":true}},"b":null}}}`: `{"apps":{"x":1},"logging":{"logs":{"a":{"encoder":{"format":"callgate","wrap":{"format":"console","time_local":true}}},` +
			`"b":{"encoder":{"format":"callgate"}},"default":{"encoder":{"format":"callgate"},"exclude":["a"],"level":"DEBUG"}},"sink":{}}}`,
		`{"logging":{"logs":{"default":{"encoder":{"format":"callgate","query":["x"]}}}}}`: `{"logging":{"logs":{"default":{"encoder":{"format":"callgate","query":["x"]}}}}}`,
	} {
		got, err := Wrap([]byte(in))
		if err != nil || string(got) != want {
			t.Errorf("%s became %s (%v), want %s", in, got, err, want)
		}
		if again, err := Wrap(got); err != nil || string(again) != want {
			t.Errorf("%s became %s the second time (%v)", in, again, err)
		}
	}
	for _, in := range []string{"", "[]", `{"logging":[]}`, `{"logging":{"logs":{"a":1}}}`} {
		if _, err := Wrap([]byte(in)); err == nil {
			t.Errorf("%q was taken", in)
		}
	}
}

func TestArgs(t *testing.T) {
	for in, want := range map[string]string{
		"callgate":                                        "callgate",
		"callgate version":                                "callgate version",
		"callgate stats --config Caddyfile":               "callgate stats --config Caddyfile",
		"callgate run":                                    "callgate run --config Caddyfile --adapter callgate",
		"callgate run --watch":                            "callgate run --watch --config Caddyfile --adapter callgate",
		"callgate run --config Caddyfile":                 "callgate run --config Caddyfile --adapter callgate",
		"callgate start -c=/etc/x.caddyfile":              "callgate start -c=/etc/x.caddyfile --adapter callgate",
		"callgate reload -c /etc/Caddyfile.prod --force":  "callgate reload -c /etc/Caddyfile.prod --force --adapter callgate",
		"callgate run --config=/etc/Caddyfile -a yaml":    "callgate run --config=/etc/Caddyfile -a yaml",
		"callgate run --config x --adapter caddyfile":     "callgate run --config x --adapter callgate",
		"callgate run --config x --adapter=caddyfile":     "callgate run --config x --adapter=callgate",
		"callgate run --config caddyfile.json":            "callgate run --config caddyfile.json",
		"callgate run --config config.json":               "callgate run --config config.json",
		"callgate run --config -":                         "callgate run --config -",
		"callgate run --config x --adapter callgate":      "callgate run --config x --adapter callgate",
		"callgate run -cCaddyfile":                        "callgate run -cCaddyfile",
		"callgate validate --adapter caddyfile":           "callgate validate --adapter callgate",
		"callgate adapt --pretty --config Caddyfile":      "callgate adapt --pretty --config Caddyfile --adapter callgate",
		"callgate run --config Caddyfile --config x.json": "callgate run --config Caddyfile --config x.json",
	} {
		args := strings.Fields(in)
		if got := strings.Join(Args(args, func(file string) bool { return file == "Caddyfile" }), " "); got != want {
			t.Errorf("%q became %q, want %q", in, got, want)
		}
		if strings.Join(args, " ") != in {
			t.Errorf("%q was changed", in)
		}
	}
	if got := Args([]string{"callgate", "run"}, func(string) bool { return false }); len(got) != 2 {
		t.Errorf("without a Caddyfile: %q", got)
	}
}
