package standin

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// post asks the token server and returns the error code, or nothing for a token.
func post(t *testing.T, s *Token, basic bool, form url.Values) string {
	t.Helper()
	req, err := http.NewRequest("POST", s.URL+"/token", strings.NewReader(form.Encode()))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if basic {
		req.SetBasicAuth("id", "secret")
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	var answer struct {
		Error       string `json:"error"`
		AccessToken string `json:"access_token"`
	}
	if err := json.NewDecoder(res.Body).Decode(&answer); err != nil {
		t.Fatal(err)
	}
	if (answer.Error == "") != (res.StatusCode == 200) || (answer.AccessToken == "") == (answer.Error == "") {
		t.Errorf("status %d with %+v", res.StatusCode, answer)
	}
	return answer.Error
}

func TestTheTokenServerRefuses(t *testing.T) {
	s := NewToken(t, TokenConfig{ClientID: "id", ClientSecret: "secret", RefreshToken: "r", Rotate: true})
	for _, c := range []struct {
		name  string
		basic bool
		form  string
		want  string
	}{
		{"in the header", true, "grant_type=client_credentials", ""},
		{"in the form", false, "grant_type=client_credentials&client_id=id&client_secret=secret", ""},
		{"in both", true, "grant_type=client_credentials&client_id=id&client_secret=secret", "invalid_request"},
		{"wrong secret", false, "grant_type=client_credentials&client_id=id&client_secret=x", "invalid_client"},
		{"no client", false, "grant_type=client_credentials", "invalid_client"},
		{"no grant", true, "", "unsupported_grant_type"},
		{"assertions unknown", false, "grant_type=urn:ietf:params:oauth:grant-type:jwt-bearer&assertion=x", "invalid_grant"},
		{"wrong refresh token", true, "grant_type=refresh_token&refresh_token=x", "invalid_grant"},
		{"refresh token", true, "grant_type=refresh_token&refresh_token=r", ""},
		{"used refresh token", true, "grant_type=refresh_token&refresh_token=r", "invalid_grant"},
	} {
		form, err := url.ParseQuery(c.form)
		if err != nil {
			t.Fatal(err)
		}
		if got := post(t, s, c.basic, form); got != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
}

func TestTheTokenServerChecksAssertions(t *testing.T) {
	key, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	other, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	now := time.Unix(1_800_000_000, 0)
	s := NewToken(t, TokenConfig{ClientID: "id", Key: key.Public(), Now: func() time.Time { return now }})
	for _, c := range []struct {
		name  string
		spoil func(jwt.MapClaims) *ecdsa.PrivateKey
		want  string
	}{
		{"valid", func(jwt.MapClaims) *ecdsa.PrivateKey { return key }, ""},
		{"used before", func(m jwt.MapClaims) *ecdsa.PrivateKey { m["jti"] = "valid"; return key }, "invalid_client"},
		{"without jti", func(m jwt.MapClaims) *ecdsa.PrivateKey { delete(m, "jti"); return key }, "invalid_client"},
		{"another key", func(jwt.MapClaims) *ecdsa.PrivateKey { return other }, "invalid_client"},
		{"expired", func(m jwt.MapClaims) *ecdsa.PrivateKey { m["exp"] = now.Unix() - 1; return key }, "invalid_client"},
		{"without expiry", func(m jwt.MapClaims) *ecdsa.PrivateKey { delete(m, "exp"); return key }, "invalid_client"},
		{"expires late", func(m jwt.MapClaims) *ecdsa.PrivateKey { m["exp"] = now.Unix() + 301; return key }, "invalid_client"},
		{"another audience", func(m jwt.MapClaims) *ecdsa.PrivateKey { m["aud"] = "x"; return key }, "invalid_client"},
		{"another issuer", func(m jwt.MapClaims) *ecdsa.PrivateKey { m["iss"] = "x"; return key }, "invalid_client"},
		{"another subject", func(m jwt.MapClaims) *ecdsa.PrivateKey { m["sub"] = "x"; return key }, "invalid_client"},
	} {
		claims := jwt.MapClaims{"iss": "id", "sub": "id", "aud": s.URL + "/token", "exp": now.Unix() + 120, "jti": c.name}
		by := c.spoil(claims)
		signed, err := jwt.NewWithClaims(jwt.SigningMethodES384, claims).SignedString(by)
		if err != nil {
			t.Fatal(err)
		}
		got := post(t, s, false, url.Values{
			"grant_type":            {"client_credentials"},
			"client_assertion_type": {"urn:ietf:params:oauth:client-assertion-type:jwt-bearer"},
			"client_assertion":      {signed},
		})
		if got != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
}
