package redact

import (
	"strings"
	"testing"

	"github.com/callgate/callgate/internal/signature"
)

func TestText(t *testing.T) {
	n := known.Load()
	for in, want := range map[string]string{
		"":                                    "",
		"/calls":                              "/calls",
		"/calls?a=1&b=2":                      "/calls?a=1&b=2",
		"/calls?token=abc":                    "/calls?token=REDACTED",
		"/calls?a=1&TOKEN=abc&b=2":            "/calls?a=1&TOKEN=REDACTED&b=2",
		"/calls?token=a&token=b":              "/calls?token=REDACTED&token=REDACTED",
		"/calls?a=1;token=b":                  "/calls?a=1;token=REDACTED",
		"/calls?token=a;b?c=d'e":              "/calls?token=REDACTED",
		"/calls?tok%65n=abc#x":                "/calls?tok%65n=REDACTED#x",
		"/calls?token=&b=2":                   "/calls?token=&b=2",
		"/calls?tokens=abc":                   "/calls?tokens=abc",
		"/calls?token":                        "/calls?token",
		"/?bodySHA256=00ff":                   "/?bodySHA256=REDACTED",
		"/a?b=/c?api_key=d":                   "/a?b=/c?api_key=REDACTED",
		"really? token=abc & more":            "really? token=abc & more",
		`Get "http://h/?secret=x&a=b": EOF`:   `Get "http://h/?secret=REDACTED&a=b": EOF`,
		"no ? then http://h/?sig=1 and?key=2": "no ? then http://h/?sig=REDACTED and?key=REDACTED",
		"?":                                   "?",
		"?=":                                  "?=",
		"?%zz=1&key=2":                        "?%zz=1&key=REDACTED",
	} {
		if got := n.text(in); got != want {
			t.Errorf("%q became %q, want %q", in, got, want)
		}
	}
}

func FuzzText(f *testing.F) {
	f.Add("/calls?a=1&token=abc", "s3cr3t")
	f.Add("x ? y?key=;&", "a&b")
	f.Fuzz(func(t *testing.T, around, secret string) {
		n := known.Load()
		if again := n.text(n.text(around)); again != n.text(around) {
			t.Errorf("%q becomes %q and then %q", around, n.text(around), again)
		}
		if secret == "" || strings.ContainsAny(secret, "&#\"<> \t\r\n") || strings.Contains(around+Redacted+"?token=&x=1", secret) {
			t.Skip()
		}
		if got := n.text(around + "?token=" + secret + "&x=1"); strings.Contains(got, secret) {
			t.Errorf("%q shows the token %q", got, secret)
		}
	})
}

func TestNamesOfVerifiersAreAdded(t *testing.T) {
	before := known.Load()
	t.Cleanup(func() { known.Store(before) })
	if known.Load().header("X-Partner-Token") {
		t.Fatal("known before")
	}
	Add(signature.Sensitive{Headers: []string{"x-partner-token"}, Query: []string{"PartnerSig"}})
	n := known.Load()
	if !n.header("X-Partner-Token") || n.text("/?partnersig=1") != "/?partnersig=REDACTED" {
		t.Fatal("not known")
	}
	Add(signature.Sensitive{Headers: []string{"X-Partner-Token"}})
	if known.Load() != n {
		t.Fatal("copied for nothing")
	}
}
