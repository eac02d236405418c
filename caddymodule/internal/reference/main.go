// Command reference writes caddymodule/README.md and the pages in caddymodule/reference: what can be configured, from the
// doc comments of the configuration, with lines of Caddyfiles that the tests load; and what the tables in the code hold.
// What no table says (what to do about a refusal, what a filter is for) stands in texts.go, and the program refuses to
// write a page on which a name has no text, or a text belongs to no name.
//
//	go generate ./caddymodule
package main

import (
	"fmt"
	"os"
	"path/filepath"
)

func main() {
	root := "."
	if len(os.Args) > 1 {
		root = os.Args[1]
	}
	if err := write(root); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// write makes the pages of the repository at root.
func write(root string) error {
	pages, err := generate(root)
	if err != nil {
		return err
	}
	for name, text := range pages {
		file := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			return err
		}
	}
	return nil
}
