package main

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// secret is that of the tenant and of the load generator. It guards nothing.
const secret = "secret-of-the-benchmark"

// The subjects, as they are named in the result.
const (
	direct  = "upstream alone"
	plain   = "plain Caddy"
	gateway = "gateway"
)

// subject is something that requests are sent to.
type subject struct {
	name string
	url  string
	// process is the one whose CPU time counts.
	process *process
	// sent is how many requests the last round took, by which the next knows how many to sign ahead.
	sent int64
}

// plainConfig is Caddy as everybody has it: no access log, and nothing but a proxy.
func plainConfig(address, upstream string) string {
	return fmt.Sprintf(`{
	admin off
	auto_https off
	persist_config off
}
http://%s {
	bind 127.0.0.1
	reverse_proxy %s
}
`, address, upstream)
}

// gatewayConfig is the same with the whole pipeline in front: the tenant from the path, signature, rate limit,
// idempotency and breaker. The limit is there, and so high that it refuses nothing. policy are more lines for the
// callgate directive, proxy for reverse_proxy, separated with semicolons.
func gatewayConfig(address, upstream, policy, proxy string) string {
	return fmt.Sprintf(`{
	admin off
	auto_https off
	persist_config off
	callgate {
		tenant bench {
			secret %s
		}
	}
}
http://%s {
	bind 127.0.0.1
	callgate /webhooks/* nextphone {
		tenant {path.1}
		rate_limit 1000000000/s burst 1000000000%s
	}
	reverse_proxy %s%s
}
`, secret, address, lines(policy, "\n\t\t"), upstream, block(proxy))
}

func lines(list, before string) string {
	var b strings.Builder
	for l := range strings.SplitSeq(list, ";") {
		if l = strings.TrimSpace(l); l != "" {
			b.WriteString(before + l)
		}
	}
	return b.String()
}

func block(list string) string {
	if l := lines(list, "\n\t\t"); l != "" {
		return " {" + l + "\n\t}"
	}
	return ""
}

// startSubjects starts all processes and waits until each of them answers.
func startSubjects(ctx context.Context, o *options, dir string) ([]*subject, func(), error) {
	var started []*process
	stop := func() {
		for i := len(started) - 1; i >= 0; i-- {
			started[i].stop()
		}
	}
	self, err := os.Executable()
	if err != nil {
		return nil, stop, err
	}
	up, err := startProcess(ctx, dir, "upstream", self, "-upstream")
	if err != nil {
		return nil, stop, err
	}
	started = append(started, up)
	address, err := up.firstLine()
	if err != nil {
		return nil, stop, err
	}
	subjects := []*subject{{name: direct, url: "http://" + address + "/webhooks/bench", process: up}}
	for _, c := range []struct {
		name, file string
		config     func(address string) string
	}{
		{plain, "plain", func(a string) string { return plainConfig(a, address) }},
		{gateway, "gateway", func(a string) string { return gatewayConfig(a, address, o.policy, o.proxy) }},
	} {
		listen, err := freeAddress()
		if err != nil {
			return nil, stop, err
		}
		file := filepath.Join(dir, c.file+".Caddyfile")
		if err := os.WriteFile(file, []byte(c.config(listen)), 0o600); err != nil {
			return nil, stop, err
		}
		p, err := startProcess(ctx, dir, c.file, o.callgate, "run", "--config", file, "--adapter", "caddyfile")
		if err != nil {
			return nil, stop, err
		}
		started = append(started, p)
		if err := p.waitFor(ctx, listen); err != nil {
			return nil, stop, err
		}
		subjects = append(subjects, &subject{name: c.name, url: "http://" + listen + "/webhooks/bench", process: p})
	}
	return subjects, stop, nil
}

// freeAddress is a loopback address where nobody listens now.
func freeAddress() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return l.Addr().String(), l.Close()
}

// startTimeout is how long a process may take to listen; a busy machine is slow.
const startTimeout = 60 * time.Second
