package source

import (
	"bytes"
	"compress/gzip"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"

	"github.com/callgate/callgate/internal/charset"
	"github.com/callgate/callgate/internal/signature"
)

// Why Open gives no Request, besides ErrMalformed. The reasons never quote the request.
var (
	// ErrUncovered: nothing in the request that could be an event was signed. Answer it like a wrong signature.
	ErrUncovered = errors.New("nothing of the event is signed")
	// ErrTooLarge: the content is larger than the limit, once expanded.
	ErrTooLarge = errors.New("expanded content too large")
	// ErrEncoding: the Content-Encoding, or the charset that characters need, is one that cannot be read here.
	ErrEncoding = errors.New("content encoding unknown")
)

// Open makes of a message that a Verifier has accepted what parsers may see of it: the content that was verified, out of
// its envelope and, if it is gzip, expanded to at most limit bytes; the query, where the signature covers the URL or the
// sender showed a token; the id that was signed.
//
// An empty body, or one of white space, is an event only where the URL is covered, and is not where that may hold what had been the body: of a
// scheme that runs method, URL and body together, only a method without bodies has an event in the URL.
func Open(m *signature.Message, r *signature.Result, limit int64) (Request, error) {
	req := Request{Body: r.Content(m), EventID: r.ID}
	if r.Payload == nil {
		var err error
		if req.Body, err = expand(m, limit); err != nil {
			return Request{}, err
		}
	}
	if _, said := charset.MediaType(m.Header.Get("Content-Type")); damaged(req.Body, said) {
		return Request{}, fmt.Errorf("%w: it has characters of a charset that cannot be read here; send UTF-8", ErrEncoding)
	}
	query, covered := r.Query(m)
	empty := signature.Blank(req.Body)
	switch {
	case !empty:
	case !covered:
		return Request{}, fmt.Errorf("%w: the body is empty, and the signature does not cover the URL; have the sender use POST with a body", ErrUncovered)
	case r.Joined && r.Covers.Has(signature.CoversMethod) && m.Method != http.MethodGet && m.Method != http.MethodDelete:
		return Request{}, fmt.Errorf("%w: a %s whose body is empty may have had it moved into the URL", ErrUncovered, m.Method)
	}
	if empty || r.Covers.Has(signature.CoversURL) {
		req.Query = query
	}
	return req, nil
}

// expand is the body, or what it is the gzip of. Which of them it is shows in its first bytes: no JSON, form or XML has
// them. The header that should say so is not signed, and without it the event would be read as another.
func expand(m *signature.Message, limit int64) ([]byte, error) {
	said := m.Header.Get("Content-Encoding")
	packed := bytes.HasPrefix(m.Body, []byte("\x1f\x8b\x08"))
	switch strings.ToLower(said) {
	case "", "identity":
	case "gzip", "x-gzip":
		if !packed && len(m.Body) > 0 {
			return nil, errNotGzip
		}
	default:
		return nil, fmt.Errorf("%w; send the body as it is, or with gzip", ErrEncoding)
	}
	if !packed {
		return m.Body, nil
	}
	zr, err := gzip.NewReader(bytes.NewReader(m.Body))
	if err != nil {
		return nil, errNotGzip
	}
	var b bytes.Buffer
	if _, err := b.ReadFrom(io.LimitReader(zr, limit+1)); err != nil {
		return nil, errNotGzip
	}
	if int64(b.Len()) > limit {
		return nil, ErrTooLarge
	}
	return b.Bytes(), nil
}

var errNotGzip = malformed("the body is not the gzip that it is said to be")

// IDFrom is where the operator wants an event's id to be read. The zero IDFrom leaves it to the source.
type IDFrom struct {
	// Header is the header that holds the id. It counts only where it is signed, which signature.SignsHeader tells when
	// the configuration is loaded, or where the sender shows a token.
	Header string
	// Path leads to the id in the body.
	Path *JSONPathID
	// Digest wants the hash of what was signed.
	Digest bool
}

// EventID tells the event from all others of its route and tenant: by the id that was signed, else by one in the content
// that was, else by the digest of what was signed (signature.Result.Digest), written "sha256:" and hexadecimal. Nothing
// that the signature does not cover has a say in it. Where bytes can be moved within what was signed (Result.Exact), it is
// always the digest.
//
// id is what the parser found in req, and empty where it could not read it. named is false where it is the digest: then
// two events that say the same have one id, and nothing that is asked for may be answered from memory.
func EventID(m *signature.Message, r *signature.Result, req *Request, id Identity, from IDFrom, digest [32]byte) (text string, named bool) {
	switch {
	case from.Digest || !r.Exact(m):
	case from.Header != "" && r.Token:
		text = boundedID(m.Header.Get(from.Header))
	case from.Header != "" && slices.Contains(r.Headers, http.CanonicalHeaderKey(from.Header)):
		text = boundedID(m.Header.Get(from.Header))
	case from.Header != "":
		text = boundedID(r.ID)
	case from.Path != nil:
		text, _ = from.Path.ID(req.Body)
	case id.EventID != "":
		text = id.EventID
	default:
		text = boundedID(r.ID)
	}
	if text != "" {
		return text, true
	}
	var hashed [len("sha256:") + 64]byte
	return string(hex.AppendEncode(append(hashed[:0], "sha256:"...), digest[:])), false
}
