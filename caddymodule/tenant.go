package caddymodule

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/caddyserver/caddy/v2"

	"github.com/callgate/callgate/internal/strictjson"
)

// Tenant is one customer of the platform: a clinic, a contractor. What it says wins over sources and routes.
type Tenant struct {
	// Name identifies the tenant. It is given in tenant files only, where the file's name without .json is the
	// default; elsewhere it is the key under which the tenant stands.
	Name string `json:"name,omitempty"`

	// Sources hold the tenant's policy for single sources, by their names. A tenant that has any is known on the
	// routes of these sources only.
	Sources map[string]*Policy `json:"sources,omitempty"`

	Policy
}

func (t *Tenant) provision(ctx caddy.Context, name string) error {
	if err := checkTenantName(name); err != nil {
		return err
	}
	if err := t.Policy.provision(ctx); err != nil {
		return err
	}
	for src, p := range t.Sources {
		if p == nil {
			t.Sources[src] = new(Policy)
			continue
		}
		if err := p.provision(ctx); err != nil {
			return fmt.Errorf("source %s: %w", src, err)
		}
	}
	return nil
}

// policies are the tenant's layers for a source, the stronger last; ok is false if the tenant does not use the source.
func (t *Tenant) policies(src string) (layers []Policy, ok bool) {
	if len(t.Sources) == 0 {
		return []Policy{t.Policy}, true
	}
	p, ok := t.Sources[src]
	if !ok {
		return nil, false
	}
	return []Policy{t.Policy, *p}, true
}

const maxTenantName = 128

// checkTenantName refuses what could not stand in a header, a log line and a placeholder as it is.
func checkTenantName(name string) error {
	if name == "" || len(name) > maxTenantName {
		return fmt.Errorf("a tenant's name has 1 to %d characters", maxTenantName)
	}
	if i := strings.IndexFunc(name, func(r rune) bool { return r <= ' ' || r > '~' || r == '{' || r == '}' }); i >= 0 {
		return fmt.Errorf("tenant %q: a name consists of visible ASCII characters without braces", name)
	}
	return nil
}

// maxTenantFile is how large a tenant file may be: far more than one tenant needs, and little enough to read.
const maxTenantFile = 1 << 20

// readTenantFiles reads the tenants in the files that match the patterns. A pattern without wildcards must match; empty
// is told of one with wildcards that does not.
func readTenantFiles(patterns []string, empty func(pattern string)) (map[string]*Tenant, error) {
	tenants := make(map[string]*Tenant)
	origin := make(map[string]string)
	for _, pattern := range patterns {
		files, err := filepath.Glob(pattern)
		if err != nil {
			return nil, fmt.Errorf("tenants %s: %w", pattern, err)
		}
		if len(files) == 0 && !strings.ContainsAny(pattern, "*?[") {
			return nil, fmt.Errorf("tenants %s: there is no such file", pattern)
		}
		if len(files) == 0 {
			empty(pattern)
		}
		slices.Sort(files)
		for _, file := range files {
			t, err := readTenantFile(file)
			if err != nil {
				return nil, fmt.Errorf("tenant file %s: %w", file, err)
			}
			if other, twice := origin[t.Name]; twice {
				if other == file {
					continue // two patterns match it
				}
				return nil, fmt.Errorf("tenant %q is in two files, %s and %s", t.Name, other, file)
			}
			origin[t.Name] = file
			tenants[t.Name] = t
		}
	}
	return tenants, nil
}

func readTenantFile(file string) (*Tenant, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxTenantFile+1))
	if err != nil {
		return nil, err
	}
	t, err := parseTenant(text)
	if err != nil {
		return nil, err
	}
	if t.Name == "" {
		t.Name = strings.TrimSuffix(filepath.Base(file), filepath.Ext(file))
	}
	return t, checkTenantName(t.Name)
}

// parseTenant reads one tenant from JSON. A member that it does not know is an error, as everywhere in Caddy's JSON.
func parseTenant(text []byte) (*Tenant, error) {
	if len(text) > maxTenantFile {
		return nil, fmt.Errorf("is larger than %d bytes", maxTenantFile)
	}
	t := new(Tenant)
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.DisallowUnknownFields()
	if err := dec.Decode(t); err != nil {
		return nil, describeJSONError(err)
	}
	if _, err := dec.Token(); err != io.EOF {
		return nil, errors.New("has something after the tenant's closing brace; a file holds one tenant")
	}
	return t, nil
}

// describeJSONError leaves out the value that an UnmarshalTypeError quotes: it might be a secret.
func describeJSONError(err error) error {
	if wrong, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		return errors.New(strictjson.DescribeType(wrong))
	}
	return fmt.Errorf("is not a tenant in JSON: %w", err)
}
