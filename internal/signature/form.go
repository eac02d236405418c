package signature

import (
	"net/http"
	"slices"
	"strings"
	"sync"

	"github.com/callgate/callgate/internal/canonical"
)

// form is a form of the body that may be signed.
type form uint8

const (
	raw form = iota
	js
	python
	compact // without white space between the tokens
)

var formNames = [...]string{raw: "raw", js: "js", python: "python", compact: "compact"}

func (f form) String() string { return formNames[f] }

// rewrite appends the body in the form to dst.
func (f form) rewrite(dst, b []byte) ([]byte, error) {
	switch f {
	case js:
		return canonical.JavaScript(dst, b)
	case python:
		return canonical.Python(dst, b)
	case compact:
		return canonical.Compact(dst, b)
	}
	return append(dst, b...), nil
}

// parseForms reads Config.Forms.
func parseForms(scheme string, names []string) ([]form, error) {
	var fs []form
	for _, n := range names {
		f := form(slices.Index(formNames[:compact], n))
		switch {
		case f > python:
			return nil, configError(scheme, "form %q is unknown; use raw, js or python", n)
		case slices.Contains(fs, f):
			return nil, configError(scheme, "form %q is there twice; remove one", n)
		}
		fs = append(fs, f)
	}
	return fs, nil
}

// buffers are for the forms of bodies.
var buffers = sync.Pool{New: func() any { return new([]byte) }}

// maxBuffer is how large a buffer may be to be kept.
const maxBuffer = 256 << 10

func putBuffer(b *[]byte) {
	if cap(*b) <= maxBuffer {
		buffers.Put(b)
	}
}

// saysJSON reports whether a body is to be taken for JSON as it stands: it is said to be, or nothing is said of it.
func saysJSON(h http.Header) bool {
	if e := h.Get("Content-Encoding"); e != "" && !strings.EqualFold(e, "identity") {
		return false
	}
	kind, _, _ := strings.Cut(h.Get("Content-Type"), ";")
	kind = strings.ToLower(strings.TrimSpace(kind))
	return kind == "" || strings.HasSuffix(kind, "/json") || strings.HasSuffix(kind, "+json")
}
