package wire

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/textproto"
	"slices"
	"strconv"
	"sync"

	"golang.org/x/net/http/httpguts"
)

// ErrBodyLength says that the body of a request is not as long as its Content-Length says.
var ErrBodyLength = errors.New("the body of the request is not as long as its Content-Length; make them agree")

// Message is a request as it goes over the wire.
type Message struct {
	B    []byte
	gzip bool // it asks for an answer in gzip, of which req says nothing
}

// messages holds the buffers that requests are written into. A buffer goes back only when no call that reads it is
// running: writes to a connection are synchronous.
var messages = sync.Pool{New: func() any { return new(Message) }}

// NewMessage is an empty message, in memory of earlier ones.
func NewMessage() *Message {
	m := messages.Get().(*Message)
	m.B = m.B[:0]
	return m
}

// maxKeptMessage keeps single large requests from staying in memory for ever.
const maxKeptMessage = DefaultMaxBody + 64<<10

// Free gives the memory back, for others to use.
func (m *Message) Free() {
	if cap(m.B) <= maxKeptMessage {
		messages.Put(m)
	}
}

// write makes m the request, head and body, and closes the body.
//
// It does for the usual request what [http.Request.Write] does, in a fifth of the time: names are not sorted. What is
// unusual is left to net/http.
func (m *Message) write(req *http.Request) error {
	m.B = m.B[:0]
	uri := req.URL.RequestURI()
	host := req.Host
	if host == "" {
		host = req.URL.Host
	}
	agent, named := req.Header["User-Agent"]
	if !named || !plainHost(host) || !plainURI(uri) {
		buf := bytes.NewBuffer(m.B)
		if m.gzip {
			own := *req
			own.Header = req.Header.Clone()
			own.Header.Set("Accept-Encoding", "gzip")
			req = &own
		}
		err := req.Write(buf)
		m.B = buf.Bytes()
		return err
	}
	method := req.Method
	if method == "" {
		method = http.MethodGet
	}
	b := AppendRequestLine(m.B, method, uri, host)
	if len(agent) > 0 && agent[0] != "" {
		b = AppendField(b, "User-Agent", agent[0])
	}
	var size int64
	if req.Body != nil && req.Body != http.NoBody {
		size = req.ContentLength
	}
	b = AppendLength(b, method, size)
	for name, values := range req.Header {
		switch name {
		case "Host", "User-Agent", "Content-Length", "Transfer-Encoding", "Trailer":
			continue // written above, or not part of such a request
		}
		for _, v := range values {
			b = AppendField(b, name, v)
		}
	}
	if m.gzip {
		b = AppendField(b, "Accept-Encoding", "gzip")
	}
	m.B = append(b, "\r\n"...)
	if req.Body == nil {
		return nil
	}
	err := m.readBody(req.Body, int(size))
	if cerr := req.Body.Close(); err == nil {
		err = cerr
	}
	return err
}

// AsksForGzip tells whether a [Client] with Gzip set asks for the answer to req in gzip, as http.Transport does: req says
// neither which encodings it accepts nor that it wants a part.
func AsksForGzip(req *http.Request) bool {
	return req.Method != http.MethodHead && req.Header["Accept-Encoding"] == nil && req.Header["Range"] == nil
}

// AppendRequestLine appends the first line of a request, and its Host.
func AppendRequestLine(b []byte, method, uri, host string) []byte {
	b = append(b, method...)
	b = append(b, ' ')
	b = append(b, uri...)
	b = append(b, " HTTP/1.1\r\nHost: "...)
	b = append(b, host...)
	return append(b, "\r\n"...)
}

// AppendLength appends the Content-Length of a request with a body of size bytes, if net/http would send one.
func AppendLength(b []byte, method string, size int64) []byte {
	if size == 0 && method != http.MethodPost && method != http.MethodPut && method != http.MethodPatch {
		return b
	}
	b = append(b, "Content-Length: "...)
	b = strconv.AppendInt(b, size, 10)
	return append(b, "\r\n"...)
}

// AppendField appends a header field.
func AppendField(b []byte, name, value string) []byte {
	b = append(b, name...)
	b = append(b, ": "...)
	b = append(b, textproto.TrimString(value)...)
	return append(b, "\r\n"...)
}

// readBody appends the body, which must have exactly size bytes.
func (m *Message) readBody(body io.Reader, size int) error {
	head := len(m.B)
	m.B = slices.Grow(m.B, size+1)
	// One byte more than there should be, so that the same read meets the end.
	full := m.B[:head+size+1]
	n, empty := 0, 0
	for n <= size {
		k, err := body.Read(full[head+n:])
		n += k
		if k == 0 && err == nil {
			if empty++; empty == maxEmptyReads {
				return io.ErrNoProgress
			}
			continue
		}
		empty = 0
		if err == io.EOF {
			break
		}
		if err != nil {
			return err
		}
	}
	if n != size {
		return fmt.Errorf("%w: %d bytes, announced %d", ErrBodyLength, n, size)
	}
	m.B = full[:head+size]
	return nil
}

// maxEmptyReads is how often in a row a body may give neither bytes nor an error, as in package bufio.
const maxEmptyReads = 100

// Plain tells whether a request with this method, URI and host is what [AppendRequestLine] can write. The others are
// translated by net/http, or refused.
func Plain(method, uri, host string) bool {
	return httpguts.ValidHeaderFieldName(method) && plainURI(uri) && plainHost(host)
}

// plainHost tells whether host goes into a Host header as it is: no international name, no zone, nothing invalid.
func plainHost(host string) bool {
	for i := range len(host) {
		c := host[i]
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '.', c == '-', c == ':', c == '_':
		default:
			return false
		}
	}
	return host != ""
}

// plainURI tells whether uri is free of spaces and control characters.
func plainURI(uri string) bool {
	for i := range len(uri) {
		if uri[i] <= ' ' || uri[i] == 0x7f {
			return false
		}
	}
	return uri != ""
}
