package operate

import (
	"net/http"
	"testing"

	"github.com/callgate/callgate/internal/destination"
)

// TestSecretsAreShownByTheirNames in the requests of every kind, and nothing else is put in.
func TestSecretsAreShownByTheirNames(t *testing.T) {
	for _, tt := range []struct{ body, header, masked, want string }{
		{`{"to":{"type":"hubspot","token":"{secret.HS}"}}`, "Authorization", "Bearer ***", "Bearer {secret.HS}"},
		{`{"to":{"type":"hubspot","oauth":{"client_id":"app"}}}`, "Authorization", "Bearer ***", "Bearer (a token that is fetched for app)"},
		{`{"to":{"type":"salesforce","jwt":{"client_id":"{secret.ID}"}}}`, "Authorization", "***", "Bearer (a token that is fetched for {secret.ID})"},
		{`{"to":{"type":"fhir","smart":{"client_id":"c"}}}`, "Authorization", "***", "Bearer (a token that is fetched for c)"},
		{`{"to":{"type":"fhir","bearer":"{secret.EHR}"}}`, "authorization", "Bearer ***", "Bearer {secret.EHR}"},
		{`{"to":{"type":"http","bearer":"written"}}`, "Authorization", "Bearer ***", "Bearer ***"},
		{`{"to":{"type":"http","basic":{"user":"a","password":"written"}}}`, "Authorization", "Basic ***", "Basic ***"},
		{`{"to":{"type":"http","api_key":{"header":"x-key","value":"{secret.K}"}}}`, "X-Key", "***", "{secret.K}"},
		{`{"to":{"type":"http","steps":[{"headers":{"X-Key":"{secret.K}"}},{}]}}`, "X-Key", "***", "{secret.K}"},
		{`{"to":{"type":"http","steps":[{"headers":{"X-Key":"{secret.K}"}},{"headers":{"x-key":"{secret.L}"}}]}}`, "X-Key", "***", "***"},
		{`{"to":{"type":"http","headers":{"X-Note":"{secret.K}"}}}`, "X-Note", "not masked", "not masked"},
	} {
		r := []destination.Request{{Header: http.Header{tt.header: {tt.masked}}}}
		nameSecrets(r, []byte(tt.body))
		if got := r[0].Header[tt.header][0]; got != tt.want {
			t.Errorf("%s: %s, want %s", tt.body, got, tt.want)
		}
	}
}
