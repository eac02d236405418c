package outbound

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func TestFenceAllows(t *testing.T) {
	f := new(Fence)
	if !f.Allows("anything.example") || !(*Fence)(nil).Allows("anything.example") {
		t.Error("a fence without a list holds something back")
	}
	f.Narrow([]string{"crm.example.com", "*.example.org", "Login.example.net:8443", "[::1]"})
	for host, want := range map[string]bool{
		"crm.example.com": true, "CRM.example.com": true, "crm.example.com:8443": true, "a.example.org": true, "a.b.example.org:1": true,
		"login.example.net:8443": true, "[::1]:80": true, "[::1]": true,
		"example.org": false, ".example.org": false, "xexample.org": false, "crm.example.com.evil.example": false, "login.example.net": false,
		"login.example.net:443": false, "evil.example": false, "": false, "crm.example.com@evil.example": false, "evil.example:crm.example.com": false,
	} {
		if got := f.Allows(host); got != want {
			t.Errorf("%q: %t", host, got)
		}
	}
	f.Narrow([]string{"a.example.org"})
	if f.Allows("crm.example.com") || !f.Allows("a.example.org") {
		t.Error("of two lists both count")
	}
	f.Narrow(nil)
	if f.Allows("a.example.org") {
		t.Error("an empty list lets something through")
	}
}

// TestFenceHoldsRedirects: whatever a receiver answers, nothing goes where a secret may not.
func TestFenceHoldsRedirects(t *testing.T) {
	reached := 0
	evil := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { reached++ }))
	defer evil.Close()
	good := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, evil.URL, http.StatusTemporaryRedirect)
	}))
	defer good.Close()
	f := new(Fence)
	f.Narrow([]string{strings.TrimPrefix(good.URL, "http://")})
	c := NewClient(Options{AllowPrivate: true, Fence: f})
	defer c.CloseIdle()
	c.http.CheckRedirect = nil // as one that follows
	req, err := NewRequest(t.Context(), http.MethodPost, good.URL, []byte("x"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.http.Do(req); !errors.Is(err, ErrFenced) || reached != 0 {
		t.Errorf("%v, and %d requests got through", err, reached)
	}
}
