// Command release builds what is given to others: a static program for each platform, the list of what is in it (SBOM), the
// licences of all that is linked, a Debian package, and checksums. Two runs on the same source with the same Go give the same
// bytes: nothing of the machine, of its paths or of the time is in them.
//
//	go run ./.ci/release -version v1.2.3 -out dist
//
// All platforms that Caddy is released for are built with -platforms all, which takes minutes for each. With -check nothing is
// built, and what would not compile is found in seconds for each.
package main

import (
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"flag"
	"fmt"
	"log"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
)

// platforms are those of Caddy's releases. Others may do, but for those that SQLite (modernc.org/libc) is not there for, such as
// DragonFly, Solaris, Plan 9 and AIX.
var platforms = []string{
	"linux/amd64", "linux/arm64", "linux/arm", "linux/ppc64le", "linux/riscv64", "linux/s390x",
	"darwin/amd64", "darwin/arm64", "windows/amd64", "windows/arm64", "freebsd/amd64", "freebsd/arm64", "freebsd/arm",
}

// The tools, at versions that are known to work.
const (
	cyclonedx = "github.com/CycloneDX/cyclonedx-gomod/cmd/cyclonedx-gomod@v1.10.0"
	nfpm      = "github.com/goreleaser/nfpm/v2/cmd/nfpm@v2.45.2"
)

type release struct {
	source, out, version string
	platforms            []string
	sbom, deb            bool
	env                  []string // of the platform that is built
}

func main() {
	log.SetFlags(0)
	log.SetPrefix("release: ")
	var r release
	list := flag.String("platforms", runtime.GOOS+"/"+runtime.GOARCH, "platforms, such as linux/amd64,darwin/arm64, or all")
	flag.StringVar(&r.source, "source", ".", "root of the repository")
	flag.StringVar(&r.out, "out", "dist", "directory for what is built")
	flag.StringVar(&r.version, "version", "v0.0.0", "version, such as v1.2.3")
	flag.BoolVar(&r.sbom, "sbom", true, "write the SBOM of each program")
	flag.BoolVar(&r.deb, "deb", true, "make the Debian package of linux/amd64")
	check := flag.Bool("check", false, "find what would not compile, and build nothing")
	flag.Parse()
	if r.platforms = strings.Split(*list, ","); *list == "all" {
		r.platforms = platforms
	}
	run := r.run
	if *check {
		run = r.checkAll
	}
	if err := run(); err != nil {
		log.Fatal(err)
	}
}

func (r *release) run() error {
	var err error
	if r.out, err = filepath.Abs(r.out); err != nil {
		return err
	}
	if err := os.MkdirAll(r.out, 0o755); err != nil {
		return err
	}
	for _, p := range r.platforms {
		program, err := r.build(p)
		if err != nil {
			return err
		}
		info, err := os.Stat(program)
		if err != nil {
			return err
		}
		log.Printf("%s: %.1f MB", filepath.Base(program), float64(info.Size())/1e6)
		if err := r.licences(program); err != nil {
			return err
		}
		if r.sbom {
			if err := r.command(nil, "go", "run", cyclonedx, "bin", "-json", "-noserial", "-version", strings.TrimPrefix(r.version, "v"), "-output", program+".cdx.json", program); err != nil {
				return err
			}
			if err := withoutTime(program + ".cdx.json"); err != nil {
				return err
			}
		}
		if r.deb && p == "linux/amd64" {
			if err := r.debian(program); err != nil {
				return err
			}
		}
	}
	return r.checksums()
}

// build makes the program of a platform, and gives its path.
func (r *release) build(platform string) (string, error) {
	system, arch, ok := strings.Cut(platform, "/")
	if !ok {
		return "", noPlatform(platform)
	}
	tags, err := r.tags()
	if err != nil {
		return "", err
	}
	program := filepath.Join(r.out, fmt.Sprintf("callgate_%s_%s_%s", strings.TrimPrefix(r.version, "v"), system, arch))
	if system == "windows" {
		program += ".exe"
	}
	// What git knows is left out, since a copy of the source without it is the same source; -version says what it is.
	r.env = []string{"CGO_ENABLED=0", "GOOS=" + system, "GOARCH=" + arch, "GOFLAGS="}
	return program, r.command(r.env,
		"go", "build", "-trimpath", "-buildvcs=false", "-tags", tags,
		"-ldflags", "-s -w -buildid= -X main.version="+r.version, "-o", program, "./cmd/callgate")
}

func noPlatform(name string) error {
	return fmt.Errorf("%q is no platform; write it as linux/amd64", name)
}

// tags are those that the program is built with.
func (r *release) tags() (string, error) {
	b, err := os.ReadFile(filepath.Join(r.source, ".ci", "tags"))
	return strings.TrimSpace(string(b)), err
}

// debian makes the package, with a page of the manual for each command.
func (r *release) debian(program string) error {
	stage := filepath.Join(r.out, "stage")
	defer os.RemoveAll(stage)
	if err := os.MkdirAll(filepath.Join(stage, "man"), 0o755); err != nil {
		return err
	}
	if err := os.Link(program, filepath.Join(stage, "callgate")); err != nil {
		return err
	}
	if err := r.command(nil, program, "manpage", "--directory", filepath.Join(stage, "man")); err != nil {
		return err
	}
	pages, err := filepath.Glob(filepath.Join(stage, "man", "*.8"))
	if err != nil {
		return err
	}
	for _, page := range pages {
		text, err := os.ReadFile(page)
		if err != nil {
			return err
		}
		if err := compressed(page+".gz", text); err != nil {
			return err
		}
	}
	number := strings.TrimPrefix(r.version, "v")
	changes := fmt.Sprintf("callgate (%s) unstable; urgency=medium\n\n  * See the releases of the project.\n\n -- Callgate <maintainers@callgate.example>  Thu, 01 Jan 2026 00:00:00 +0000\n", number)
	if err := compressed(filepath.Join(stage, "changelog.gz"), []byte(changes)); err != nil {
		return err
	}
	return r.command([]string{"VERSION=" + number, "STAGE=" + stage, "SOURCE_DATE_EPOCH=1767225600"},
		"go", "run", nfpm, "package", "--config", "examples/deploy/nfpm.yaml", "--packager", "deb", "--target", r.out+string(filepath.Separator))
}

// compressed writes a file as gzip without name and time.
func compressed(name string, text []byte) error {
	f, err := os.Create(name)
	if err != nil {
		return err
	}
	defer f.Close()
	zw, err := gzip.NewWriterLevel(f, gzip.BestCompression)
	if err != nil {
		return err
	}
	if _, err := zw.Write(text); err != nil {
		return err
	}
	if err := zw.Close(); err != nil {
		return err
	}
	return f.Close()
}

// checksums writes SHA256SUMS, as sha256sum -c reads it.
func (r *release) checksums() error {
	entries, err := os.ReadDir(r.out)
	if err != nil {
		return err
	}
	var lines []string
	for _, e := range entries {
		if e.IsDir() || e.Name() == "SHA256SUMS" {
			continue
		}
		b, err := os.ReadFile(filepath.Join(r.out, e.Name()))
		if err != nil {
			return err
		}
		sum := sha256.Sum256(b)
		lines = append(lines, hex.EncodeToString(sum[:])+"  "+e.Name()+"\n")
	}
	slices.SortFunc(lines, func(a, b string) int { return strings.Compare(a[64:], b[64:]) })
	return os.WriteFile(filepath.Join(r.out, "SHA256SUMS"), []byte(strings.Join(lines, "")), 0o644)
}

// command runs a program in the source.
func (r *release) command(env []string, name string, args ...string) error {
	cmd := exec.Command(name, args...)
	cmd.Dir, cmd.Env, cmd.Stderr = r.source, append(os.Environ(), env...), os.Stderr
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("%s %s: %w", name, strings.Join(args, " "), err)
	}
	return nil
}
