package destination_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/callgate/callgate/internal/destination"
)

// page is a Markdown page of tables.
type page struct{ bytes.Buffer }

func (p *page) record(name string, c any) {
	fmt.Fprintf(p, "# %s\n\n## The call record\n\n", name)
	text, err := encode(c)
	if err != nil {
		panic(err)
	}
	p.table(text)
}

func encode(v any) ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	err := enc.Encode(v)
	return b.Bytes(), err
}

func (p *page) destination(d named, requests []destination.Request, err error) {
	fmt.Fprintf(p, "\n## %s (%s)\n", d.title, d.name)
	if err != nil {
		fmt.Fprintf(p, "\nNot sent: %s\n", err)
	} else if len(requests) == 0 {
		fmt.Fprint(p, "\nNothing to send.\n")
	}
	for i, r := range requests {
		fmt.Fprintf(p, "\n%d. `%s %s`", i+1, r.Method, r.URL)
		if r.Note != "" {
			fmt.Fprintf(p, " (%s)", r.Note)
		}
		fmt.Fprint(p, "\n\n   ")
		for i, name := range slices.Sorted(maps.Keys(r.Header)) {
			if i > 0 {
				fmt.Fprint(p, " · ")
			}
			fmt.Fprintf(p, "%s: %s", name, strings.Join(r.Header[name], ", "))
		}
		fmt.Fprint(p, "\n\n")
		switch {
		case r.Body == "":
			fmt.Fprint(p, "No body.\n")
		case json.Valid([]byte(r.Body)):
			p.table([]byte(r.Body))
		default:
			fmt.Fprintf(p, "```\n%s\n```\n", r.Body)
		}
	}
}

// table writes the members of a JSON text, each with its path and its value as it stands there, in their order.
func (p *page) table(text []byte) {
	fmt.Fprint(p, "| member | value |\n| --- | --- |\n")
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.UseNumber()
	if err := p.value(dec, ""); err != nil && err != io.EOF {
		panic(err)
	}
}

func (p *page) value(dec *json.Decoder, path string) error {
	t, err := dec.Token()
	if err != nil {
		return err
	}
	switch t {
	case json.Delim('{'):
		if !dec.More() {
			p.row(path, "{}")
		}
		for dec.More() {
			key, err := dec.Token()
			if err != nil {
				return err
			}
			if err := p.value(dec, strings.TrimPrefix(path+"."+key.(string), ".")); err != nil {
				return err
			}
		}
		_, err = dec.Token()
	case json.Delim('['):
		if !dec.More() {
			p.row(path, "[]")
		}
		for i := 0; dec.More(); i++ {
			if err := p.value(dec, fmt.Sprintf("%s[%d]", path, i)); err != nil {
				return err
			}
		}
		_, err = dec.Token()
	default:
		literal, err := encode(t)
		if err != nil {
			return err
		}
		p.row(path, strings.TrimSuffix(string(literal), "\n"))
	}
	return err
}

func (p *page) row(path, literal string) {
	literal = strings.ReplaceAll(literal, "|", `\|`)
	quote := "`"
	if strings.Contains(literal, "`") {
		quote = "``"
	}
	fmt.Fprintf(p, "| %s | %s%s%s |\n", strings.ReplaceAll(path, "|", `\|`), quote, literal, quote)
}
