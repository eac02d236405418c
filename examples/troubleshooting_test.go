//go:build unix

package examples_test

import (
	"encoding/json"
	"net"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/callgate/callgate/internal/standin"
)

// problem is a row of the table of what receivers answer: a destination of the Caddyfile, and what the log says of it.
var problem = regexp.MustCompile("(?m)^\\| `([a-z-]+)` \\| [^|]+ \\| `([^`]+)` \\|")

// TestTroubleshooting holds the page to what the gateway logs for each of its receivers.
func TestTroubleshooting(t *testing.T) {
	silent, err := net.Listen("tcp", "127.0.0.1:0") // the kernel accepts, and nobody answers
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	dir := workingCopy(t, "troubleshooting")
	gw := startGateway(t, filepath.Join(dir, "Caddyfile"), standin.FreePort(t), "NEXTPHONE_SECRET=s",
		"SLOW_PORT="+strconv.Itoa(silent.Addr().(*net.TCPAddr).Port), "DOWN_PORT="+strconv.Itoa(standin.FreePort(t)))
	if out, err := callgate(t, nil, "send", leadFile(), "--to", gw.url+"/calls", "--scheme", "nextphone", "--secret", "s"); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	rows := problem.FindAllStringSubmatch(readFile(t, filepath.Join("troubleshooting", "README.md")), -1)
	if len(rows) < 9 {
		t.Fatalf("the page has %d rows", len(rows))
	}
	for _, row := range rows {
		var reason string
		gw.Await("failure of "+row[1], func() bool {
			reason = failureOf(gw.Tail(1<<20), row[1])
			return reason != ""
		})
		if !strings.HasPrefix(reason, row[2]) {
			t.Errorf("%s: the page says %q\nlogged is %q", row[1], row[2], reason)
		}
	}
	for _, name := range regexp.MustCompile(`(?m)^\t\tdestination ([a-z-]+) `).FindAllStringSubmatch(readFile(t, filepath.Join(dir, "Caddyfile")), -1) {
		if name[1] != "working" && !strings.Contains(readFile(t, filepath.Join("troubleshooting", "README.md")), "\n| `"+name[1]+"` |") {
			t.Errorf("the page says nothing of %s", name[1])
		}
	}
}

// failureOf is the reason of the first failed attempt of a destination in a log; "" if there is none yet.
func failureOf(log, destination string) string {
	for line := range strings.Lines(log) {
		var entry struct{ Msg, Destination, Reason string }
		if json.Unmarshal([]byte(line), &entry) == nil && entry.Msg == "delivery attempt failed" && entry.Destination == destination {
			return entry.Reason
		}
	}
	return ""
}
