package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"go/types"
	"io"
	"log"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
)

// listed is a package, as far as `go list -json` is asked here.
type listed struct {
	Dir, ImportPath string
	Standard        bool
	GoFiles, SFiles []string
	ImportMap       map[string]string
	Module          *struct{ GoVersion string }
	Error           *struct{ Err string }
}

// checkAll checks every platform, and says of all what is wrong. Of at most four at a time, since what is known of all packages
// of one takes half a gigabyte.
func (r *release) checkAll() error {
	faults := make([]error, len(r.platforms))
	free := make(chan struct{}, min(4, runtime.NumCPU()))
	var wait sync.WaitGroup
	for i, p := range r.platforms {
		wait.Go(func() {
			free <- struct{}{}
			faults[i] = r.check(p)
			<-free
		})
	}
	wait.Wait()
	return errors.Join(faults...)
}

// check finds what would not compile for a platform, in a small part of the time that compiling takes: every package that the
// program needs there is there, with every file that is built for it, and all of them are right by their types, with numbers
// as large as they are on that platform. What a linker would find, a symbol of an assembly file that is missing, it does not.
// Of Go's own packages only what they declare is read, since they are built for their platforms by those who make Go.
func (r *release) check(platform string) error {
	system, arch, ok := strings.Cut(platform, "/")
	if !ok {
		return noPlatform(platform)
	}
	tags, err := r.tags()
	if err != nil {
		return err
	}
	cmd := exec.Command("go", "list", "-e", "-deps", "-tags", tags, "-json=Dir,ImportPath,Standard,GoFiles,SFiles,ImportMap,Module,Error", "./cmd/callgate")
	cmd.Dir, cmd.Stderr = r.source, os.Stderr
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS="+system, "GOARCH="+arch, "GOFLAGS=")
	out, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	c := checked{arch: arch, files: token.NewFileSet(), packages: map[string]*types.Package{"unsafe": types.Unsafe}}
	err = c.all(json.NewDecoder(out))
	// Also what was not read is, so that it can end.
	if _, drained := io.Copy(io.Discard, out); err == nil {
		err = drained
	}
	if ended := cmd.Wait(); err == nil {
		err = ended
	}
	if err != nil {
		return fmt.Errorf("%s: %w", platform, err)
	}
	log.Printf("%s: %d packages are right", platform, len(c.packages))
	return nil
}

// checked is what is known of the packages of a platform.
type checked struct {
	arch     string
	files    *token.FileSet
	packages map[string]*types.Package
}

// all checks packages, of which each comes after those that it imports.
func (c *checked) all(list *json.Decoder) error {
	var faults []error
	for {
		var p listed
		if err := list.Decode(&p); err == io.EOF {
			break
		} else if err != nil {
			return err
		}
		if p.ImportPath != "unsafe" {
			faults = append(faults, c.one(&p)...)
		}
	}
	if len(c.packages) < 2 {
		return errors.New("go list knows no packages")
	}
	if more := len(faults) - 20; more > 0 {
		faults = append(faults[:20], fmt.Errorf("and %d more", more))
	}
	return errors.Join(faults...)
}

// one checks a package.
func (c *checked) one(p *listed) (faults []error) {
	if p.Error != nil {
		return []error{errors.New(p.Error.Err)}
	}
	var parsed []*ast.File
	for _, name := range p.GoFiles {
		f, err := parser.ParseFile(c.files, filepath.Join(p.Dir, name), nil, parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			return []error{err}
		}
		if parsed = append(parsed, f); len(p.SFiles) == 0 && !p.Standard {
			faults = append(faults, c.bodies(f)...)
		}
	}
	config := types.Config{
		Sizes: types.SizesFor("gc", c.arch), IgnoreFuncBodies: p.Standard,
		Importer: importer(func(path string) (*types.Package, error) {
			if mapped, ok := p.ImportMap[path]; ok {
				path = mapped
			}
			if known := c.packages[path]; known != nil {
				return known, nil
			}
			return nil, fmt.Errorf("package %s is not there", path)
		}),
		Error: func(err error) { faults = append(faults, err) },
	}
	if p.Module != nil && p.Module.GoVersion != "" {
		config.GoVersion = "go" + p.Module.GoVersion
	}
	// Its error is the first of those that were reported.
	c.packages[p.ImportPath], _ = config.Check(p.ImportPath, c.files, parsed, nil)
	return faults
}

// bodies finds functions that are written nowhere, in a package that has no assembly: in Go they are only declared, and they
// are not another's function by a go:linkname.
func (c *checked) bodies(f *ast.File) (faults []error) {
	linked := make(map[string]bool)
	for _, group := range f.Comments {
		for _, line := range group.List {
			if words := strings.Fields(line.Text); len(words) > 1 && words[0] == "//go:linkname" {
				linked[words[1]] = true
			}
		}
	}
	for _, d := range f.Decls {
		if fn, ok := d.(*ast.FuncDecl); ok && fn.Body == nil && !linked[fn.Name.Name] {
			faults = append(faults, fmt.Errorf("%s: function %s has no body", c.files.Position(fn.Pos()), fn.Name.Name))
		}
	}
	return faults
}

// importer gives packages by a function.
type importer func(path string) (*types.Package, error)

func (i importer) Import(path string) (*types.Package, error) { return i(path) }
