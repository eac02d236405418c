package source

import (
	"bytes"
	"fmt"

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
	if p.format.splitOne && d.root.Kind() == jsonscan.Object && bytes.HasPrefix(bytes.TrimSpace(bytes.TrimPrefix(r.Body, bom)), []byte("[")) {
		parts = [][]byte{d.root.Raw()} // it was taken out of its array already
	}
	if len(parts) < 2 && !p.format.splitOne || len(parts) > MaxEvents {
		return nil
	}
	size := 0
	for _, part := range parts {
		if size += len(part); size > maxSplit {
			return nil
		}
	}
	for i := range parts {
		parts[i] = bytes.Clone(parts[i]) // the document's memory is used again
	}
	return parts
}

// maxSplit bounds what the events of one request may come to, in bytes: what is around the array is there in each of them.
const maxSplit = 64 << 20

// SplitAt is the preset for a sender of several events in an array: at path, which is "$" where the body is the array, or
// keys such as "$.data.events". Each event is then the body with that element alone in the array, or the element where the
// body is the array. Its error wraps ErrConfig.
func (p Preset) SplitAt(path string) (Preset, error) {
	at, err := compilePath(path)
	if err == nil && (at.name != "" || at.expr != nil) {
		err = fmt.Errorf("%w: split %q is not the way to an array; write it as $.data.events, or as $ where the body is the array", ErrConfig, path)
	}
	keys := make([]string, len(at.steps))
	for i, s := range at.steps {
		if keys[i] = s.key; s.isIndex && err == nil {
			err = fmt.Errorf("%w: split %q picks an element of an array; name the array whose elements are the events", ErrConfig, path)
		}
	}
	if err != nil {
		return p, err
	}
	f := *p.format
	f.split, f.splitOne = splitAt(keys), len(keys) == 0
	p.format = &f
	return p, nil
}

func splitAt(keys []string) func(jsonscan.Value) [][]byte {
	return func(root jsonscan.Value) (parts [][]byte) {
		list := root.Path(keys...)
		if list.Kind() != jsonscan.Array {
			return nil
		}
		whole, from := root.Raw(), cap(root.Raw())-cap(list.Raw()) // the list is a part of the whole
		to := from + len(list.Raw())
		for e := range list.Elements() {
			if e.Kind() != jsonscan.Object || len(parts) > MaxEvents || len(parts)*(len(whole)-len(list.Raw())) > maxSplit {
				return nil
			}
			if len(keys) == 0 {
				parts = append(parts, e.Raw())
				continue
			}
			b := make([]byte, 0, len(whole)-len(list.Raw())+len(e.Raw())+2)
			b = append(append(append(b, whole[:from]...), '['), e.Raw()...)
			parts = append(parts, append(append(b, ']'), whole[to:]...))
		}
		return parts
	}
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
