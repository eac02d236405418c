package sealed

import (
	"encoding/binary"
	"fmt"
	"slices"
	"sync"

	"github.com/klauspost/compress/s2"

	"github.com/callgate/callgate/internal/seal"
	"github.com/callgate/callgate/internal/store"
)

// The packed form is one value in the column request, in place of the three of the form before it, which is JSON there and so
// begins with a brace. It is:
//
//	a byte         1, or 2 if the content is compressed
//	destinations   0 if it does not say, or their number and 1, and each of them
//	method, URI
//	header         the number of names; of each name the number of its values, and each of them
//	a number       the length of the body
//	content        body and record, one after the other, or an S2 block of them
//
// Numbers are unsigned varints. A text is a number and its bytes: twice their number or, for one of the words below, twice
// its place there and 1. A record says again what its body says, and the same value in two members, so that compressing both
// together leaves little of the record; S2 does so in a few microseconds, which is less than it costs to write what it saves.
//
// Only body and record are compressed. What an event holds is of one request, but somebody who may write a part of it, as a
// caller does who speaks, and who sees how long it is as it is stored, could find out by trying whether his text stands in
// another part of it too. So the URI and the header, which may have a secret in them, are left out of it.
const (
	formPlain = 1
	formS2    = 2
)

// maxPacked is how many bytes body and record may have together to be packed: what a row makes its reader allocate. Larger
// ones keep the three columns, which also bounds what each may have by what a database takes in one value.
const maxPacked = 16 << 20

// words are texts that nearly every event has, by their place. What is stored refers to them: add at the end, change none.
var words = [...]string{
	"", "POST", "GET", "Content-Type", "Content-Encoding", "Traceparent", store.VerifiedHeader, "application/json",
	"application/json; charset=utf-8", "application/x-www-form-urlencoded", "text/xml", "gzip",
}

var placeOfWord = func() map[string]uint64 {
	places := map[string]uint64{}
	for i, w := range words {
		places[w] = uint64(i)
	}
	return places
}()

// errForm is said of what was not made by pack.
var errForm = fmt.Errorf("%w (it is not in a form that this version knows)", seal.ErrTampered)

// scratch is what packing needs for a moment. What is larger than maxScratch is not kept.
type scratch struct{ content, packed []byte }

const maxScratch = 256 << 10

var scratches = sync.Pool{New: func() any { return new(scratch) }}

func (s *scratch) free() {
	if cap(s.content)+cap(s.packed) <= maxScratch {
		scratches.Put(s)
	}
}

// fill puts body and record of an event, one after the other, where pack finds them.
func (s *scratch) fill(e *store.Event) (err error) {
	s.content, err = e.AppendRecord(append(s.content[:0], e.Body...))
	return err
}

// pack gives the packed form of an event, with the content that fill has put there. It is valid until the scratch is used again.
func (s *scratch) pack(e *store.Event, destinations []string, say bool) []byte {
	b := append(s.packed[:0], formS2)
	if say {
		b = appendTexts(b, uint64(len(destinations))+1, destinations)
	} else {
		b = append(b, 0)
	}
	b = appendText(appendText(b, e.Method), e.URI)
	var memory [8]string
	names := memory[:0]
	for name := range e.Header {
		names = append(names, name)
	}
	slices.Sort(names)
	b = binary.AppendUvarint(b, uint64(len(names)))
	for _, name := range names {
		values := e.Header[name]
		b = appendTexts(appendText(b, name), uint64(len(values)), values)
	}
	b = binary.AppendUvarint(b, uint64(len(e.Body)))
	head := len(b)
	b = slices.Grow(b, s2.MaxEncodedLen(len(s.content)))
	s.packed = b
	if block := s2.Encode(b[head:cap(b)], s.content); len(block) < len(s.content) {
		return b[:head+len(block)]
	}
	b[0] = formPlain
	return append(b, s.content...)
}

func appendTexts(b []byte, number uint64, texts []string) []byte {
	b = binary.AppendUvarint(b, number)
	for _, text := range texts {
		b = appendText(b, text)
	}
	return b
}

func appendText(b []byte, text string) []byte {
	if place, ok := placeOfWord[text]; ok {
		return binary.AppendUvarint(b, place<<1|1)
	}
	return append(binary.AppendUvarint(b, uint64(len(text))<<1), text...)
}

// unpack puts what is packed into its event, and tells for which destinations it was packed; nil if it does not say.
func unpack(packed []byte, e *store.Event) (destinations []string, err error) {
	r := reader{rest: packed[1:]}
	if n := r.number(); n > 0 {
		destinations = r.texts(n - 1)
	}
	method, uri := r.text(), r.text()
	var header map[string][]string
	for n := r.number(); n > 0 && !r.failed; n-- {
		name := r.text()
		values := r.texts(r.number())
		if _, twice := header[name]; twice {
			return nil, errForm
		}
		if header == nil {
			header = map[string][]string{}
		}
		header[name] = values
	}
	body := r.number()
	if r.failed {
		return nil, errForm
	}
	content := r.rest
	switch packed[0] {
	case formPlain:
	case formS2:
		if n, err := s2.DecodedLen(content); err != nil || n > maxPacked {
			return nil, errForm
		}
		if content, err = s2.Decode(nil, content); err != nil {
			return nil, errForm
		}
	default:
		return nil, errForm
	}
	if body > uint64(len(content)) {
		return nil, errForm
	}
	e.Method, e.URI, e.Header = method, uri, header
	e.Body, e.Record = part(content[:body:body]), part(content[body:])
	return destinations, nil
}

// part is a part of the content; nil if it is empty.
func part(b []byte) []byte {
	if len(b) == 0 {
		return nil
	}
	return b
}

// reader reads what stands before the content. After something that cannot be right it has failed, and reads nothing more.
type reader struct {
	rest   []byte
	failed bool
}

func (r *reader) number() uint64 {
	n, size := binary.Uvarint(r.rest)
	if r.failed = r.failed || size <= 0; r.failed {
		return 0
	}
	r.rest = r.rest[size:]
	return n
}

func (r *reader) text() string {
	n := r.number()
	switch place := n >> 1; {
	case n&1 == 1 && place < uint64(len(words)):
		return words[place]
	case n&1 == 1 || place > uint64(len(r.rest)):
		r.failed = true
		return ""
	default:
		text := string(r.rest[:place])
		r.rest = r.rest[place:]
		return text
	}
}

// texts reads a number of texts, each of which has a byte at least.
func (r *reader) texts(n uint64) []string {
	if r.failed = r.failed || n > uint64(len(r.rest)); r.failed {
		return nil
	}
	list := make([]string, n)
	for i := range list {
		list[i] = r.text()
	}
	return list
}
