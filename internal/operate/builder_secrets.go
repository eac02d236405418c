package operate

import (
	"encoding/json"
	"net/http"
	"strings"

	"github.com/callgate/callgate/internal/destination"
)

// nameSecrets puts into requests that are shown, in the place of credentials, what the document says there: the names of
// secrets. What it does not know how to name stays masked.
func nameSecrets(requests []destination.Request, body []byte) {
	var d struct {
		To httpSettings `json:"to"`
	}
	if json.Unmarshal(body, &d) != nil || d.To.Type != "http" {
		return
	}
	says := map[string]string{}
	for name, value := range d.To.Headers {
		if secretRef.MatchString(value) && !strings.Contains(value, "{{") {
			says[http.CanonicalHeaderKey(name)] = value
		}
	}
	switch to := &d.To; {
	case secretRef.MatchString(to.Bearer):
		says["Authorization"] = "Bearer " + to.Bearer
	case to.Basic != nil:
		says["Authorization"] = "Basic " + to.Basic.User + ":" + to.Basic.Password
	case to.APIKey != nil && secretRef.MatchString(to.APIKey.Value):
		says[http.CanonicalHeaderKey(to.APIKey.Header)] = to.APIKey.Value
	}
	for i := range requests {
		for name, values := range requests[i].Header {
			if text, ok := says[http.CanonicalHeaderKey(name)]; ok && len(values) == 1 && (strings.Contains(values[0], "***") || strings.Contains(values[0], "…")) {
				values[0] = text
			}
		}
	}
}
