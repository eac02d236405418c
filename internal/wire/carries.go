package wire

import (
	"net/http"

	"golang.org/x/net/http/httpguts"
)

// DefaultMaxBody is the largest request body, in bytes, that should be sent this way: 256 KiB. The kernels' buffers
// between two machines take about as much, so that a server that answers while it reads is no obstacle either; and
// the larger a body is, the less there is to gain.
const DefaultMaxBody = 256 << 10

// elsewhere tells whether a header field is of requests that need more than one message each way, or that ask for the body to
// be passed on as it comes in (RFC 10036).
func elsewhere(name string) bool {
	switch name {
	case "Connection", "Upgrade", "Expect", "Te", "Trailer", "Transfer-Encoding", "Incremental":
		return true
	}
	return false
}

// Carries tells whether [Client.Do] can carry req: its body is of known length and at most maxBody bytes, and it asks
// for no upgrade, no tunnel, no "100 Continue", no trailers and no closing of the connection. Malformed requests are
// not carried either, so that whoever carries the others says what is wrong with them.
func Carries(req *http.Request, maxBody int64) bool {
	if req.Body != nil && req.Body != http.NoBody && (req.ContentLength <= 0 || req.ContentLength > maxBody) {
		return false
	}
	if req.URL == nil || req.URL.Host == "" || req.Header == nil || req.Close ||
		len(req.Trailer) > 0 || len(req.TransferEncoding) > 0 || req.Method == http.MethodConnect || !token(req.Method) {
		return false
	}
	for name, values := range req.Header {
		if elsewhere(name) || !httpguts.ValidHeaderFieldName(name) {
			return false
		}
		for _, v := range values {
			if !httpguts.ValidHeaderFieldValue(v) {
				return false
			}
		}
	}
	return true
}

// token tells whether s can be a method. The empty one is GET.
func token(s string) bool {
	return s == "" || httpguts.ValidHeaderFieldName(s)
}
