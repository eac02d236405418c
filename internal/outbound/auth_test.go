package outbound_test

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/oauth2"

	"github.com/callgate/callgate/internal/outbound"
	"github.com/callgate/callgate/internal/standin"
)

func TestFixedCredentials(t *testing.T) {
	must := func(a outbound.Authorizer, err error) outbound.Authorizer {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return a
	}
	for name, c := range map[string]struct {
		auth                  outbound.Authorizer
		header, value, masked string
	}{
		"api key": {must(outbound.APIKey("x-api-key", "s3cret")), "X-Api-Key", "s3cret", "***"},
		"bearer":  {must(outbound.Bearer("s3cret")), "Authorization", "Bearer s3cret", "Bearer ***"},
		"basic":   {must(outbound.Basic("aladdin", "opensesame")), "Authorization", "Basic YWxhZGRpbjpvcGVuc2VzYW1l", "Basic ***"},
		"headers": {must(outbound.Headers(map[string]string{"X-A": "a"})), "X-A", "a", "***"},
	} {
		req := request(t, "https://a.example", "")
		if err := c.auth.Apply(t.Context(), req); err != nil || req.Header.Get(c.header) != c.value {
			t.Errorf("%s: %v, %v", name, req.Header, err)
		}
		if c.auth.Rejected(t.Context(), req, 401, nil) {
			t.Errorf("%s: claims to have new credentials", name)
		}
		h := http.Header{}
		c.auth.Mask(h)
		if h.Get(c.header) != c.masked {
			t.Errorf("%s: masked %v", name, h)
		}
	}
}

func TestCredentialsThatCanNotBeMeantAreRefused(t *testing.T) {
	key := rsaKey(t, 2048)
	for name, build := range map[string]func() error{
		"empty bearer":   func() error { _, err := outbound.Bearer(""); return err },
		"empty key":      func() error { _, err := outbound.APIKey("X-Key", ""); return err },
		"empty basic":    func() error { _, err := outbound.Basic("", ""); return err },
		"colon":          func() error { _, err := outbound.Basic("a:b", "c"); return err },
		"line break":     func() error { _, err := outbound.Bearer("a\r\nX: y"); return err },
		"header name":    func() error { _, err := outbound.APIKey("X Key", "v"); return err },
		"no header name": func() error { _, err := outbound.APIKey("", "v"); return err },
		"no secret": func() error {
			_, err := outbound.OAuth2ClientCredentials(outbound.OAuth2Config{TokenURL: "https://a.example", ClientID: "id"})
			return err
		},
		"no token URL": func() error {
			_, err := outbound.OAuth2ClientCredentials(outbound.OAuth2Config{ClientID: "id", ClientSecret: "s"})
			return err
		},
		"no refresh token": func() error {
			_, err := outbound.OAuth2Refresh(outbound.OAuth2Config{TokenURL: "https://a.example"}, "", nil)
			return err
		},
		"short RSA key": func() error {
			_, err := outbound.JWTBearer(outbound.OAuth2Config{TokenURL: "https://a.example", ClientID: "id"}, outbound.Assertion{Key: rsaKey(t, 1024), Subject: "u"})
			return err
		},
		"wrong method": func() error {
			_, err := outbound.JWTBearer(outbound.OAuth2Config{TokenURL: "https://a.example", ClientID: "id"}, outbound.Assertion{Key: key, Method: "HS256", Subject: "u"})
			return err
		},
		"no subject": func() error {
			_, err := outbound.JWTBearer(outbound.OAuth2Config{TokenURL: "https://a.example", ClientID: "id"}, outbound.Assertion{Key: key})
			return err
		},
		"no key": func() error {
			_, err := outbound.OAuth2ClientCredentials(outbound.OAuth2Config{TokenURL: "https://a.example", ClientID: "id", Assertion: &outbound.Assertion{}})
			return err
		},
		"no PEM": func() error { _, err := outbound.ParseKey([]byte("nonsense")); return err },
	} {
		if build() == nil {
			t.Errorf("%s was accepted", name)
		}
	}
}

func rsaKey(t *testing.T, bits int) *rsa.PrivateKey {
	t.Helper()
	t.Setenv("GODEBUG", "rsa1024min=0")
	k, err := rsa.GenerateKey(rand.Reader, bits)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// guarded is a receiver that wants tokens of the server.
func guarded(t *testing.T, s *standin.Token) *standin.Receiver {
	r := standin.NewReceiver(t)
	r.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		if !s.Valid(req) {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		r.ServeHTTP(w, req)
	})
	return r
}

func config(s *standin.Token) outbound.OAuth2Config {
	return outbound.OAuth2Config{TokenURL: s.URL + "/token", ClientID: "id", ClientSecret: "p@ss&word", Client: onPrem(outbound.Options{})}
}

func TestClientCredentials(t *testing.T) {
	for _, style := range []oauth2.AuthStyle{oauth2.AuthStyleAutoDetect, oauth2.AuthStyleInHeader, oauth2.AuthStyleInParams} {
		s := standin.NewToken(t, standin.TokenConfig{ClientID: "id", ClientSecret: "p@ss&word", Lifetime: time.Hour})
		cfg := config(s)
		cfg.AuthStyle, cfg.Scopes, cfg.Params = style, []string{"a", "b"}, map[string][]string{"audience": {"x"}}
		auth, err := outbound.OAuth2ClientCredentials(cfg)
		if err != nil {
			t.Fatal(err)
		}
		r := guarded(t, s)
		for range 3 {
			if a, err := onPrem(outbound.Options{}).Send(t.Context(), auth, request(t, r.URL, "x")); err != nil || a.Status != 200 {
				t.Fatalf("%v: %+v, %v", style, a, err)
			}
		}
		f := s.Forms()[0]
		if s.Issued() != 1 || f.Get("scope") != "a b" || f.Get("audience") != "x" {
			t.Errorf("%v: %d tokens, form %v", style, s.Issued(), f)
		}
	}
}

func TestTheWayOfAuthenticationIsFoundOutOnce(t *testing.T) {
	s := standin.NewToken(t, standin.TokenConfig{ClientID: "id", ClientSecret: "p@ss&word", NoBasic: true})
	auth, err := outbound.OAuth2ClientCredentials(config(s))
	if err != nil {
		t.Fatal(err)
	}
	r := guarded(t, s)
	for range 3 {
		if a, err := onPrem(outbound.Options{}).Send(t.Context(), auth, request(t, r.URL, "x")); err != nil || a.Status != 200 {
			t.Fatalf("%+v, %v", a, err)
		}
		s.Revoke()
	}
	if s.Issued() != 3 || s.Asked() != 4 {
		t.Errorf("%d tokens for %d requests, want 3 for 4", s.Issued(), s.Asked())
	}
}

func TestTokensAreRenewedBeforeTheyExpire(t *testing.T) {
	clock := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	var mu sync.Mutex
	now := func() time.Time { mu.Lock(); defer mu.Unlock(); return clock }
	s := standin.NewToken(t, standin.TokenConfig{ClientID: "id", ClientSecret: "p@ss&word", Lifetime: time.Hour, Now: now})
	cfg := config(s)
	cfg.Now = now
	auth, err := outbound.OAuth2ClientCredentials(cfg)
	if err != nil {
		t.Fatal(err)
	}
	for _, step := range []struct {
		after time.Duration
		want  int
	}{{0, 1}, {59 * time.Minute, 1}, {45 * time.Second, 2}, {time.Hour, 3}} {
		mu.Lock()
		clock = clock.Add(step.after)
		mu.Unlock()
		if _, err := auth.Token(t.Context()); err != nil || s.Issued() != step.want {
			t.Errorf("after %v: %d tokens, want %d, %v", step.after, s.Issued(), step.want, err)
		}
	}
}

func TestARefusedTokenIsRenewedOnceForAll(t *testing.T) {
	s := standin.NewToken(t, standin.TokenConfig{ClientID: "id", ClientSecret: "p@ss&word", NoExpiresIn: true, Lifetime: time.Hour})
	auth, err := outbound.OAuth2ClientCredentials(config(s))
	if err != nil {
		t.Fatal(err)
	}
	r, c := guarded(t, s), onPrem(outbound.Options{})
	if _, err := c.Send(t.Context(), auth, request(t, r.URL, "x")); err != nil {
		t.Fatal(err)
	}
	s.Revoke()
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			a, err := c.Send(context.Background(), auth, request(t, r.URL, "again"))
			if err != nil || a.Status != 200 {
				t.Errorf("%+v, %v", a, err)
			}
		})
	}
	wg.Wait()
	if s.Issued() != 2 {
		t.Errorf("%d tokens were fetched, want 2", s.Issued())
	}
	if n := len(r.Requests()); n != 21 {
		t.Errorf("%d requests arrived, want 21", n)
	}
}

func TestA401ThatNewTokensDoNotHelpIsReturned(t *testing.T) {
	s := standin.NewToken(t, standin.TokenConfig{ClientID: "id", ClientSecret: "p@ss&word"})
	auth, _ := outbound.OAuth2ClientCredentials(config(s))
	r := standin.NewReceiver(t)
	r.Otherwise(standin.Reply{Status: 401})
	a, err := onPrem(outbound.Options{}).Send(t.Context(), auth, request(t, r.URL, "x"))
	if err != nil || a.Status != 401 || len(r.Requests()) != 2 || s.Issued() != 2 {
		t.Fatalf("%+v, %v, %d requests, %d tokens", a, err, len(r.Requests()), s.Issued())
	}
}

func TestATokenServerThatIsDownIsNotTakenForRefusedCredentials(t *testing.T) {
	for status, pause := range map[int]bool{503: false, 400: true} {
		s := standin.NewToken(t, standin.TokenConfig{ClientID: "id", ClientSecret: "p@ss&word"})
		cfg := config(s)
		cfg.AuthStyle = oauth2.AuthStyleInParams
		auth, _ := outbound.OAuth2ClientCredentials(cfg)
		r, c := guarded(t, s), onPrem(outbound.Options{})
		if _, err := c.Send(t.Context(), auth, request(t, r.URL, "x")); err != nil {
			t.Fatal(err)
		}
		s.Revoke()
		down := standin.Reply{Status: status, Body: `{"error":"invalid_client"}`}
		s.Fail(down, down)
		a, err := c.Send(t.Context(), auth, request(t, r.URL, "x"))
		if got := outbound.ResultFrom(a, err, time.Now()); err == nil || got.Pause != pause || got.Unhealthy == pause {
			t.Errorf("%d: %+v", status, got)
		}
	}
}

func TestRefreshTokensRotate(t *testing.T) {
	s := standin.NewToken(t, standin.TokenConfig{ClientID: "id", ClientSecret: "p@ss&word", RefreshToken: "first", Rotate: true})
	var saved []string
	fail := true
	auth, err := outbound.OAuth2Refresh(config(s), "first", func(_ context.Context, token string) error {
		saved = append(saved, token)
		if fail {
			return errors.New("disk full")
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	r, c := guarded(t, s), onPrem(outbound.Options{})
	send := func() {
		t.Helper()
		if a, err := c.Send(t.Context(), auth, request(t, r.URL, "x")); err != nil || a.Status != 200 {
			t.Fatalf("%+v, %v", a, err)
		}
	}
	send() // the token serves although it could not be saved
	send() // and saving is tried again
	fail = false
	send()
	send()
	s.Revoke()
	send()
	const want = "refresh-1 refresh-1 refresh-1 refresh-2"
	if got := strings.Join(saved, " "); got != want {
		t.Errorf("saved %q, want %q", got, want)
	}
}

func TestTokenErrorsAdviseAndHoldNoSecret(t *testing.T) {
	for name, c := range map[string]struct {
		reply   standin.Reply
		refused bool
		text    string
	}{
		"invalid client": {standin.Reply{Status: 401, Body: `{"error":"invalid_client","error_description":"p@ss&word is wrong"}`}, true, "invalid_client; correct"},
		"invalid grant":  {standin.Reply{Status: 400, Body: `{"error":"invalid_grant","error_description":"first"}`}, true, "authorize anew"},
		"odd code":       {standin.Reply{Status: 400, Body: `{"error":"secret p@ss&word unknown"}`}, true, "answered 400;"},
		"down":           {standin.Reply{Status: 503, Body: `p@ss&word`}, false, "503"},
		"limited":        {standin.Reply{Status: 429, Body: `{"error":"slow_down"}`}, false, "429"},
		"HTML":           {standin.Reply{Status: 200, Body: `<p>p@ss&word</p>`}, false, "can not be read"},
		"redirected":     {standin.Reply{Status: 302, Body: ``}, true, "redirects"},
		"hung up":        {standin.Reply{Hangup: true}, false, "closed the connection"},
	} {
		s := standin.NewToken(t, standin.TokenConfig{ClientID: "id", ClientSecret: "p@ss&word"})
		s.Fail(c.reply, c.reply)
		cfg := config(s)
		cfg.AuthStyle = oauth2.AuthStyleInParams
		auth, _ := outbound.OAuth2ClientCredentials(cfg)
		_, err := onPrem(outbound.Options{}).Send(t.Context(), auth, request(t, "https://a.example", "x"))
		var e *outbound.TokenError
		if !errors.As(err, &e) || e.Refused != c.refused || !strings.Contains(err.Error(), c.text) || strings.Contains(err.Error(), "p@ss") {
			t.Errorf("%s: %v (%+v)", name, err, e)
		}
		if r := outbound.ResultFrom(nil, err, time.Now()); r.Pause != c.refused || r.Unhealthy == c.refused {
			t.Errorf("%s: %+v", name, r)
		}
	}
}

func TestARefusingTokenServerIsNotAskedForEachCall(t *testing.T) {
	s := standin.NewToken(t, standin.TokenConfig{ClientID: "id", ClientSecret: "another"})
	clock := time.Unix(1_800_000_000, 0)
	cfg := config(s)
	cfg.AuthStyle, cfg.Now = oauth2.AuthStyleInParams, func() time.Time { return clock }
	auth, _ := outbound.OAuth2ClientCredentials(cfg)
	for range 10 {
		if _, err := auth.Token(t.Context()); err == nil {
			t.Fatal("got a token for a wrong secret")
		}
	}
	if s.Asked() != 1 {
		t.Errorf("asked %d times, want once", s.Asked())
	}
	clock = clock.Add(time.Minute)
	_, _ = auth.Token(t.Context())
	if s.Asked() != 2 {
		t.Errorf("asked %d times a minute later, want twice", s.Asked())
	}
}

func TestOneImpatientCallerDoesNotFailTheOthers(t *testing.T) {
	release := make(chan struct{})
	var asked atomic.Int32
	arrived := make(chan struct{}, 1)
	c := outbound.NewClient(outbound.Options{Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
		asked.Add(1)
		arrived <- struct{}{}
		select {
		case <-release:
			return (&http.Client{Transport: tokenAnswer}).Get("https://a.example")
		case <-r.Context().Done():
			return nil, r.Context().Err()
		}
	})})
	auth, _ := outbound.OAuth2ClientCredentials(outbound.OAuth2Config{TokenURL: "https://a.example", ClientID: "id", ClientSecret: "s", Client: c, AuthStyle: oauth2.AuthStyleInParams})
	ctx, cancel := context.WithCancel(t.Context())
	first := make(chan error, 1)
	go func() { _, err := auth.Token(ctx); first <- err }()
	<-arrived
	cancel()
	if err := <-first; outbound.ResultFrom(nil, err, time.Now()).Unhealthy || err == nil {
		t.Errorf("the impatient one got %v", err)
	}
	close(release)
	if tok, err := auth.Token(t.Context()); err != nil || tok.AccessToken != "t" || asked.Load() != 1 {
		t.Errorf("the patient one got %v, %v after %d requests", tok, err, asked.Load())
	}
}

var tokenAnswer = roundTrip(func(*http.Request) (*http.Response, error) {
	return &http.Response{StatusCode: 200, Header: http.Header{"Content-Type": {"application/json"}}, Body: io.NopCloser(strings.NewReader(`{"access_token":"t"}`))}, nil
})
