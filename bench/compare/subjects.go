package main

import (
	"context"
	"fmt"

	"github.com/callgate/callgate/bench/command"
	"github.com/callgate/callgate/bench/gateway"
	"github.com/callgate/callgate/bench/process"
)

// upstreamHelper is what this program starts itself as, for the upstream.
const upstreamHelper = "-upstream"

// The subjects, as they are named in the result and in its order.
const (
	direct      = "upstream alone"
	nginx       = "nginx"
	plain       = "plain Caddy"
	withGateway = "gateway"
	forwarding  = "gateway, forward"
	other       = "another build"
)

// subject is something that requests are sent to. CPU time and memory are those of its process and of the processes
// that this one has started.
type subject struct {
	name    string
	url     string
	process *process.Process
	// sent is how many requests the last round took, by which the next knows how many to sign ahead.
	sent int64
}

func (s *subject) target() command.Target {
	return command.Target{
		URL: s.url, Secret: gateway.Secret, Process: s.process,
		PIDs: append([]int{s.process.PID()}, process.Children(s.process.PID())...),
	}
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

// caddies are those that run a callgate binary. The binary lets its heap grow further than Go does before it
// collects garbage, unless GOGC says otherwise. Caddy does not, so the plain one has GOGC=100, which is what Go does by
// itself, and the gateway none, as it is shipped. Its logs are Caddy's own too.
func (o *options) caddies(dir, upstream string) []gateway.Program {
	g := gateway.Config{Upstream: upstream, Policy: o.policy, Proxy: o.proxy}
	config := func(address, _ string) string { return g.Text(address) }
	list := []gateway.Program{
		{
			Name: plain, Binary: o.Callgate, Dir: dir, Env: []string{"GOGC=100"}, Plain: true,
			Config: func(address, _ string) string { return plainConfig(address, upstream) },
		},
		{Name: withGateway, Binary: o.Callgate, Dir: dir, Config: config},
	}
	if o.forward {
		f := gateway.Config{Upstream: upstream, Policy: o.policy, Forward: true}
		list = append(list, gateway.Program{
			Name: forwarding, Binary: o.Callgate, Dir: dir, Config: func(address, _ string) string { return f.Text(address) },
		})
	}
	if o.against != "" {
		list = append(list, gateway.Program{Name: other, Binary: o.against, Dir: dir, Config: config})
	}
	return list
}

// startSubjects starts all processes and waits until each of them answers.
func startSubjects(ctx context.Context, o *options, dir string) (subjects []*subject, stop func(), err error) {
	var started []*process.Process
	stop = func() {
		for i := len(started) - 1; i >= 0; i-- {
			started[i].Stop()
		}
	}
	add := func(name, root string, p *process.Process) {
		started = append(started, p)
		subjects = append(subjects, &subject{name: name, url: root + gateway.Path, process: p})
	}
	up, address, err := command.StartHelper(ctx, upstreamHelper, dir)
	if err != nil {
		return nil, stop, err
	}
	add(direct, "http://"+address, up)
	if !o.direct {
		subjects = nil
	}
	if o.nginx != "" {
		p, listen, err := startNginx(ctx, o, dir, address)
		if err != nil {
			return nil, stop, err
		}
		add(nginx, "http://"+listen, p)
	}
	for _, c := range o.caddies(dir, address) {
		s, err := gateway.Start(ctx, c)
		if err != nil {
			return nil, stop, err
		}
		add(c.Name, s.URL, s.Process)
	}
	return subjects, stop, nil
}
