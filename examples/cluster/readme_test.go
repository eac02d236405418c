//go:build unix

package cluster_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/callgate/callgate/internal/pgtest"
	"github.com/callgate/callgate/internal/seal"
	"github.com/callgate/callgate/internal/store"
)

// docker stands for what the page does with Docker: the processes of the test are the containers, and are there already.
const docker = `#!/bin/sh
[ "$1" = compose ] || exit 1
case "$2" in
up) ;;
kill) kill -9 "$(cat "$MACHINES/$3.pid")" ;;
exec) at=$(cat "$MACHINES/$3.admin"); shift 3; exec "$@" --address "$at" ;;
*) exit 1 ;;
esac
`

var fence = regexp.MustCompile("(?ms)^```(\\w*)\n(.*?)^```$")

// TestPage does what the page says, one block after the other. A block of text says what the commands before it print, each
// line of it in this order, or is commands for a machine of one's own.
func TestPage(t *testing.T) {
	heavy(t)
	t.Parallel()
	pg := pgtest.Start(t)
	pg.Pair()
	s := newSite(t, pg.DSN())
	s.ledger.any.Store(true)
	binary, err := build()
	if err != nil {
		t.Fatal(err)
	}
	tools, machines := t.TempDir(), t.TempDir()
	if err := os.Symlink(binary, filepath.Join(tools, "callgate")); err != nil {
		t.Fatal(err)
	}
	files := map[string]string{filepath.Join(tools, "docker"): docker}
	for _, m := range s.gateways {
		files[filepath.Join(machines, "gateway-"+m.name+".pid")] = strconv.Itoa(m.g.cmd.Process.Pid)
		files[filepath.Join(machines, "gateway-"+m.name+".admin")] = fmt.Sprintf("localhost:%d", m.admin)
	}
	for name, text := range files {
		if err := os.WriteFile(name, []byte(text), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	// The store that is carried over, where the page has it.
	dir := t.TempDir()
	keys, err := seal.ParseRing(migratedKey)
	if err != nil {
		t.Fatal(err)
	}
	fillStore(t, filepath.Join(dir, "callgate.db"), keys, 0, 400, false)
	pg.SQL("CREATE DATABASE moved")
	for name, text := range map[string]string{
		"Caddyfile":    "{\n\tcallgate {\n\t\tstore sqlite " + filepath.Join(dir, "callgate.db") + "\n\t\tencryption_key {env.CALLGATE_KEY}\n\t}\n}\n",
		"database-url": fmt.Sprintf("postgres://%s@%s/moved?sslmode=disable\n", pgtest.User, pg.Addr()),
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	as := strings.NewReplacer("choose-one", secret, "http://localhost:8000", strings.TrimSuffix(s.balancer, "/webhooks/calls"),
		"/etc/callgate/Caddyfile", filepath.Join(dir, "Caddyfile"), "/run/secrets/database-url", filepath.Join(dir, "database-url"))
	run := func(commands string) string {
		t.Helper()
		cmd := exec.Command("sh", "-euc", as.Replace(commands))
		cmd.Env = append(os.Environ(), "PATH="+tools+string(os.PathListSeparator)+os.Getenv("PATH"), "MACHINES="+machines, "HOME="+dir, "XDG_DATA_HOME="+dir, "XDG_CONFIG_HOME="+dir)
		if strings.Contains(commands, "callgate migrate") {
			cmd.Env = append(cmd.Env, "CALLGATE_KEY="+migratedKey)
		}
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Errorf("%v\n%s\n%s", err, commands, out)
		}
		return string(out)
	}
	page, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	sends, printed, sending := 0, "", ""
	for _, m := range fence.FindAllStringSubmatch(string(page), -1) {
		commands := m[2]
		switch {
		case m[1] == "sh":
			printed = run(commands)
			if strings.Contains(commands, "callgate trigger") {
				sending = commands
				sends++
				s.awaitRequests(3 * sends)
			}
		case strings.HasPrefix(commands, "callgate migrate"):
			out := run(commands)
			if !strings.Contains(out, "Nothing was carried over") || !strings.Contains(out, "counted on both sides") || !strings.Contains(out, "events                400\n") {
				t.Errorf("%s", out)
			}
		default:
			rest := printed
			for _, line := range strings.Split(strings.TrimSpace(commands), "\n") {
				_, after, found := strings.Cut(rest, line)
				if !found {
					t.Errorf("%q is not printed:\n%s", line, printed)
				}
				rest = after
			}
		}
	}
	// A gateway was taken away; "send again: the other one has its destinations".
	if !s.gateways[0].g.ended() {
		t.Error("the page takes no gateway away")
	}
	if out := run(sending); !strings.Contains(out, "HTTP/1.1 200 OK") {
		t.Error(out)
	}
	s.awaitRequests(3 * (sends + 1))
}

// awaitRequests waits until so many requests have come to the receiver.
func (s *site) awaitRequests(n int) {
	s.t.Helper()
	await(s.t, fmt.Sprintf("%d requests at the receiver", n), store.TTL+30*time.Second, func() bool { return s.ledger.requests() >= n })
}

// TestUnits has systemd read the units, with programs in the places of those that are not installed here.
func TestUnits(t *testing.T) {
	heavy(t)
	t.Parallel()
	analyze, err := exec.LookPath("systemd-analyze")
	if err != nil {
		t.Skip("needs systemd-analyze")
	}
	units, err := filepath.Glob("systemd/*.service")
	if err != nil || len(units) != 2 {
		t.Fatal(units, err)
	}
	for _, unit := range units {
		text, err := os.ReadFile(unit)
		if err != nil {
			t.Fatal(err)
		}
		file := filepath.Join(t.TempDir(), filepath.Base(unit))
		if err := os.WriteFile(file, regexp.MustCompile(`/usr/bin/(callgate|caddy)\b`).ReplaceAll(text, []byte("/bin/true")), 0o600); err != nil {
			t.Fatal(err)
		}
		if out, err := exec.Command(analyze, "verify", file).CombinedOutput(); err != nil || strings.Contains(string(out), filepath.Base(unit)+":") {
			t.Errorf("%s: %v\n%s", unit, err, out)
		}
	}
}
