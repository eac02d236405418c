package commands

import (
	"bytes"
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/spf13/cobra"

	"github.com/callgate/callgate/internal/signature"
)

const leadFile = "../../testdata/payloads/nextphone-lead.json"

// run runs a command as a user would.
func run(t *testing.T, fill func(*cobra.Command), stdin string, args ...string) (out string, err error) {
	t.Helper()
	cmd := new(cobra.Command)
	fill(cmd)
	cmd.SilenceErrors = true
	var b bytes.Buffer
	cmd.SetIn(strings.NewReader(stdin))
	cmd.SetOut(&b)
	cmd.SetErr(io.Discard)
	cmd.SetArgs(args)
	err = cmd.ExecuteContext(t.Context())
	return b.String(), err
}

func TestSendSignsWhatItSends(t *testing.T) {
	v, err := signature.New(signature.Config{Scheme: "stripe", Secrets: []string{"s3cret"}})
	if err != nil {
		t.Fatal(err)
	}
	var requests, valid atomic.Int64
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		requests.Add(1)
		body, _ := io.ReadAll(r.Body)
		m := signature.Message{Method: r.Method, URL: "http://" + r.Host + r.RequestURI, Header: r.Header, Body: body}
		if _, err := v.Verify(&m, time.Now()); err != nil {
			http.Error(w, err.Error(), http.StatusForbidden)
			return
		}
		valid.Add(1)
		w.Header().Set("X-Test", r.Header.Get("X-More"))
		fmt.Fprint(w, "arrived")
	}))
	defer server.Close()
	base := []string{leadFile, "--to", server.URL + "/hook", "--scheme", "stripe", "--secret", "s3cret", "-H", "X-More: 7"}

	out, err := run(t, fillSend, "", base...)
	if err != nil || !strings.HasPrefix(out, "HTTP/1.1 200 OK\n") || !strings.Contains(out, "X-Test: 7\n") || !strings.Contains(out, "\narrived\n") {
		t.Errorf("error %v, printed\n%s", err, out)
	}
	for name, more := range map[string][]string{
		"tampered": {"--tamper"}, "old": {"--age", "1h"}, "unsigned": {"--unsigned"},
	} {
		if out, err := run(t, fillSend, "", append(base, more...)...); err == nil || !strings.Contains(out, "403") {
			t.Errorf("%s: error %v, printed\n%s", name, err, out)
		}
	}
	requests.Store(0)
	valid.Store(0)
	out, err = run(t, fillSend, "", append(base, "--copies", "12", "--concurrent", "5")...)
	if err != nil || requests.Load() != 12 || valid.Load() != 12 || strings.Count(out, "HTTP/1.1 200 OK") != 12 {
		t.Errorf("error %v, %d requests of which %d valid, printed\n%s", err, requests.Load(), valid.Load(), out)
	}
	if _, err := run(t, fillSend, "", append(base, "--copies", "0")...); err == nil {
		t.Error("no copies were accepted")
	}
}

func TestSendTellsOfAServerThatIsNotThere(t *testing.T) {
	server := httptest.NewServer(http.NotFoundHandler())
	server.Close()
	out, err := run(t, fillSend, "{}", "-", "--to", server.URL, "--scheme", "nextphone", "--secret", "s")
	if err == nil || !strings.HasPrefix(out, "no answer: ") || !strings.Contains(out, "refused") || err.Error() != "1 of 1 had no answer" {
		t.Errorf("error %v, printed %s", err, out)
	}
}

func TestSendTellsAnAnswerOfNobody(t *testing.T) {
	for name, tt := range map[string]struct {
		answer func(http.ResponseWriter)
		says   string // empty if it is an answer
	}{
		"Caddy without a route": {func(w http.ResponseWriter) {
			w.Header().Set("Server", "Caddy")
			w.Header().Set("Strict-Transport-Security", "max-age=31536000") // of a line for the whole site
		}, "1 of 1 were answered with nothing: no route of callgate took them"},
		"a receiver behind a proxy": {func(w http.ResponseWriter) { w.Header().Set("Via", "1.1 Caddy") }, ""},
		"a receiver that accepts": {func(w http.ResponseWriter) {
			w.Header().Set("X-Powered-By", "Express")
			w.WriteHeader(http.StatusAccepted)
		}, ""},
		"the gateway": {func(w http.ResponseWriter) {
			w.Header().Set("Content-Type", "application/json")
			fmt.Fprintln(w, `{"id":"x","status":"accepted"}`)
		}, ""},
		"a refusal": {func(w http.ResponseWriter) { w.WriteHeader(http.StatusNotFound) }, "1 of 1 were answered with a status that is not of the 2xx class"},
	} {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { tt.answer(w) }))
		out, err := run(t, fillSend, "{}", "-", "--to", server.URL, "--scheme", "nextphone", "--secret", "s")
		server.Close()
		if tt.says == "" && err != nil || tt.says != "" && (err == nil || !strings.HasPrefix(err.Error(), tt.says)) {
			t.Errorf("%s: %v\n%s", name, err, out)
		}
	}
}

func TestSendTrustsTheCertificatesItIsGiven(t *testing.T) {
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, r.Proto) }))
	defer server.Close()
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	ca := write(t, "ca.pem", string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})))
	for flags, says := range map[string]string{
		"":                               "1 of 1 had no answer",
		"--insecure":                     "",
		"--cacert " + ca:                 "",
		"--cacert " + ca + " --insecure": "either",
		"--cacert " + write(t, "x", "x"): "no certificate",
		"--cacert /nowhere/ca.pem":       "no such file",
	} {
		args := append([]string{"-", "--to", server.URL, "--scheme", "nextphone", "--secret", "s"}, strings.Fields(flags)...)
		out, err := run(t, fillSend, "{}", args...)
		if says == "" && err != nil || says != "" && (err == nil || !strings.Contains(err.Error(), says)) {
			t.Errorf("%s: %v\n%s", flags, err, out)
		}
	}
}

func TestWhatSignPrintsVerifyAccepts(t *testing.T) {
	dir := t.TempDir()
	secret := filepath.Join(dir, "secret")
	if err := os.WriteFile(secret, []byte("s3cret\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	const body = `{"phone": "+15559876543"}`
	for _, scheme := range []string{"nextphone", "stripe", "github", "slack", "retell", "bearer", "hmac", "custom", "vapi-hmac", "standard-webhooks", "svix"} {
		options := []string{"--scheme", scheme, "--secret", "@" + secret}
		if scheme == "standard-webhooks" || scheme == "svix" {
			options[3] = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
		}
		if scheme == "custom" || scheme == "vapi-hmac" {
			options = append(options, "--signature-header", "X-Sig")
		}
		if scheme == "hmac" {
			options = append(options, "--signature-header", "X-Sig", "--algorithm", "sha512", "--encoding", "base64",
				"--timestamp-header", "X-Time", "--signed", "{timestamp}:{body}")
		}
		out, err := run(t, fillSign, body, append(options, "--now", "2026-01-31T12:00:00Z")...)
		if err != nil {
			t.Errorf("%s: %v", scheme, err)
			continue
		}
		for line := range strings.Lines(out) {
			options = append(options, "--header", strings.TrimSpace(line))
		}
		out, err = run(t, fillVerify, body, append(options, "--now", "1769860801")...)
		if err != nil || !strings.HasPrefix(out, "valid\n") {
			t.Errorf("%s: error %v, printed %s", scheme, err, out)
		}
		out, err = run(t, fillVerify, strings.Replace(body, "6543", "6544", 1), append(options, "--now", "1769860801")...)
		if wantValid := scheme == "bearer"; (err == nil) != wantValid {
			t.Errorf("%s, another body: error %v, printed %s", scheme, err, out)
		}
	}
}

func TestVerifySaysWhatMatchedOrWhyNothingDid(t *testing.T) {
	sign := func(form string) string {
		out, err := run(t, fillSign, `{"a": "ü"}`, "--scheme", "nextphone", "--secret", "new", "--form", form)
		if err != nil {
			t.Fatal(err)
		}
		return strings.TrimSpace(out)
	}
	base := []string{"--scheme", "nextphone", "--secret", "old", "--secret", "new"}
	out, err := run(t, fillVerify, `{"a": "ü"}`, append(base, "--header", sign("js"))...)
	if err != nil || !strings.Contains(out, "form: js\n") || !strings.Contains(out, "key: number 2 of 2\n") {
		t.Errorf("error %v, printed %s", err, out)
	}
	out, err = run(t, fillVerify, `{"a": "ü"}`, base...)
	if err == nil || !strings.Contains(out, "not valid: ") || !strings.Contains(out, "X-Nextphone-Signature is missing") {
		t.Errorf("error %v, printed %s", err, out)
	}
	if strings.Contains(out, "old") || strings.Contains(out, "new") {
		t.Errorf("a secret is printed: %s", out)
	}
	if _, err := run(t, fillVerify, "{}", "--secret", "x"); err == nil {
		t.Error("no scheme was accepted")
	}
	if _, err := run(t, fillVerify, "{}", "--scheme", "nextphone", "--secret", "x", "stray"); err == nil {
		t.Error("a stray argument was accepted")
	}
}

func TestVerifyRunsFilesOfVectors(t *testing.T) {
	files, err := filepath.Glob("../../testdata/vectors/*.json")
	if err != nil || len(files) == 0 {
		t.Fatalf("no vectors: %v", err)
	}
	out, err := run(t, fillVerify, "", append([]string{"--vectors"}, files...)...)
	if err != nil || !strings.HasSuffix(out, " passed, 0 failed\n") {
		t.Errorf("error %v, printed %s", err, out)
	}
	wrong := filepath.Join(t.TempDir(), "wrong.json")
	const cases = `[
		{"name":"right","scheme":"github","secret":"s","method":"POST","headers":{},"body":"x","now":1,"valid":false},
		{"name":"wrong","scheme":"github","secret":"s","method":"POST","headers":{},"body":"x","now":1,"valid":true}]`
	if err := os.WriteFile(wrong, []byte(cases), 0o600); err != nil {
		t.Fatal(err)
	}
	out, err = run(t, fillVerify, "", "--vectors", wrong)
	lines := strings.Split(strings.TrimSpace(out), "\n")
	if err == nil || len(lines) != 2 || !strings.Contains(lines[0], "wrong (github)") || lines[1] != "1 passed, 1 failed" {
		t.Errorf("error %v, printed %s", err, out)
	}
}
