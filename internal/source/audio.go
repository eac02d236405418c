package source

import (
	"bytes"
	"strings"

	"github.com/callgate/callgate/internal/jsonscan"
)

// WithoutAudio is a body of the sender without the recording that it holds as base64: an empty string stands in its place,
// and member says where. Where there is none member is empty, and the body is returned as it came; otherwise what is
// returned shares no memory with it. No record is read from a recording, so it is the same without.
func (p *Preset) WithoutAudio(body []byte) (rest []byte, member string) {
	if p.format == nil || p.format.audio == nil {
		return body, ""
	}
	var doc jsonscan.Doc
	text := bytes.TrimPrefix(body, bom)
	if doc.Scan(text) != nil {
		return body, ""
	}
	var found []jsonscan.Value
	eachAt(doc.Root(), p.format.audio, func(v jsonscan.Value) {
		if v.Kind() == jsonscan.String && len(v.Raw()) > len(`""`) {
			found = append(found, v)
		}
	})
	if len(found) == 0 {
		return body, ""
	}
	size := len(text)
	for _, v := range found {
		size -= len(v.Raw())
	}
	rest = make([]byte, 0, size+len(found)*len(`""`))
	at := 0
	for _, v := range found {
		raw := v.Raw()
		start := cap(text) - cap(raw) // a part of the text ends where the text's memory does
		rest = append(append(rest, text[at:start]...), `""`...)
		at = start + len(raw)
	}
	return append(rest, text[at:]...), strings.Join(p.format.audio, ".")
}

// eachAt calls f for each value at a path of keys, in their order: all of them where a key is there more than once.
func eachAt(v jsonscan.Value, path []string, f func(jsonscan.Value)) {
	if len(path) == 0 {
		f(v)
		return
	}
	for key, member := range v.Members() {
		if key == path[0] {
			eachAt(member, path[1:], f)
		}
	}
}
