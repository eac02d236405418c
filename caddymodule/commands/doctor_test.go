package commands

import (
	"encoding/json"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/callgate/callgate/caddymodule"
	"github.com/callgate/callgate/internal/doctor"
)

const (
	strongSecret = "6f1d5a90e8c74b23a1907fd3c5b2e8419d0a7c6e5f4b3a21"
	soundConfig  = `{
	admin unix/DIR/admin
	callgate {
		store sqlite DIR/db/store.db
		encryption_key {file.DIR/key}
		alert {
			url {env.ALERT_URL}
			dead_letter
		}
		destination crm http {
			url https://crm.example/leads
			body "{\"name\":\"{{name}}\"}"
		}
	}
}
hooks.example.com {
	callgate /retell retell {file.DIR/secret} {
		deliver crm
	}
	handle {
		respond 404
	}
}
http://:8080 {
	bind 127.0.0.1
	respond 404
}
`
)

// examined is the report of a configuration in which DIR is a directory with its files.
func examined(t *testing.T, config string, args ...string) (findings doctor.Report, senders []caddymodule.DiagnosedSender, err error) {
	t.Helper()
	dir := t.TempDir()
	t.Setenv("ALERT_URL", "https://alerts.example/hook")
	for name, text := range map[string]string{"key": firstKey, "secret": strongSecret, "short": "short-one", "open": strongSecret} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Chmod(filepath.Join(dir, "open"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(dir, "db"), 0o700); err != nil {
		t.Fatal(err)
	}
	file := write(t, "Caddyfile", strings.ReplaceAll(config, "DIR", dir))
	out, err := run(t, fillDoctor, "", append([]string{"--config", file, "--json"}, args...)...)
	if out == "" {
		return nil, nil, err
	}
	var all struct {
		Worst    doctor.Level
		Findings doctor.Report
		Senders  []caddymodule.DiagnosedSender
	}
	if e := json.Unmarshal([]byte(out), &all); e != nil {
		t.Fatalf("%v: %s", e, out)
	}
	if all.Worst != all.Findings.Worst() {
		t.Errorf("worst %s of %+v", all.Worst, all.Findings)
	}
	for _, secret := range []string{strongSecret, "short-one", firstKey, "alerts.example"} {
		if strings.Contains(out, secret) {
			t.Errorf("it tells %q: %s", secret, out)
		}
	}
	return all.Findings, all.Senders, err
}

// ofMachine are checks whose outcome is this machine's.
var ofMachine = map[string]bool{"clock": true, "limits": true, "disk": true}

func TestDoctorFindsWhatHurts(t *testing.T) {
	for name, tt := range map[string]struct {
		old, new string
		check    string
		level    doctor.Level // of the one finding that is not fine; empty if there is none
		says     string
	}{
		"all is well":         {"", "", "backup", doctor.Note, "--backups"},
		"a literal secret":    {"{file.DIR/secret}", strongSecret, "secrets", doctor.Warning, ": secrets are written out (1)"},
		"a short one":         {"{file.DIR/secret}", "{file.DIR/short}", "secrets", doctor.Warning, "it has 9 characters"},
		"a readable file":     {"{file.DIR/secret}", "{file.DIR/open}", "secrets", doctor.Warning, "read by every user"},
		"no encryption":       {"encryption_key {file.DIR/key}", "", "encryption", doctor.Warning, "what callers say is stored as it is"},
		"no encryption, EHR":  {"encryption_key {file.DIR/key}\n\t\talert {\n\t\t\turl {env.ALERT_URL}\n\t\t\tdead_letter\n\t\t}\n", "alert {\n\t\t\turl {env.ALERT_URL}\n\t\t}\n\t\tdestination ehr fhir {\n\t\t\tbase https://ehr.example/fhir\n\t\t}\n", "encryption", doctor.Wrong, "what patients say"},
		"the key beside it":   {"store sqlite DIR/db/store.db", "store sqlite DIR/store.db", "encryption", doctor.Warning, "the key is in the directory of the store"},
		"nobody is told":      {"alert {\n\t\t\turl {env.ALERT_URL}\n\t\t\tdead_letter\n\t\t}", "", "alert", doctor.Warning, "nobody is told"},
		"an alert to nobody":  {"\t\t\turl {env.ALERT_URL}\n", "", "alert", doctor.Note, "sent to nobody"},
		"no fallback":         {"\thandle {\n\t\trespond 404\n\t}\n}\nhttp://:8080", "}\nhttp://:8080", "sites", doctor.Warning, "empty 200"},
		"plain HTTP":          {"hooks.example.com {", "http://hooks.example.com {", "ports", doctor.Warning, "calls come in over plain HTTP"},
		"an open admin":       {"admin unix/DIR/admin", "admin :2019", "ports", doctor.Wrong, "whoever reaches it can change everything"},
		"no route":            {"\tcallgate /retell retell {file.DIR/secret} {\n\t\tdeliver crm\n\t}\n", "", "sites", doctor.Wrong, "no site has a route"},
		"what hipaa requires": {"\tcallgate {\n", "\tcallgate {\n\t\trequire hipaa\n", "require", doctor.Wrong, "write audit {"},
	} {
		if tt.old != "" && !strings.Contains(soundConfig, tt.old) {
			t.Fatalf("%s: %q is not in the configuration", name, tt.old)
		}
		found, _, err := examined(t, strings.Replace(soundConfig, tt.old, tt.new, 1))
		if found == nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		hit := false
		for _, f := range found {
			switch {
			case f.Check == tt.check && f.Level == tt.level && strings.Contains(f.Found+" "+f.Do, tt.says):
				hit = true
			case name == "all is well" && f.Level != doctor.Fine && !ofMachine[f.Check]:
				t.Errorf("%s: %+v", name, f)
			}
		}
		if !hit {
			t.Errorf("%s: %+v, %v", name, found, err)
		}
		bad := 0
		for _, f := range found {
			if f.Level == doctor.Wrong {
				bad++
			}
		}
		if bad > 0 != (err != nil) || tt.level == doctor.Wrong && err == nil {
			t.Errorf("%s: %d wrong, and the error is %v", name, bad, err)
		}
	}
}

func TestDoctorLooksForBackups(t *testing.T) {
	dir := t.TempDir()
	look := func() (r doctor.Report) {
		e := examining{backups: dir, backupsNotBefore: 26 * time.Hour}
		e.lookForBackups(&r, filepath.Join("/proc", "store.db"), time.Now())
		return r
	}
	if r := look(); len(r) != 1 || r[0].Level != doctor.Warning || r[0].Found != "there is no backup" {
		t.Errorf("%+v", r)
	}
	file := filepath.Join(dir, "calls")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if r := look(); len(r) != 1 || r[0].Level != doctor.Fine {
		t.Errorf("%+v", r)
	}
	old := time.Now().Add(-72 * time.Hour)
	if err := os.Chtimes(file, old, old); err != nil {
		t.Fatal(err)
	}
	if r := look(); len(r) != 1 || r[0].Level != doctor.Warning || r[0].Found != "the newest backup is 72h0m0s old" {
		t.Errorf("%+v", r)
	}
	var r doctor.Report
	e := examining{backups: dir, backupsNotBefore: 100 * time.Hour}
	if e.lookForBackups(&r, filepath.Join(dir, "not", "yet", "store.db"), time.Now()); len(r) != 2 || !strings.Contains(r[1].Found, "on the disk of the store") {
		t.Errorf("%+v", r)
	}
	e.backups = filepath.Join(dir, "none")
	if e.lookForBackups(&r, file, time.Now()); !strings.Contains(r[2].Found, "cannot be read") {
		t.Errorf("%+v", r)
	}
}

func TestDoctorReachesReceivers(t *testing.T) {
	there := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("a request was sent") }))
	defer there.Close()
	untrusted := httptest.NewTLSServer(http.NotFoundHandler())
	defer untrusted.Close()
	gone := "127.0.0.1:" + freePort(t)
	config := strings.Replace(soundConfig, "https://crm.example/leads", there.URL+"/leads", 1)
	config = strings.Replace(config, "\t}\n}\nhooks", "\t\tdestination other http {\n\t\t\turl "+untrusted.URL+"/x\n\t\t\tbody \"{}\"\n\t\t}\n\t}\n}\nhooks", 1)
	config = strings.Replace(config, "\thandle {\n", "\thandle /own {\n\t\tcallgate nextphone {file.DIR/secret}\n\t\treverse_proxy "+gone+"\n\t}\n\thandle {\n", 1)
	found, _, err := examined(t, config, "--reach")
	if err != nil {
		t.Fatal(err)
	}
	for address, want := range map[string]struct {
		level doctor.Level
		says  string
	}{
		strings.TrimPrefix(there.URL, "http://"):      {doctor.Fine, "it is there"},
		strings.TrimPrefix(untrusted.URL, "https://"): {doctor.Warning, "there is no TLS with it"},
		gone: {doctor.Warning, "connection refused"},
	} {
		hit := false
		for _, f := range found {
			hit = hit || f.Check == "receivers" && strings.HasSuffix(f.Where, ", "+address) && f.Level == want.level && strings.Contains(f.Found, want.says)
		}
		if !hit {
			t.Errorf("%s: %+v", address, found)
		}
	}
	if _, _, err := net.SplitHostPort(gone); err != nil {
		t.Fatal(err)
	}
}

func TestDoctorTellsWhatToDoAtTheSender(t *testing.T) {
	_, senders, _ := examined(t, strings.Replace(soundConfig, "\t\tdeliver crm\n", "\t\tdeliver crm\n\t\tpublic_url https://calls.example\n", 1))
	if len(senders) != 1 || senders[0].Preset != "retell" || senders[0].URL != "https://calls.example/retell" || !strings.Contains(senders[0].Setup.Steps[0], senders[0].URL) {
		t.Errorf("%+v", senders)
	}
	file := write(t, "Caddyfile", "http://localhost:9080 {\n\tbind 127.0.0.1\n\tcallgate /in/* nextphone "+strongSecret+"\n\trespond 404\n}\n")
	out, err := run(t, fillDoctor, "", "--config", file)
	if err != nil || !strings.Contains(out, "WARNING  secrets") || !strings.Contains(out, "At the sender of route nextphone /in/* (nextphone):\n  [ ] ") || strings.Contains(out, "FINE") {
		t.Errorf("%v\n%s", err, out)
	}
	if _, err := run(t, fillDoctor, "", "--config", file, "--strict"); err == nil || !strings.Contains(err.Error(), "warning") {
		t.Errorf("strict: %v", err)
	}
	if out, err := run(t, fillDoctor, "", "--config", file, "--all"); err != nil || !strings.Contains(out, "FINE") {
		t.Errorf("%v\n%s", err, out)
	}
	if _, err := run(t, fillDoctor, "", "--config", write(t, "Caddyfile", "http:// {\n\tcallgate nobody\n}\n")); err == nil {
		t.Error("a configuration that cannot be loaded passes")
	}
}
