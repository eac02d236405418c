package outbound_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/callgate/callgate/internal/outbound"
	"github.com/callgate/callgate/internal/standin"
)

const (
	digestUser     = "gäte"
	digestPassword = "p@ss:wörd \"x\""
)

func digest(t *testing.T, user, password string) outbound.Authorizer {
	t.Helper()
	d, err := outbound.NewDigest(user, password)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// TestDigest signs in in every way that there is, and the first nonce serves later requests too.
func TestDigest(t *testing.T) {
	for name, c := range map[string]standin.DigestConfig{
		"RFC 2069":             {},
		"MD5":                  {QOP: "auth"},
		"MD5, named":           {QOP: "auth,auth-int", Algorithms: []string{"MD5"}},
		"MD5-sess":             {QOP: "auth", Algorithms: []string{"MD5-sess"}},
		"SHA-256":              {QOP: "auth", Algorithms: []string{"SHA-256", "MD5"}},
		"SHA-256-sess":         {QOP: "auth", Algorithms: []string{"SHA-256-sess"}, UTF8: true},
		"SHA-512-256":          {QOP: "auth", Algorithms: []string{"SHA-512-256"}, UserHash: true, UTF8: true},
		"auth-int":             {QOP: "auth-int", Algorithms: []string{"SHA-256"}},
		"auth-int, sess":       {QOP: "auth-int", Algorithms: []string{"MD5-sess"}},
		"unknown one first":    {QOP: "auth", Algorithms: []string{"SHA-9", "SHA-256"}},
		"next nonces":          {QOP: "auth", NextNonce: true},
		"next nonces and sess": {QOP: "auth", Algorithms: []string{"SHA-256-sess"}, NextNonce: true},
		"all in one header":    {QOP: "auth", Algorithms: []string{"SHA-256", "MD5"}, OneHeader: true},
	} {
		t.Run(name, func(t *testing.T) {
			c.User, c.Password = digestUser, digestPassword
			s := standin.NewDigest(t, c)
			auth, client := digest(t, digestUser, digestPassword), onPrem(outbound.Options{})
			for _, body := range []string{"first", "second", ""} {
				a, err := client.Send(t.Context(), auth, request(t, s.URL+"/jobs?a=b%20c&d", body))
				if err != nil || a.Status != 200 {
					t.Fatalf("%+v, %v", a, err)
				}
			}
			taken, refused := s.Taken()
			if len(taken) != 3 || refused != 1 || string(taken[1].Body) != "second" || taken[0].URI != "/jobs?a=b%20c&d" {
				t.Errorf("%d taken, %d refused: %+v", len(taken), refused, taken)
			}
		})
	}
}

// TestDigestRenewsNonces that are too old, whether the server says so or not.
func TestDigestRenewsNonces(t *testing.T) {
	for _, unstale := range []bool{false, true} {
		s := standin.NewDigest(t, standin.DigestConfig{User: digestUser, Password: digestPassword, QOP: "auth", Uses: 2, Unstale: unstale})
		auth, client := digest(t, digestUser, digestPassword), onPrem(outbound.Options{})
		for i := range 6 {
			if i == 3 {
				s.Forget()
			}
			if a, err := client.Send(t.Context(), auth, request(t, s.URL, "x")); err != nil || a.Status != 200 {
				t.Fatalf("%d: %+v, %v", i, a, err)
			}
		}
		if taken, refused := s.Taken(); len(taken) != 6 || refused != 4 { // at first, after two, when forgotten, after two
			t.Errorf("%d taken, %d refused", len(taken), refused)
		}
	}
}

// TestDigestAtOnce: a server that wants counts to rise one by one is served by many requests at once.
func TestDigestAtOnce(t *testing.T) {
	s := standin.NewDigest(t, standin.DigestConfig{User: digestUser, Password: digestPassword, QOP: "auth", Algorithms: []string{"SHA-256"}})
	auth, client := digest(t, digestUser, digestPassword), onPrem(outbound.Options{})
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for range 10 {
				if a, err := client.Send(t.Context(), auth, request(t, s.URL, "x")); err != nil || a.Status != 200 {
					t.Errorf("%+v, %v", a, err)
				}
			}
		})
	}
	all.Wait()
	if taken, refused := s.Taken(); len(taken) != 80 || refused > 8 {
		t.Errorf("%d taken, %d refused", len(taken), refused)
	}
}

func TestDigestOfAWrongPassword(t *testing.T) {
	s := standin.NewDigest(t, standin.DigestConfig{User: digestUser, Password: digestPassword, QOP: "auth"})
	client := onPrem(outbound.Options{})
	a, err := client.Send(t.Context(), digest(t, digestUser, "another"), request(t, s.URL, "x"))
	r := outbound.ResultFrom(a, err, time.Now())
	if !r.Pause || !strings.Contains(r.Reason, "refuses our credentials") {
		t.Errorf("%+v, %v", r, err)
	}
	if _, refused := s.Taken(); refused != 2 {
		t.Errorf("asked %d times", refused)
	}
	// A request that is sent otherwise can not be signed.
	if err := digest(t, "u", "p").Apply(context.Background(), request(t, s.URL, "")); !errors.Is(err, outbound.ErrChallenged) {
		t.Error(err)
	}
	for user, password := range map[string]string{"": "x", "u": "", "a:b": "x", "a\nb": "x"} {
		if _, err := outbound.NewDigest(user, password); err == nil {
			t.Errorf("%q and %q were taken", user, password)
		}
	}
	h := http.Header{}
	digest(t, "u", "secret").Mask(h)
	if h.Get("Authorization") != "Digest ***" {
		t.Errorf("%v", h)
	}
}

// TestWhatARefusalAsksForIsTold, so that the operator knows which line is missing.
func TestWhatARefusalAsksForIsTold(t *testing.T) {
	basic, err := outbound.Basic("u", "p")
	if err != nil {
		t.Fatal(err)
	}
	const ordinary = "401: the receiver refuses our credentials; correct them, then resume the destination"
	for name, c := range map[string]struct {
		auth outbound.Authorizer
		ask  []string
		want string
	}{
		"nothing":          {basic, nil, ordinary},
		"what it got":      {basic, []string{"Basic realm=x", "NTLM"}, ordinary},
		"bearer":           {nil, []string{`Bearer realm="x"`}, ordinary},
		"digest":           {nil, []string{`Digest realm="x", nonce="n", qop="auth"`}, "asks for Digest: sign in with the line digest"},
		"not basic":        {basic, []string{`Digest realm="x", nonce="n"`, "NTLM"}, "asks for Digest: sign in"},
		"basic":            {nil, []string{`Basic realm="x"`}, "asks for Basic: sign in with the line basic"},
		"unknown digest":   {digest(t, "u", "p"), []string{`Digest realm="x", nonce="n", algorithm=TOKEN`}, "by an algorithm that is not known here"},
		"NTLM":             {basic, []string{"NTLM"}, "asks for NTLM, which the gateway can not do"},
		"Negotiate":        {nil, []string{"Negotiate", "NTLM"}, "asks for NTLM or Negotiate (Kerberos or NTLM), which the gateway can not do"},
		"a stranger's own": {nil, []string{"Hawk id=secret"}, ordinary},
	} {
		r := standin.NewReceiver(t)
		r.Otherwise(standin.Reply{Status: 401, Header: http.Header{"Www-Authenticate": c.ask}})
		a, err := onPrem(outbound.Options{}).Send(t.Context(), c.auth, request(t, r.URL, "x"))
		got := outbound.ResultFrom(a, err, time.Now())
		if !strings.Contains(got.Reason, c.want) || !strings.HasSuffix(got.Reason, "then resume the destination") || !got.Pause {
			t.Errorf("%s: %+v", name, got)
		}
	}
}
