package gateway

import (
	"cmp"
	"fmt"
	"strings"
)

// Path is that of webhooks in a Config.
const Path = "/webhooks/bench"

// Config is a proxy with the whole pipeline in front: the tenant from the path, signature, rate limit, idempotency and
// breaker; no access log. The limit is there, and so high that it refuses nothing.
type Config struct {
	Upstream string
	// Admin is the address of Caddy's admin interface; empty: none.
	Admin string
	// Global, Policy and Proxy are more lines for the global option, the callgate directive and reverse_proxy, separated
	// with semicolons.
	Global, Policy, Proxy string
	// Forward has the callgate directive hand requests on itself, in place of reverse_proxy.
	Forward bool
}

// Text is the configuration of a gateway that listens on an address.
func (c Config) Text(address string) string {
	inside, after := lines(c.Policy), "\n\treverse_proxy "+c.Upstream+block(c.Proxy)
	if c.Forward {
		inside, after = inside+"\n\t\tforward "+c.Upstream, ""
	}
	return fmt.Sprintf(`{
	admin %s
	auto_https off
	persist_config off
	callgate {
		tenant bench {
			secret %s
		}%s
	}
}
http://%s {
	bind 127.0.0.1
	callgate /webhooks/* nextphone {
		tenant {path.1}
		rate_limit 1000000000/s burst 1000000000%s
	}%s
}
`, cmp.Or(c.Admin, "off"), Secret, lines(c.Global), address, inside, after)
}

func lines(list string) string {
	var b strings.Builder
	for l := range strings.SplitSeq(list, ";") {
		if l = strings.TrimSpace(l); l != "" {
			b.WriteString("\n\t\t" + l)
		}
	}
	return b.String()
}

func block(list string) string {
	if l := lines(list); l != "" {
		return " {" + l + "\n\t}"
	}
	return ""
}
