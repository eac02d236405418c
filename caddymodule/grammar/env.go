package grammar

import (
	"bufio"
	"os"
	"regexp"
	"strings"

	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
)

// variable is what Caddy replaces before it reads a Caddyfile: {$NAME} or {$NAME:default}.
var variable = regexp.MustCompile(`\{\$([A-Za-z_][A-Za-z0-9_]*)\}`)

// emptyVariable is the environment variable that stood in the current line, is empty, and so is no argument any more.
// The tokens do not tell; the file does, if it is there to be read.
func emptyVariable(d *caddyfile.Dispenser) string {
	f, err := os.Open(d.File())
	if err != nil {
		return ""
	}
	defer f.Close()
	lines := bufio.NewScanner(f)
	for n := 1; lines.Scan(); n++ {
		if n < d.Line() {
			continue
		}
		return emptyIn(lines.Text(), d.Val())
	}
	return ""
}

// emptyIn is the first variable of a line that is empty and stands behind the token. There is none if the line is not the
// one that the token came from: another file is read than the one of this name.
func emptyIn(line, token string) string {
	for _, at := range variable.FindAllStringSubmatchIndex(line, -1) {
		before := variable.ReplaceAllStringFunc(line[:at[0]], func(v string) string { return os.Getenv(variable.FindStringSubmatch(v)[1]) })
		if name := line[at[2]:at[3]]; os.Getenv(name) == "" && strings.Contains(before, token) {
			return name
		}
	}
	return ""
}

func errEmptyVariable(d *caddyfile.Dispenser, name string) error {
	return d.Errf("{$%s} is empty: the environment variable %s is not set where the Caddyfile is read; set it, or write {$%s:default}", name, name, name)
}
