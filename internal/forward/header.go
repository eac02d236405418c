package forward

import (
	"net"
	"net/http"
	"strconv"
	"strings"

	"golang.org/x/net/http/httpguts"
)

// stays reports whether a header field is of a connection, or says how a message is framed, so that it is not handed on as it
// came. Names are as net/http writes them.
func stays(name string) bool {
	switch name {
	case "Connection", "Proxy-Connection", "Keep-Alive", "Proxy-Authenticate", "Proxy-Authorization", "Te", "Trailer",
		"Transfer-Encoding", "Upgrade", "Alt-Svc", "Expect", "Content-Length", "Host":
		return true
	}
	return false
}

// named reports whether a Connection header names a field, which then is of the connection.
func named(connection []string, name string) bool {
	for _, list := range connection {
		for option := range strings.SplitSeq(list, ",") {
			if strings.EqualFold(strings.TrimSpace(option), name) {
				return true
			}
		}
	}
	return false
}

// fields tells of each header field that the receiver gets, until add says that it has heard enough, and reports whether all
// were told.
func (x *Exchange) fields(add func(name, value string) bool) bool {
	h := x.Request.Header
	connection := h["Connection"]
	for name, values := range h {
		if stays(name) || len(connection) > 0 && named(connection, name) {
			continue
		}
		switch name {
		case "X-Forwarded-For", "X-Forwarded-Proto", "X-Forwarded-Host", "Via":
			continue
		case "Early-Data":
			if x.early() {
				continue
			}
		case "User-Agent":
			if len(values) == 0 || values[0] == "" {
				continue
			}
			values = values[:1]
		}
		for _, v := range values {
			if !add(name, v) {
				return false
			}
		}
	}
	if x.early() && !add("Early-Data", "1") {
		return false
	}
	return x.forwarded(connection, add) && x.via(connection, add)
}

// early reports whether the request came before the handshake of TLS had ended, and so may be somebody's who has recorded it
// (RFC 8470).
func (x *Exchange) early() bool { return x.Request.TLS != nil && !x.Request.TLS.HandshakeComplete }

// via adds this server to those that the request has passed.
func (x *Exchange) via(connection []string, add func(name, value string) bool) bool {
	r := x.Request
	if !named(connection, "Via") {
		for _, v := range r.Header["Via"] {
			if !add("Via", v) {
				return false
			}
		}
	}
	return add("Via", passed(r.ProtoMajor, r.ProtoMinor))
}

// passed is what Via says of this server, for a message that came by a version of HTTP, as reverse_proxy has it.
func passed(major, minor int) string {
	if major == 1 && minor == 1 {
		return "1.1 Caddy"
	}
	return strconv.Itoa(major) + "." + strconv.Itoa(minor) + " Caddy"
}

// forwarded tells the receiver who sent the request, by which protocol, and to which host. What the request itself says of
// that counts only where a trusted proxy sent it.
func (x *Exchange) forwarded(connection []string, add func(name, value string) bool) bool {
	r := x.Request
	prior := func(name string) (values []string, omit bool) {
		if len(connection) > 0 && named(connection, name) {
			return nil, false
		}
		values, there := r.Header[name]
		return values, there && values == nil // a handler before this one wants none
	}
	client, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil && (r.RemoteAddr != "@" || !x.Trusted) { // "@" is a unix socket's other end
		return true
	}
	client, _, _ = strings.Cut(client, "%")
	if values, omit := prior("X-Forwarded-For"); !omit {
		all := client
		if before := strings.Join(values, ", "); x.Trusted && before != "" {
			if all = before; client != "" {
				all += ", " + client
			}
		}
		if all != "" && !add("X-Forwarded-For", all) {
			return false
		}
	}
	proto := "http"
	if r.TLS != nil {
		proto = "https"
	}
	for _, f := range [...]struct{ name, value string }{{"X-Forwarded-Proto", proto}, {"X-Forwarded-Host", r.Host}} {
		values, omit := prior(f.name)
		if n := len(values); x.Trusted && n > 0 && values[n-1] != "" {
			f.value = values[n-1]
		}
		if !omit && !add(f.name, f.value) {
			return false
		}
	}
	return true
}

// valid reports whether a field can be in a header.
func valid(name, value string) bool {
	return httpguts.ValidHeaderFieldName(name) && httpguts.ValidHeaderFieldValue(value)
}

// takeOff takes off an answer's header what is of the connection that it came by.
func takeOff(h http.Header) {
	for _, list := range h["Connection"] {
		for name := range strings.SplitSeq(list, ",") {
			if name = strings.TrimSpace(name); name != "" {
				h.Del(name)
			}
		}
	}
	for name := range h {
		switch name {
		case "Content-Length", "Expect", "Host": // these say nothing of the connection in an answer
		default:
			if stays(name) {
				delete(h, name)
			}
		}
	}
}
