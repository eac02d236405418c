package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/callgate/callgate/bench/process"
)

// defaultNginx is looked for, and done without if it is not there.
const defaultNginx = "nginx"

// findNginx is the path of the nginx binary that the flag names; empty for none.
func findNginx(flag string, stderr io.Writer) (string, error) {
	if flag == "" || flag == "off" {
		return "", nil
	}
	path, err := exec.LookPath(flag)
	if err == nil {
		return path, nil
	}
	if flag != defaultNginx {
		return "", fmt.Errorf("-nginx: %w; give the path of the binary, or \"off\"", err)
	}
	// Debian installs it where the PATH of most users does not lead.
	if path, err := exec.LookPath("/usr/sbin/nginx"); err == nil {
		return path, nil
	}
	fmt.Fprintln(stderr, "nginx was not found and is left out; install it (on Debian: nginx-light), or name it with -nginx BINARY")
	return "", nil
}

// nginxModules are those that want a directory of their own even if nothing uses them.
var nginxModules = []string{"fastcgi", "uwsgi", "scgi"}

// nginxConfig is nginx as a proxy that checks nothing, given what it needs to be fast: as many workers as CPUs, connections
// that are kept on both sides however many requests they have carried, no access log, and a buffer that holds the whole
// body. modules are those of nginxModules that it has.
// Files are named from the directory that it is started with.
func nginxConfig(address, upstream string, connections, size int, modules []string) string {
	user := ""
	if os.Geteuid() == 0 {
		user = "user root;\n" // or its workers, as somebody else, could not enter the directory
	}
	temp := ""
	for _, m := range modules {
		temp += fmt.Sprintf("\t%[1]s_temp_path nginx-%[1]s;\n", m)
	}
	return fmt.Sprintf(`%sdaemon off;
worker_processes auto;
pid nginx.pid;
lock_file nginx.lock;
error_log stderr warn;
events {
	worker_connections %d;
}
http {
	access_log off;
	client_max_body_size 0;
	client_body_buffer_size %d;
	client_body_temp_path nginx-client;
	proxy_temp_path nginx-proxy;
%s	keepalive_requests 1000000000;
	upstream receiver {
		server %s;
		keepalive %d;
		keepalive_requests 1000000000;
	}
	server {
		listen %s;
		location / {
			proxy_pass http://receiver;
			proxy_http_version 1.1;
			proxy_set_header Connection "";
		}
	}
}
`, user, 2*connections+128, max(size, 16<<10), temp, upstream, connections, address)
}

// startNginx starts nginx in the foreground, so that it ends with this program, and returns where it listens.
func startNginx(ctx context.Context, o *options, dir, upstream string) (_ *process.Process, address string, err error) {
	built, err := exec.CommandContext(ctx, o.nginx, "-V").CombinedOutput()
	if err != nil {
		return nil, "", fmt.Errorf("%s -V failed: %w: %s", o.nginx, err, built)
	}
	var modules []string
	for _, m := range nginxModules {
		if !strings.Contains(string(built), "--without-http_"+m+"_module") {
			modules = append(modules, m)
		}
	}
	if address, err = process.FreeAddress(); err != nil {
		return nil, "", err
	}
	file := filepath.Join(dir, "nginx.conf")
	if err := os.WriteFile(file, []byte(nginxConfig(address, upstream, o.connections, o.Size, modules)), 0o600); err != nil {
		return nil, "", err
	}
	p, err := process.Start(ctx, process.Program{Name: nginx, Path: o.nginx, Args: []string{"-p", dir, "-c", file}, Dir: dir})
	if err != nil {
		return nil, "", err
	}
	if err := p.WaitFor(ctx, address); err != nil {
		p.Stop()
		return nil, "", err
	}
	// It listens before it has started its workers, and these are what is measured.
	for before := -1; before < 1 || before != len(process.Children(p.PID())); {
		before = len(process.Children(p.PID()))
		select {
		case <-time.After(200 * time.Millisecond):
		case <-p.Done():
			return nil, "", p.Failed()
		case <-ctx.Done():
			p.Stop()
			return nil, "", ctx.Err()
		}
	}
	return p, address, nil
}
