package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// node is a line of a Caddyfile with its block, and the lines that it stands in.
type node struct {
	words  []string
	lines  []string // as they stand in the file, without the indentation that they share
	parent *node
	file   string
}

// caddyfiles reads the Caddyfiles of the README and the guide, of the examples, and of the tests that are to load, in this order.
func caddyfiles(root string) ([]*node, error) {
	var all []*node
	for _, pattern := range []string{"README.md", "caddymodule/GUIDE.md", "examples/*/Caddyfile", "testdata/adapt/*.caddytest"} {
		names, err := filepath.Glob(filepath.Join(root, pattern))
		if err != nil {
			return nil, err
		}
		for _, name := range names {
			if strings.HasPrefix(filepath.Base(name), "error_") {
				continue
			}
			text, err := os.ReadFile(name)
			if err != nil {
				return nil, err
			}
			file, err := filepath.Rel(root, name)
			if err != nil {
				return nil, err
			}
			config, _, _ := strings.Cut(string(text), "\n----------\n")
			configs := []string{config}
			if strings.HasSuffix(name, ".md") {
				configs = fenced(config)
			}
			for _, c := range configs {
				all = append(all, nodes(c, filepath.ToSlash(file))...)
			}
		}
	}
	return all, nil
}

// fenced are the Caddyfiles of a README.
func fenced(text string) (all []string) {
	for i, part := range strings.Split(text, "\n```") {
		if block, ok := strings.CutPrefix(part, "caddyfile\n"); ok && i%2 == 1 {
			all = append(all, block)
		}
	}
	return all
}

// nodes reads a Caddyfile as caddy fmt leaves it: a block begins and ends at the end of a line. Text in backquotes may have
// several lines.
func nodes(text, file string) (all []*node) {
	var open []*node
	quoted := false
	add := func(l string) {
		for _, n := range open {
			n.lines = append(n.lines, l)
		}
	}
	for _, l := range strings.Split(text, "\n") {
		bare := strings.TrimSpace(l)
		inside := quoted
		if strings.Count(bare, "`")%2 == 1 {
			quoted = !quoted
		}
		switch {
		case inside:
			add(l)
			if n := len(all); n > 0 && !slices.Contains(open, all[n-1]) {
				all[n-1].lines = append(all[n-1].lines, l)
			}
			continue
		case bare == "" || strings.HasPrefix(bare, "#"):
			add(l)
			continue
		case bare == "}":
			add(l)
			if len(open) > 0 {
				open = open[:len(open)-1]
			}
			continue
		}
		add(l)
		n := &node{words: strings.Fields(bare), lines: []string{l}, file: file}
		if len(open) > 0 {
			n.parent = open[len(open)-1]
		}
		all = append(all, n)
		if strings.HasSuffix(bare, "{") && !quoted {
			open = append(open, n)
		}
	}
	return all
}

// within reports whether the node stands in a block that begins with the words, of which the last is the nearest.
func (n *node) within(place string) bool {
	p := n.parent
	if p == nil {
		return false
	}
	first := p.words[0]
	switch kind, of, _ := strings.Cut(place, ":"); kind {
	case "app":
		return first == "callgate" && p.parent != nil && p.parent.words[0] == "{"
	case "policy":
		return slices.Contains([]string{"source", "tenant", "callgate"}, first) && !n.within("app")
	case "route":
		return first == "callgate" && !n.within("app")
	case "destination":
		return first == "destination" && len(p.words) > 2 && (of == "" || p.words[2] == of)
	case "site":
		return first != "{" && p.parent == nil
	default: // a block of that name, such as format:callgate
		return first == kind && (of == "" || len(p.words) > 1 && p.words[1] == of)
	}
}

// example is the node without its indentation; empty if it is too long to be one.
func (n *node) example(most int) string {
	lines := slices.Clone(n.lines)
	if len(lines) > most {
		return ""
	}
	indent := len(lines[0]) - len(strings.TrimLeft(lines[0], "\t"))
	for i := range lines {
		lines[i] = strings.TrimPrefix(lines[i], strings.Repeat("\t", indent))
	}
	return strings.Join(lines, "\n")
}

// find is a line of that name in such a place, as Markdown with the file that it is from: a short one before a long one, one
// with a block before one without, and one that shows more of what it can take before one that shows less. Empty if there is
// none.
func find(all []*node, place, name string) string {
	for _, most := range []int{12, 40} {
		best, found := 0, ""
		for _, n := range all {
			if n.words[0] != name || !n.within(place) {
				continue
			}
			shows := min(len(n.words), 8)
			if strings.HasSuffix(n.lines[0], "{") {
				shows += 10
			}
			if e := n.example(most); e != "" && shows > best {
				best, found = shows, fmt.Sprintf("From [%s](../../%s):\n\n```caddyfile\n%s\n```", n.file, n.file, e)
			}
		}
		if found != "" {
			return found
		}
	}
	return ""
}
