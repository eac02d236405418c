package outbound

import (
	"context"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/oauth2"
	"golang.org/x/oauth2/clientcredentials"
	"golang.org/x/sync/singleflight"
)

// OAuth2Config is what the ways to an OAuth 2 token have in common.
type OAuth2Config struct {
	// TokenURL is the token endpoint; check it with CheckURL.
	TokenURL     string
	ClientID     string
	ClientSecret string
	Scopes       []string
	// Params are sent to the token endpoint in addition, such as audience or resource.
	Params url.Values
	// AuthStyle says where the client's id and secret go: oauth2.AuthStyleInParams (HubSpot, Salesforce),
	// AuthStyleInHeader (RFC 6749's preference), or 0 to find out, which costs a refused request at first.
	AuthStyle oauth2.AuthStyle
	// Assertion proves the client's identity with a signed JWT in place of a secret (private_key_jwt, as SMART
	// backend services want it).
	Assertion *Assertion
	// Client reaches the token endpoint; nil means a client with zero Options.
	Client *Client
	// Now is the clock; nil means time.Now.
	Now func() time.Time
	// Skew is how long before its expiry a token is no longer used; 0 means 30 s, or a tenth of its lifetime where
	// that is less.
	Skew time.Duration
	// Lifetime is assumed for tokens that come without expires_in, as Salesforce's do; 0 means that such a token is
	// used until it is refused.
	Lifetime time.Duration

	// request is what ask sends; kept because it remembers which AuthStyle was found out.
	request *clientcredentials.Config
}

// defaultSkew leaves time for the request to arrive, and for clocks that differ.
const defaultSkew = 30 * time.Second

// refusedPause is for how long a token endpoint that refused the credentials is not asked again: asking once for each
// waiting delivery would get the account locked.
const refusedPause = 15 * time.Second

// OAuth2 is an Authorizer that fetches tokens, keeps them until shortly before they expire, and fetches a new one
// when the receiver refuses the present one with 401. However many requests need a token, one fetches it.
type OAuth2 struct {
	now      func() time.Time
	skew     time.Duration
	lifetime time.Duration
	client   *Client
	host     string
	fetch    func(ctx context.Context) (*oauth2.Token, error)

	flight singleflight.Group
	// save keeps the rotated refresh token; unsaved says that it has to be called again.
	save    func(ctx context.Context) error
	unsaved atomic.Bool

	mu        sync.Mutex
	token     *oauth2.Token
	usable    time.Time // until then; zero means without limit
	refusal   *TokenError
	refusedAt time.Time
}

// OAuth2ClientCredentials fetches tokens by the client credentials grant (RFC 6749, section 4.4), with the client's
// secret or, if Assertion is set, with a signed JWT (RFC 7523, section 2.2).
func OAuth2ClientCredentials(cfg OAuth2Config) (*OAuth2, error) {
	if cfg.ClientSecret == "" && cfg.Assertion == nil || cfg.ClientID == "" {
		return nil, ErrNoSecret
	}
	return cfg.build(func(ctx context.Context) (*oauth2.Token, error) {
		return cfg.ask(ctx, url.Values{})
	})
}

// JWTBearer fetches tokens for a signed JWT (RFC 7523, section 2.1), as Salesforce's JWT bearer flow does. The
// assertion's issuer is the ClientID if it names none.
func JWTBearer(cfg OAuth2Config, assertion Assertion) (*OAuth2, error) {
	if assertion.Issuer == "" {
		assertion.Issuer = cfg.ClientID
	}
	if assertion.Audience == "" {
		assertion.Audience = cfg.TokenURL
	}
	if err := assertion.check(); err != nil {
		return nil, err
	}
	now := cfg.clock()
	// The assertion says who the client is; Salesforce refuses a second statement of it.
	cfg.ClientID, cfg.ClientSecret, cfg.AuthStyle = "", "", oauth2.AuthStyleInParams
	return cfg.build(func(ctx context.Context) (*oauth2.Token, error) {
		signed, err := assertion.sign(now())
		if err != nil {
			return nil, err
		}
		return cfg.ask(ctx, url.Values{
			"grant_type": {"urn:ietf:params:oauth:grant-type:jwt-bearer"},
			"assertion":  {signed},
		})
	})
}

// OAuth2Refresh fetches tokens with a refresh token (RFC 6749, section 6). Servers that rotate refresh tokens send a
// new one, and the old one is void from then on: save gets it before the access token is used, and is called again
// with later requests for as long as it fails. save may be nil where the server is known not to rotate.
func OAuth2Refresh(cfg OAuth2Config, refreshToken string, save func(ctx context.Context, refreshToken string) error) (*OAuth2, error) {
	if refreshToken == "" {
		return nil, ErrNoSecret
	}
	var current atomic.Pointer[string]
	current.Store(&refreshToken)
	var o *OAuth2
	o, err := cfg.build(func(ctx context.Context) (*oauth2.Token, error) {
		old := *current.Load()
		t, err := cfg.ask(ctx, url.Values{"grant_type": {"refresh_token"}, "refresh_token": {old}})
		if err != nil {
			return nil, err
		}
		if t.RefreshToken != "" && t.RefreshToken != old {
			current.Store(&t.RefreshToken)
			o.unsaved.Store(save != nil && save(ctx, t.RefreshToken) != nil)
		}
		return t, nil
	})
	if err != nil {
		return nil, err
	}
	o.save = func(ctx context.Context) error { return save(ctx, *current.Load()) }
	return o, nil
}

// saveAgain repeats a save that failed. The token can be used whether or not it succeeds.
func (o *OAuth2) saveAgain(ctx context.Context) {
	o.flight.Do("save", func() (any, error) {
		if o.unsaved.Load() && o.save(ctx) == nil {
			o.unsaved.Store(false)
		}
		return nil, nil
	})
}

func (cfg *OAuth2Config) clock() func() time.Time {
	if cfg.Now == nil {
		return time.Now
	}
	return cfg.Now
}

// build checks the configuration and returns the authorizer around the way to fetch a token.
func (cfg *OAuth2Config) build(fetch func(ctx context.Context) (*oauth2.Token, error)) (*OAuth2, error) {
	u, err := url.Parse(cfg.TokenURL)
	if err != nil || u.Host == "" {
		return nil, ErrBadURL
	}
	if cfg.Client == nil {
		cfg.Client = NewClient(Options{})
	}
	if a := cfg.Assertion; a != nil {
		own := *a
		cfg.Assertion = &own
		if own.Issuer == "" {
			own.Issuer = cfg.ClientID
		}
		if own.Subject == "" {
			own.Subject = cfg.ClientID
		}
		if own.Audience == "" {
			own.Audience = cfg.TokenURL
		}
		if err := own.check(); err != nil {
			return nil, err
		}
	}
	cfg.request = &clientcredentials.Config{
		ClientID: cfg.ClientID, ClientSecret: cfg.ClientSecret, TokenURL: cfg.TokenURL, Scopes: cfg.Scopes, AuthStyle: cfg.AuthStyle,
	}
	if cfg.Assertion != nil { // which says who the client is
		cfg.request.ClientID, cfg.request.ClientSecret, cfg.request.AuthStyle = "", "", oauth2.AuthStyleInParams
	}
	return &OAuth2{
		now: cfg.clock(), skew: cfg.Skew, lifetime: cfg.Lifetime, client: cfg.Client, host: u.Host, fetch: fetch,
	}, nil
}

// ask sends one request to the token endpoint. It is clientcredentials' request for every grant: that package lets
// grant_type be set, and does the rest alike. There is one at a time, by the single flight.
func (cfg *OAuth2Config) ask(ctx context.Context, params url.Values) (*oauth2.Token, error) {
	for k, v := range cfg.Params {
		params[k] = v
	}
	if cfg.Assertion != nil {
		signed, err := cfg.Assertion.sign(cfg.clock()())
		if err != nil {
			return nil, err
		}
		params.Set("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer")
		params.Set("client_assertion", signed)
	}
	cfg.request.EndpointParams = params
	return cfg.request.Token(context.WithValue(ctx, oauth2.HTTPClient, cfg.Client.forTokens()))
}

// Token returns the present token, fetching one if there is none that can be used. Extra reads what else the server
// sent with it (Salesforce's instance_url). The error is a *TokenError.
func (o *OAuth2) Token(ctx context.Context) (*oauth2.Token, error) {
	o.mu.Lock()
	t, refusal := o.token, o.refusal
	now := o.now()
	fresh := t != nil && (o.usable.IsZero() || now.Before(o.usable))
	waiting := refusal != nil && now.Sub(o.refusedAt) < refusedPause
	o.mu.Unlock()
	if fresh && o.unsaved.Load() {
		o.saveAgain(ctx)
	}
	switch {
	case fresh:
		return t, nil
	case waiting:
		return nil, refusal
	}
	return o.renew(ctx, t)
}

// renew fetches a token unless old has been replaced meanwhile. The fetch does not end with the ctx of whoever
// happened to start it, since others wait for it too; it ends with the client's timeout.
func (o *OAuth2) renew(ctx context.Context, old *oauth2.Token) (*oauth2.Token, error) {
	done := o.flight.DoChan("token", func() (any, error) {
		o.mu.Lock()
		t := o.token
		o.mu.Unlock()
		if t != old && t != nil {
			return t, nil
		}
		within, cancel := context.WithTimeout(context.WithoutCancel(ctx), o.client.timeout)
		defer cancel()
		t, err := o.fetch(within)
		var failure *TokenError
		if err != nil {
			failure = tokenError(within, err, o.host)
		}
		o.mu.Lock()
		defer o.mu.Unlock()
		if failure != nil {
			if failure.Refused {
				o.refusal, o.refusedAt = failure, o.now()
			}
			return nil, failure
		}
		o.token, o.refusal, o.usable = t, nil, o.until(t)
		return t, nil
	})
	select {
	case r := <-done:
		if r.Err != nil {
			return nil, r.Err
		}
		return r.Val.(*oauth2.Token), nil
	case <-ctx.Done():
		return nil, tokenError(ctx, ctx.Err(), o.host)
	}
}

// until is when the token should no longer be used, by our clock.
func (o *OAuth2) until(t *oauth2.Token) time.Time {
	life := o.lifetime
	if !t.Expiry.IsZero() {
		life = time.Until(t.Expiry) // which oauth2 has reckoned from the system's clock
	}
	if life <= 0 {
		return time.Time{}
	}
	skew := o.skew
	if skew <= 0 {
		skew = min(defaultSkew, life/10)
	}
	return o.now().Add(max(life-skew, 0))
}

// Apply sets the token on the request.
func (o *OAuth2) Apply(ctx context.Context, req *http.Request) error {
	t, err := o.Token(ctx)
	if err != nil {
		return err
	}
	// Some servers answer with token_type "bearer", "BEARER" or none: RFC 6750's spelling serves everywhere.
	req.Header.Set("Authorization", "Bearer "+t.AccessToken)
	return nil
}

// Rejected fetches a new token after a 401, unless the refused request went out with an older token than the present
// one. It returns false for every other status, and when the server gave out the same token again. When no token is to
// be had it returns true: Apply then tells why, and a token server that is down for a moment is not taken for refused
// credentials.
func (o *OAuth2) Rejected(ctx context.Context, req *http.Request, status int, _ []byte) bool {
	if status != http.StatusUnauthorized {
		return false
	}
	sent, _ := strings.CutPrefix(req.Header.Get("Authorization"), "Bearer ")
	o.mu.Lock()
	t := o.token
	if t != nil && t.AccessToken == sent {
		o.usable = o.now() // nobody else should start with it
	}
	o.mu.Unlock()
	if t != nil && t.AccessToken != sent {
		return true
	}
	renewed, err := o.renew(ctx, t)
	return err != nil || renewed.AccessToken != sent
}

// Mask sets what the header would look like.
func (o *OAuth2) Mask(h http.Header) { h.Set("Authorization", "Bearer "+Masked) }

// TokenError is a token that could not be had. Its text names the OAuth error code and the token server's host.
type TokenError struct {
	// Refused says that the server refused the credentials: another attempt is of no use before they are corrected.
	Refused bool
	// Status is the token server's HTTP status, 0 if it did not answer.
	Status int
	// Code is the OAuth error code, such as "invalid_grant", if there was one.
	Code  string
	text  string
	cause error
}

// Error returns the reason.
func (e *TokenError) Error() string { return e.text }

// Unwrap returns the *Error of a server that did not answer, or nil.
func (e *TokenError) Unwrap() error { return e.cause }
