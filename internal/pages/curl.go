package pages

import (
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"

	"github.com/callgate/callgate/internal/operate"
)

// curlCommand is a request as a command of curl, in which secrets are names of variables.
type curlCommand struct{ Name, Text string }

// fillCurls makes the commands as far as they have room on the page.
func (q *request) fillCurls(s *operate.Service, p *revealedPage, e *operate.EventDetail) {
	add := func(name, text string) {
		if size := escaped(text); size <= p.left {
			p.Curls = append(p.Curls, curlCommand{name, text})
			p.left -= size
		}
	}
	if e.Content.Body != "" {
		add("As it came to the gateway", curlIn(e))
	}
	var names []string
	for i := range e.Deliveries {
		if name := e.Deliveries[i].Destination; !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	if !q.may("Preview") || len(names) == 0 {
		return
	}
	in := operate.PreviewInput{Source: e.Source, Tenant: e.Tenant, Route: e.Route, Destinations: names, Body: []byte(e.Content.Body), Header: e.Content.Header}
	if len(e.Content.BodyBase64) > 0 {
		in.Body = e.Content.BodyBase64
	}
	preview, err := s.Preview(q.ctx(), q.actor, in)
	if err != nil {
		return // the page has what it is for
	}
	for i := range preview.Deliveries {
		d := &preview.Deliveries[i]
		for j := range d.Requests {
			r := &d.Requests[j]
			add("As it goes to "+plain(d.Destination), curlOut(r.Method, r.URL, r.Header, r.Body))
		}
	}
}

// curlIn is the request as it came to the gateway. Its signature is left to whoever sends it, since it is made with a secret.
func curlIn(e *operate.EventDetail) string {
	method := e.Method
	if method == "" {
		method = http.MethodPost
	}
	kind := "application/json"
	if values := http.Header(e.Content.Header).Values("Content-Type"); len(values) > 0 {
		kind = values[0]
	}
	return fmt.Sprintf("curl -X %s \"$GATEWAY%s\" \\\n  -H %s \\\n  -H \"$SIGNATURE\" \\\n  --data-binary %s",
		shellName(method), shellText(e.Content.URI), quoted("Content-Type: "+kind), quoted(e.Content.Body))
}

// ofOneAttempt are headers that are of one attempt, and what curl sends by itself.
var ofOneAttempt = []string{"Callgate-Attempt", "Idempotency-Key", "Webhook-Id", "User-Agent", "Traceparent"}

// masked stands in previews for what is secret.
const masked = "***"

// curlOut is a request as a destination gets it.
func curlOut(method, url string, header http.Header, body string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "curl -X %s %s", shellName(method), withVariable(url, "URL_SECRET"))
	names := make([]string, 0, len(header))
	for name := range header {
		if !slices.Contains(ofOneAttempt, name) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	for _, name := range names {
		for _, value := range header[name] {
			fmt.Fprintf(&b, " \\\n  -H %s", withVariable(name+": "+value, variableOf(name)))
		}
	}
	if body != "" {
		fmt.Fprintf(&b, " \\\n  --data-binary %s", quoted(body))
	}
	return b.String()
}

// notInNames is what cannot stand in the name of a variable.
var notInNames = regexp.MustCompile(`[^A-Z0-9]+`)

// variableOf is the name of a variable for the secret of a header.
func variableOf(header string) string {
	return notInNames.ReplaceAllString(strings.ToUpper(header), "_")
}

// withVariable quotes a text, with a variable in place of what is masked in it.
func withVariable(text, variable string) string {
	if !strings.Contains(text, masked) {
		return quoted(text)
	}
	return `"` + strings.ReplaceAll(shellText(text), masked, "$"+variable) + `"`
}

// quoted is a text as a shell reads it again.
func quoted(text string) string { return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'" }

// shellName leaves capital letters.
func shellName(text string) string {
	return strings.Map(func(r rune) rune {
		if r >= 'A' && r <= 'Z' {
			return r
		}
		return -1
	}, text)
}

// shellText is a text as it can stand between double quotes, on one line.
func shellText(text string) string {
	return strings.NewReplacer(`\`, `\\`, `"`, `\"`, "$", `\$`, "`", "\\`", "\n", "", "\r", "").Replace(text)
}
