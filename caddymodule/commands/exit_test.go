package commands

import (
	"bytes"
	"errors"
	"fmt"
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
		if os.Getenv("CALLGATE_TEST_EACH") == "" {
			caddycmd.Main()
			os.Exit(0)
		}
		for _, line := range os.Args[1:] { // which does not return after an error
			os.Args = append([]string{os.Args[0]}, strings.Fields(line)...)
			caddycmd.Main()
			fmt.Print(betweenHelps)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// betweenHelps is printed after each command of helps.
const betweenHelps = "\x00"

// helps is what --help prints of commands, such as "audit tail", in their order, in the ready-built program or in Caddy with
// the "plugin". One process prints them all: to start one takes a second under the race detector.
func helps(t *testing.T, as string, names ...string) []string {
	t.Helper()
	lines := make([]string, len(names))
	for i, name := range names {
		lines[i] = name + " --help"
	}
	status, out, errs := runAs(t, []string{"CALLGATE_TEST_AS_PROGRAM=" + as, "CALLGATE_TEST_EACH=1"}, lines...)
	all := strings.Split(strings.TrimSuffix(out, betweenHelps), betweenHelps)
	if status != 0 || len(all) != len(names) {
		t.Fatalf("status %d and %d texts of %d: %s", status, len(all), len(names), errs)
	}
	return all
}

func program(t *testing.T, args ...string) (status int, stdout, stderr string) {
	t.Helper()
	return programAs(t, "callgate", args...)
}

// programAs runs the ready-built program, or Caddy with the "plugin".
func programAs(t *testing.T, as string, args ...string) (status int, stdout, stderr string) {
	t.Helper()
	return runAs(t, []string{"CALLGATE_TEST_AS_PROGRAM=" + as}, args...)
}

func runAs(t *testing.T, env []string, args ...string) (status int, stdout, stderr string) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), self, args...)
	cmd.Env = append(os.Environ(), env...)
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
		{"migrate --to postgres://db/calls", 1, "which configuration?"},
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
	names := []string{"callgate", ""}
	for _, c := range all {
		names = append(names, c.name)
	}
	texts := helps(t, "callgate", names...)
	stdout, outer, own := texts[0], texts[1], texts[2:]
	pages, err := os.ReadFile("../reference/operating.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range slices.Concat(all, auditCommands, keyCommands, jobCommands) {
		if !strings.Contains(string(pages), "| `"+c.name+"` | "+c.short+" |\n") {
			t.Errorf("the reference does not have %s", c.name)
		}
	}
	for i, c := range all {
		if !strings.Contains(stdout, c.name) || !strings.Contains(outer, c.name) || c.short == "" {
			t.Errorf("%s is missing", c.name)
		}
		if !strings.Contains(own[i], "xit status") && c.name != "sign" {
			t.Errorf("the help of %s does not tell its exit status:\n%s", c.name, own[i])
		}
	}
}

// TestHelpFitsWhereTheCommandsStand: the examples can be typed as they are, nothing is listed twice, and nobody is sent to
// Caddy's website for what is not there.
func TestHelpFitsWhereTheCommandsStand(t *testing.T) {
	names, within := []string{""}, []string{""}
	for _, c := range all {
		names, within = append(names, c.name), append(within, "callgate "+c.name)
	}
	inProgram, inPlugin := helps(t, "callgate", names...), helps(t, "plugin", within...)
	if help := inProgram[0]; strings.Contains(help, "\n  callgate ") {
		t.Errorf("the program lists its commands under their group too:\n%s", help)
	}
	if help := inPlugin[0]; !strings.Contains(help, "\n  callgate ") {
		t.Errorf("Caddy with the plugin does not list the commands:\n%s", help)
	}
	for i, c := range all {
		ours, plugin := inProgram[i+1], inPlugin[i+1]
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
