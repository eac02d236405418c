package pages

import (
	"net/http"
	"os/exec"
	"strings"
	"testing"

	"github.com/callgate/callgate/internal/operate"
)

// TestCurlCommandsAreTheRequests: a shell reads what came and what goes as it is, runs nothing of it, and secrets are names.
func TestCurlCommandsAreTheRequests(t *testing.T) {
	e := &operate.EventDetail{Method: "POST; rm -rf /", Content: &operate.EventContent{
		URI: "/calls/$(id)`id`\"x", Header: map[string][]string{"Content-Type": {"application/json; x='"}}, Body: `{"a":"it's $HOME"}`,
	}}
	out := curlOut("PUT", "https://crm.example/***/x?y='$(id)", http.Header{
		"Authorization": {"Bearer ***"}, "X-Api-Key": {"***"}, "Webhook-Id": {"preview"}, "X-Odd": {"`id` \\ $HOME"},
	}, "<it's>\n$HOME")
	for command, want := range map[string][]string{
		curlIn(e): {"-X", "POST", "https://gate.example/calls/$(id)`id`\"x", "-H", "Content-Type: application/json; x='", "-H", "X-Sig: s", "--data-binary", `{"a":"it's $HOME"}`},
		out: {"-X", "PUT", "https://crm.example/u/x?y='$(id)", "-H", "Authorization: Bearer a", "-H", "X-Api-Key: k", "-H", "X-Odd: `id` \\ $HOME",
			"--data-binary", "<it's>\n$HOME"},
	} {
		cmd := exec.Command("sh", "-c", "curl() { printf '%s\\0' \"$@\"; }\n"+command)
		cmd.Env = []string{"GATEWAY=https://gate.example", "SIGNATURE=X-Sig: s", "URL_SECRET=u", "AUTHORIZATION=a", "X_API_KEY=k", "HOME=/root"}
		got, err := cmd.Output()
		if args := strings.Split(strings.TrimSuffix(string(got), "\x00"), "\x00"); err != nil || strings.Join(args, "|") != strings.Join(want, "|") {
			t.Errorf("%s\nis read as %q, %v, want\n%q", command, args, err, want)
		}
	}
}
