package operate

import (
	"encoding/json"
	"net/http"
	"strings"

	"github.com/callgate/callgate/internal/destination"
)

// loginSettings are the ways to sign in of all kinds of destinations.
type loginSettings struct {
	Bearer string        `json:"bearer"`
	Token  string        `json:"token"`
	Basic  *namePassword `json:"basic"`
	Digest *namePassword `json:"digest"`
	APIKey *keyInHeader  `json:"api_key"`
	// Those that fetch a token.
	OAuth2            *fetching `json:"oauth2"`
	OAuth             *fetching `json:"oauth"`
	SMART             *fetching `json:"smart"`
	ClientCredentials *fetching `json:"client_credentials"`
	RefreshToken      *fetching `json:"refresh_token"`
	JWT               *fetching `json:"jwt"`
}

type fetching struct {
	ClientID string `json:"client_id"`
}

// authorization is what a document says in the header Authorization; empty where it says nothing, or not by a name.
func (l *loginSettings) authorization() string {
	for _, token := range []string{l.Bearer, l.Token} {
		if secretRef.MatchString(token) {
			return "Bearer " + token
		}
	}
	switch {
	case l.Basic != nil && (l.Basic.Password == "" || secretRef.MatchString(l.Basic.Password)):
		return "Basic " + l.Basic.User + ":" + l.Basic.Password
	case l.Digest != nil && secretRef.MatchString(l.Digest.Password):
		return "Digest " + l.Digest.User + ":" + l.Digest.Password
	}
	for _, f := range []*fetching{l.OAuth2, l.OAuth, l.SMART, l.ClientCredentials, l.RefreshToken, l.JWT} {
		if f != nil {
			return strings.TrimSpace("Bearer (a token that is fetched for " + f.ClientID + ")")
		}
	}
	return ""
}

// nameSecrets puts into requests that are shown, in the place of credentials, what the document says there: the names of
// secrets. What it does not know how to name stays masked.
func nameSecrets(requests []destination.Request, body []byte) {
	var d struct {
		To struct {
			loginSettings
			Headers map[string]string `json:"headers"`
			Steps   []struct {
				Headers map[string]string `json:"headers"`
			} `json:"steps"`
		} `json:"to"`
	}
	if json.Unmarshal(body, &d) != nil {
		return
	}
	says := map[string]string{}
	note := func(headers map[string]string) {
		for name, value := range headers {
			if !secretRef.MatchString(value) || strings.Contains(value, "{{") {
				continue
			}
			name = http.CanonicalHeaderKey(name)
			if other, ok := says[name]; ok && other != value {
				value = "" // of which of the steps it is cannot be told
			}
			says[name] = value
		}
	}
	note(d.To.Headers)
	for _, s := range d.To.Steps {
		note(s.Headers)
	}
	if text := d.To.authorization(); text != "" {
		says["Authorization"] = text
	}
	if key := d.To.APIKey; key != nil && secretRef.MatchString(key.Value) {
		says[http.CanonicalHeaderKey(key.Header)] = key.Value
	}
	for i := range requests {
		for name, values := range requests[i].Header {
			if text := says[http.CanonicalHeaderKey(name)]; text != "" && len(values) == 1 && (strings.Contains(values[0], "***") || strings.Contains(values[0], "…")) {
				values[0] = text
			}
		}
	}
}
