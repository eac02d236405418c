package jsonscan

import (
	"math"
	"strings"
	"unicode/utf8"
)

// shared is what a Doc keeps of the texts that were read from it.
type shared struct {
	sharing bool
	// all is how many bytes the texts have together, where they are to lie in one piece; see ShareAll.
	all   int
	texts []string
	// piece is memory that short texts lie in side by side: it never grows, a new one is begun instead.
	piece strings.Builder
}

const (
	// maxShort is how long a text may be, in bytes, to get no memory of its own.
	maxShort = 256
	// pieceSize is how much memory short texts get at a time. A short text that is kept keeps that much alive.
	pieceSize = 1024
	// maxWhole is how long a text may be, in bytes, for all that is read of it to lie in one piece.
	maxWhole = 4096
)

// Share makes Text decode each string and key but once until the next Scan (of a text with more than 65,535 of them, the
// first), and put the short ones together, so that reading many members costs few allocations. Use it where what is
// read is kept together. Text then changes the Doc, so it must not be called by two goroutines at a time.
func (d *Doc) Share() { d.sharing = true }

// ShareAll is Share for those who read nearly all of the text. Of one that is not long all texts lie side by side then, the long
// ones too, in one piece that has room for them and no more.
func (d *Doc) ShareAll() {
	d.Share()
	if len(d.text) > maxWhole {
		return
	}
	for i := range d.nodes {
		if n := &d.nodes[i]; n.kind == String || n.kind == Number {
			d.all += int(n.end - n.start)
		}
	}
}

func (s *shared) reset() {
	clear(s.texts)
	*s = shared{texts: s.texts[:0]}
}

func (d *Doc) sharedText(n *node) string {
	if n.text > 0 {
		return d.texts[n.text-1]
	}
	b := d.text[n.start:n.end]
	valid := utf8.Valid(b)
	var text string
	switch {
	case (len(b) <= maxShort || d.all > 0) && valid:
		text = d.short(b, n.escaped)
	case n.escaped || !valid:
		text = decode(b)
	default:
		text = string(b)
	}
	if len(d.texts) < math.MaxUint16 { // more is no payload of a call
		d.texts = append(d.texts, text)
		n.text = uint16(len(d.texts))
	}
	return text
}

// short puts the content of a string, which is valid UTF-8, into the piece. Resolving escapes makes none longer.
func (d *Doc) short(b []byte, escaped bool) string {
	p := &d.piece
	if p.Cap()-p.Len() < len(b) {
		size := min(len(d.text), pieceSize)
		if d.all > 0 {
			size = d.all
		}
		p.Reset()
		p.Grow(max(len(b), size))
	}
	at := p.Len()
	if escaped {
		writeDecoded(p, b, true)
	} else {
		p.Write(b)
	}
	return p.String()[at:]
}
