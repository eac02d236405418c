package signature

import (
	"bytes"
	"crypto/sha256"
	"crypto/sha512"
	"hash"
	"net/http"
	"slices"
	"strings"
)

// Covers is a set of parts of a request. Of what a signature does not cover nothing is known: whoever has seen one
// request can send it again with anything there.
type Covers uint16

const (
	// CoversBody: every byte of the body.
	CoversBody Covers = 1 << iota
	// CoversForm: a form of the body, which is in Result.Payload. How the body is written is not covered.
	CoversForm
	// CoversParams: names and values of a form's parameters, run together: where a name ends is not covered.
	CoversParams
	// CoversValues: some values of the body and nothing else of it.
	CoversValues
	// CoversURL: scheme, host, path and query, as they are in Result.URL.
	CoversURL
	// CoversMethod: the HTTP method.
	CoversMethod
	// CoversTime: Result.Timestamp.
	CoversTime
	// CoversID: Result.ID.
	CoversID
	// CoversHeaders: the headers in Result.Headers.
	CoversHeaders
)

// Has reports whether all of the parts are covered.
func (c Covers) Has(parts Covers) bool { return c&parts == parts }

// coverNames are the parts, in the order of their bits.
var coverNames = [...]string{"body", "form of the body", "parameters", "values of the body", "URL", "method", "time", "id", "headers"}

// String names the parts, with commas between; "nothing" if there is none.
func (c Covers) String() string {
	var names []string
	for i, n := range coverNames {
		if c.Has(1 << i) {
			names = append(names, n)
		}
	}
	if names == nil {
		return "nothing"
	}
	return strings.Join(names, ", ")
}

// Content is what was verified of the body: Payload, or the body as it came.
func (r *Result) Content(m *Message) []byte {
	if r.Payload != nil {
		return r.Payload
	}
	return m.Body
}

// Exact reports whether it is verified where the content begins and ends, so that what is read from it is what the
// sender wrote. It is not where the signed text runs parts together, unless the content is JSON: no end of a JSON text is
// one itself. The whole of it could still be moved into a URL, which a request of another method then shows alone; so
// where the URL is signed the method has to be.
func (r *Result) Exact(m *Message) bool {
	return !r.Joined || startsJSON(r.Content(m)) && (!r.Covers.Has(CoversURL) || r.Covers.Has(CoversMethod))
}

func startsJSON(b []byte) bool {
	b = trimLeft(b)
	return len(b) > 0 && (b[0] == '{' || b[0] == '[')
}

// Blank reports whether a body has nothing in it that could be read.
func Blank(body []byte) bool {
	return len(bytes.TrimSpace(bytes.TrimPrefix(body, []byte("\xef\xbb\xbf")))) == 0
}

// Digest is the SHA-256 of what was signed, without the time, which differs between the attempts to deliver one event.
// Nothing that the signature does not cover changes it: of a form of the body it is the hash of the form; and where parts
// run together in the signed text they do so here, so that bytes moved from one to the next change nothing either.
//
// A token covers nothing. There it is the hash of the body or, where that is empty, of path and query.
func (r *Result) Digest(m *Message) (sum [sha256.Size]byte) {
	content := r.Content(m)
	switch {
	case r.summed:
		return r.sum
	case r.Token && Blank(content):
		return sha256.Sum256([]byte(requestURI(r.called(m))))
	case r.Covers&(CoversURL|CoversMethod) == 0:
		return sha256.Sum256(content)
	}
	h := sha256.New()
	end := "\n"
	if r.Joined {
		end = ""
	}
	if r.Covers.Has(CoversMethod) {
		h.Write([]byte(m.Method + end))
	}
	if r.Covers.Has(CoversURL) {
		h.Write([]byte(r.URL + end))
	}
	h.Write(content)
	h.Sum(sum[:0])
	return sum
}

// digests make the hashes of signed texts whose parts run together.
var (
	digests    = unkeyed(sha256.New)
	digests512 = unkeyed(sha512.New)
)

func unkeyed(newHash func() hash.Hash) *key {
	k := new(key)
	k.pool.New = func() any { return &mac{h: newHash(), buf: make([]byte, 0, 128)} }
	return k
}

// setSum keeps the hash of what write writes.
func (r *Result) setSum(write func(*mac)) {
	st := digests.get()
	write(st)
	r.summed = true
	copy(r.sum[:], st.sum())
	digests.put(st)
}

// called is the URL where a token vouches for it: without the token, if it was in there.
func (r *Result) called(m *Message) string {
	if r.URL != "" {
		return r.URL
	}
	return m.URL
}

// requestURI is path and query of an absolute URL.
func requestURI(u string) string {
	if _, rest, ok := strings.Cut(u, "://"); ok {
		if i := strings.IndexAny(rest, "/?"); i >= 0 {
			return rest[i:]
		}
		return ""
	}
	return u
}

// Query is the query of the request that may be read, encoded: that of the URL that was signed, or of the request's own
// where a token vouches for the sender. ok is false where nothing vouches for the URL, and the query is to be taken for
// not there.
func (r *Result) Query(m *Message) (query string, ok bool) {
	u := r.URL
	switch {
	case r.Token:
		u = r.called(m)
	case !r.Covers.Has(CoversURL):
		return "", false
	}
	_, query, _ = strings.Cut(u, "?")
	query, _, _ = strings.Cut(query, "#")
	return query, true
}

// SignsHeader reports whether a Verifier signs the header of that name as the message's id, or takes the request as a
// whole on a token's word. Where it does neither, the header must not tell one event from another: whoever has seen one
// request could send it again under a new id. Of Verifiers of others nothing is known, so that they do not.
func SignsHeader(v Verifier, name string) bool {
	if s, ok := v.(interface{ signsHeader(string) bool }); ok {
		return s.signsHeader(http.CanonicalHeaderKey(name))
	}
	return false
}

func (h *hmacScheme) signsHeader(name string) bool {
	return !h.loose && (h.idHeader != "" && h.idHeader == name || slices.Contains(h.headers, name))
}

func (all standardScheme) signsHeader(name string) bool {
	for _, s := range all {
		if s.idHeader == name {
			return true
		}
	}
	return false
}

func (q *quoScheme) signsHeader(name string) bool { return SignsHeader(q.now, name) }

func (*headerToken) signsHeader(string) bool { return true }

func (*bodyToken) signsHeader(string) bool { return true }

func (v *vapiHMACScheme) signsHeader(name string) bool { return v.plain.signsHeader(name) }

// covered is what the template covers, with the body as it came.
func (s *spec) covered() (c Covers) {
	for i := range s.signed {
		switch s.signed[i].kind {
		case body:
			c |= CoversBody
		case jsonPath:
			c |= CoversValues
		case address:
			c |= CoversURL
		case method:
			c |= CoversMethod
		case timestamp:
			c |= CoversTime
		case id:
			c |= CoversID
		case headerValue:
			c |= CoversHeaders
		}
	}
	if c.Has(CoversBody) {
		c &^= CoversValues
	}
	return c
}

// runsTogether reports whether bytes can be moved from a part of what is signed to the next, because nothing stands
// between them that could not be in the first one itself. A time is such a thing: only the signed one is within the
// tolerance. After a URL it is white space; after the method it is anything, or the URL. loose says that the bytes can be
// those of an id or of a header, where the other part is none of the body: what the body says holds it in place.
func (s *spec) runsTogether() (joined, loose bool) {
	ofBody := func(k segmentKind) bool { return k == body || k == jsonPath && !s.weak }
	before, apart := text, true
	for i := range s.signed {
		g := &s.signed[i]
		switch g.kind {
		case text:
			switch before {
			case method:
				apart = true
			case address:
				apart = apart || bytes.ContainsAny(g.text, " \t\r\n")
			case id, headerValue:
				apart = apart || bytes.ContainsAny(g.text, "\r\n")
			}
			continue
		case timestamp:
			apart = apart || before == id || before == headerValue || before == body || before == jsonPath
			continue
		}
		if !apart && !(before == method && g.kind == address) {
			joined = true
			either := before == id || before == headerValue || g.kind == id || g.kind == headerValue
			loose = loose || either && !ofBody(before) && !ofBody(g.kind)
		}
		before, apart = g.kind, false
	}
	return joined, loose
}
