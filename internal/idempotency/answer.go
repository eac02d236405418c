package idempotency

import (
	"encoding/binary"
	"net/http"
	"strings"
)

// Answer is what a request was answered with.
type Answer struct {
	Status int
	// Header is the answer's header as it was sent. It is copied when the answer is committed.
	Header map[string][]string
	// Omit names headers that are not remembered. Trailers (net/http's TrailerPrefix) never are.
	Omit map[string]bool
	// Body is the answer's body, or nil if it was larger than the replay bound; Truncated tells the two apart. It is
	// copied too.
	Body      []byte
	Truncated bool
}

func (a *Answer) omits(name string) bool {
	return a.Omit[name] || strings.HasPrefix(name, http.TrailerPrefix)
}

// encode writes the answer as one piece of memory: status, truncated, the headers with their values, each text behind
// its length, and the body.
func (a *Answer) encode() []byte {
	size, headers := 16+len(a.Body), 0
	for name, values := range a.Header {
		if a.omits(name) {
			continue
		}
		headers++
		size += len(name) + 2*binary.MaxVarintLen32
		for _, v := range values {
			size += len(v) + binary.MaxVarintLen32
		}
	}
	b := make([]byte, 0, size)
	b = binary.AppendUvarint(b, uint64(a.Status))
	truncated := byte(0)
	if a.Truncated {
		truncated = 1
	}
	b = append(b, truncated)
	b = binary.AppendUvarint(b, uint64(headers))
	for name, values := range a.Header {
		if a.omits(name) {
			continue
		}
		b = appendText(b, name)
		b = binary.AppendUvarint(b, uint64(len(values)))
		for _, v := range values {
			b = appendText(b, v)
		}
	}
	return append(b, a.Body...)
}

func appendText(b []byte, s string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}

// decode reads what encode wrote, into memory of its own but for the body, which must not be changed.
func decode(b []byte) *Answer {
	number := func() int {
		n, size := binary.Uvarint(b)
		b = b[size:]
		return int(n)
	}
	text := func() string {
		n := number()
		s := string(b[:n])
		b = b[n:]
		return s
	}
	a := &Answer{Status: number()}
	a.Truncated = b[0] == 1
	b = b[1:]
	headers := number()
	a.Header = make(map[string][]string, headers)
	for range headers {
		name := text()
		values := make([]string, number())
		for i := range values {
			values[i] = text()
		}
		a.Header[name] = values
	}
	if len(b) > 0 {
		a.Body = b
	}
	return a
}
