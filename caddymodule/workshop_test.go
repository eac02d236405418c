package caddymodule

import "testing"

// TestURLsOfTheConfigurationAreShownWithoutCredentials: placeholders and what is written out become names, and the rest stays.
func TestURLsOfTheConfigurationAreShownWithoutCredentials(t *testing.T) {
	for url, want := range map[string]string{
		"https://a.example/v1/leads":                                            "https://a.example/v1/leads",
		"https://a.example/v1/{{call_id}}?who={{email}}&page=2":                 "https://a.example/v1/{{call_id}}?who={{email}}&page=2",
		"https://ada:s3cret@a.example/x":                                        "https://ada:{secret.URL_PASSWORD}@a.example/x",
		"https://s3cret@a.example/x":                                            "https://{secret.URL_USER}@a.example/x",
		"https://a.example/x?api_key=s3cret&b=1":                                "https://a.example/x?api_key={secret.API_KEY}&b=1",
		"https://a.example/x?sig=s3cret":                                        "https://a.example/x?sig={secret.SIG}",
		"https://a.example/x?x=0123456789abcdef0123":                            "https://a.example/x?x={secret.X}",
		"https://a.example/x?token={env.TOKEN}":                                 "https://a.example/x?token={secret.TOKEN}",
		"https://a.example/x?token={file./run/secrets/crm.key}":                 "https://a.example/x?token={secret.crm}",
		"https://hooks.example/services/T000/B000/XXXX1111yyyy2222zz":           "https://hooks.example/services/T000/B000/XXXX1111yyyy2222zz",
		"https://hooks.example/T0/a1b2c3d4e5f6a7b8c9d0/e1f2a3b4c5d6e7f8a9b0/in": "https://hooks.example/T0/{secret.URL_PATH}/{secret.URL_PATH_2}/in",
		"https://a.example/create-or-update-contact-by-email":                   "https://a.example/create-or-update-contact-by-email",
		"https://{{site}}.example/0123456789":                                   "https://{{site}}.example/0123456789",
		"https://a1b2c3d4e5f6a7b8c9d0.example":                                  "https://a1b2c3d4e5f6a7b8c9d0.example",
	} {
		if got := withoutSecrets("url", url); got != want {
			t.Errorf("%s\n got %s\nwant %s", url, got, want)
		}
	}
	// A member that carries a secret is one, whatever it looks like.
	if got := withoutSecrets("X-Hook-Token", "https://hooks.zapier.com/hooks/catch/1234567/abcdefg/"); got != "{secret.X_HOOK_TOKEN}" {
		t.Errorf("an address in a secret's place: %v", got)
	}
}
