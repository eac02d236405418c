//go:build unix

package examples_test

import (
	"io"
	"io/fs"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// unit is a systemd unit, as far as it is needed here: its lines by their names.
func unit(t *testing.T) map[string][]string {
	t.Helper()
	lines := make(map[string][]string)
	for line := range strings.Lines(readFile(t, "deploy/callgate.service")) {
		if name, value, ok := strings.Cut(strings.TrimSpace(line), "="); ok && !strings.HasPrefix(name, "#") {
			lines[name] = append(lines[name], value)
		}
	}
	return lines
}

// TestEveryWayToDeployHasTheSecrets: what the Caddyfile reads is what unit, Compose and the page give it.
func TestEveryWayToDeployHasTheSecrets(t *testing.T) {
	want := credentials(t)
	if len(want) < 2 {
		t.Fatalf("the Caddyfile has the secrets %q", want)
	}
	var given []string
	for _, c := range unit(t)["LoadCredential"] {
		name, file, _ := strings.Cut(c, ":")
		if given = append(given, name); file != "/etc/callgate/secrets/"+name {
			t.Errorf("%s is loaded from %s", name, file)
		}
	}
	if slices.Sort(given); !slices.Equal(given, want) {
		t.Errorf("the unit loads %q, want %q", given, want)
	}
	for _, name := range want {
		for file, text := range map[string]string{
			"deploy/compose.yaml": "- source: " + name + "\n", "deploy/README.md": "--from-file=" + name,
		} {
			if !strings.Contains(readFile(t, file), text) {
				t.Errorf("%s has no %q", file, text)
			}
		}
	}
}

// TestEveryManifestGivesWhatLoads: the values that they set in the environment are such that the Caddyfile is valid with them.
func TestEveryManifestGivesWhatLoads(t *testing.T) {
	crm := regexp.MustCompile(`CRM_URL(?:,\s*value)?:\s*"?([^"\s}]+)`)
	for _, file := range []string{"deploy/compose.yaml", "deploy/kubernetes/sqlite.yaml", "deploy/kubernetes/postgres.yaml"} {
		m := crm.FindStringSubmatch(readFile(t, file))
		if m == nil {
			t.Errorf("%s sets no CRM_URL", file)
			continue
		}
		cmd := exec.Command(binary(t), "validate", "--config", "deploy/Caddyfile", "--adapter", "caddyfile")
		cmd.Env = append(environment(t), "CREDENTIALS_DIRECTORY="+secretFiles(t), "CRM_URL="+m[1])
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("%s, with CRM_URL=%s: %v\n%s", file, m[1], err, out)
		}
	}
}

// TestTheUnitStartsAndStopsTheGateway does what systemd does with the unit, but for what only root can.
func TestTheUnitStartsAndStopsTheGateway(t *testing.T) {
	u := unit(t)
	secrets, state := secretFiles(t), t.TempDir()
	port, probes := freePort(t), freePort(t)
	admin := filepath.Join(state, "admin.sock")
	args := strings.Fields(u["ExecStart"][0])
	if args[0] != "/usr/bin/callgate" || args[3] != "/etc/callgate/Caddyfile" {
		t.Fatalf("ExecStart is %q", args)
	}
	cmd := exec.Command(binary(t), args[1], args[2], "deploy/Caddyfile")
	receiver := startReceiver(t)
	cmd.Env = append(environment(t), "CREDENTIALS_DIRECTORY="+secrets, "CALLGATE_STORE="+filepath.Join(state, "callgate.db"), "CALLGATE_ADMIN="+admin,
		"CALLGATE_SITE=http://127.0.0.1:"+strconv.Itoa(port), "CALLGATE_PROBES="+strconv.Itoa(probes), "CRM_URL=http://127.0.0.1:"+strconv.Itoa(receiver.port)+"/leads")
	p := start(t, cmd, probes)
	for path, want := range map[string]int{"/alive": 200, "/ready": 200, "/": 404} {
		res, err := http.Get("http://127.0.0.1:" + strconv.Itoa(probes) + path)
		if err != nil {
			t.Fatal(err)
		}
		if res.Body.Close(); res.StatusCode != want {
			t.Errorf("%s: status %d", path, res.StatusCode)
		}
	}
	// The container's health check.
	if out, err := callgate(t, nil, "ready", "--address", "unix/"+admin); err != nil || out != "ready\n" {
		t.Errorf("%v: %q", err, out)
	}
	to := "http://127.0.0.1:" + strconv.Itoa(port) + "/calls"
	if out, err := callgate(t, nil, "trigger", "nextphone", "lead", "--to", to, "--secret", "@"+filepath.Join(secrets, "nextphone")); err != nil || !strings.Contains(out, `"status":"accepted"`) {
		t.Errorf("%v\n%s", err, out)
	}
	p.told = true
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := p.End(); err != nil {
		t.Errorf("it ended with %v", err)
	}
}

// TestTheInstallationOfThePage runs its commands below a directory, but for those that make a user and speak with systemd.
func TestTheInstallationOfThePage(t *testing.T) {
	var commands string
	for _, m := range fence.FindAllStringSubmatch(readFile(t, "deploy/README.md"), -1) {
		if strings.Contains(m[2], "/etc/systemd/system/callgate.service") {
			commands = m[2]
		}
	}
	below := t.TempDir()
	var lines []string
	for line := range strings.Lines(commands) {
		if !strings.HasPrefix(line, "useradd") && !strings.HasPrefix(line, "systemctl") {
			lines = append(lines, regexp.MustCompile(` (/(?:usr|etc)/)`).ReplaceAllString(line, " "+below+"$1"))
		}
	}
	dir := workingCopy(t, "deploy")
	if err := os.Symlink(binary(t), filepath.Join(dir, "callgate")); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("sh", "-euc", strings.Join(lines, ""))
	cmd.Dir, cmd.Stdin = dir, strings.NewReader("the-secret-of-the-sender")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s\n%s", err, lines, out)
	}
	want := map[string]os.FileMode{"usr/bin/callgate": 0o755, "etc/callgate/Caddyfile": 0o644, "etc/systemd/system/callgate.service": 0o644, "etc/callgate/secrets": 0o700}
	for _, name := range credentials(t) {
		want["etc/callgate/secrets/"+name] = 0o600
	}
	for name, mode := range want {
		if info, err := os.Stat(filepath.Join(below, name)); err != nil || info.Mode().Perm() != mode {
			t.Errorf("%s: %v, %v, want %v", name, info, err, mode)
		}
	}
	if key := readFile(t, filepath.Join(below, "etc/callgate/secrets/encryption-key")); !regexp.MustCompile(`^[0-9a-f]{64}$`).MatchString(key) {
		t.Errorf("the key has %d characters", len(key))
	}
}

// TestTheUnitIsHardened: by systemd's own measure, of which 0 is the best and 10 the worst.
func TestTheUnitIsHardened(t *testing.T) {
	heavy(t)
	analyze := tool(t, "systemd-analyze")
	file := filepath.Join(t.TempDir(), "callgate.service")
	if err := os.WriteFile(file, []byte(strings.ReplaceAll(readFile(t, "deploy/callgate.service"), "/usr/bin/callgate", binary(t))), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command(analyze, "verify", file).CombinedOutput(); err != nil || strings.Contains(string(out), "callgate.service:") {
		t.Errorf("%v\n%s", err, out)
	}
	if out, err := exec.Command(analyze, "security", "--offline=true", "--threshold=20", file).CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

// TestTheManifestForPostgreSQLHasTheCaddyfile: but for the store it is the one of the page, so that neither is changed alone.
func TestTheManifestForPostgreSQLHasTheCaddyfile(t *testing.T) {
	_, text, ok := strings.Cut(readFile(t, "deploy/kubernetes/postgres.yaml"), "\n  Caddyfile: |\n")
	if !ok {
		t.Fatal("there is no Caddyfile in it")
	}
	text, _, _ = strings.Cut(text, "\n---\n")
	var got strings.Builder
	for line := range strings.Lines(text + "\n") {
		got.WriteString(strings.TrimPrefix(line, "    "))
	}
	store := regexp.MustCompile(`(?s)\t\tstore .*?\n\t\t}\n`)
	if want := readFile(t, "deploy/Caddyfile"); store.ReplaceAllString(got.String(), "") != store.ReplaceAllString(want, "") {
		t.Errorf("it has\n%s\nand the page\n%s", got.String(), want)
	}
	if !strings.Contains(got.String(), "\t\tstore postgres ") {
		t.Error("its store is not PostgreSQL")
	}
}

// TestKubernetesReadsItsManifests: by Kubernetes' own types, and nothing that these do not know.
func TestKubernetesReadsItsManifests(t *testing.T) {
	heavy(t)
	files, err := filepath.Glob(filepath.Join(root, "examples", "deploy", "kubernetes", "*.yaml"))
	if err != nil || len(files) == 0 {
		t.Fatal(err)
	}
	for i := range files {
		if files[i], err = filepath.Abs(files[i]); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.Command("go", append([]string{"run", "."}, files...)...)
	cmd.Dir = "testdata/kubecheck"
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

// TestComposeReadsItsFiles: by Compose's own schema.
func TestComposeReadsItsFiles(t *testing.T) {
	heavy(t)
	check := func(files ...string) (string, error) {
		for i := range files {
			var err error
			if files[i], err = filepath.Abs(files[i]); err != nil {
				t.Fatal(err)
			}
		}
		cmd := exec.Command("go", append([]string{"run", "."}, files...)...)
		cmd.Dir = "testdata/composecheck"
		out, err := cmd.CombinedOutput()
		return string(out), err
	}
	if out, err := check("deploy/compose.yaml", "cluster/compose.yaml"); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
	wrong := filepath.Join(t.TempDir(), "compose.yaml")
	if err := os.WriteFile(wrong, []byte("services:\n  a:\n    image: x\n    depend_on: [b]\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := check(wrong); err == nil || !strings.Contains(out, "depend_on") {
		t.Errorf("a line that there is not: %v\n%s", err, out)
	}
}

// TestTheContainerfileHasNoFaults: by the rules that editors check such files by. What a build finds, TestTheContainer does.
func TestTheContainerfileHasNoFaults(t *testing.T) {
	heavy(t)
	dir := nodeProject(t, "testdata/dockerfilecheck", "check.mjs", "package.json")
	check := func(text string) string { return string(script(t, dir, []byte(text), tool(t, "node"), "check.mjs")) }
	text := readFile(t, "deploy/Containerfile")
	if faults := check(text); faults != "" {
		t.Error(faults)
	}
	for _, wrong := range []struct{ was, is, want string }{
		{"EXPOSE 8080", "EXPOSE 808o", "808o"},
		{"HEALTHCHECK --interval=15s", "HEALTHCHECK --intervall=15s", "intervall"},
		{`CMD ["run", "--config", "/etc/callgate/Caddyfile"]`, `CMD ['run', '--config', '/etc/callgate/Caddyfile']`, "single quotes"},
		{"WORKDIR /src", "WORKDIR src", "WORKDIR"},
		{"FROM scratch", "FROM scratch AS build", "duplicate name build"},
		{"STOPSIGNAL SIGTERM", "STOPSIGNAL", "argument"},
		{"USER 10001:10001", "USERS 10001:10001", "USERS"},
	} {
		if faults := check(strings.Replace(text, wrong.was, wrong.is, 1)); !strings.Contains(faults, wrong.want) {
			t.Errorf("%s: %q, want %q in it", wrong.is, faults, wrong.want)
		}
	}
}

// TestReleaseIsBuiltAgain: from a copy of the source in another place, byte for byte; what it makes can be installed and runs.
func TestReleaseIsBuiltAgain(t *testing.T) {
	heavy(t)
	lintian := tool(t, "lintian")
	first, second, copied := t.TempDir(), t.TempDir(), t.TempDir()
	if err := copySource(root, copied); err != nil {
		t.Fatal(err)
	}
	build := func(source, out string, more ...string) {
		t.Helper()
		cmd := exec.Command("go", append([]string{"run", "./.ci/release", "-version", "v1.2.3", "-platforms", "linux/amd64", "-out", out}, more...)...)
		cmd.Dir = source
		if text, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, text)
		}
	}
	build(root, first)
	build(copied, second, "-sbom=false") // which follows from the program, and takes its time
	sums := readFile(t, filepath.Join(first, "SHA256SUMS"))
	again := readFile(t, filepath.Join(second, "SHA256SUMS"))
	if strings.Count(sums, "\n") != 4 || strings.Count(again, "\n") != 3 {
		t.Errorf("built once:\n%sand again:\n%s", sums, again)
	}
	for line := range strings.Lines(again) {
		if !strings.Contains(sums, line) {
			t.Errorf("built again %s differs: %sand before it was one of\n%s", strings.TrimSpace(line[64:]), line, sums)
		}
	}
	if licences := readFile(t, filepath.Join(first, "callgate_1.2.3_linux_amd64.licences.txt")); !strings.Contains(licences, "github.com/caddyserver/caddy/v2") {
		t.Error("Caddy is not in the list of licences")
	}
	if sbom := readFile(t, filepath.Join(first, "callgate_1.2.3_linux_amd64.cdx.json")); !strings.Contains(sbom, "pkg:golang/modernc.org/sqlite@") {
		t.Error("SQLite is not in the SBOM")
	}
	deb := filepath.Join(first, "callgate_1.2.3_amd64.deb")
	if out, err := exec.Command(lintian, "--allow-root", "--fail-on", "error,warning", deb).CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
	installed := t.TempDir()
	if out, err := exec.Command(tool(t, "dpkg-deb"), "-x", deb, installed).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	inImage(t, installed)
}

// inImage runs the program that is installed in a directory: alone with its Caddyfile, as a user of its own that can write
// nothing, where this test may do that, and else as it is.
func inImage(t *testing.T, installed string) {
	t.Helper()
	cmd := exec.Command("/usr/bin/callgate", "version")
	cmd.SysProcAttr = &syscall.SysProcAttr{Chroot: installed, Credential: &syscall.Credential{Uid: 10001, Gid: 10001}}
	cmd.Env = []string{"XDG_DATA_HOME=/var/lib/callgate", "XDG_CONFIG_HOME=/var/lib/callgate"}
	if os.Getuid() != 0 {
		cmd.Path, cmd.SysProcAttr = filepath.Join(installed, "usr/bin/callgate"), nil
	} else if err := os.Chmod(installed, 0o755); err != nil {
		t.Fatal(err)
	}
	out, err := cmd.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "v1.2.3") {
		t.Errorf("%v: %s", err, out)
	}
}

// copySource copies what the program is built from.
func copySource(from, to string) error {
	return filepath.WalkDir(from, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name, err := filepath.Rel(from, path)
		if err != nil {
			return err
		}
		if d.IsDir() {
			if d.Name() == ".git" || d.Name() == "node_modules" || name == "dist" || name == "bench" {
				return filepath.SkipDir
			}
			return os.MkdirAll(filepath.Join(to, name), 0o755)
		}
		if !d.Type().IsRegular() || d.Name() == ".git" {
			return nil
		}
		in, err := os.Open(path)
		if err != nil {
			return err
		}
		defer in.Close()
		info, err := in.Stat()
		if err != nil {
			return err
		}
		out, err := os.OpenFile(filepath.Join(to, name), os.O_CREATE|os.O_WRONLY, info.Mode().Perm())
		if err != nil {
			return err
		}
		if _, err := io.Copy(out, in); err != nil {
			out.Close()
			return err
		}
		return out.Close()
	})
}
