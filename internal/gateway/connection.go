package gateway

import (
	"net/http"
	"strings"
)

// hopHeaders belong to a connection (RFC 9110, section 7.6.1) and are not stored with a request.
var hopHeaders = []string{"Connection", "Keep-Alive", "Proxy-Connection", "Transfer-Encoding", "Upgrade", "Te", "Trailer", "Expect"}

// tidyConnection takes off the headers that the sender's Connection header names, as whoever passes a request on has to,
// and leaves of it what concerns the connection alone. A proxy further on would take off what it names, and that must not
// be what the gateway says of the request or signs it with.
func tidyConnection(h http.Header) {
	lists := h["Connection"]
	if len(lists) == 0 || len(lists) == 1 && connectionOption(lists[0]) != "" {
		return
	}
	var kept []string
	for _, list := range lists {
		for name := range strings.SplitSeq(list, ",") {
			name = strings.TrimSpace(name)
			if option := connectionOption(name); option != "" {
				kept = append(kept, option)
			} else {
				h.Del(name)
			}
		}
	}
	if len(kept) == 0 {
		delete(h, "Connection")
		return
	}
	h["Connection"] = []string{strings.Join(kept, ", ")}
}

// connectionOption is name if it says how the connection is used, and "" if it names any other header.
func connectionOption(name string) string {
	for _, option := range [...]string{"close", "keep-alive", "Upgrade", "TE"} {
		if strings.EqualFold(name, option) {
			return option
		}
	}
	return ""
}
