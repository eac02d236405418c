package caddymodule

import (
	"fmt"
	"strings"
	"testing"
)

// TestConvertNeedsALoginOfOneRequest: a converted request is sent once, by the handler that follows, so that Digest, which
// answers a challenge, is refused when the configuration is loaded.
func TestConvertNeedsALoginOfOneRequest(t *testing.T) {
	const config = `{
	callgate {
		destination crm %s
	}
}
http:// {
	callgate nextphone s3cret {
		%s crm
	}
	respond ok
}`
	const http, fhir = "http https://crm.example {\npass_through\nheader X-Office {env.CONVERT_OFFICE}\n%s\n}", "fhir https://ehr.example/fhir {\n%s\n}"
	t.Setenv("CONVERT_OFFICE", "north")
	for _, kind := range []string{http, fhir} {
		for _, c := range []struct {
			login, line string
			refused     bool
		}{{"digest me pass", "convert", true}, {"digest me pass", "deliver", false}, {"basic me pass", "convert", false}} {
			_, err := provision(fmt.Sprintf(config, fmt.Sprintf(kind, c.login), c.line))
			const want = `convert: destination "crm": digest signs in only where the gateway sends`
			if (err != nil) != c.refused || c.refused && !strings.Contains(err.Error(), want) {
				t.Errorf("%s, %s: %v", c.login, c.line, err)
			}
		}
	}
}
