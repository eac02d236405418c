package caddymodule

import (
	"fmt"
	"strings"
	"testing"
)

// Two tenants that one secret is good for would take each other's requests, where the request itself says which of them it
// is for.
func TestTenantsDoNotShareASecretUnsaid(t *testing.T) {
	t.Setenv("CALLGATE_TEST_SECRET", "of-the-environment")
	const config = `{
	callgate {
		source nextphone {
			secret of-the-source
			%s
		}
		tenant a {
			%s
		}
		tenant b {
			%s
		}
	}
}
http:// {
	callgate nextphone {
		tenant %s
		%s
	}
	respond ok
}`
	for name, c := range map[string]struct{ source, a, b, tenant, route, want string }{
		"own secrets":               {"", "secret a", "secret b", "{path.0}", "", ""},
		"own by source":             {"", "secret a", "source nextphone {\nsecret b\n}", "{path.0}", "", ""},
		"the source's":              {"", "secret a", "region US", "{path.0}", "", "tenant b: it has no secret of its own"},
		"the source's, for both":    {"", "region US", "region US", "{path.0}", "", "tenant a: it has no secret of its own"},
		"a constant tenant":         {"", "region US", "region US", "a", "", ""},
		"the same":                  {"", "secret x", "secret y x", "{path.0}", "", "tenant b: it has the same secret as tenant a"},
		"the same behind names":     {"", "secret {env.CALLGATE_TEST_SECRET}", "secret of-the-environment", "{path.0}", "", "tenant b: it has the same secret as tenant a"},
		"the same twice":            {"", "secret x x", "secret y", "{path.0}", "", ""},
		"said on the source":        {"shared_secret", "region US", "region US", "{path.0}", "", ""},
		"said on the route":         {"", "region US", "secret of-the-source", "{path.0}", "shared_secret", ""},
		"said for one tenant":       {"", "region US\nshared_secret", "secret b", "{path.0}", "", ""},
		"a scheme is not a secret":  {"", "secret a", "verify nextphone", "{path.0}", "", "tenant b: it has no secret of its own"},
		"another scheme, one's own": {"", "secret a", "verify bearer\nsecret b", "{path.0}", "", ""},
	} {
		_, err := provision(fmt.Sprintf(config, c.source, c.a, c.b, c.tenant, c.route))
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%s: error %v, want %q", name, err, c.want)
		}
		if err != nil && strings.Contains(err.Error(), "of-the") {
			t.Errorf("%s: the error quotes a secret: %v", name, err)
		}
	}
}
