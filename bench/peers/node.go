package main

import (
	"context"
	"embed"
	"net"
	"os"
	"path/filepath"

	"github.com/callgate/callgate/bench/gateway"
	"github.com/callgate/callgate/bench/process"
)

//go:embed *.mjs
var scripts embed.FS

// placeScript writes the programs for Node.js into a directory, beside the packages that npm has installed elsewhere, and is the
// path of one of them.
func placeScript(dir, installed, name string) (string, error) {
	for _, file := range []string{"call.mjs", name} {
		text, err := scripts.ReadFile(file)
		if err != nil {
			return "", err
		}
		if err := os.WriteFile(filepath.Join(dir, file), text, 0o600); err != nil {
			return "", err
		}
	}
	modules, err := filepath.Abs(filepath.Join(installed, "node_modules"))
	if err != nil {
		return "", err
	}
	return filepath.Join(dir, name), os.Symlink(modules, filepath.Join(dir, "node_modules"))
}

// nodeEnv is what the programs for Node.js have in their environment.
func nodeEnv(upstream, port string) []string {
	return []string{"NODE_ENV=production", "PEERS_SECRET=" + gateway.Secret, upstreamVariable + "=" + upstream, "PEERS_PORT=" + port}
}

// startBullMQ starts a Redis that syncs before it answers, and the two processes of the program with BullMQ.
func startBullMQ(ctx context.Context, o *options, dir, upstream string) (*running, error) {
	r := new(running)
	redis, address, err := startRedis(ctx, o.redis, dir, always)
	if err != nil {
		return r, err
	}
	r.processes = append(r.processes, redis)
	script, err := placeScript(dir, o.bullmq, "bullmq.mjs")
	if err != nil {
		return r, err
	}
	listen, err := process.FreeAddress()
	if err != nil {
		return r, err
	}
	_, port, err := net.SplitHostPort(listen)
	if err != nil {
		return r, err
	}
	env := append(nodeEnv(upstream, port), redisVariable+"="+address)
	for _, p := range []process.Program{
		{Name: "bullmq-worker", Env: append([]string{"PEERS_WORKER=1"}, env...)}, {Name: "bullmq", Env: env},
	} {
		p.Path, p.Args, p.Dir = o.node, []string{script}, dir
		started, err := process.Start(ctx, p)
		if err != nil {
			return r, err
		}
		r.processes = append([]*process.Process{started}, r.processes...)
	}
	r.url = "http://" + listen + "/"
	return r, r.processes[0].WaitFor(ctx, listen)
}
