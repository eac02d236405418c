package dashboard

import (
	"html"
	"regexp"
	"strings"
	"testing"

	"github.com/callgate/callgate/caddymodule/gatewaytest"
)

// TestTheBuildersPage: styles of its own carry the nonce of its policy, what stands in its address is text, and only those
// get it who may build.
func TestTheBuildersPage(t *testing.T) {
	crm := gatewaytest.NewReceiver(t)
	config := strings.Replace(gatewayConfig, "destination crm http", "manage\n\t\tdestination crm http", 1)
	g := gatewaytest.Run(t, strings.NewReplacer("CRM", crm.URL, "SITE", basic("", "bill", "vera", "ada")).Replace(config))
	get := func(user, path string) (answer, string) {
		t.Helper()
		c := of(t, g, user)
		c.base = "http://ops.test/ops/"
		got := c.ask("GET", path, "")
		return got, got.body
	}
	nonces := map[string]bool{}
	for range 2 {
		res, body := get("bill", "builder/a%22%3E%3Cscript%3Ex?event=%22%3E%3Cb%3E")
		policy := res.header.Get("Content-Security-Policy")
		m := regexp.MustCompile(`style-src 'self' 'nonce-([A-Za-z0-9]+)'`).FindStringSubmatch(policy)
		if res.status != 200 || m == nil || !strings.Contains(body, `data-nonce="`+m[1]+`"`) || strings.Contains(policy, "unsafe") {
			t.Fatalf("%d, %s\n%s", res.status, policy, body)
		}
		nonces[m[1]] = true
		if !strings.Contains(body, `data-name="`+html.EscapeString(`a"><script>x`)+`"`) || strings.Contains(body, "<script>x") || strings.Contains(body, "<b>") {
			t.Errorf("%s", body)
		}
		for _, file := range []string{"builder.js", "builder.css"} {
			m := regexp.MustCompile(`"/ops/(static/` + regexp.QuoteMeta(file) + `\?v=[0-9a-f]+)"`).FindStringSubmatch(body)
			if m == nil {
				t.Fatalf("the page has no %s: %s", file, body)
			}
			if res, text := get("bill", m[1]); res.status != 200 || len(text) < 1000 || !strings.Contains(res.header.Get("Cache-Control"), "immutable") {
				t.Errorf("%s: %d, %d bytes", file, res.status, len(text))
			}
		}
	}
	if len(nonces) != 2 {
		t.Error("two pages have one nonce")
	}
	if res, _ := get("vera", "builder"); res.status != 403 {
		t.Errorf("a viewer: %d", res.status)
	}
	if _, body := get("vera", "destinations/crm"); strings.Contains(body, "in the builder") {
		t.Errorf("a viewer is led there: %s", body)
	}
	if _, body := get("bill", "destinations/crm"); !strings.Contains(body, `href="/ops/builder/crm"`) {
		t.Errorf("a builder is not: %s", body)
	}
	g.Stop()
}
