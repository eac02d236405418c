package signature

import (
	"net/http"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

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

// rewrite appends the body in the form to dst. differs is set where the form does not say all that a reader may see in
// the body, or something else.
func (f form) rewrite(dst, b []byte) (_ []byte, differs bool, err error) {
	var of canonical.Form
	switch f {
	case js:
		of = canonical.JavaScriptForm
	case python:
		of = canonical.PythonForm
	case compact:
		of = canonical.CompactForm
	default:
		return append(dst, b...), false, nil
	}
	l := lines()[0]
	if len(b) > light {
		l = lines()[1]
	}
	r, err := l.rewrite(of, dst, b)
	return r.Text, r.Differs, err
}

// lines are where the making of forms queues, process-wide: it is by far the dearest that a stranger's request can ask
// for before anything is verified, so strangers wait for each other, and a request whose signature is that of the body as
// it came waits for nobody. Large bodies, which webhooks rarely have, wait in a line of their own, and those of the usual
// size not behind them.
//
// To queue is not enough, since the processors are shared with those who do not queue: whoever makes a form gets half of
// the processors in each of the two lines, and after a while of work as good as leaves them for three times as long. So
// each line has an eighth of the machine however many there are in it, and network and requests never wait long for a
// processor. A form of the usual size is made in far less than such a while, and rests for none.
//
// They are made when they are first needed: until then the process may have been told to use fewer processors.
var lines = sync.OnceValue(func() [2]*line {
	n := max(1, runtime.GOMAXPROCS(0)/2)
	return [2]*line{newLine(n), newLine(n)}
})

// line is one of them.
type line struct {
	turns chan struct{}
	owed  atomic.Int64 // steps of work after which nobody has rested yet
	left  atomic.Int64 // when the last one left, in Unix nanoseconds
}

func newLine(turns int) *line { return &line{turns: make(chan struct{}, turns)} }

// rewrite waits for its turn and makes a form.
func (l *line) rewrite(f canonical.Form, dst, b []byte) (r canonical.Rewritten, err error) {
	l.enter()
	defer func() { l.leave(r.Since) }()
	made.Add(1)
	return canonical.Rewrite(f, dst, b, rest)
}

// rest is for those who are at it for long.
func rest() { time.Sleep(pause) }

// pause is how long one rests after canonical.Between steps, which take a millisecond.
const pause = 3 * time.Millisecond

// enter waits for a turn, and rests first for what those before have owed since.
func (l *line) enter() {
	l.turns <- struct{}{}
	if owed := l.owed.Load(); owed >= canonical.Between && l.owed.CompareAndSwap(owed, 0) {
		rested := time.Duration(time.Now().UnixNano() - l.left.Load())
		time.Sleep(time.Duration(float64(owed)/canonical.Between*float64(pause)) - max(0, rested))
	}
}

// leave gives the turn to the next. Work that was too little to rest after adds up.
func (l *line) leave(steps int) {
	l.owed.Add(int64(steps))
	l.left.Store(time.Now().UnixNano())
	<-l.turns
}

// made counts the forms that were made.
var made atomic.Uint64

// light is up to which size a body waits in the first line, in bytes.
const light = 64 << 10

// bodyForms are the forms of one body, each made at most once.
type bodyForms struct {
	body    []byte
	buf     *[]byte
	differs bool // of the last one made
}

// make makes a form. It is valid until the next is made.
func (fs *bodyForms) make(f form) (b []byte, err error) {
	if fs.buf == nil {
		fs.buf = buffers.Get().(*[]byte)
	}
	*fs.buf, fs.differs, err = f.rewrite((*fs.buf)[:0], fs.body)
	return *fs.buf, err
}

func (fs *bodyForms) release() {
	if fs.buf != nil {
		putBuffer(fs.buf)
	}
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
