package commands

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

	caddycmd "github.com/caddyserver/caddy/v2/cmd"
)

// TestMain makes this test binary the gateway's, for tests of the whole process.
func TestMain(m *testing.M) {
	if as := os.Getenv("CALLGATE_TEST_AS_PROGRAM"); as != "" {
		if as != "plugin" {
			RegisterTopLevel()
		}
		caddycmd.Main()
		os.Exit(0)
	}
	os.Exit(m.Run())
}

func program(t *testing.T, args ...string) (status int, stdout, stderr string) {
	t.Helper()
	return programAs(t, "callgate", args...)
}

// programAs runs the ready-built program, or Caddy with the "plugin".
func programAs(t *testing.T, as string, args ...string) (status int, stdout, stderr string) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), self, args...)
	cmd.Env = append(os.Environ(), "CALLGATE_TEST_AS_PROGRAM="+as)
	cmd.Dir = t.TempDir()
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	err = cmd.Run()
	if e, ok := errors.AsType[*exec.ExitError](err); ok {
		return e.ExitCode(), out.String(), errs.String()
	}
	if err != nil {
		t.Fatal(err)
	}
	return 0, out.String(), errs.String()
}

func TestTheProgramExitsAsDocumented(t *testing.T) {
	address := standIn(t, map[string]string{
		"/callgate/stats":  `{"events":0,"bytes":0,"destinations":[]}`,
		"/callgate/replay": `{"dry_run":true,"deliveries":0}`,
		"/callgate/erase":  `{"error":"the gateway's own words"}`,
		"/callgate/documents/tenant/acme/diff?from=0&to=0": `{"differences":[]}`,
	})
	payload := write(t, "payload.json", `{"lead":{"phone":"+15559876543"}}`)
	broken := write(t, "broken.json", `{"lead`)
	for _, tt := range []struct {
		args   string
		status int
		stderr string
	}{
		{"stats --address " + address, 0, ""},
		{"callgate stats --address " + address, 0, ""},
		{"replay --tenant nobody --address " + address, 0, ""},
		{"erase --tenant nobody --address " + address, 1, "Error: the gateway's own words\n"},
		{"callgate erase --address " + address, 1, "--all"},
		{"events --nonsense", 1, "unknown flag"},
		{"stats --address 127.0.0.1:1", 1, "does the gateway run"},
		{"stats --address https://user:word@localhost:2019", 1, "--address must hold no password"},
		{"preview --source nextphone " + payload, 0, ""},
		{"preview --source nextphone " + broken, 1, "malformed payload"},
		{"rekey", 1, "which configuration?"},
		{"audit fork", 1, "give --reason"},
		{"audit prune", 1, "give --before, such as"},
		{"tenants diff acme --address " + address, 0, ""},
		{"tenants history acme", 1, `unknown command "history"`},
		{"destinations bogus", 1, `unknown command "bogus"`},
		{"keys destroy --address " + address, 1, "which tenant?"},
		{"keys rotate --tenant a --no-tenant --address " + address, 1, "which tenant?"},
		{"keys bogus", 1, `unknown command "bogus"`},
		{"audit bogus", 1, `unknown command "bogus"`},
		{"callgate bogus", 1, `unknown command "bogus"`},
	} {
		status, stdout, stderr := program(t, strings.Fields(tt.args)...)
		if status != tt.status || !strings.Contains(stderr, tt.stderr) || (stdout != "") != (status == 0) {
			t.Errorf("%s: status %d\n%s\n%s", tt.args, status, stdout, stderr)
		}
	}
}

func TestEveryCommandIsThereTwice(t *testing.T) {
	status, stdout, _ := program(t, "callgate", "--help")
	top, outer, _ := program(t, "--help")
	if status != 0 || top != 0 {
		t.Fatal(status, top)
	}
	pages, err := os.ReadFile("../reference/operating.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range slices.Concat(all, auditCommands, keyCommands) {
		if !strings.Contains(string(pages), "| `"+c.name+"` | "+c.short+" |\n") {
			t.Errorf("the reference does not have %s", c.name)
		}
	}
	for _, c := range all {
		if !strings.Contains(stdout, c.name) || !strings.Contains(outer, c.name) || c.short == "" {
			t.Errorf("%s is missing", c.name)
		}
		if status, help, _ := program(t, c.name, "--help"); status != 0 || !strings.Contains(help, "xit status") && c.name != "sign" {
			t.Errorf("the help of %s does not tell its exit status:\n%s", c.name, help)
		}
	}
}

// TestHelpFitsWhereTheCommandsStand: the examples can be typed as they are, nothing is listed twice, and nobody is sent to
// Caddy's website for what is not there.
func TestHelpFitsWhereTheCommandsStand(t *testing.T) {
	if _, help, _ := program(t, "--help"); strings.Contains(help, "\n  callgate ") {
		t.Errorf("the program lists its commands under their group too:\n%s", help)
	}
	if _, help, _ := programAs(t, "plugin", "--help"); !strings.Contains(help, "\n  callgate ") {
		t.Errorf("Caddy with the plugin does not list the commands:\n%s", help)
	}
	for _, c := range all {
		_, ours, _ := program(t, c.name, "--help")
		_, plugin, _ := programAs(t, "plugin", "callgate", c.name, "--help")
		if strings.Contains(ours+plugin, "caddyserver.com") {
			t.Errorf("the help of %s sends its reader to Caddy's website", c.name)
		}
		for line := range strings.Lines(ours) {
			if strings.Contains(line, "callgate "+c.name+" ") && strings.Contains(line, "caddy callgate ") {
				t.Errorf("in the program: %s", line)
			}
		}
		if _, examples, ok := strings.Cut(plugin, "\nExamples:\n"); !ok || !strings.Contains(examples, "caddy callgate "+c.name+" ") && !strings.Contains(examples, "caddy callgate "+c.name+"\n") {
			t.Errorf("with the plugin, the examples of %s are:\n%s", c.name, examples)
		}
	}
}
