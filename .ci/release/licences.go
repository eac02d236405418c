package main

import (
	"bytes"
	"debug/buildinfo"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// known tells licences by what stands in them. The first that fits counts, so the longer ones come first.
var known = []struct {
	name string
	says *regexp.Regexp
}{
	// It names the others, as licences that may come in its place.
	{"MPL-2.0", regexp.MustCompile(`(?i)Mozilla Public License,? v(?:ersion|\.) ?2\.0`)},
	{"AGPL-3.0", regexp.MustCompile(`(?i)GNU AFFERO GENERAL PUBLIC LICENSE`)},
	{"LGPL", regexp.MustCompile(`(?i)GNU LESSER GENERAL PUBLIC LICENSE`)},
	{"Apache-2.0", regexp.MustCompile(`(?i)Apache License\s+Version 2\.0`)},
	{"GPL", regexp.MustCompile(`(?i)GNU GENERAL PUBLIC LICENSE`)},
	{"MIT", regexp.MustCompile(`(?is)Permission is hereby granted, free of charge.*deal\s+in the Software without restriction`)},
	{"BSD-3-Clause", regexp.MustCompile(`(?is)Redistribution and use in source and binary forms.*(?:neither the names?|the names? of .* may not) `)},
	{"BSD-2-Clause", regexp.MustCompile(`(?is)Redistribution and use in source and binary forms`)},
	{"ISC", regexp.MustCompile(`(?is)Permission to use, copy, modify, and/?(?:or)? distribute this software for any\s+purpose with or without fee`)},
	{"CC0-1.0", regexp.MustCompile(`(?i)CC0 1\.0 Universal`)},
	{"Unlicense", regexp.MustCompile(`(?i)This is free and unencumbered software released into the public domain`)},
}

// permitted are those under which the program may be given to others as it is.
var permitted = []string{"Apache-2.0", "MPL-2.0", "MIT", "BSD-3-Clause", "BSD-2-Clause", "ISC", "CC0-1.0", "Unlicense"}

func licenceOf(text []byte) string {
	text = bytes.Join(bytes.Fields(text), []byte(" ")) // lines are broken anywhere
	for _, k := range known {
		if k.says.Match(text) {
			return k.name
		}
	}
	return ""
}

// licences writes the licence of each module that is linked into a program, with its text. One that is not permitted, or not
// known, is an error.
func (r *release) licences(program string) error {
	info, err := buildinfo.ReadFile(program)
	if err != nil {
		return err
	}
	dirs, err := r.moduleDirs()
	if err != nil {
		return err
	}
	var list, texts bytes.Buffer
	var wrong []string
	for _, m := range info.Deps {
		if m.Replace != nil {
			m = m.Replace
		}
		files, err := licenceFiles(dirs[m.Path])
		if err != nil || len(files) == 0 {
			wrong = append(wrong, fmt.Sprintf("%s has no licence in %q (%v)", m.Path, dirs[m.Path], err))
			continue
		}
		var names []string
		for _, f := range files {
			text, err := os.ReadFile(f)
			if err != nil {
				return err
			}
			if name := licenceOf(text); name != "" && !slices.Contains(names, name) {
				names = append(names, name)
			}
			fmt.Fprintf(&texts, "\n=== %s %s, %s\n\n%s\n", m.Path, m.Version, filepath.Base(f), bytes.TrimSpace(text))
		}
		if len(names) == 0 || !slices.ContainsFunc(names, func(n string) bool { return slices.Contains(permitted, n) }) {
			wrong = append(wrong, fmt.Sprintf("%s is under %q, which is not known to be permitted", m.Path, names))
		}
		fmt.Fprintf(&list, "%-60s %-40s %s\n", m.Path, m.Version, strings.Join(names, ", "))
	}
	if len(wrong) > 0 {
		return fmt.Errorf("licences:\n%s", strings.Join(wrong, "\n"))
	}
	list.WriteString("\nGo's own library is under BSD-3-Clause; this program is under Apache-2.0.\n")
	return os.WriteFile(program+".licences.txt", append(list.Bytes(), texts.Bytes()...), 0o644)
}

func licenceFiles(dir string) (files []string, err error) {
	if dir == "" {
		return nil, os.ErrNotExist
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		upper := strings.ToUpper(e.Name())
		for _, begin := range []string{"LICENSE", "LICENCE", "COPYING", "UNLICENSE", "NOTICE"} {
			if !e.IsDir() && strings.HasPrefix(upper, begin) && !strings.HasSuffix(upper, ".GO") {
				files = append(files, filepath.Join(dir, e.Name()))
				break
			}
		}
	}
	return files, nil
}

// moduleDirs are where the modules of the program are on this machine.
func (r *release) moduleDirs() (map[string]string, error) {
	cmd := exec.Command("go", "list", "-deps", "-f", "{{with .Module}}{{.Path}}\t{{.Dir}}{{end}}", "./cmd/callgate")
	cmd.Dir, cmd.Stderr = r.source, os.Stderr
	cmd.Env = append(os.Environ(), r.env...)
	out, err := cmd.Output()
	if err != nil {
		return nil, err
	}
	dirs := make(map[string]string)
	for line := range strings.Lines(string(out)) {
		if path, dir, ok := strings.Cut(strings.TrimSpace(line), "\t"); ok {
			dirs[path] = dir
		}
	}
	return dirs, nil
}

// withoutTime takes out of an SBOM when it was made, which would be another each time.
func withoutTime(file string) error {
	b, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	b = regexp.MustCompile(`\s*"timestamp": "[^"]*",`).ReplaceAll(b, nil)
	return os.WriteFile(file, b, 0o644)
}
