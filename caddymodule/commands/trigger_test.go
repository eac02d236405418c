package commands

import (
	"bytes"
	"crypto/ed25519"
	"encoding/base64"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/callgate/callgate/caddymodule/gatewaytest"
	"github.com/callgate/callgate/internal/signature"
	"github.com/callgate/callgate/internal/source"
	"github.com/callgate/callgate/internal/source/samples"
)

// freePort is one of this machine that nobody listens at.
func freePort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_, port, err := net.SplitHostPort(l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	return port
}

// secretsOf is what a scheme signs with, and the gateway's line for it.
func secretsOf(scheme string) (signs, line string) {
	seed := bytes.Repeat([]byte{7}, 32)
	text := "whsec_" + base64.StdEncoding.EncodeToString(seed)
	info, _ := signature.Lookup(scheme)
	switch {
	case scheme == "basic":
		return "user:" + text, "secret user:" + text
	case info.NeedsPublicKey && !info.NeedsSecret:
		key := ed25519.NewKeyFromSeed(seed)
		return base64.StdEncoding.EncodeToString(key), "public_key " + base64.StdEncoding.EncodeToString(key.Public().(ed25519.PublicKey))
	}
	return text, "secret " + text
}

// TestEverySampleIsAccepted: by a gateway with the preset, found in its configuration.
func TestEverySampleIsAccepted(t *testing.T) {
	port := freePort(t)
	var routes strings.Builder
	secrets := make(map[string]string)
	for _, p := range source.Presets() {
		scheme, verify := p.Scheme, ""
		switch p.Name {
		case "jotform", "calltrackingmetrics": // which can be given an address alone
			scheme, verify = "api_key", "verify api_key {\n\t\t\t\tquery token\n\t\t\t}"
		case "generic", "ringcentral":
			scheme, verify = "bearer", "verify bearer"
		}
		var line string
		secrets[p.Name], line = secretsOf(scheme)
		fmt.Fprintf(&routes, "\thandle /%[1]s {\n\t\tcallgate %[1]s {\n\t\t\tname NAME-%[1]s\n\t\t\tmethods GET POST\n\t\t\t%s\n\t\t\t%s\n\t\t}\n\t\trespond \"got it\"\n\t}\n", p.Name, line, verify)
	}
	config := "http://localhost:" + port + " {\n\tbind 127.0.0.1\n" + routes.String() + "\thandle {\n\t\trespond 404\n\t}\n}\n"
	gatewaytest.Run(t, config)
	file := write(t, "Caddyfile", config)
	for _, s := range samples.All() {
		t.Run(s.Preset+" "+s.Name, func(t *testing.T) {
			args := []string{s.Preset, s.Name, "--config", file, "--secret", secrets[s.Preset]}
			// What NextPhone signs is the body, which is empty here, and what Synthflow signs is not in what it asks before a call.
			if s.Method == http.MethodGet || s.Preset == "synthflow" && s.Name == "call-inbound" {
				if out, err := run(t, fillTrigger, "", args...); err == nil {
					t.Errorf("an event of which nothing is signed was accepted: %s", out)
				}
				return
			}
			for range 2 {
				out, err := run(t, fillTrigger, "", args...)
				handshake := s.Preset == "slack" && s.EventType == "url_verification"
				if err != nil || !strings.HasPrefix(out, "HTTP/1.1 200 OK\n") || !handshake && !strings.HasSuffix(out, "\ngot it\n") || strings.Contains(out, "Idempotency-Replayed") {
					t.Fatalf("%v\n%s", err, out)
				}
			}
		})
	}
}

func TestTriggerFindsTheSenderOfARoute(t *testing.T) {
	port := freePort(t)
	receiver := gatewaytest.NewReceiver(t)
	config := `{
	callgate {
		store sqlite STORE
		tenant acme {
			secret acme-secret-of-the-tests
		}
		source partner {
			preset generic
			secret partner-secret-of-the-tests
			verify hmac {
				header X-Partner
				timestamp_header X-Time
			}
		}
		destination crm http {
			url ` + receiver.URL + `
			pass_through
		}
	}
}
http://localhost:` + port + ` {
	bind 127.0.0.1
	handle /calls/* {
		callgate nextphone {
			name NAME-1
			tenant {path.1}
			deliver crm
		}
	}
	callgate /partner partner {
		name NAME-2
		deliver crm
	}
	handle {
		respond 404
	}
}
`
	g := gatewaytest.Run(t, config)
	file := write(t, "Caddyfile", strings.NewReplacer("STORE", g.Store, "NAME-", "r").Replace(config))
	for _, args := range [][]string{{"nextphone", "lead", "--tenant", "acme"}, {"partner", "outbound"}, {"partner"}} {
		out, err := run(t, fillTrigger, "", append(args, "--config", file, "--show")...)
		if err != nil || !strings.Contains(out, `"status":"accepted"`) {
			t.Fatalf("%v: %v\n%s", args, err, out)
		}
		_, shown, _ := strings.Cut(out, "\n")
		if body := receiver.Next(t); !strings.HasPrefix(shown, body) {
			t.Errorf("%v: delivered %s, shown %s", args, body, shown)
		}
	}
	// As it is, the second is a copy.
	same := []string{"partner", "tally", "--config", file, "--same"}
	if out, err := run(t, fillTrigger, "", same...); err != nil || strings.Contains(out, "Idempotency-Replayed") {
		t.Errorf("%v\n%s", err, out)
	}
	if out, err := run(t, fillTrigger, "", same...); err != nil || !strings.Contains(out, "Idempotency-Replayed: true") {
		t.Errorf("%v\n%s", err, out)
	}
	receiver.Next(t)
	receiver.NothingMore(t)

	for _, tt := range []struct {
		args []string
		says string
	}{
		{nil, "name a preset"},
		{[]string{"nobody", "--to", "http://localhost:1", "--secret", "s"}, `there is no preset "nobody"; there are aircall, `},
		{[]string{"retell", "call_lost", "--to", "http://localhost:1", "--secret", "s"}, `retell has no sample "call_lost"; it has call-analyzed, call-ended`},
		{[]string{"retell", "--to", "http://localhost:1"}, "needs a secret to sign with"},
		{[]string{"retell", "--to", "localhost", "--secret", "s"}, "is no URL"},
		{[]string{"generic", "--to", "http://localhost:1", "--secret", "s"}, "say with --scheme how it is signed"},
		{[]string{"nextphone", "--config", file}, "say which with --tenant"},
		{[]string{"nextphone", "--config", file, "--tenant", "other"}, `there is no tenant "other"`},
		{[]string{"retell", "--config", file}, `the configuration has no route for "retell"`},
		{[]string{"retell", "--list", "--config", file}, ""},
	} {
		_, err := run(t, fillTrigger, "", tt.args...)
		if tt.says == "" && err != nil || tt.says != "" && (err == nil || !strings.Contains(err.Error(), tt.says)) {
			t.Errorf("%v: %v", tt.args, err)
		}
	}
}

func TestTriggerListsAllSamples(t *testing.T) {
	out, err := run(t, fillTrigger, "", "--list")
	if err != nil || strings.Count(out, "\n") != len(samples.All())+1 {
		t.Fatalf("%v\n%s", err, out)
	}
	out, err = run(t, fillTrigger, "", "retell", "-l")
	if err != nil || strings.Count(out, "\n") != len(samples.Of("retell"))+1 || !strings.Contains(out, "call_ended") || strings.Contains(out, "vapi") {
		t.Errorf("%v\n%s", err, out)
	}
	if _, err := run(t, fillTrigger, "", "nobody", "-l"); err == nil {
		t.Error("samples of nobody are listed")
	}
}

// TestTriggerSendsAsAForger: what send can do wrong, trigger can too.
func TestTriggerSendsAsAForger(t *testing.T) {
	var signed []string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		signed = append(signed, r.Header.Get("X-Retell-Signature"))
		_, _ = w.Write([]byte("ok"))
	}))
	defer server.Close()
	base := []string{"retell", "--to", server.URL, "--secret", "s3cret"}
	for _, more := range [][]string{nil, {"--unsigned"}, {"--age", "1h"}} {
		if out, err := run(t, fillTrigger, "", append(base, more...)...); err != nil {
			t.Fatalf("%v: %v\n%s", more, err, out)
		}
	}
	if len(signed) != 3 || signed[0] == "" || signed[1] != "" || signed[2] == "" || signed[2] >= signed[0] {
		t.Errorf("signatures %q", signed)
	}
}
