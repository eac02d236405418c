package caddymodule

import (
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2/caddyconfig"
)

func TestTheAddressOfARouteIsFound(t *testing.T) {
	const global = `{
	http_port 8080
	callgate {
		tenant acme {
			secret {env.HOME}
		}
	}
}
`
	for name, tt := range map[string]struct{ site, tenant, url, says string }{
		"a name":               {"hooks.example.com {\n\tcallgate /retell retell {env.HOME}\n}", "", "https://hooks.example.com/retell", ""},
		"a name and a port":    {"hooks.example.com:8443 {\n\tcallgate /retell retell {env.HOME}\n}", "", "https://hooks.example.com:8443/retell", ""},
		"plain HTTP":           {"http://hooks.example.com:9080 {\n\tcallgate /retell retell {env.HOME}\n}", "", "http://hooks.example.com:9080/retell", ""},
		"a port alone":         {":9080 {\n\tcallgate /retell retell {env.HOME}\n}", "", "http://localhost:9080/retell", ""},
		"an address":           {"http://:9080 {\n\tbind 127.0.0.1\n\tcallgate /retell retell {env.HOME}\n}", "", "http://127.0.0.1:9080/retell", ""},
		"localhost":            {"localhost:9443 {\n\tcallgate /retell retell {env.HOME}\n}", "", "https://localhost:9443/retell", ""},
		"a whole site":         {":9080 {\n\tcallgate retell {env.HOME}\n\trespond ok\n}", "", "http://localhost:9080/", ""},
		"a handle":             {":9080 {\n\thandle /a/* {\n\t\tcallgate retell {env.HOME}\n\t\trespond ok\n\t}\n}", "", "http://localhost:9080/a/", ""},
		"a tenant in the path": {":9080 {\n\tcallgate /a/* retell {\n\t\ttenant {path.1}\n\t}\n}", "acme", "http://localhost:9080/a/acme", ""},
		"no tenant given":      {":9080 {\n\tcallgate /a/* retell {\n\t\ttenant {path.1}\n\t}\n}", "", "", "say which with --tenant"},
		"a tenant in a header": {":9080 {\n\tcallgate /a/* retell {\n\t\ttenant {header.X-T}\n\t}\n}", "acme", "", "the route finds its tenant by"},
		"all of a domain":      {"http://*.example.com:9080 {\n\tcallgate /a retell {env.HOME}\n}", "", "", "give the address of one with --to"},
		"a socket":             {"http:// {\n\tbind unix//run/x.sock\n\tcallgate /a retell {env.HOME}\n}", "", "", "no port of TCP"},
	} {
		text, _, err := caddyconfig.GetAdapter("caddyfile").Adapt([]byte(global+tt.site+"\n"), map[string]any{"filename": "Caddyfile"})
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		s, err := OfflineSender(text, "retell", "", tt.tenant)
		if tt.says != "" {
			if err != nil || s.URL != "" || s.NoURL == nil || !strings.Contains(s.NoURL.Error(), tt.says) {
				t.Errorf("%s: %+v, %v", name, s, err)
			}
			continue
		}
		if err != nil || s.URL != tt.url || s.Signature.Scheme != "retell" || len(s.Signature.Secrets) != 1 {
			t.Errorf("%s: %+v, %v", name, s, err)
		}
	}
}
