package examples_test

import (
	"bytes"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

var jsonHeader = http.Header{"Content-Type": {"application/json"}}

func leadFile() string { return filepath.Join(root, "testdata", "payloads", "nextphone-lead.json") }

// TestSidecar protects the calls, and leaves the rest of the site as it was.
func TestSidecar(t *testing.T) {
	rc := startReceiver(t)
	gw := startGateway(t, "sidecar/Caddyfile", rc.port, "DISPATCH_SECRET=s3cret")
	calls := gw.url + "/webhooks/calls"
	lead := []byte(readFile(t, leadFile()))

	out, err := callgate(t, nil, "send", leadFile(), "--to", calls, "--scheme", "nextphone", "--secret", "s3cret")
	if err != nil || !strings.Contains(out, `{"received":true}`) {
		t.Fatalf("a signed lead: %v\n%s", err, out)
	}
	got := rc.take()
	if len(got) != 1 || !bytes.Equal(got[0].body, lead) {
		t.Fatalf("the receiver got %q, want the lead byte for byte", got)
	}

	for _, url := range []string{calls, calls + "/", gw.url + "//webhooks/calls", gw.url + "/%77ebhooks/calls", gw.url + "/WEBHOOKS/calls"} {
		status, _, body := post(t, url, jsonHeader, lead)
		if status != http.StatusForbidden || !strings.Contains(body, "signature_missing") {
			t.Errorf("unsigned to %s: %d %s", url, status, body)
		}
	}
	if out, err := callgate(t, nil, "send", leadFile(), "--to", calls, "--scheme", "nextphone", "--secret", "s3cret", "--tamper"); err == nil || !strings.Contains(out, "signature_invalid") {
		t.Errorf("tampered: %v\n%s", err, out)
	}
	if got := rc.take(); len(got) != 0 {
		t.Errorf("the receiver got what was refused: %q", got)
	}
	if status, _, _ := post(t, gw.url+"/dispatch/board", jsonHeader, lead); status != http.StatusOK || len(rc.take()) != 1 {
		t.Errorf("the rest of the site answers %d", status)
	}
}

// TestTenants keeps businesses apart: each has its own secret, sources and variables.
func TestTenants(t *testing.T) {
	rc := startReceiver(t)
	gw := startGateway(t, "tenants/Caddyfile", rc.port,
		"ABC_PLUMBING_SECRET=abc", "NORTHSIDE_NEXTPHONE_SECRET=north", "NORTHSIDE_RETELL_KEY=retell")
	call := filepath.Join(root, "testdata", "payloads", "retell-call-analyzed.json")
	for _, c := range []struct {
		name, file, path, scheme, secret string
		tenant, owner                    string // of what the receiver gets
		refused                          string // part of the answer if it gets nothing
	}{
		{"own secret", leadFile(), "/nextphone/abc-plumbing", "nextphone", "abc", "abc-plumbing", "ABC Plumbing", ""},
		{"another tenant", leadFile(), "/nextphone/northside-dental", "nextphone", "north", "northside-dental", "Northside Dental", ""},
		{"another source", call, "/retell/northside-dental", "retell", "retell", "northside-dental", "Northside Dental", ""},
		{"secret of another tenant", leadFile(), "/nextphone/northside-dental", "nextphone", "abc", "", "", "signature_invalid"},
		{"secret of another source", call, "/retell/northside-dental", "retell", "north", "", "", "signature_invalid"},
		{"source that the tenant does not use", call, "/retell/abc-plumbing", "retell", "abc", "", "", "unknown_tenant"},
		{"unknown tenant", leadFile(), "/nextphone/nobody", "nextphone", "abc", "", "", "unknown_tenant"},
		{"no such path", leadFile(), "/", "nextphone", "abc", "", "", "404 Not Found"},
	} {
		out, err := callgate(t, nil, "send", c.file, "--to", gw.url+c.path, "--scheme", c.scheme, "--secret", c.secret, "-H", "X-Callgate-Tenant: forged")
		got := rc.take()
		if c.refused != "" {
			if err == nil || len(got) != 0 || !strings.Contains(out, c.refused) {
				t.Errorf("%s: %v, the receiver got %d requests\n%s", c.name, err, len(got), out)
			}
			continue
		}
		if err != nil || len(got) != 1 {
			t.Errorf("%s: %v, the receiver got %d requests\n%s", c.name, err, len(got), out)
			continue
		}
		if h := got[0].header; h.Get("X-Callgate-Tenant") != c.tenant || h.Get("X-Owner-Name") != c.owner {
			t.Errorf("%s: the receiver was told %q, %q", c.name, h["X-Callgate-Tenant"], h["X-Owner-Name"])
		}
	}
}

// TestTenantsReload adds a business while the gateway runs, as the README says.
func TestTenantsReload(t *testing.T) {
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS("tenants")); err != nil {
		t.Fatal(err)
	}
	rc := startReceiver(t)
	gw := startGateway(t, filepath.Join(dir, "Caddyfile"), rc.port,
		"ABC_PLUMBING_SECRET=abc", "NORTHSIDE_NEXTPHONE_SECRET=north", "NORTHSIDE_RETELL_KEY=retell", "NEW_CLIENT_SECRET=new")
	send := func() (string, error) {
		return callgate(t, nil, "send", leadFile(), "--to", gw.url+"/nextphone/new-client", "--scheme", "nextphone", "--secret", "new")
	}
	if out, err := send(); err == nil || !strings.Contains(out, "unknown_tenant") {
		t.Fatalf("before: %v\n%s", err, out)
	}
	client := []byte(`{"secrets": ["{env.NEW_CLIENT_SECRET}"]}`)
	if err := os.WriteFile(filepath.Join(dir, "tenants", "new-client.json"), client, 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(binary(t), "reload", "--config", "Caddyfile")
	cmd.Dir, cmd.Env = dir, gw.env
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("reload: %v\n%s", err, out)
	}
	if out, err := send(); err != nil || len(rc.take()) != 1 {
		t.Errorf("after: %v\n%s", err, out)
	}
}

// TestCaddyfileExample is the first thing that anybody tries, on other ports.
func TestCaddyfileExample(t *testing.T) {
	text := readFile(t, filepath.Join(root, "Caddyfile.example"))
	port := freePort(t)
	file := filepath.Join(t.TempDir(), "Caddyfile")
	text = strings.NewReplacer("8080", strconv.Itoa(port), "8081", strconv.Itoa(freePort(t))).Replace(text)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	to := runCaddyfile(t, file, port).url + "/webhooks/demo"
	out, err := callgate(t, nil, "send", leadFile(), "--to", to, "--scheme", "nextphone", "--secret", "development-secret-change-me")
	if err != nil || !strings.Contains(out, `"received":true,"tenant":"demo"`) {
		t.Errorf("a signed lead: %v\n%s", err, out)
	}
	out, err = callgate(t, nil, "send", leadFile(), "--to", to, "--scheme", "nextphone", "--secret", "development-secret-change-me", "--tamper")
	if err == nil || !strings.Contains(out, "signature_invalid") {
		t.Errorf("a tampered lead: %v\n%s", err, out)
	}
	if out, err := callgate(t, nil, "send", leadFile(), "--to", strings.Replace(to, "/webhooks/", "/calls/", 1), "--scheme", "nextphone", "--secret", "development-secret-change-me"); err != nil {
		t.Errorf("a call that is stored: %v\n%s", err, out)
	}
	for password, status := range map[string]int{"development-only": 200, "": 401, "wrong": 401} {
		for path, says := range map[string]string{"/callgate/": "Destinations", "/callgate/events": "••• ••• 6543"} {
			req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://127.0.0.1:"+strconv.Itoa(port)+path, nil)
			if err != nil {
				t.Fatal(err)
			}
			req.SetBasicAuth("development", password)
			res, err := http.DefaultClient.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			page, err := io.ReadAll(res.Body)
			res.Body.Close()
			if err != nil || res.StatusCode != status || strings.Contains(string(page), says) != (status == 200) {
				t.Errorf("the dashboard's %s with the password %q: %d, %v: %s", path, password, res.StatusCode, err, page)
			}
		}
	}
	for _, c := range [][2]string{{"localhost", "/call/demo"}, {"localhost", "/calls"}, {"hooks.other.example", "/call/demo"}, {"hooks.other.example", "/calls"}} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://127.0.0.1:"+strconv.Itoa(port)+c[1], strings.NewReader("{}"))
		if err != nil {
			t.Fatal(err)
		}
		req.Host = c[0]
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		if res.StatusCode != http.StatusNotFound {
			t.Errorf("%s%s: %d, which a sender would take for success", c[0], c[1], res.StatusCode)
		}
	}
}
