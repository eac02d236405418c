package destination_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// preamble is what stands over the list of the conversions.
const preamble = `# What the payloads become

One page for each sample payload: the call record that it is read as, and the requests that each kind of destination
makes of it, member by member, as ` + "`go test ./internal/destination`" + ` checks them. Values are as they stand in the JSON, so
that a number and a text that looks like one can be told apart. Secrets are masked, as they are in every preview.

` + "`go test ./internal/destination -update`" + ` writes the pages anew. Read what has changed before you commit it. The numbers
are those of the requests for each destination; a call that a destination cannot take has none there, and its page says why.

`

var (
	pageMember  = regexp.MustCompile("(?m)^\\| (provider|event_type) \\| `\"([^\"]*)\"` \\|$")
	pageSection = regexp.MustCompile(`(?m)^## .*\(([a-z-]+)\)$`)
	pageRequest = regexp.MustCompile("(?m)^[0-9]+\\. `[A-Z]+ ")
)

// TestConversionsHaveAnIndex lists the pages: payload, event, and the requests that it becomes.
func TestConversionsHaveAnIndex(t *testing.T) {
	var names []string
	for _, d := range destinations(t) {
		names = append(names, d.name)
	}
	index := bytes.NewBufferString(preamble)
	fmt.Fprintf(index, "| payload | sender | event | %s |\n|%s\n", strings.Join(names, " | "), strings.Repeat(" --- |", 3+len(names)))
	pages := 0
	for _, file := range sampleFiles(t, conversions) {
		name := filepath.Base(file)
		if name == "README.md" {
			continue
		}
		pages++
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		page := string(b)
		said := make(map[string]string)
		for _, m := range pageMember.FindAllStringSubmatch(page, -1) {
			said[m[1]] = m[2]
		}
		requests := make(map[string]int)
		sections := pageSection.FindAllStringSubmatchIndex(page, -1)
		for i, s := range sections {
			end := len(page)
			if i+1 < len(sections) {
				end = sections[i+1][0]
			}
			requests[page[s[2]:s[3]]] = len(pageRequest.FindAllString(page[s[1]:end], -1))
		}
		if said["provider"] == "" || len(requests) == 0 {
			t.Errorf("%s is of another form: provider %q, requests %v", file, said["provider"], requests)
		}
		fmt.Fprintf(index, "| [%s](%s) | %s | %s |", strings.TrimSuffix(name, ".md"), name, said["provider"], said["event_type"])
		for _, d := range names {
			fmt.Fprintf(index, " %d |", requests[d])
		}
		index.WriteByte('\n')
	}
	file := filepath.Join(conversions, "README.md")
	if *update {
		if err := os.WriteFile(file, index.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(file)
	if err != nil || pages == 0 {
		t.Fatalf("%d pages, %v", pages, err)
	}
	if !bytes.Equal(index.Bytes(), want) {
		t.Errorf("%s does not list the pages; run go test with -update", file)
	}
}
