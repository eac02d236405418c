package destinations

import (
	"crypto/tls"
	"io"
	"log"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/callgate/callgate/internal/destination"
	"github.com/callgate/callgate/internal/outbound"
	"github.com/callgate/callgate/internal/standin"
)

// noProxy takes what the machine's environment says of proxies away.
func noProxy(t *testing.T) {
	for _, n := range []string{"HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy"} {
		t.Setenv(n, "")
	}
}

// TestProxyOfTheDestination has every kind go by a proxy, which alone knows the host's name, and its token server too.
func TestProxyOfTheDestination(t *testing.T) {
	noProxy(t)
	at := func(s *httptest.Server) string { return s.Listener.Addr().String() }
	r := standin.NewReceiver(t)
	tokens := standin.NewToken(t, standin.TokenConfig{ClientID: "gate", ClientSecret: kindSecret, NoBasic: true})
	hs := standin.NewHubSpot(t, standin.HubSpotConfig{Token: kindSecret})
	sf := salesforceOrg(t, standin.TokenConfig{ClientID: "app", ClientSecret: kindSecret, NoBasic: true})
	ehr := standin.NewFHIR(t, nil)
	p := standin.NewProxy(t, standin.ProxyConfig{User: "gate", Password: kindSecret, Names: map[string]string{
		"dispatch.internal:80": at(r.Server), "login.internal:80": at(tokens.Server), "ehr.internal:80": at(ehr.Server),
	}})
	line := "proxy " + strings.Replace(p.URL, "://", "://gate:{env.KIND_SECRET}@", 1) + "\n"
	for name, c := range map[string]struct{ text, asked string }{
		"http": {"http http://dispatch.internal/jobs {\nallow_http\npass_through\noauth2 {\ntoken_url http://login.internal/token\nclient_id gate\nclient_secret {env.KIND_SECRET}\nsecret_in form\n}\n" + line + "}",
			"POST http://login.internal/token, POST http://dispatch.internal/jobs"},
		"fhir":       {"fhir http://ehr.internal/fhir {\nallow_http\nresources Communication\npatient none\n" + line + "}", "POST http://ehr.internal/fhir"},
		"hubspot":    {"hubspot {env.KIND_SECRET} {\nbase_url " + hs.URL + "\n" + line + "}", "POST " + hs.URL + "/crm"},
		"salesforce": {"salesforce " + sf.URL + " {\nclient_credentials app {env.KIND_SECRET}\nexternal_id Call_Id__c\n" + line + "}", "POST " + sf.URL + "/services/oauth2/token"},
	} {
		t.Run(name, func(t *testing.T) {
			before := len(p.Asked())
			k := newKind(t, c.text)
			if got := k.deliver(t); got.Outcome != destination.Delivered {
				t.Fatalf("%+v", got)
			}
			if asked := strings.Join(p.Asked()[before:], ", "); !strings.HasPrefix(asked, c.asked) {
				t.Errorf("the proxy was asked for %s", asked)
			}
			if shown := k.preview(t); strings.Contains(shown, p.URL) || k.warned("proxy") {
				t.Errorf("previewed %s, logged %v", shown, k.logs.All())
			}
		})
	}
}

func TestProxyOfTheEnvironment(t *testing.T) {
	noProxy(t)
	r := standin.NewReceiver(t)
	p := standin.NewProxy(t, standin.ProxyConfig{Names: map[string]string{"dispatch.internal.example:80": r.Listener.Addr().String()}})
	t.Setenv("HTTP_PROXY", p.URL)
	t.Setenv("NO_PROXY", "exempt.example")
	jobs := func(host, lines string) kind {
		return newKind(t, "http http://"+host+"/jobs {\nallow_http\nbody `{}`\n"+lines+"}")
	}
	k := jobs("dispatch.internal.example", "")
	k.delivered(t)
	if asked := strings.Join(p.Asked(), ", "); asked != "POST http://dispatch.internal.example/jobs" {
		t.Errorf("the proxy was asked for %s", asked)
	}
	if n := k.logs.FilterMessageSnippet("proxy of the environment").Len(); n != 1 {
		t.Errorf("%d lines tell of the proxy", n)
	}
	for _, k := range []kind{jobs("exempt.example", ""), jobs("dispatch.internal.example", "proxy off\n")} {
		if got := k.deliver(t); got.Outcome == destination.Delivered {
			t.Errorf("delivered to a host that only the proxy knows: %+v", got)
		}
	}
	newKind(t, "http "+r.URL+" {\npass_through\n}").delivered(t) // the own machine
	if n := len(p.Asked()); n != 1 {
		t.Errorf("the proxy was asked %d times", n)
	}
}

func TestPinsAndOldTLS(t *testing.T) {
	noProxy(t)
	r := httptest.NewUnstartedServer(standin.NewReceiver(t))
	r.TLS = &tls.Config{MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS10}
	r.Config.ErrorLog = log.New(io.Discard, "", 0)
	r.StartTLS()
	defer r.Close()
	pin := outbound.PinOf(r.Certificate()).String()
	other := outbound.Pin{1}.String()
	pass := "http " + r.URL + " {\npass_through\n"
	k := newKind(t, pass+"unsafe_tls 1.0\npin "+other+" "+pin+"\n}")
	k.delivered(t)
	if !k.warned("not safe") {
		t.Error("no warning of the old TLS")
	}
	for lines, want := range map[string]string{
		"pin " + pin + "\n": "no TLS that is safe", "unsafe_tls 1.1\npin " + pin + "\n": "no TLS that is safe",
		"unsafe_tls 1.0\npin " + other + "\n": "another key than those that are pinned", "unsafe_tls 1.0\n": "pin " + pin,
	} {
		if got := newKind(t, pass+lines+"}").deliver(t); got.Outcome == destination.Delivered || !got.Astray || !strings.Contains(got.Reason, want) {
			t.Errorf("%q: %+v", lines, got)
		}
	}
}

func TestConnectionsThatCanNotBe(t *testing.T) {
	noProxy(t)
	pass := "http https://a.example {\npass_through\n"
	pin := outbound.Pin{}.String()
	refusals(t, map[string]struct{ text, want string }{
		"proxy without scheme":  {pass + "proxy proxy.example:3128\n}", "proxy: not the address of a proxy"},
		"proxy's password":      {pass + "proxy http://me:{env.KIND_UNSET}@proxy.example\n}", "proxy: "},
		"not percent-encoded":   {pass + "proxy \"http://me:" + kindSecret + "%@proxy.example\"\n}", "percent-encoded"},
		"socks":                 {pass + "proxy socks5://proxy.example\n}", "not the address of a proxy"},
		"pin of another digest": {pass + "pin sha1//AAAA\n}", "pin: not a pin"},
		"pin and ca":            {pass + "pin " + pin + "\nca ca.pem\n}", "ca"},
		"pin and https proxy":   {pass + "pin " + pin + "\nproxy https://proxy.example\n}", "pin: "},
	})
	if k := newKind(t, pass+"proxy http://me:"+kindSecret+"@proxy.example\n}"); !k.warned("written in the configuration") {
		t.Error("no warning of a password that is written out")
	}
	t.Setenv("HTTPS_PROXY", "socks5://me:"+kindSecret+"@proxy.example")
	refusals(t, map[string]struct{ text, want string }{"environment": {pass + "}", "proxy off for this destination"}})
	newKind(t, pass+"proxy off\n}")
}
