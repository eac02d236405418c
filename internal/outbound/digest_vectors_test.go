package outbound

import (
	"net/http"
	"strings"
	"testing"
)

// TestDigestVectors are the examples of RFC 7616 (section 3.9.2 as erratum 4897 corrects it) and RFC 2617 (section 3.5).
func TestDigestVectors(t *testing.T) {
	const (
		mufasa   = `realm="http-auth@example.org", qop="auth, auth-int", nonce="7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v", opaque="FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS"`
		doe      = `realm="api@example.org", qop="auth", algorithm=SHA-512-256, nonce="5TsQWLVdgBdmrQ0XsxbDODV+57QdFR34I9HAbC/RVvkK", opaque="HRPCssKJSGjCrkzDg8OhwpzCiGPChXYjwrI2QmXDnsOS", charset=UTF-8`
		cnonce   = "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ"
		response = `, response="`
	)
	for name, c := range map[string]struct{ user, password, challenge, uri, cnonce, want string }{
		"MD5": {"Mufasa", "Circle of Life", mufasa + ", algorithm=MD5", "/dir/index.html", cnonce,
			`Digest username="Mufasa", realm="http-auth@example.org", nonce="7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v", uri="/dir/index.html", algorithm=MD5, qop=auth, nc=00000001, cnonce="` + cnonce + `", response="8ca523f5e9506fed4657c9700eebdbec", opaque="FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS"`},
		"SHA-256": {"Mufasa", "Circle of Life", mufasa + ", algorithm=SHA-256", "/dir/index.html", cnonce, response + "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"},
		"SHA-512-256 and userhash": {"Jäsøn Doe", "Secret, or not?", doe + ", userhash=true", "/doe.json", "NTg6RKcb9boFIAS3KrFK9BGeh+iDa/sm6jUMp2wds69v",
			`Digest username="793263caabb707a56211940d90411ea4a575adeccb7e360aeb624ed06ece9b0b", userhash=true, realm="api@example.org", nonce="5TsQWLVdgBdmrQ0XsxbDODV+57QdFR34I9HAbC/RVvkK", uri="/doe.json", algorithm=SHA-512-256, qop=auth, nc=00000001, cnonce="NTg6RKcb9boFIAS3KrFK9BGeh+iDa/sm6jUMp2wds69v", response="3798d4131c277846293534c3edc11bd8a5e4cdcbff78b05db9d95eeb1cec68a5", opaque="HRPCssKJSGjCrkzDg8OhwpzCiGPChXYjwrI2QmXDnsOS"`},
		"decomposed":  {"Ja\u0308søn Doe", "Secret, or not?", doe, "/doe.json", "NTg6RKcb9boFIAS3KrFK9BGeh+iDa/sm6jUMp2wds69v", response + "3798d4131c277846293534c3edc11bd8a5e4cdcbff78b05db9d95eeb1cec68a5"},
		"username*":   {"Jäsøn Doe", "Secret, or not?", doe, "/doe.json", "x", `Digest username*=UTF-8''J%C3%A4s%C3%B8n%20Doe, realm=`},
		"RFC 2617":    {"Mufasa", "Circle Of Life", `realm="testrealm@host.com", qop="auth,auth-int", nonce="dcd98b7102dd2f0e8b11d0f600bfb0c093", opaque="5ccc069c403ebaf9f0171e9517f40e41"`, "/dir/index.html", "0a4f113b", response + "6629fae49393a05397450978507c4ef1"},
		"in RFC 2069": {"Mufasa", "CircleOfLife", `realm="testrealm@host.com", nonce="dcd98b7102dd2f0e8b11d0f600bfb0c093"`, "/dir/index.html", "x", `uri="/dir/index.html", response="1949323746fe6a43ef61f9606e7febea"`},
	} {
		t.Run(name, func(t *testing.T) {
			all := challenges([]string{"Digest " + c.challenge})
			if len(all) != 1 {
				t.Fatalf("%+v", all)
			}
			s := sessionOf(all[0], c.user, c.password, c.cnonce)
			if s == nil {
				t.Fatalf("%+v can not be met", all)
			}
			req, err := http.NewRequest(http.MethodGet, "http://api.example.org"+c.uri, nil)
			if err != nil {
				t.Fatal(err)
			}
			got, err := s.sign(req)
			if err != nil || !strings.Contains(got, c.want) {
				t.Errorf("%s, %v\nwant %s", got, err, c.want)
			}
		})
	}
}

func TestChallenges(t *testing.T) {
	for header, want := range map[string]string{
		`Basic realm="a, b", Digest realm="x", nonce=abc+/==, qop="auth,auth-int"`: `basic realm=a, b|digest nonce=abc+/== qop=auth,auth-int realm=x`,
		"NTLM":                                  "ntlm",
		"Negotiate, NTLM":                       "negotiate|ntlm",
		"Negotiate YIIBhg==, Basic":             "negotiate|basic",
		"NTLM TlRMTVNTUAAC=":                    "ntlm",
		`Digest realm = "a\"b\\c" , stale=TRUE`: `digest realm=a"b\c stale=TRUE`,
		`digest realm="never closed, nonce="`:   `digest realm=never closed, nonce=`,
		`, ,Basic realm=x,,`:                    "basic realm=x",
		`realm="without a scheme"`:              "",
		"":                                      "",
	} {
		var got []string
		for _, c := range challenges([]string{header}) {
			text := c.scheme
			for _, name := range []string{"nonce", "qop", "realm", "stale"} {
				if v, ok := c.params[name]; ok {
					text += " " + name + "=" + v
				}
			}
			got = append(got, text)
		}
		if text := strings.Join(got, "|"); text != want {
			t.Errorf("%s: %s, want %s", header, text, want)
		}
	}
}

func FuzzChallenges(f *testing.F) {
	for _, s := range []string{`Digest realm="a", nonce="b", qop="auth"`, "Negotiate abc==, Basic realm=x", `Digest nonce="\`, "Digest nonce=\x00\"é, userhash=true, charset=UTF-8, algorithm=MD5-sess"} {
		f.Add(s, "user")
	}
	f.Fuzz(func(t *testing.T, header, user string) {
		s := newDigestSession(user, "password", []string{header})
		if s == nil {
			return
		}
		s.heard([]string{header})
		req, err := http.NewRequest(http.MethodPost, "https://a.example/x", strings.NewReader("body"))
		if err != nil {
			t.Fatal(err)
		}
		got, err := s.sign(req)
		if err != nil || strings.Contains(got, "password") && !strings.Contains(header+user, "password") {
			t.Errorf("%s, %v", got, err)
		}
		// What the server said comes back as it was.
		back := challenges([]string{got})
		if len(back) != 1 || back[0].params["nonce"] != s.nonce || back[0].params["realm"] != s.realm || back[0].params["response"] == "" {
			t.Errorf("%s: %s was read as %+v", header, got, back)
		}
	})
}
