package commands

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	_ "github.com/callgate/callgate/caddymodule/dashboard" // callgate_dashboard
	"github.com/callgate/callgate/internal/operate"
)

// site is a server with TLS in place of one with a dashboard, which notes what it is asked.
type site struct {
	*httptest.Server
	cacert string
	got    *http.Request
	status int
	answer string
}

func newSite(t *testing.T) *site {
	t.Helper()
	s := &site{status: 200, answer: `{"events":3,"bytes":0,"destinations":[]}`}
	s.Server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.got = r
		if s.status/100 == 3 {
			w.Header().Set("Location", "https://login.example/")
		}
		w.WriteHeader(s.status)
		_, _ = w.Write([]byte(s.answer))
	}))
	s.TLS = &tls.Config{ClientAuth: tls.RequestClientCert}
	s.StartTLS()
	t.Cleanup(s.Close)
	s.cacert = write(t, "ca.pem", string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw})))
	return s
}

// certificate is a file with a client certificate and its key.
func certificate(t *testing.T, name string) string {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, NotAfter: time.Now().Add(time.Hour),
	}
	cert, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	text := string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert})) + string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: raw}))
	return write(t, "client.pem", text)
}

// TestCommandsSignInAtADashboard: with what the site wants, at the paths of the dashboard.
func TestCommandsSignInAtADashboard(t *testing.T) {
	s := newSite(t)
	password, token := write(t, "password", "s3 cret\n"), write(t, "token", "abc.def\n")
	for name, tt := range map[string]struct {
		args  []string
		check func(*http.Request) bool
	}{
		"user": {[]string{"--user", "ada", "--password-file", password}, func(r *http.Request) bool {
			user, word, ok := r.BasicAuth()
			return ok && user == "ada" && word == "s3 cret"
		}},
		"token":       {[]string{"--token-file", token}, func(r *http.Request) bool { return r.Header.Get("Authorization") == "Bearer abc.def" }},
		"certificate": {[]string{"--cert", certificate(t, "ada")}, func(r *http.Request) bool { return r.TLS.PeerCertificates[0].Subject.CommonName == "ada" }},
		"nothing": {nil, func(r *http.Request) bool {
			return r.Header.Get("Authorization") == "" && len(r.TLS.PeerCertificates) == 0
		}},
	} {
		for _, slash := range []string{"", "/"} {
			out, err := run(t, fillStats, "", append(tt.args, "--address", s.URL+"/ops/callgate"+slash, "--cacert", s.cacert)...)
			if err != nil || !strings.HasPrefix(out, "3 events") {
				t.Fatalf("%s: %v: %s", name, err, out)
			}
			if s.got.URL.Path != "/ops/callgate/api/stats" || s.got.Method != "GET" || !tt.check(s.got) {
				t.Errorf("%s: %s %s %v", name, s.got.Method, s.got.URL, s.got.Header)
			}
		}
	}
	out, err := run(t, fillStats, "word\n", "--user", "ada", "--password-file", "-", "--address", s.URL, "--cacert", s.cacert)
	if _, word, _ := s.got.BasicAuth(); err != nil || word != "word" || s.got.URL.Path != "/api/stats" {
		t.Errorf("%v: %s: %q", err, out, word)
	}
	s.answer = `{"destination":"a/b","paused":true}`
	if _, err := run(t, fillPause, "", "a/b", "--address", s.URL+"/x", "--cacert", s.cacert); err != nil || s.got.URL.EscapedPath() != "/x/api/destinations/a%2Fb/pause" || s.got.Header.Get("Content-Type") != "application/json" {
		t.Errorf("%v, %s %v", err, s.got.URL, s.got.Header)
	}
}

// TestWhatADashboardRefusesIsSaid: by the gateway's own words, or by what else may have answered.
func TestWhatADashboardRefusesIsSaid(t *testing.T) {
	s := newSite(t)
	for says, tt := range map[string]struct {
		status int
		answer string
	}{
		"you may not do that":      {403, `{"error":"you may not do that"}`},
		"does not know you":        {401, ``},
		"lets nobody in here":      {403, `<html>`},
		"leads to another page":    {302, ``},
		"there is no dashboard":    {404, ``},
		"answered with HTTP 502":   {502, `<html>`},
		"is this the address":      {200, `<html>`},
		"the store is being close": {503, `{"error":"the store is being closed"}`},
	} {
		s.status, s.answer = tt.status, tt.answer
		if out, err := run(t, fillStats, "", "--address", s.URL, "--cacert", s.cacert); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%d: %v: %s", tt.status, err, out)
		}
	}
	secret := write(t, "secret", "x")
	for says, args := range map[string]string{
		"of no authority that is trusted":  "--address " + s.URL,
		"does the gateway run":             "--address https://127.0.0.1:1/",
		"write https://":                   "--address http://ops.example.com/callgate",
		"no URL of a dashboard":            "--address https://",
		"write it as https://":             "--address ftp://localhost/",
		"--user and --password-file":       "--address https://ada:word@localhost/",
		"nobody to ask":                    "--user ada --address " + s.URL,
		"give either --user or":            "--user ada --token-file " + secret + " --address " + s.URL,
		"--password-file is for --user":    "--password-file " + secret + " --address " + s.URL,
		"--key is for --cert":              "--key " + secret + " --address " + s.URL,
		"--cert: ":                         "--cert " + secret + " --address " + s.URL,
		"there is no certificate":          "--cacert " + secret + " --address " + s.URL,
		"--token-file: ":                   "--token-file /nowhere/token --address " + s.URL,
		"hold one line":                    "--token-file " + write(t, "two", "a\nb\n") + " --address " + s.URL,
		"are for a dashboard":              "--user ada --address localhost:2019",
		"with the URL of a dashboard leav": "--config Caddyfile --address " + s.URL,
	} {
		if out, err := run(t, fillStats, "", strings.Fields(args)...); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %v: %s", args, err, out)
		}
	}
}

func TestProfilesHoldAddressAndCredentials(t *testing.T) {
	s := newSite(t)
	dir := t.TempDir()
	file := filepath.Join(dir, "profiles.json")
	put := func(name, text string, mode os.FileMode) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), mode); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(filepath.Join(dir, name), mode); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv(profilesVariable, file)
	stats := func(args ...string) error {
		_, err := run(t, fillStats, "", args...)
		return err
	}
	refused := func(says string, args ...string) {
		t.Helper()
		if err := stats(args...); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%v: %v, want %s", args, err, says)
		}
	}
	refused("there are no profiles", "--profile", "clinic")
	text := `{"profiles":{"clinic":{"address":"` + s.URL + `/callgate","user":"ada","password_file":"clinic.password","cacert":"` + filepath.ToSlash(s.cacert) + `"},
		"local":{"address":"localhost:1"}}}`
	put("profiles.json", text, 0o600)
	put("clinic.password", "word", 0o600)
	if err := stats("--profile", "clinic"); err != nil {
		t.Fatal(err)
	}
	if user, word, _ := s.got.BasicAuth(); user != "ada" || word != "word" || s.got.URL.Path != "/callgate/api/stats" {
		t.Errorf("%s: %s %s", s.got.URL, user, word)
	}
	if err := stats("--profile", "clinic", "--token-file", write(t, "token", "t")); err != nil || s.got.Header.Get("Authorization") != "Bearer t" {
		t.Errorf("%v %v", err, s.got.Header)
	}
	refused("there are: clinic, local", "--profile", "clinics")
	refused("either --address or --profile", "--profile", "clinic", "--address", "https://evil.example/")
	refused("does the gateway run", "--profile", "local")
	put("profiles.json", `{"profiles":{"clinic":{"adress":"x"}}}`, 0o600)
	refused("adress", "--profile", "clinic")
	if runtime.GOOS != "windows" {
		for _, mode := range []os.FileMode{0o640, 0o604, 0o620} {
			put("profiles.json", text, mode)
			refused("chmod 600", "--profile", "clinic")
		}
	}
	t.Setenv(profilesVariable, "")
	t.Setenv("XDG_CONFIG_HOME", dir)
	if name, err := profilesFile(); err != nil || runtime.GOOS == "linux" && name != filepath.Join(dir, "callgate", "profiles.json") {
		t.Errorf("%s, %v", name, err)
	}
}

// freeAddress is one of loopback at which nothing listens.
func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// TestAGatewayIsOperatedThroughItsDashboard: each with the rights that the site gives them.
func TestAGatewayIsOperatedThroughItsDashboard(t *testing.T) {
	const hash = " $2a$04$XMHFwK07SWPkQjl6dmYMIOgL8TNBF1sq4DGKT5tKTOplbyE3HUjvu\n" // of pass
	listen := freeAddress(t)
	g := runGatewayWith(t, runningConfig+"\nhttp://"+listen+" {\n\tbind 127.0.0.1\n\tbasic_auth {\n\t\tvera"+hash+"\t\totto"+hash+"\t\terin"+hash+"\t\trita"+hash+
		"\t}\n\tcallgate_dashboard /ops/* {\n\t\tviewer user vera rita\n\t\toperator user otto\n\t\teraser user erin\n\t\treveal user rita\n\t}\n}")
	g.receiver.Down.Store(true)
	id := g.send(1)
	g.settled(0, 1)
	password := write(t, "password", "pass")
	ops := func(user, command string, args ...string) (string, error) {
		t.Helper()
		for _, c := range all {
			if c.name == command {
				return run(t, c.fill, "", append(args, "--address", "http://"+listen+"/ops", "--user", user, "--password-file", password)...)
			}
		}
		t.Fatal(command)
		return "", nil
	}
	for _, command := range []string{"events", "deliveries"} {
		if out, err := ops("vera", command); err != nil || !strings.Contains(out, id) || strings.Contains(out, "987654") || strings.Contains(out, "CALLER") {
			t.Errorf("%v: %s", err, out)
		}
		if out, err := ops("rita", command, "--reveal", "--why", "a test"); err != nil || !strings.Contains(out, "+15559876541") || !strings.Contains(out, "CALLER") {
			t.Errorf("%v: %s", err, out)
		}
		if out, err := ops("vera", command, "--reveal", "--why", "a test"); err == nil || !strings.Contains(err.Error(), "capability reveal") || strings.Contains(out, "987654") {
			t.Errorf("%v: %s", err, out)
		}
		for says, args := range map[string]string{"takes a --why": "--reveal", "--why is for": "--why x", "100 rows at most": "--reveal --why x --limit 0"} {
			if out, err := ops("rita", command, strings.Fields(args)...); err == nil || !strings.Contains(err.Error(), says) {
				t.Errorf("%s: %v: %s", args, err, out)
			}
		}
	}
	var page struct {
		Events []struct {
			ID           string
			CallerNumber string `json:"caller_number"`
			States       map[string]int
		}
		Deliveries []struct {
			EventID      string `json:"event_id"`
			CallerNumber string `json:"caller_number"`
		}
	}
	if out, err := ops("rita", "events", "--json", "--reveal", "--why", "a test"); err != nil || json.Unmarshal([]byte(out), &page) != nil || len(page.Events) != 1 || page.Events[0].CallerNumber != "+15559876541" || page.Events[0].States["dead"] != 1 {
		t.Errorf("%v: %s", err, out)
	}
	if out, err := ops("rita", "deliveries", "--json", "--reveal", "--why", "a test"); err != nil || json.Unmarshal([]byte(out), &page) != nil || len(page.Deliveries) != 1 || page.Deliveries[0].CallerNumber != "+15559876541" || page.Deliveries[0].EventID != id {
		t.Errorf("%v: %s", err, out)
	}
	if out, err := ops("rita", "show", id, "--reveal", "--reason", "a test"); err != nil || !strings.Contains(out, "private words 1") {
		t.Errorf("%v: %s", err, out)
	}
	if out, err := ops("otto", "show", id, "--reveal", "--reason", "a test"); err == nil || strings.Contains(out, "private words") {
		t.Errorf("%v: %s", err, out)
	}
	if out, err := ops("vera", "pause", "crm"); err == nil || !strings.Contains(err.Error(), "capability operate") {
		t.Errorf("%v: %s", err, out)
	}
	if out, err := ops("eve", "events"); err == nil || !strings.Contains(err.Error(), "does not know you") {
		t.Errorf("%v: %s", err, out)
	}
	g.receiver.Down.Store(false)
	if out, err := ops("otto", "replay", "--destination", "crm", "--yes"); err != nil {
		t.Errorf("%v: %s", err, out)
	}
	g.settled(1, 0)
	var s operate.Statistics
	if out, err := ops("vera", "stats", "--json"); err != nil || json.Unmarshal([]byte(out), &s) != nil || s.Events != 1 {
		t.Errorf("%v: %s", err, out)
	}
	g.send(2)
	g.settled(2, 0)
	// Who may do nothing but erase is told of the end of what they began.
	if out, err := ops("erin", "erase", "--all", "--yes"); err != nil || !strings.Contains(out, "2 events erased.\n") {
		t.Errorf("%v: %s", err, out)
	}
}
