package caddymodule

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"

	"github.com/callgate/callgate/internal/strictjson"
)

// maxTenantFile is how large a tenant file may be: far more than one tenant needs, and little enough to read.
const maxTenantFile = 1 << 20

// tenantFile is a file with one tenant in it, or with a mistake.
type tenantFile struct {
	path    string
	names   []string // the tenant's; where it cannot be read the likeliest first
	tenant  *Tenant  // nil with a mistake
	members map[string]place
	err     error
}

// readTenantFiles reads the tenants in the files that match the patterns. A pattern without wildcards must match; empty
// is told of one with wildcards that does not. A mistake in a file is no error here, but its own.
func readTenantFiles(patterns []string, empty func(pattern string)) ([]*tenantFile, error) {
	var files []*tenantFile
	seen := make(map[string]bool)
	for _, pattern := range patterns {
		paths, err := filepath.Glob(pattern)
		if err != nil {
			return nil, fmt.Errorf("tenants %s: %w", pattern, err)
		}
		if len(paths) == 0 && !strings.ContainsAny(pattern, "*?[") {
			return nil, fmt.Errorf("tenants %s: there is no such file", pattern)
		}
		if len(paths) == 0 {
			empty(pattern)
		}
		slices.Sort(paths)
		for _, path := range paths {
			if !seen[path] { // two patterns may match it
				seen[path] = true
				files = append(files, readTenantFile(path))
			}
		}
	}
	return files, nil
}

func readTenantFile(path string) *tenantFile {
	f := &tenantFile{path: path}
	ofFile := strings.TrimSuffix(filepath.Base(path), filepath.Ext(path))
	f.names = []string{ofFile}
	text, err := readBounded(path)
	if err != nil {
		f.err = err
		return f
	}
	f.tenant, f.members, f.err = parseTenant(text)
	switch {
	case f.err != nil:
		f.names = append(namesIn(text), ofFile)
	case f.tenant.Name == "":
		f.tenant.Name = ofFile
	default:
		f.names = []string{f.tenant.Name}
	}
	if f.err == nil {
		f.err = checkTenantName(f.tenant.Name)
	}
	return f
}

func readBounded(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, maxTenantFile+1))
}

// nameIn is what may be the tenant's name in a file that cannot be read.
var nameIn = regexp.MustCompile(`(?i)"name"\s*:\s*"([^"\\]+)"`)

// namesIn are the names that a file which cannot be read may be meant for. Who they belong to shall come back later, so one
// too many does no harm.
func namesIn(text []byte) (names []string) {
	for _, m := range nameIn.FindAllSubmatch(text, 10) {
		if n := string(m[1]); checkTenantName(n) == nil {
			names = append(names, n)
		}
	}
	return names
}

// parseTenant reads one tenant from JSON. A member that it does not know is an error, as everywhere in Caddy's JSON. Errors
// say where in the text they are, and quote no value: it might be a secret.
func parseTenant(text []byte) (*Tenant, map[string]place, error) {
	return parseSettings[Tenant](text, "tenant")
}

// parseSettings reads a tenant or a destination from JSON, in the same way.
func parseSettings[T any](text []byte, what string) (*T, map[string]place, error) {
	if len(text) > maxTenantFile {
		return nil, nil, fmt.Errorf("is larger than %d bytes", maxTenantFile)
	}
	members, err := checkShape(text, reflect.TypeFor[T](), what)
	if err != nil {
		return nil, members, err
	}
	t := new(T)
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.DisallowUnknownFields()
	if err := dec.Decode(t); err != nil {
		if wrong, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
			return nil, members, &placed{placeOf(text, wrong.Offset), errors.New(strictjson.DescribeType(wrong))}
		}
		return nil, members, fmt.Errorf("is not a %s in JSON", what)
	}
	return t, members, nil
}

// words lead from the first word of an error about a policy to the member that it is about.
var words = map[string]string{"secret": "secrets", "public_key": "public_keys"}

// at gives an error of the tenant the file and the place that it is about: that of the member which the error begins with,
// in the settings for the source first.
func (f *tenantFile) at(source string, err error) error {
	if p, ok := errors.AsType[*placed](err); ok {
		return fmt.Errorf("%s:%d:%d: %w", f.path, p.line, p.column, p.err)
	}
	if f.members == nil { // it could not be opened, or is too large
		return fmt.Errorf("%s: %w", f.path, err)
	}
	member, _, _ := strings.Cut(err.Error(), " ")
	member = strings.TrimSuffix(member, ":")
	if m := words[member]; m != "" {
		member = m
	}
	p := place{1, 1}
	for _, path := range []string{"sources", "sources." + source, member, "sources." + source + "." + member} {
		if at, ok := f.members[path]; ok && (path == member || strings.HasSuffix(path, "."+member) || path == "sources."+source && source != "") {
			p = at
		}
	}
	return fmt.Errorf("%s:%d:%d: %w", f.path, p.line, p.column, err)
}
