package examples_test

import (
	"context"
	"crypto/rand"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/note"
)

// TestDashboardInABrowser has people work at the dashboard in Chromium: testdata/dashboard/run.mjs says what they do. It
// leaves screenshots of all pages in the directory that CALLGATE_SCREENSHOTS names.
func TestDashboardInABrowser(t *testing.T) {
	heavy(t)
	chromium, node := tool(t, "chromium"), tool(t, "node")
	project := nodeProject(t, filepath.Join("testdata", "dashboard"), "package.json", "run.mjs", "build.mjs", "desk.mjs", "mend.mjs", "pages.mjs", "people.mjs")
	key, _, err := note.GenerateKey(rand.Reader, "dashboard.example/callgate/1")
	if err != nil {
		t.Fatal(err)
	}
	receiver := freePort(t)
	secrets := []string{"CLINIC_A_SECRET=secret-of-clinic-a", "CLINIC_B_SECRET=secret-of-clinic-b"}
	gw := startGateway(t, "testdata/dashboard/Caddyfile", receiver,
		append(secrets, "CALLGATE_AUDIT_KEY="+key, "CALLGATE_KEY="+strings.Repeat("0d", 32), "CALLGATE_STORE="+filepath.Join(t.TempDir(), "callgate.db"))...)
	screenshots := os.Getenv("CALLGATE_SCREENSHOTS")
	if screenshots == "" {
		screenshots = t.TempDir()
	}
	if err := os.MkdirAll(screenshots, 0o755); err != nil {
		t.Fatal(err)
	}

	ctx, cancel := context.WithTimeout(t.Context(), 15*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, node, "run.mjs")
	cmd.Dir = project
	cmd.Env = append(append(os.Environ(), secrets...),
		"CALLGATE_URL="+gw.url, "PORT="+strconv.Itoa(receiver), "CHROMIUM="+chromium, "SCREENSHOTS="+screenshots)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Errorf("run.mjs: %v", err)
	}
	t.Logf("%s", out)
}
