package source

import (
	"bytes"

	"github.com/callgate/callgate/internal/jsonscan"
)

// MaxEvents bounds the events of one request. Meta sends up to 1,000; HubSpot up to 100.
const MaxEvents = 1000

// Split takes the events of a request apart, where it has several: each is a body of its own, in their order, as the sender
// would have sent it alone. It gives none where the request is one event, or is not known to be more.
func (p *Preset) Split(r *Request) [][]byte {
	if p.format.split == nil {
		return nil
	}
	d := newDocument(r)
	defer d.release()
	open := p.format.open
	if open == nil {
		open = openAny
	}
	if open(d, r) != nil {
		return nil
	}
	parts := p.format.split(d.root)
	if len(parts) < 2 || len(parts) > MaxEvents {
		return nil
	}
	for i := range parts {
		parts[i] = bytes.Clone(parts[i]) // the document's memory is used again
	}
	return parts
}

// splitArray is for senders of arrays of events. An array of names and values is one event.
func splitArray(root jsonscan.Value) [][]byte {
	if root.Kind() != jsonscan.Array || pairList(root) {
		return nil
	}
	var parts [][]byte
	for e := range root.Elements() {
		if e.Kind() != jsonscan.Object || len(parts) > MaxEvents {
			return nil
		}
		parts = append(parts, e.Raw())
	}
	return parts
}

// splitMeta makes of each change of each entry a notification of its own.
func splitMeta(root jsonscan.Value) [][]byte {
	var parts [][]byte
	for entry := range root.Get("entry").Elements() {
		for change := range entry.Get("changes").Elements() {
			if len(parts) > MaxEvents {
				return nil
			}
			b := append([]byte(`{"object":`), rawOr(root.Get("object"), "null")...)
			b = append(append(b, `,"entry":[{"id":`...), rawOr(entry.Get("id"), "null")...)
			b = append(append(b, `,"time":`...), rawOr(entry.Get("time"), "null")...)
			b = append(append(b, `,"changes":[`...), change.Raw()...)
			parts = append(parts, append(b, "]}]}"...))
		}
		if entry.Get("changes").Len() == 0 {
			return nil // of another product, whose events are elsewhere
		}
	}
	return parts
}

func rawOr(v jsonscan.Value, other string) []byte {
	if v.Kind() == jsonscan.Missing {
		return []byte(other)
	}
	return v.Raw()
}
