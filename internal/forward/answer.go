package forward

import (
	"errors"
	"io"
	"mime"
	"net/http"
	"slices"
	"strings"
	"sync"

	"go.uber.org/zap"

	"github.com/callgate/callgate/internal/wire"
)

// answer gives the receiver's answer to the sender.
func (rc *Receiver) answer(w http.ResponseWriter, res *http.Response) {
	flush := streams(res)
	takeOff(res.Header)
	h := w.Header()
	delete(h, "Server") // this one has not answered; Via has its name
	h["Via"] = append(h["Via"], passed(res.ProtoMajor, res.ProtoMinor))
	add(h, res.Header)
	announced := len(res.Trailer)
	if announced > 0 {
		names := make([]string, 0, announced)
		for name := range res.Trailer {
			names = append(names, name)
		}
		h.Add("Trailer", strings.Join(names, ", "))
	}
	w.WriteHeader(res.StatusCode)

	err := rc.copyBody(w, res, flush)
	if cerr := res.Body.Close(); cerr != nil { // and the trailers are there
		rc.log.Debug("closed the receiver's answer", zap.Error(cerr))
	}
	if err != nil {
		if errors.Is(err, errWriting) {
			rc.log.Debug("the sender went away during the answer", zap.Error(err))
		} else {
			rc.log.Warn("aborting with incomplete response", zap.Error(err))
		}
		_ = http.NewResponseController(w).Flush() // so that the sender sees what there is
		panic(http.ErrAbortHandler)
	}
	if len(res.Trailer) == 0 {
		return
	}
	_ = http.NewResponseController(w).Flush() // or the answer could go out with a length, and without trailers
	if len(res.Trailer) == announced {
		add(h, res.Trailer)
		return
	}
	for name, values := range res.Trailer {
		h[http.TrailerPrefix+name] = values
	}
}

// add adds header fields to others.
func add(h, more http.Header) {
	for name, values := range more {
		if before := h[name]; len(before) > 0 {
			h[name] = append(slices.Clip(before), values...)
		} else if len(values) > 0 {
			h[name] = values
		}
	}
}

// streams reports whether what has come of an answer is to be handed on without waiting for more: it is of unknown length, or
// its header asks for it.
func streams(res *http.Response) bool {
	if res.ContentLength < 0 {
		return true
	}
	if len(res.Header["Incremental"]) > 0 { // RFC 10036
		return true
	}
	kind := res.Header.Get("Content-Type")
	if !strings.HasPrefix(kind, "text/") {
		return false
	}
	kind, _, err := mime.ParseMediaType(kind)
	return err == nil && kind == "text/event-stream"
}

// buffers are for copying answers.
var buffers = sync.Pool{New: func() any { return new([32 << 10]byte) }}

// copyBody hands the body on. Where it is to be handed on as it comes, nothing of it stays here while more is waited for.
func (rc *Receiver) copyBody(w http.ResponseWriter, res *http.Response, flush bool) error {
	if res.Body == http.NoBody {
		return nil
	}
	var control *http.ResponseController
	if flush {
		if control = http.NewResponseController(w); !wire.Arrived(res.Body) {
			_ = control.Flush() // a writer that cannot keeps nothing
		}
	}
	buf := buffers.Get().(*[32 << 10]byte)
	defer buffers.Put(buf)
	for {
		n, err := res.Body.Read(buf[:])
		if n > 0 {
			if m, werr := w.Write(buf[:n]); werr != nil {
				return errors.Join(errWriting, werr)
			} else if m < n {
				return io.ErrShortWrite
			}
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		if flush && n > 0 {
			_ = control.Flush()
		}
	}
}

// errWriting goes with errors of the sender's connection, to tell them from those of the receiver's.
var errWriting = errors.New("writing to the sender")
