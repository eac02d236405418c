package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"

	"github.com/callgate/callgate/bench/process"
)

// Values of appendfsync: when Redis syncs what it has been told.
const (
	always   = "always"
	everySec = "everysec"
)

// startRedis starts a Redis that keeps everything in its append-only file. It drops nothing, and makes no snapshots beside.
func startRedis(ctx context.Context, binary, dir, fsync string) (_ *process.Process, address string, err error) {
	if address, err = process.FreeAddress(); err != nil {
		return nil, "", err
	}
	_, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, "", err
	}
	p, err := process.Start(ctx, process.Program{
		Name: "redis", Path: binary, Dir: dir,
		Args: []string{"--bind", "127.0.0.1", "--port", port, "--dir", dir, "--appendonly", "yes", "--appendfsync", fsync, "--save", "",
			"--maxmemory-policy", "noeviction", "--logfile", filepath.Join(dir, "redis-server.log")},
	})
	if err != nil {
		return nil, "", err
	}
	if err := p.WaitFor(ctx, address); err != nil {
		p.Kill()
		return nil, "", err
	}
	return p, address, nil
}

// postgresSettings are all that differs from what initdb writes: durability is PostgreSQL's default.
const postgresSettings = `
listen_addresses = '127.0.0.1'
shared_buffers = 128MB
max_wal_size = 2GB
`

// startPostgres makes a cluster and starts it, as the user postgres where this program runs as root, which PostgreSQL refuses.
func startPostgres(ctx context.Context, bin, dir string) (_ *process.Process, dsn string, err error) {
	home := filepath.Join(dir, "postgres")
	if err := os.Mkdir(home, 0o700); err != nil {
		return nil, "", err
	}
	var as []string
	if os.Getuid() == 0 {
		if as, err = asPostgres(home); err != nil {
			return nil, "", err
		}
	}
	data := filepath.Join(home, "data")
	initdb := append(slices.Clone(as), filepath.Join(bin, "initdb"), "-D", data, "-U", "postgres", "--auth=trust", "--encoding=UTF8", "--locale=C")
	cmd := exec.CommandContext(ctx, initdb[0], initdb[1:]...)
	cmd.Dir = home
	if text, err := cmd.CombinedOutput(); err != nil {
		return nil, "", fmt.Errorf("initdb: %w: %s", err, text)
	}
	address, err := process.FreeAddress()
	if err != nil {
		return nil, "", err
	}
	_, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, "", err
	}
	f, err := os.OpenFile(filepath.Join(data, "postgresql.conf"), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		return nil, "", err
	}
	_, err = fmt.Fprintf(f, "%sport = %s\nunix_socket_directories = '%s'\n", postgresSettings, port, home)
	if err = errors.Join(err, f.Close()); err != nil {
		return nil, "", err
	}
	server := append(slices.Clone(as), filepath.Join(bin, "postgres"), "-D", data)
	p, err := process.Start(ctx, process.Program{Name: "postgres", Path: server[0], Args: server[1:], Dir: dir})
	if err != nil {
		return nil, "", err
	}
	dsn = "postgres://postgres@" + address + "/postgres?sslmode=disable"
	if err := awaitPostgres(ctx, p, dsn); err != nil {
		p.Kill()
		return nil, "", err
	}
	return p, dsn, nil
}

// asPostgres gives a directory to the user postgres, and is what comes before a command for it to run as that user in the same
// process.
func asPostgres(dir string) ([]string, error) {
	u, err := user.Lookup("postgres")
	if err != nil {
		return nil, fmt.Errorf("PostgreSQL does not run as root: %w", err)
	}
	uid, errU := strconv.Atoi(u.Uid)
	gid, errG := strconv.Atoi(u.Gid)
	if err := errors.Join(errU, errG); err != nil {
		return nil, err
	}
	setpriv, err := exec.LookPath("setpriv")
	if err != nil {
		return nil, fmt.Errorf("run this as another user than root, or install util-linux: %w", err)
	}
	return []string{setpriv, "--reuid", u.Uid, "--regid", u.Gid, "--clear-groups"}, os.Chown(dir, uid, gid)
}
