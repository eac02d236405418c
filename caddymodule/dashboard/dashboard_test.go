package dashboard

import (
	"bufio"
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig"

	"github.com/callgate/callgate/caddymodule/gatewaytest"
	"github.com/callgate/callgate/internal/operate"
)

// TestWithoutAuthenticationEverybodyIsRefused: whatever a client says of itself.
func TestWithoutAuthenticationEverybodyIsRefused(t *testing.T) {
	g, events := seeded(t, "\tcallgate_dashboard /ops/* {"+roles+"\n\t}")
	for name, c := range map[string]*client{
		"nothing":       of(t, g, ""),
		"a password":    of(t, g, "ada"),
		"headers":       of(t, g, "", "Remote-User", "ada", "Remote-Groups", "privacy,dispatch", "X-Forwarded-User", "ada"),
		"a token":       of(t, g, "", "Authorization", "Bearer ada"),
		"a placeholder": of(t, g, "", "Remote-User", "{http.auth.user.id}"),
	} {
		for _, path := range []string{"events", "events/" + events["acme"], "stats", "ready", "tail", "nowhere", "", "../api/events"} {
			if got := c.ask("GET", path, ""); got.status != 403 || !strings.Contains(got.body, "nobody has authenticated you") {
				t.Errorf("%s: %s: %d: %s", name, path, got.status, got.body)
			}
		}
		if got := c.ask("POST", "events/"+events["acme"]+"/content", `{"reason":"x"}`); got.status != 403 || strings.Contains(got.body, "private") {
			t.Errorf("%s: %d: %s", name, got.status, got.body)
		}
	}
}

// TestTheDirectiveComesAfterAuthentication: whatever the order in the file is.
func TestTheDirectiveComesAfterAuthentication(t *testing.T) {
	for _, config := range []string{
		"http://127.0.0.1:8080 {\n\tcallgate_dashboard /ops/* {\n\t\tviewer user ada\n\t}\n\tbasic_auth {\n\t\tada " + hash + "\n\t}\n}",
		"http://127.0.0.1:8080 {\n\tcallgate_dashboard /ops/* {\n\t\tviewer user ada\n\t}\n\tforward_auth localhost:1 {\n\t\turi /\n\t}\n}",
	} {
		text := string(gatewaytest.Adapt(t, config, ""))
		dashboard, before := strings.Index(text, `"callgate_dashboard"`), max(strings.Index(text, `"authentication"`), strings.Index(text, `"reverse_proxy"`))
		if dashboard < 0 || before < 0 || before > dashboard {
			t.Errorf("the dashboard is at %d, the authentication at %d of %s", dashboard, before, text)
		}
	}
}

// TestForgedHeadersGiveNothing: with basic_auth, and with forward_auth, whose server does not answer with groups.
func TestForgedHeadersGiveNothing(t *testing.T) {
	auth := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if name, password, _ := r.BasicAuth(); password == "pass" && name != "" {
			w.Header().Set("Remote-User", name)
			return
		} else if password == "pass" {
			return // somebody without a name
		}
		w.WriteHeader(http.StatusUnauthorized)
	}))
	t.Cleanup(auth.Close)
	forged := []string{"Remote-User", "ada", "Remote-Groups", "privacy", "remote_groups", "privacy", "Remote_Groups", "privacy"}
	for way, site := range map[string]string{"basic_auth": basic("", "nobody"), "forward_auth": forwarded(auth.URL)} {
		g, events := seeded(t, site)
		for _, user := range []string{"nobody", ""} {
			c := of(t, g, user, forged...)
			for _, path := range []string{"events", "events/" + events["acme"]} {
				if got := c.ask("GET", path, ""); got.status != 403 && got.status != 401 {
					t.Errorf("%s: %q: %s: %d: %s", way, user, path, got.status, got.body)
				}
			}
			if got := c.ask("POST", "events/"+events["acme"]+"/content", `{"reason":"x"}`); got.status != 403 && got.status != 401 {
				t.Errorf("%s: %q: %d: %s", way, user, got.status, got.body)
			}
		}
		// The header of somebody who is let in is replaced too.
		if way == "forward_auth" {
			if got := of(t, g, "vera", forged...).ask("POST", "events/"+events["acme"]+"/content", `{"reason":"x"}`); got.status != 403 {
				t.Errorf("%d: %s", got.status, got.body)
			}
			r, _ := http.NewRequest("GET", "http://ops.test/ops/api/events", nil)
			r.Header = http.Header{"Remote-User": {"ada"}, "Remote-Groups": {"privacy"}}
			r.SetBasicAuth("", "pass")
			res, err := g.Client().Do(r)
			if err != nil {
				t.Fatal(err)
			}
			if res.Body.Close(); res.StatusCode != 403 {
				t.Errorf("somebody whom the server gives no name: %d", res.StatusCode)
			}
		}
		g.Stop()
	}
}

// TestWhereItMayStand has configurations that are refused when they are loaded, and what is said of them.
func TestWhereItMayStand(t *testing.T) {
	const auth = "forward_auth localhost:1 {\n\turi /\n\tcopy_headers Remote-User Remote-Groups\n}\n"
	dashboard := func(lines string) string { return "callgate_dashboard {\n" + lines + "\n\tviewer user ada\n}\n" }
	byHeader := dashboard("user {header.Remote-User}\ngroups {http.request.header.remote-groups}")
	local := func(body string) string { return "http://127.0.0.1:0 {\nbind 127.0.0.1\n" + body + "}" }
	for name, tt := range map[string]struct{ config, says string }{
		"a name of loopback":      {"http://127.0.0.1:8099 {\n" + dashboard("") + "}", "bind 127.0.0.1"}, // Caddy listens everywhere
		"loopback":                {local(dashboard("")), ""},
		"loopback of IPv6":        {"http://:0 {\nbind [::1]\n" + dashboard("") + "}", ""},
		"a socket":                {"http:// {\nbind SOCKET\n" + dashboard("") + "}", ""},
		"TLS":                     {"https://localhost:0 {\ntls internal\n" + dashboard("") + "}", ""},
		"plain HTTP":              {"http://ops.example.com:8099 {\n" + dashboard("") + "}", "plain HTTP"},
		"plain HTTP of an IP":     {"http://192.0.2.1:8099 {\nbind 192.0.2.1\n" + dashboard("") + "}", "plain HTTP"},
		"plain HTTP, any address": {"http://:8099 {\n" + dashboard("") + "}", "plain HTTP"},
		"plain HTTP in a handle":  {"http://:8099 {\nhandle /ops/* {\n" + dashboard("") + "}\n}", "plain HTTP"},
		"one of two addresses":    {"http://:8099 {\nbind 127.0.0.1 0.0.0.0\n" + dashboard("") + "}", "plain HTTP"},

		"forward_auth":               {local(auth + byHeader), ""},
		"forward_auth in a handle":   {local("handle {\n" + auth + byHeader + "}\n"), ""},
		"forward_auth in a route":    {local("route {\n" + auth + byHeader + "}\n"), ""},
		"forward_auth outside":       {local(auth + "handle /ops/* {\n" + byHeader + "}\n"), ""},
		"of a host":                  {"http://a.example.com:0 {\nbind 127.0.0.1\n" + auth + byHeader + "}", ""},
		"of the same paths":          {local(strings.Replace(auth, "localhost", "/ops/* localhost", 1) + strings.Replace(byHeader, "{", "/ops/* {", 1)), ""},
		"of more paths":              {local(strings.Replace(auth, "localhost", "/o* localhost", 1) + strings.Replace(byHeader, "{", "/ops/* {", 1)), ""},
		"a header set by the server": {local("request_header Remote-User {http.auth.user.id}\nrequest_header Remote-Groups x\n" + byHeader), ""},
		"of the answer":              {local(auth + dashboard("user {http.reverse_proxy.header.Remote-User}")), ""},
		"a certificate":              {local(dashboard("user {http.request.tls.client.subject}")), ""},

		"headers alone":          {local(byHeader), "any client can send the header"},
		"headers by basic_auth":  {local("basic_auth {\nada " + hash + "\n}\n" + byHeader), "any client can send the header"},
		"groups by basic_auth":   {local("basic_auth {\nada " + hash + "\n}\n" + dashboard("groups {header.X-Groups}")), "header X-Groups"},
		"another header":         {local(strings.Replace(auth, "Remote-Groups", "Remote-Email", 1) + byHeader), "header Remote-Groups"},
		"of other paths":         {local(strings.Replace(auth, "localhost", "/other/* localhost", 1) + byHeader), "any client"},
		"of fewer paths":         {local(strings.Replace(auth, "localhost", "/ops/a* localhost", 1) + strings.Replace(byHeader, "{", "/ops/* {", 1)), "any client"},
		"after it":               {local("route {\n" + byHeader + auth + "}\n"), "any client"},
		"in another handle":      {local("handle /a {\n" + auth + "respond ok\n}\nhandle {\n" + byHeader + "}\n"), "any client"},
		"a handle that is taken": {local("handle /ops/* {\n" + auth + "}\nhandle {\n" + byHeader + "}\n"), "any client"},
		"under a condition":      {local("@some header X-Y z\nrequest_header @some Remote-User x\nrequest_header Remote-Groups x\n" + byHeader), "any client"},
		"a plain proxy":          {local("route {\nreverse_proxy localhost:1\n" + byHeader + "}\n"), "any client"},

		"a fixed name":      {local(dashboard("user ada")), "the same for everybody"},
		"a query":           {local(dashboard("user {query.user}")), "able to choose it"},
		"a cookie":          {local(dashboard("user {cookie.user}")), "able to choose it"},
		"the environment":   {local(dashboard("groups {env.HOME}")), "nothing that an authentication"},
		"a part of a query": {local(dashboard("user {http.auth.user.id}{query.a}")), "able to choose it"},
	} {
		dir := t.TempDir()
		config := strings.ReplaceAll(tt.config, "SOCKET", "unix/"+filepath.Join(dir, "s"))
		text := gatewaytest.Adapt(t, "{\n\tskip_install_trust\n\tstorage file_system "+dir+"\n}\n"+config, "")
		err := caddy.Validate(configOf(t, text))
		switch {
		case tt.says == "" && err != nil:
			t.Errorf("%s: %v", name, err)
		case tt.says != "" && (err == nil || !strings.Contains(err.Error(), tt.says)):
			t.Errorf("%s: %v, want %s", name, err, tt.says)
		}
	}
}

func configOf(t *testing.T, text []byte) *caddy.Config {
	t.Helper()
	var c caddy.Config
	if err := caddy.StrictUnmarshalJSON(text, &c); err != nil {
		t.Fatal(err)
	}
	return &c
}

// TestTheDirectiveIsReadOrRefused has its lines.
func TestTheDirectiveIsReadOrRefused(t *testing.T) {
	for lines, says := range map[string]string{
		"/ops/* {\nviewer user a b\n}":                          `"prefix":"/ops"`,
		"{\nviewer user a\n}":                                   `{"handler":"callgate_dashboard","viewer":[{"users":["a"]}]}`,
		"/a/* {\nprefix /b\nviewer user a\n}":                   `"prefix":"/b"`,
		"/a/b/* {\nreveal group x {\ntenants t u\n}\n}":         `"reveal":[{"groups":["x"],"tenants":["t","u"]}]`,
		"{\nviewer user a\nviewer group b\nviewer user a\n}":    `"viewer":[{"users":["a"]},{"groups":["b"]},{"users":["a"]}]`,
		"/ops {\nviewer user a\n}":                              "error: does not say below which path",
		"@x {\nviewer user a\n}":                                "error: does not say below which path",
		"/ops/* extra {\nviewer user a\n}":                      "error: ",
		"{\nviewer a\n}":                                        "error: viewer user alice",
		"{\nviewer users a\n}":                                  "error: viewer user alice",
		"{\nviewer user a {\ntenant t\n}\n}":                    "error: tenant",
		"{\nviewer user a {\ntenants\n}\n}":                     "error: ",
		"{\nroot user a\n}":                                     "error: root",
		"{\nuser {header.A}\nuser {header.B}\nviewer user a\n}": "error: user",
	} {
		text, _, err := caddyconfig.GetAdapter("caddyfile").Adapt([]byte("http://localhost:1 {\n@x path /a/* /b/*\ncallgate_dashboard "+lines+"\n}"), nil)
		if want, isError := strings.CutPrefix(says, "error: "); isError {
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%s: %v", lines, err)
			}
		} else if err != nil || !strings.Contains(string(text), says) {
			t.Errorf("%s: %v, %s", lines, err, text)
		}
	}
}

// TestNoOtherSiteCanUseIt: its pages can neither ask for something nor show or read an answer.
func TestNoOtherSiteCanUseIt(t *testing.T) {
	g, events := seeded(t, basic("", "ada"))
	settle(t, of(t, g, "ada"), 2)
	post := func(header ...string) answer {
		return of(t, g, "ada", header...).ask("POST", "erase", `{"all":true}`)
	}
	for name, header := range map[string][]string{
		"fetch of another site": {"Sec-Fetch-Site", "cross-site"}, "fetch of a sister": {"Sec-Fetch-Site", "same-site"},
		"an old browser": {"Origin", "https://evil.example"}, "no origin": {"Origin", "null"},
	} {
		if got := post(header...); got.status != 403 {
			t.Errorf("%s: %d: %s", name, got.status, got.body)
		}
	}
	for _, kind := range []string{"text/plain", "application/x-www-form-urlencoded"} {
		if got := post("Sec-Fetch-Site", "same-origin", "Content-Type", kind); got.status != 415 {
			t.Errorf("%s: %d: %s", kind, got.status, got.body)
		}
	}
	for _, method := range []string{"GET", "HEAD", "OPTIONS", "DELETE"} {
		for _, path := range []string{"erase", "replay", "cancel", "retry", "events/" + events["acme"] + "/content", "destinations/crm/pause"} {
			if got := of(t, g, "ada").ask(method, path, ""); got.status != 405 || got.header.Get("Allow") != "POST" {
				t.Errorf("%s %s: %d", method, path, got.status)
			}
		}
	}
	var p operate.EventPage
	if got := of(t, g, "ada").ask("GET", "events", ""); json.Unmarshal([]byte(got.body), &p) != nil || len(p.Events) != 2 {
		t.Errorf("something was changed: %s", got.body)
	}
	for _, got := range []answer{
		of(t, g, "ada").ask("GET", "events", ""), of(t, g, "ada").ask("GET", "nowhere", ""), post("Origin", "https://evil.example"),
		of(t, g, "ada").ask("GET", "../elsewhere", ""),
	} {
		for header, want := range map[string]string{
			"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff", "Cross-Origin-Resource-Policy": "same-origin",
			"Cross-Origin-Opener-Policy": "same-origin", "Referrer-Policy": "same-origin", "Content-Type": "application/json",
		} {
			if got.header.Get(header) != want {
				t.Errorf("%d: %s: %q", got.status, header, got.header.Get(header))
			}
		}
		if csp := got.header.Get("Content-Security-Policy"); !strings.HasPrefix(csp, "default-src 'none';") || !strings.Contains(csp, "frame-ancestors 'none'") {
			t.Errorf("%d: %s", got.status, csp)
		}
		if got.header.Get("Access-Control-Allow-Origin") != "" {
			t.Error("others may read it")
		}
	}
}

// TestPlainHTTPIsRefusedWhereverItComesFrom: also where it could not be seen when the configuration was loaded.
func TestPlainHTTPIsRefusedWhereverItComesFrom(t *testing.T) {
	for network, want := range map[net.Addr]bool{
		&net.TCPAddr{IP: net.ParseIP("127.0.0.1")}: true, &net.TCPAddr{IP: net.ParseIP("::1")}: true, &net.UnixAddr{Net: "unix"}: true,
		&net.TCPAddr{IP: net.ParseIP("192.0.2.1")}: false, &net.TCPAddr{IP: net.ParseIP("10.0.0.1")}: false, nil: false,
	} {
		r := httptest.NewRequest("GET", "/", nil)
		if network != nil {
			r = r.WithContext(contextWith(r, network))
		}
		if private(r) != want {
			t.Errorf("%v: %v", network, !want)
		}
	}
}

// TestAStreamKeepsToTheBound: others' events do not come.
func TestAStreamKeepsToTheBound(t *testing.T) {
	auth := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Remote-User", "member")
		w.Header().Set("Remote-Groups", "clinic-a")
	}))
	t.Cleanup(auth.Close)
	g, _ := seeded(t, forwarded(auth.URL))
	if got := of(t, g, "").ask("GET", "tail?tenant=beta", ""); got.status != 404 {
		t.Errorf("%d: %s", got.status, got.body)
	}
	r, err := http.NewRequestWithContext(t.Context(), "GET", "http://ops.test/ops/api/tail", nil)
	if err != nil {
		t.Fatal(err)
	}
	res, err := g.Client().Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	lines := bufio.NewScanner(res.Body)
	if !lines.Scan() || res.StatusCode != 200 {
		t.Fatal(res.Status)
	}
	for i, tenant := range []string{"beta", "acme"} {
		if status, body := g.Send("/hook/"+tenant, fmt.Sprintf(`{"lead":{"name":"Mike","phone":"+1555987655%d"}}`, i)); status != 200 {
			t.Fatal(body)
		}
	}
	for lines.Scan() {
		data, ok := strings.CutPrefix(lines.Text(), "data: ")
		if !ok {
			continue
		}
		var m struct{ Tenant string }
		if err := json.Unmarshal([]byte(data), &m); err != nil || m.Tenant != "acme" {
			t.Errorf("%s", data)
		}
		return
	}
	t.Fatal("the stream ended")
}

// TestTheUserOfTheExampleStaysOnItsMachine: everybody knows the password.
func TestTheUserOfTheExampleStaysOnItsMachine(t *testing.T) {
	loopback, other := &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 8080}, &net.TCPAddr{IP: net.IPv4(192, 0, 2, 1), Port: 443}
	for _, c := range []struct {
		at   net.Addr
		from string
		want bool
	}{
		{loopback, "127.0.0.1:4711", true}, {&net.TCPAddr{IP: net.IPv6loopback}, "[::1]:4711", true}, {&net.UnixAddr{Name: "/run/x"}, "@", true},
		{other, "127.0.0.1:4711", false}, {other, "192.0.2.7:4711", false}, {loopback, "192.0.2.7:4711", false}, {loopback, "", false}, {nil, "127.0.0.1:4711", false},
	} {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.RemoteAddr = c.from
		if c.at != nil {
			r = r.WithContext(contextWith(r, c.at))
		}
		if local(r) != c.want {
			t.Errorf("at %v from %q: want %v", c.at, c.from, c.want)
		}
	}
	h := &Handler{User: "{http.auth.user.id}", Groups: "{http.auth.user.groups}", cross: http.NewCrossOriginProtection()}
	r := httptest.NewRequest(http.MethodGet, "https://ops.test/", nil)
	repl := caddy.NewReplacer()
	repl.Set("http.auth.user.id", "development")
	r = r.WithContext(context.WithValue(contextWith(r, other), caddy.ReplacerCtxKey, repl))
	r.TLS = new(tls.ConnectionState)
	if err := h.serve(httptest.NewRecorder(), r); err == nil || !strings.Contains(err.Error(), "users of their own") {
		t.Errorf("from another machine: %v", err)
	}
}
