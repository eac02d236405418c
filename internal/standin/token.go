package standin

import (
	"crypto"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// TokenConfig says whom a token server knows. An empty part of it is a grant that is refused.
type TokenConfig struct {
	ClientID, ClientSecret string
	// NoBasic wants the secret in the form, as HubSpot and Salesforce do.
	NoBasic bool
	// RefreshToken is the first one that is valid. With Rotate each use makes a new one and voids the old.
	RefreshToken string
	Rotate       bool
	// Key verifies assertions: JWT bearer grants and client assertions. Audience is the aud they must have; empty
	// means the server's own token URL.
	Key      crypto.PublicKey
	Audience string
	// Subject is the user that JWT bearer grants must name.
	Subject string
	// Lifetime is how long tokens are valid, 0 for ever. NoExpiresIn leaves expires_in out, as Salesforce does.
	Lifetime    time.Duration
	NoExpiresIn bool
	// Extra are further members of the answer, such as instance_url.
	Extra map[string]any
	// Now is the clock; nil means time.Now.
	Now func() time.Time
}

// Token is an OAuth 2 token server: client credentials, refresh token (with rotation), JWT bearer and client
// assertions. Every path is its token endpoint.
type Token struct {
	*httptest.Server

	t       testing.TB
	cfg     TokenConfig
	mu      sync.Mutex
	issued  int
	asked   int
	expiry  map[string]time.Time
	refresh string
	seen    map[string]bool // jti
	fail    []Reply
	forms   []url.Values
}

// NewToken starts a token server. It is closed with the test.
func NewToken(t testing.TB, cfg TokenConfig) *Token {
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	s := &Token{t: t, cfg: cfg, refresh: cfg.RefreshToken, expiry: map[string]time.Time{}, seen: map[string]bool{}}
	s.Server = httptest.NewServer(s)
	t.Cleanup(s.Close)
	return s
}

// Fail makes the next requests fail as given.
func (s *Token) Fail(replies ...Reply) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fail = append(s.fail, replies...)
}

// Revoke voids every access token; refresh tokens stay.
func (s *Token) Revoke() {
	s.mu.Lock()
	defer s.mu.Unlock()
	clear(s.expiry)
}

// Issued is how many access tokens were given out, Asked how many requests there were.
func (s *Token) Issued() int { s.mu.Lock(); defer s.mu.Unlock(); return s.issued }

// Asked is how many requests the server got.
func (s *Token) Asked() int { s.mu.Lock(); defer s.mu.Unlock(); return s.asked }

// Forms are the forms that were posted.
func (s *Token) Forms() []url.Values {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]url.Values(nil), s.forms...)
}

// Valid reports whether a request carries a valid access token as its bearer.
func (s *Token) Valid(r *http.Request) bool {
	token, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	s.mu.Lock()
	defer s.mu.Unlock()
	until, known := s.expiry[token]
	return ok && known && (until.IsZero() || s.cfg.Now().Before(until))
}

// ServeHTTP is the token endpoint.
func (s *Token) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked++
	if len(s.fail) > 0 {
		f := s.fail[0]
		s.fail = s.fail[1:]
		if f.Hangup {
			panic(http.ErrAbortHandler)
		}
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(f.Status)
		_, _ = w.Write([]byte(f.Body))
		return
	}
	r.Body = http.MaxBytesReader(w, r.Body, maxBody)
	if err := r.ParseForm(); err != nil || r.Method != http.MethodPost {
		refuse(w, http.StatusBadRequest, "invalid_request", "POST a form")
		return
	}
	s.forms = append(s.forms, r.PostForm)
	if status, code, why := s.check(r); code != "" {
		refuse(w, status, code, why)
		return
	}
	s.issued++
	token := fmt.Sprintf("access-%d", s.issued)
	answer := map[string]any{"access_token": token, "token_type": "bearer"}
	s.expiry[token] = time.Time{}
	if s.cfg.Lifetime > 0 {
		s.expiry[token] = s.cfg.Now().Add(s.cfg.Lifetime)
		if !s.cfg.NoExpiresIn {
			answer["expires_in"] = int(s.cfg.Lifetime / time.Second)
		}
	}
	if r.PostForm.Get("grant_type") == "refresh_token" && s.cfg.Rotate {
		s.refresh = fmt.Sprintf("refresh-%d", s.issued)
		answer["refresh_token"] = s.refresh
	}
	for k, v := range s.cfg.Extra {
		answer[k] = v
	}
	w.Header().Set("Content-Type", "application/json;charset=UTF-8")
	w.Header().Set("Cache-Control", "no-store")
	_ = json.NewEncoder(w).Encode(answer)
}

// check returns the error to answer with, or an empty code.
func (s *Token) check(r *http.Request) (status int, code, why string) {
	f := r.PostForm
	switch f.Get("grant_type") {
	case "client_credentials":
		return s.client(r)
	case "refresh_token":
		if status, code, why = s.client(r); code != "" {
			return status, code, why
		}
		if s.refresh == "" || f.Get("refresh_token") != s.refresh {
			return 400, "invalid_grant", "expired refresh token " + f.Get("refresh_token")
		}
		return 0, "", ""
	case "urn:ietf:params:oauth:grant-type:jwt-bearer":
		if f.Get("client_secret") != "" || r.Header.Get("Authorization") != "" {
			return 400, "invalid_request", "the assertion identifies the client"
		}
		if err := s.assertion(f.Get("assertion"), s.cfg.ClientID, s.cfg.Subject); err != nil {
			return 400, "invalid_grant", err.Error()
		}
		return 0, "", ""
	default:
		return 400, "unsupported_grant_type", "grant type not supported"
	}
}

// client authenticates the client by secret, in the header or the form but not both, or by an assertion.
func (s *Token) client(r *http.Request) (status int, code, why string) {
	f := r.PostForm
	if f.Get("client_assertion_type") == "urn:ietf:params:oauth:client-assertion-type:jwt-bearer" {
		if err := s.assertion(f.Get("client_assertion"), s.cfg.ClientID, s.cfg.ClientID); err != nil {
			return 401, "invalid_client", err.Error()
		}
		return 0, "", ""
	}
	id, secret, basic := r.BasicAuth()
	if basic && s.cfg.NoBasic {
		return 401, "invalid_client", "basic authentication is not supported"
	}
	if basic {
		id, _ = url.QueryUnescape(id)
		secret, _ = url.QueryUnescape(secret)
		if f.Get("client_secret") != "" {
			return 400, "invalid_request", "two ways of authentication"
		}
	} else {
		id, secret = f.Get("client_id"), f.Get("client_secret")
	}
	if s.cfg.ClientSecret == "" || id != s.cfg.ClientID || secret != s.cfg.ClientSecret {
		return 401, "invalid_client", "client " + id + " with secret " + secret + " is not known"
	}
	return 0, "", ""
}

// assertion checks a JWT as RFC 7523 section 3 and SMART backend services ask: signature, issuer, subject, audience,
// an expiry within five minutes, and an id that was not used before.
func (s *Token) assertion(raw, issuer, subject string) error {
	if s.cfg.Key == nil {
		return fmt.Errorf("assertions are not accepted")
	}
	audience := s.cfg.Audience
	if audience == "" {
		audience = s.URL + "/token"
	}
	claims := jwt.MapClaims{}
	_, err := jwt.ParseWithClaims(raw, claims, func(*jwt.Token) (any, error) { return s.cfg.Key, nil },
		jwt.WithValidMethods([]string{"RS256", "RS384", "ES256", "ES384"}), jwt.WithIssuer(issuer), jwt.WithSubject(subject),
		jwt.WithAudience(audience), jwt.WithExpirationRequired(), jwt.WithTimeFunc(s.cfg.Now))
	if err != nil {
		return err
	}
	exp, err := claims.GetExpirationTime()
	if err != nil || exp.Sub(s.cfg.Now()) > 5*time.Minute {
		return fmt.Errorf("expires too late")
	}
	jti, _ := claims["jti"].(string)
	if jti == "" || s.seen[jti] {
		return fmt.Errorf("jti missing or used before")
	}
	s.seen[jti] = true
	return nil
}

func refuse(w http.ResponseWriter, status int, code, why string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(map[string]string{"error": code, "error_description": why})
}
