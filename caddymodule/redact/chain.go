package redact

import "strings"

// ours is what Caddy writes before an error of the gateway's own modules.
var ours = []string{"provision http.handlers.callgate: ", "provision callgate: "}

// withoutChain is an error that Caddy gives for a configuration, without the modules through which it came: what went wrong
// would stand behind some 300 characters that name no line of the Caddyfile. Other messages stay as they are.
func withoutChain(message string) string {
	if !strings.HasPrefix(message, "loading ") {
		return message
	}
	for _, own := range ours {
		if i := strings.LastIndex(message, own); i >= 0 {
			message = message[i+len(own):]
		}
	}
	return message
}
