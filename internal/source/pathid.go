package source

import (
	"fmt"
	"strings"
)

// maxIDParts bounds the parts of a composite id.
const maxIDParts = 8

// JSONPathID reads an event id out of bodies. It is safe for concurrent use.
type JSONPathID struct{ paths []path }

// NewJSONPathID compiles JSONPaths such as "$.event.id" or "$.items[0].id". Paths of keys and indexes are followed
// without decoding the body; others (wildcards, filters, slices) are evaluated on the decoded body and give the first
// match. With several of them the id is made of all. What is no JSONPath is ErrConfig.
func NewJSONPathID(exprs ...string) (*JSONPathID, error) {
	if len(exprs) == 0 || len(exprs) > maxIDParts {
		return nil, fmt.Errorf("event id: %w: it is made of one to %d paths", ErrConfig, maxIDParts)
	}
	j := &JSONPathID{paths: make([]path, len(exprs))}
	for i, expr := range exprs {
		p, err := compilePath(expr)
		if err != nil {
			return nil, fmt.Errorf("event id: %w", err)
		}
		if p.name != "" {
			return nil, fmt.Errorf("event id: %w: %q is not a JSONPath; write it as $.%s", ErrConfig, expr, strings.Trim(p.name, "/"))
		}
		j.paths[i] = p
	}
	return j, nil
}

// ID is the id in the body: a string, or a number with the digits that were sent. ok is false when the body cannot be
// read, or when there is nothing at one of the paths or something other than a string or a number: half an id would make
// two events one. Several parts are joined with colons, before which those within a part get a backslash. An id longer than
// 256 bytes, or not printable, is given as its SHA-256.
func (j *JSONPathID) ID(body []byte) (id string, ok bool) {
	d := documents.Get().(*document)
	defer d.release()
	if d.json(legible(body)) != nil && openAny(d, &Request{Body: body}) != nil { // a form, or XML
		return "", false
	}
	if len(j.paths) == 1 {
		id = boundedID(j.paths[0].text(d))
		return id, id != ""
	}
	parts := make([]string, len(j.paths))
	for i := range j.paths {
		part := j.paths[i].text(d)
		if part == "" {
			return "", false
		}
		parts[i] = colons.Replace(part)
	}
	return boundedID(strings.Join(parts, ":")), true
}

// colons makes a colon within a part another text than the one between two: "a:b" and "c" are not "a" and "b:c".
var colons = strings.NewReplacer(`\`, `\\`, ":", `\:`)
