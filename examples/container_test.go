//go:build linux

package examples_test

import (
	"bytes"
	"debug/elf"
	"encoding/json"
	"errors"
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

	"github.com/callgate/callgate/internal/running"
)

// TestTheContainer builds the image of the Containerfile, looks into it, and runs it as Compose and Kubernetes do: as a user
// that is not root, with a root file system that nobody can write to and no capability, and sends it a signed call.
func TestTheContainer(t *testing.T) {
	heavy(t)
	p := newPodman(t)
	p.standInForGo(regexp.MustCompile(`(?m)^FROM (\S+golang\S+) AS build$`).FindStringSubmatch(readFile(t, "deploy/Containerfile"))[1])
	p.build("-v", goEnv(t, "GOMODCACHE")+":/go/pkg/mod", "-v", goEnv(t, "GOCACHE")+":/cache",
		"--build-arg", "VERSION=v1.2.3", "-f", filepath.Join(root, "examples/deploy/Containerfile"), "-t", "localhost/callgate", root)
	p.isWhatItSays()
	mounted := strings.TrimSpace(p.run("image", "mount", "localhost/callgate"))
	hasNothingElse(t, mounted)
	inImage(t, mounted)
	p.serves(filepath.Join(mounted, "usr/bin/callgate"))
}

// isWhatItSays looks at what the image says of itself.
func (p *podman) isWhatItSays() {
	p.t.Helper()
	var images []struct {
		Config struct {
			User, StopSignal      string
			Env, Entrypoint, Cmd  []string
			ExposedPorts, Volumes map[string]any
		}
		Healthcheck struct{ Test []string }
	}
	if err := json.Unmarshal([]byte(p.run("image", "inspect", "localhost/callgate")), &images); err != nil || len(images) != 1 {
		p.t.Fatal(err)
	}
	c := images[0].Config
	// PATH is podman's own.
	c.Env = slices.DeleteFunc(c.Env, func(e string) bool { return strings.HasPrefix(e, "PATH=") })
	for what, is := range map[string]bool{
		"user":         c.User == "10001:10001",
		"environment":  slices.Equal(c.Env, []string{"XDG_DATA_HOME=/var/lib/callgate", "XDG_CONFIG_HOME=/var/lib/callgate"}),
		"program":      slices.Equal(c.Entrypoint, []string{"/usr/bin/callgate"}),
		"command":      slices.Equal(c.Cmd, []string{"run", "--config", "/etc/callgate/Caddyfile"}),
		"ports":        len(c.ExposedPorts) == 2 && c.ExposedPorts["8080/tcp"] != nil && c.ExposedPorts["8081/tcp"] != nil,
		"volume":       len(c.Volumes) == 1 && c.Volumes["/var/lib/callgate"] != nil,
		"stop signal":  c.StopSignal == "SIGTERM",
		"health check": slices.Equal(images[0].Healthcheck.Test, []string{"CMD", "/usr/bin/callgate", "ready", "--address", "unix//run/callgate/admin.sock"}),
	} {
		if !is {
			p.t.Errorf("%s: the image says %+v", what, images[0])
		}
	}
}

// hasNothingElse: three files, of which one is a program that needs no other, and two directories that are its own.
func hasNothingElse(t *testing.T, image string) {
	t.Helper()
	var files, owned []string
	err := filepath.WalkDir(image, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		name, stat := strings.TrimPrefix(path, image), info.Sys().(*syscall.Stat_t)
		if !d.IsDir() {
			files = append(files, name)
		}
		if stat.Uid == 10001 && stat.Gid == 10001 && d.IsDir() {
			owned = append(owned, name)
		} else if stat.Uid != 0 || info.Mode().Perm()&0o022 != 0 || info.Mode()&(fs.ModeSetuid|fs.ModeSetgid) != 0 {
			t.Errorf("%s is %v of user %d", name, info.Mode(), stat.Uid)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if want := []string{"/etc/callgate/Caddyfile", "/etc/ssl/certs/ca-certificates.crt", "/usr/bin/callgate"}; !slices.Equal(files, want) {
		t.Errorf("the image has the files %q, want %q", files, want)
	}
	if want := []string{"/run/callgate", "/var/lib/callgate"}; !slices.Equal(owned, want) {
		t.Errorf("the program owns %q, want %q", owned, want)
	}
	program, err := elf.Open(filepath.Join(image, "usr/bin/callgate"))
	if err != nil {
		t.Fatal(err)
	}
	defer program.Close()
	libraries, err := program.ImportedLibraries()
	if err != nil || len(libraries) > 0 || slices.ContainsFunc(program.Progs, func(p *elf.Prog) bool { return p.Type == elf.PT_INTERP }) {
		t.Errorf("the program is not static: %v, it needs %q", err, libraries)
	}
}

// serves runs the image, sends a call through it by the program that is in it, and stops and starts it.
func (p *podman) serves(program string) {
	t := p.t
	t.Helper()
	secrets := secretsOfThePage(t)
	receiver, port, probes := startReceiver(t), freePort(t), freePort(t)
	address := "http://127.0.0.1:" + strconv.Itoa(port)
	if out, err := p.try(confined("--rm", "localhost/callgate", "version")...); err != nil {
		if exit, ok := errors.AsType[*exec.ExitError](err); ok && exit.ExitCode() >= 125 && exit.ExitCode() <= 127 { // it is podman's own
			t.Skipf("the image is right, but this machine starts no containers: %v\n%s", err, out)
		}
		t.Fatalf("%v\n%s", err, out)
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("the gateway printed:\n%s", p.logs("gateway"))
		}
	})
	p.run(confined("--detach", "--name", "gateway", "--mount", "type=tmpfs,destination=/run/callgate,tmpfs-mode=0700,U=true",
		"-v", filepath.Join(secrets, "encryption-key")+":/run/secrets/encryption-key:ro", "-v", filepath.Join(secrets, "nextphone")+":/run/secrets/nextphone:ro",
		"-e", "CALLGATE_SITE="+address, "-e", "CALLGATE_PROBES="+strconv.Itoa(probes), "-e", "CRM_URL=http://127.0.0.1:"+strconv.Itoa(receiver.port)+"/leads",
		"localhost/callgate")...)
	ready := func() bool {
		res, err := http.Get("http://127.0.0.1:" + strconv.Itoa(probes) + "/ready")
		if err == nil {
			res.Body.Close()
		}
		return err == nil && res.StatusCode == http.StatusOK
	}
	call := func(event string) {
		t.Helper()
		running.Await(t, "the gateway of the container is ready", ready)
		out := script(t, secrets, nil, program, "trigger", "nextphone", event, "--to", address+"/calls", "--secret", "@nextphone")
		if !strings.Contains(string(out), `"status":"accepted"`) {
			t.Fatalf("%s", out)
		}
		var seen []received
		running.Await(t, "the call is delivered", func() bool { seen = append(seen, receiver.take()...); return len(seen) > 0 })
		if len(seen) != 1 || seen[0].method != http.MethodPost || !strings.HasSuffix(seen[0].url, "/leads") {
			t.Errorf("the receiver got %+v", seen)
		}
	}
	call("lead")
	p.isConfined("gateway")
	// It is the image's own health check that is carried out.
	p.run("healthcheck", "run", "gateway")
	p.run("stop", "--time", "60", "gateway")
	if state := strings.TrimSpace(p.run("inspect", "--format", "{{.State.Status}} {{.State.ExitCode}}", "gateway")); state != "exited 0" {
		t.Errorf("stopped, the container is %q", state)
	}
	// What it has stored is in its volume, and it starts with that.
	p.run("start", "gateway")
	call("lead")
}

// secretsOfThePage runs the commands of the page that make the secrets, and gives the directory that these are in.
func secretsOfThePage(t *testing.T) string {
	t.Helper()
	var lines string
	for _, m := range fence.FindAllStringSubmatch(readFile(t, "deploy/README.md"), -1) {
		if commands, _, ok := strings.Cut(m[2], "docker build "); ok {
			lines = commands
		}
	}
	dir := t.TempDir()
	if err := os.MkdirAll(filepath.Join(dir, "examples/deploy"), 0o755); err != nil {
		t.Fatal(err)
	}
	script(t, dir, []byte("the-secret-of-the-sender"), "sh", "-euc", lines)
	return filepath.Join(dir, "examples/deploy/secrets")
}

// isConfined looks at the process as the system sees it.
func (p *podman) isConfined(name string) {
	p.t.Helper()
	pid := strings.TrimSpace(p.run("inspect", "--format", "{{.State.Pid}}", name))
	status := readFile(p.t, "/proc/"+pid+"/status")
	for _, want := range []string{`Uid:\t10001\t10001\t10001\t10001`, `Gid:\t10001\t10001\t10001\t10001`, `CapEff:\t0{16}`, `CapBnd:\t0{16}`, `NoNewPrivs:\t1`} {
		if !regexp.MustCompile(`(?m)^` + want + `$`).MatchString(status) {
			p.t.Errorf("the process has no %s:\n%s", want, status)
		}
	}
	if mounts := readFile(p.t, "/proc/"+pid+"/mountinfo"); !regexp.MustCompile(`(?m)^\d+ \d+ \S+ \S+ / ro,`).MatchString(mounts) {
		p.t.Errorf("its root can be written to:\n%s", mounts)
	}
}

// podman runs podman with a store of its own.
type podman struct {
	t      *testing.T
	global []string
	system []string // volumes that have a build see this machine's programs
}

func newPodman(t *testing.T) *podman {
	t.Helper()
	tool(t, "podman")
	if os.Getuid() != 0 {
		t.Skip("building an image without a registry's, and running it with no network of its own, is done as root only")
	}
	// Podman's sockets are in there, and their paths must not be long.
	dir, err := os.MkdirTemp("", "podman")
	if err != nil {
		t.Fatal(err)
	}
	p := &podman{t: t, global: []string{
		"--root", filepath.Join(dir, "root"), "--runroot", filepath.Join(dir, "run"), "--tmpdir", filepath.Join(dir, "tmp"),
		"--storage-driver", "vfs", "--cgroup-manager", "cgroupfs", "--runtime", "runc", "--events-backend", "file", "--log-level", "error",
	}}
	t.Cleanup(func() {
		for _, args := range [][]string{{"rm", "--all", "--force", "--volumes", "--time", "10"}, {"image", "unmount", "--all"}} {
			if out, err := p.try(args...); err != nil && !t.Skipped() {
				t.Errorf("podman %q: %v\n%s", args, err, out)
			}
		}
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	return p
}

func (p *podman) try(args ...string) (string, error) {
	cmd := exec.Command("podman", append(slices.Clone(p.global), args...)...)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		return stdout.String() + stderr.String(), err
	}
	return stdout.String(), nil
}

func (p *podman) run(args ...string) string {
	p.t.Helper()
	out, err := p.try(args...)
	if err != nil {
		p.t.Fatalf("podman %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return out
}

// logs is what a container has printed so far.
func (p *podman) logs(name string) string {
	out, err := exec.Command("podman", slices.Concat(p.global, []string{"logs", name})...).CombinedOutput()
	if err != nil {
		return err.Error() + "\n" + string(out)
	}
	return string(out)
}

// build builds an image where what is built is not taken out of a registry, and sees programs and Go of this machine.
func (p *podman) build(args ...string) {
	p.t.Helper()
	p.run(slices.Concat([]string{"build", "--isolation", "chroot", "--network", "host", "--pull-never", "--layers=false", "--format", "docker"}, p.system, args)...)
}

// standInForGo makes an image in place of the one that has Go: a build finds in it what it would find there, which are a
// shell, Go and certificates, and all of these are this machine's.
func (p *podman) standInForGo(name string) {
	t := p.t
	t.Helper()
	dir := t.TempDir()
	p.system = []string{"-v", goEnv(t, "GOROOT") + ":/usr/local/go:ro"}
	for _, d := range []string{"/usr/bin", "/usr/lib", "/usr/lib64", "/bin", "/lib", "/lib64"} {
		info, err := os.Lstat(d)
		inside := filepath.Join(dir, d)
		switch {
		case err != nil: // not every system has it
		case info.IsDir():
			p.system = append(p.system, "-v", d+":"+d+":ro")
			err = os.MkdirAll(inside, 0o755)
		default:
			var to string
			if to, err = os.Readlink(d); err == nil {
				err = os.Symlink(to, inside)
			}
		}
		if err != nil && !os.IsNotExist(err) {
			t.Fatal(err)
		}
	}
	for _, d := range []string{"usr/local/go", "etc/ssl/certs", "go/pkg/mod", "cache", "tmp"} {
		if err := os.MkdirAll(filepath.Join(dir, d), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	containerfile := "FROM scratch\nCOPY . /\nENV PATH=/usr/local/go/bin:/usr/bin:/bin GOPATH=/go GOCACHE=/cache GOTOOLCHAIN=local GOPROXY=" + goEnv(t, "GOPROXY") + "\nRUN go version\n"
	for file, text := range map[string]string{"etc/ssl/certs/ca-certificates.crt": readFile(t, "/etc/ssl/certs/ca-certificates.crt"), "Containerfile": containerfile} {
		if err := os.WriteFile(filepath.Join(dir, file), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if out, err := p.try(slices.Concat([]string{"build", "--isolation", "chroot", "--network", "host"}, p.system, []string{"-t", name, dir})...); err != nil {
		t.Skipf("this machine builds no images: %v\n%s", err, out)
	}
}

func goEnv(t *testing.T, name string) string {
	t.Helper()
	out, err := exec.Command("go", "env", name).Output()
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(out))
}

// confined has a container run as the Compose file does, but in this machine's network.
func confined(args ...string) []string {
	// Podman would set limits that are higher than every root may.
	return append([]string{"run", "--network", "host", "--read-only", "--read-only-tmpfs=false", "--cap-drop", "all", "--security-opt", "no-new-privileges",
		"--ulimit", "nofile=4096:4096", "--ulimit", "nproc=4096:4096"}, args...)
}
