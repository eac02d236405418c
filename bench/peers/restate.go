package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"time"

	"github.com/callgate/callgate/bench/process"
)

// restateServer is where npm puts the server's program below node_modules.
const restateServer = "@restatedev/restate-server-linux-x64/bin/restate-server"

// restateEnv are Restate's settings. All others are its defaults, with which it syncs its log before it answers.
func restateEnv(dir, ingress, admin, fabric string) ([]string, error) {
	host, port, err := net.SplitHostPort(fabric)
	return []string{
		"RESTATE_DISABLE_TELEMETRY=true", "RESTATE_LOG_FILTER=error", "RESTATE_NODE_NAME=bench", "RESTATE_BASE_DIR=" + filepath.Join(dir, "restate-data"),
		"RESTATE_INGRESS__BIND_ADDRESS=" + ingress, "RESTATE_ADMIN__BIND_ADDRESS=" + admin,
		"RESTATE_BIND_IP=" + host, "RESTATE_BIND_PORT=" + port, "RESTATE_LISTEN_MODE=tcp",
	}, err
}

// startRestate starts Restate's server and the service that it calls.
func startRestate(ctx context.Context, o *options, dir, upstream string) (*running, error) {
	r := new(running)
	var addresses [4]string
	for i := range addresses {
		var err error
		if addresses[i], err = process.FreeAddress(); err != nil {
			return r, err
		}
	}
	ingress, admin, fabric, service := addresses[0], addresses[1], addresses[2], addresses[3]
	script, err := placeScript(dir, o.restate, "restate.mjs")
	if err != nil {
		return r, err
	}
	_, port, err := net.SplitHostPort(service)
	if err != nil {
		return r, err
	}
	node, err := process.Start(ctx, process.Program{
		Name: "restate-service", Path: o.node, Args: []string{script}, Dir: dir,
		Env: append(nodeEnv(upstream, port), "RESTATE_LOGGING=ERROR"),
	})
	if err != nil {
		return r, err
	}
	r.processes = append(r.processes, node)
	if err := node.WaitFor(ctx, service); err != nil {
		return r, err
	}
	env, err := restateEnv(dir, ingress, admin, fabric)
	if err != nil {
		return r, err
	}
	server, err := process.Start(ctx, process.Program{
		Name: "restate", Path: filepath.Join(dir, "node_modules", restateServer), Args: []string{"--no-logo"}, Dir: dir, Env: env,
	})
	if err != nil {
		return r, err
	}
	r.processes = append([]*process.Process{server}, r.processes...)
	if err := server.WaitFor(ctx, admin); err != nil {
		return r, err
	}
	r.url = "http://" + ingress + "/calls/deliver/send"
	return r, register(ctx, server, "http://"+admin, "http://"+service)
}

// register tells Restate's server of the service, which it takes when it has found itself.
func register(ctx context.Context, server *process.Process, admin, service string) error {
	text, err := json.Marshal(map[string]string{"uri": service})
	if err != nil {
		return err
	}
	late := time.After(time.Minute)
	for {
		if err = post(ctx, admin+"/deployments", text); err == nil {
			return nil
		}
		select {
		case <-late:
			return fmt.Errorf("the service is not taken by Restate: %w", err)
		case <-server.Done():
			return server.Failed()
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(200 * time.Millisecond):
		}
	}
}

// post sends JSON; an answer that is not of the 2xx class is an error.
func post(ctx context.Context, url string, text []byte) error {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(text))
	if err != nil {
		return err
	}
	r.Header.Set("Content-Type", "application/json")
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(io.LimitReader(res.Body, 4<<10))
	if err == nil && res.StatusCode/100 != 2 {
		err = fmt.Errorf("status %d: %s", res.StatusCode, body)
	}
	return err
}
