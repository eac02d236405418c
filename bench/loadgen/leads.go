package main

import (
	"bytes"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/callgate/callgate/bench/words"
	"github.com/callgate/callgate/internal/signature"
)

// leads are the requests of a run. They differ in their number, which stands in the body with a random name of the
// run, and so in their signature. The same number always gives the same bytes.
type leads struct {
	head   []byte // request line and the headers that all have
	body   []byte
	number int // where the number stands in body

	target string
	scheme string
	signer signature.Signer // nil: not signed
	signed time.Time

	// ahead holds the headers of the signatures made ahead: those of number n are ahead[ends[n-1]:ends[n]].
	ahead []byte
	ends  []int
}

// digits is the width of a request's number.
const digits = 12

const (
	bodyStart = `{"lead":{"name":"Mike Johnson","phone":"+15559876543","email":"mjohnson@email.com","company":"ABC Plumbing",` +
		`"source":"AI Receptionist","created_at":"2026-01-01T00:00:42Z","call_id":"`
	bodyNotes = `","notes":"`
	bodyEnd   = `"}}`
)

// newLeads makes the requests for a target. size is the length of the bodies.
func newLeads(target *url.URL, scheme, secret string, size int, now time.Time) (*leads, error) {
	if target.Scheme != "http" || target.Host == "" {
		return nil, fmt.Errorf("the URL %q cannot be used: give one that starts with http:// and names a host", target)
	}
	var name [6]byte
	if _, err := rand.Read(name[:]); err != nil {
		return nil, err
	}
	start := bodyStart + hex.EncodeToString(name[:]) + "-"
	pad := size - len(start) - digits - len(bodyNotes) - len(bodyEnd)
	if pad < 0 {
		return nil, fmt.Errorf("a body of %d bytes is too small for a lead: give at least %d", size, size-pad)
	}
	text := start + strings.Repeat("0", digits) + bodyNotes + words.Text(pad) + bodyEnd
	l := &leads{body: []byte(text), number: len(start), target: target.String(), scheme: scheme, signed: now}
	l.head = fmt.Appendf(nil, "POST %s HTTP/1.1\r\nHost: %s\r\nUser-Agent: callgate-loadgen\r\nContent-Type: application/json\r\n"+
		"Content-Length: %d\r\n", target.RequestURI(), target.Host, size)
	if scheme == "none" {
		return l, nil
	}
	var err error
	if l.signer, err = signature.NewSigner(signature.Config{Scheme: scheme, Secrets: []string{secret}}); err != nil {
		return nil, err
	}
	_, err = l.appendSignature(nil, 0) // fails for schemes that do not fit
	return l, err
}

// signAhead signs the first n requests.
func (l *leads) signAhead(n int) error {
	l.ends = make([]int, 0, n)
	for i := range n {
		var err error
		if l.ahead, err = l.appendSignature(l.ahead, int64(i)); err != nil {
			return err
		}
		if i == 0 {
			l.ahead = slices.Grow(l.ahead, n*len(l.ahead))
		}
		l.ends = append(l.ends, len(l.ahead))
	}
	return nil
}

// appendTo appends request n. late says that it had not been signed ahead.
func (l *leads) appendTo(b []byte, n int64) (out []byte, late bool) {
	b = append(b, l.head...)
	if n < int64(len(l.ends)) {
		from := 0
		if n > 0 {
			from = l.ends[n-1]
		}
		b = append(b, l.ahead[from:l.ends[n]]...)
	} else {
		late = true
		// It cannot fail: newLeads has signed number 0.
		b, _ = l.appendSignature(b, n)
	}
	b = append(b, "\r\n"...)
	b = append(b, l.body...)
	putNumber(b[len(b)-len(l.body)+l.number:], n)
	return b, late
}

func putNumber(b []byte, n int64) {
	for i := digits - 1; i >= 0; i-- {
		b[i] = byte('0' + n%10)
		n /= 10
	}
}

var errScheme = errors.New("signs by changing the body or the URL, which this load generator cannot do: choose another scheme")

// appendSignature appends the header lines of request n's signature.
func (l *leads) appendSignature(b []byte, n int64) ([]byte, error) {
	if l.signer == nil {
		return b, nil
	}
	body := bytes.Clone(l.body)
	putNumber(body[l.number:], n)
	m := signature.Message{
		Method: http.MethodPost, URL: l.target, Body: body, Header: http.Header{"Content-Type": {"application/json"}},
	}
	if err := l.signer.Sign(&m, "msg_"+strconv.FormatInt(n, 10), l.signed); err != nil {
		return b, err
	}
	if m.URL != l.target || !bytes.Equal(m.Body, body) || len(m.Body) != len(l.body) {
		return b, fmt.Errorf("scheme %s %w", l.scheme, errScheme)
	}
	delete(m.Header, "Content-Type")
	for _, name := range slices.Sorted(maps.Keys(m.Header)) {
		for _, v := range m.Header[name] {
			b = append(append(append(append(b, name...), ": "...), v...), "\r\n"...)
		}
	}
	return b, nil
}
