// Package destinations has the guest modules of the kinds of systems that calls are delivered to: any HTTP endpoint,
// HubSpot, Salesforce, and EHRs by FHIR.
package destinations

import (
	"crypto"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"regexp"
	"strings"
	"time"
	_ "time/tzdata" // a gateway in a bare container knows the time zones too

	"golang.org/x/oauth2"

	"github.com/callgate/callgate/caddymodule/guest"
	"github.com/callgate/callgate/caddymodule/secret"
	"github.com/callgate/callgate/internal/outbound"
)

// Login says how to sign in at a receiving system. At most one of its ways is configured.
type Login struct {
	// Bearer is a token that is sent as "Authorization: Bearer …".
	Bearer string `json:"bearer,omitempty"`

	// Basic is a user name and a password (RFC 7617).
	Basic *BasicLogin `json:"basic,omitempty"`

	// Digest is a user name and a password that answer the receiver's challenge (RFC 7616) and are never sent. The first
	// request is refused and sent once more. It is not for convert, since the handler that follows sends only once.
	Digest *DigestLogin `json:"digest,omitempty"`

	// APIKey is a key that is sent in a header of its own.
	APIKey *APIKeyLogin `json:"api_key,omitempty"`

	// OAuth2 fetches tokens from a token server, keeps them, and fetches a new one when the receiver refuses the
	// present one.
	OAuth2 *OAuth2Login `json:"oauth2,omitempty"`
}

// BasicLogin is a user name and a password.
type BasicLogin struct {
	User     string `json:"user,omitempty"`
	Password string `json:"password,omitempty"`
}

// DigestLogin is a user name and a password.
type DigestLogin struct {
	User     string `json:"user,omitempty"`
	Password string `json:"password,omitempty"`
}

// APIKeyLogin is a key and the header that carries it.
type APIKeyLogin struct {
	// Header is the header's name, such as X-API-Key.
	Header string `json:"header,omitempty"`
	// Value is the key.
	Value string `json:"value,omitempty"`
}

// OAuth2Login is the client credentials grant (RFC 6749, section 4.4) or, with a refresh token, that grant (section 6).
type OAuth2Login struct {
	// TokenURL is the token server's address. Required.
	TokenURL string `json:"token_url,omitempty"`

	// ClientID and ClientSecret are the gateway's own credentials there. Required.
	ClientID     string `json:"client_id,omitempty"`
	ClientSecret string `json:"client_secret,omitempty"`

	// Scopes are what is asked for. Default: none, which leaves it to the server.
	Scopes []string `json:"scopes,omitempty"`

	// Params are sent to the token server besides, such as audience or resource.
	Params map[string]string `json:"params,omitempty"`

	// SecretIn says where the client's id and secret go: header (HTTP basic) or form. Default: what the server
	// accepts, which costs one refused request at first.
	SecretIn string `json:"secret_in,omitempty"`

	Refresh
}

// Refresh is a refresh token, and where its successors are kept. Servers that rotate refresh tokens send another one
// with each access token, and the one before it is void from then on.
type Refresh struct {
	// RefreshToken is the first one, as the system gave it out when access was granted.
	RefreshToken string `json:"refresh_token,omitempty"`

	// RefreshTokenFile is a file in which the present token is kept when the server rotates them, readable by the
	// gateway alone. One gateway uses it. A new RefreshToken in the configuration takes the place of what is in it.
	// Default: none, and the token is kept in memory: it outlives a reload of the configuration, not a restart.
	RefreshTokenFile string `json:"refresh_token_file,omitempty"`
}

// given reports how many ways are configured.
func (l *Login) given() int {
	n := 0
	for _, yes := range []bool{l.Bearer != "", l.Basic != nil, l.Digest != nil, l.APIKey != nil, l.OAuth2 != nil} {
		if yes {
			n++
		}
	}
	return n
}

// authorizer resolves the secrets. It is nil when no way is configured. allowHTTP lets the token server be http.
func (l *Login) authorizer(k *kept, o guest.DestinationOptions, client *outbound.Client, allowHTTP bool) (outbound.Authorizer, error) {
	if l.given() > 1 {
		return nil, errors.New("choose one of bearer, basic, digest, api_key and oauth2; another fixed credential can go into a header")
	}
	switch {
	case l.Bearer != "":
		token, err := credential(o, "bearer", l.Bearer)
		if err != nil {
			return nil, err
		}
		a, err := outbound.Bearer(token)
		return a, within("bearer", err)
	case l.Basic != nil:
		user, password, err := userAndPassword(o, "basic", l.Basic.User, l.Basic.Password)
		if err != nil {
			return nil, err
		}
		a, err := outbound.Basic(user, password)
		return a, within("basic", err)
	case l.Digest != nil:
		user, password, err := userAndPassword(o, "digest", l.Digest.User, l.Digest.Password)
		if err != nil {
			return nil, err
		}
		a, err := outbound.NewDigest(user, password)
		if err != nil {
			return nil, within("digest", err)
		}
		return a, nil
	case l.APIKey != nil:
		key, err := credential(o, "api_key", l.APIKey.Value)
		if err != nil {
			return nil, err
		}
		a, err := outbound.APIKey(l.APIKey.Header, key)
		return a, within("api_key", err)
	case l.OAuth2 != nil:
		a, err := l.OAuth2.authorizer(k, o, client, allowHTTP)
		return a, within("oauth2", err)
	}
	return nil, nil
}

func userAndPassword(o guest.DestinationOptions, line, user, password string) (string, string, error) {
	user, err := setting(o, line+": user", user)
	if err != nil {
		return "", "", err
	}
	password, err = credential(o, line+": password", password)
	return user, password, err
}

func (l *OAuth2Login) authorizer(k *kept, o guest.DestinationOptions, client *outbound.Client, allowHTTP bool) (outbound.Authorizer, error) {
	cfg := outbound.OAuth2Config{Client: client, Params: url.Values{}}
	var err error
	if cfg.TokenURL, err = tokenURL(o, l.TokenURL, allowHTTP); err != nil {
		return nil, err
	}
	if cfg.ClientID, err = setting(o, "client_id", l.ClientID); err != nil {
		return nil, err
	}
	if cfg.ClientSecret, err = credential(o, "client_secret", l.ClientSecret); err != nil {
		return nil, err
	}
	cfg.Scopes = l.Scopes
	for name, value := range l.Params {
		read := setting
		if secretName.MatchString(name) {
			read = credential
		}
		if value, err = read(o, "param "+name, value); err != nil {
			return nil, err
		}
		cfg.Params.Set(name, value)
	}
	switch l.SecretIn {
	case "":
	case "header":
		cfg.AuthStyle = oauth2.AuthStyleInHeader
	case "form":
		cfg.AuthStyle = oauth2.AuthStyleInParams
	default:
		return nil, fmt.Errorf("secret_in %q: choose header or form", l.SecretIn)
	}
	if l.RefreshToken != "" {
		return k.refreshing(o, cfg, l.Refresh)
	}
	if l.RefreshTokenFile != "" {
		return nil, errNoRefreshToken
	}
	return some(outbound.OAuth2ClientCredentials(cfg))
}

var errNoRefreshToken = errors.New("refresh_token_file without a refresh_token; give the first token, or remove the file")

// some keeps a nil *OAuth2 from becoming an Authorizer that is not nil.
func some(a *outbound.OAuth2, err error) (outbound.Authorizer, error) {
	if err != nil {
		return nil, err
	}
	return a, nil
}

// within says which line an error is about.
func within(line string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", line, err)
}

// setting resolves the placeholders of something that is needed.
func setting(o guest.DestinationOptions, what, raw string) (string, error) {
	if raw == "" {
		return "", fmt.Errorf("%s is missing", what)
	}
	v, err := o.Resolve(raw)
	switch {
	case err != nil && secret.IsPlaceholder(raw):
		return "", fmt.Errorf("%s: %w", what, err)
	case err != nil:
		return "", fmt.Errorf("%s: %w", what, secret.ErrBraces)
	}
	// Files and variables often end with the line break that an editor or echo put there.
	if v = strings.TrimRight(v, "\r\n"); v == "" {
		return "", fmt.Errorf("%s is empty; set what %s refers to", what, raw)
	}
	return v, nil
}

// fileSetting is setting for the name of a file, which what came through the API cannot have opened.
func fileSetting(o guest.DestinationOptions, what, raw string) (string, error) {
	if o.Bounds != nil && raw != "" {
		return "", fmt.Errorf("%s: a document cannot name a file of the gateway's machine", what)
	}
	return setting(o, what, raw)
}

// credential is setting for a secret. One that is written out is warned about, because the admin API shows it.
func credential(o guest.DestinationOptions, what, raw string) (string, error) {
	v, err := setting(o, what, raw)
	if err != nil {
		return "", err
	}
	if v == raw {
		return v, literal(o, what)
	}
	return v, nil
}

// literal is for a secret that is written out: a warning in the configuration, and an error in a document, which is shown to
// more people.
func literal(o guest.DestinationOptions, what string) error {
	if o.Bounds != nil {
		return fmt.Errorf("%s: a secret does not stand in a document; write {secret.NAME}, and give the value apart", what)
	}
	o.Exposes(guest.SecretWritten, what)
	o.Logger.Warn("a secret is written in the configuration, which the admin API shows; put it into the environment or a file, and write {env.NAME} or {file./path}: " + what)
	return nil
}

// secretName is the name of a header or parameter whose value is hardly anything but a secret.
var secretName = regexp.MustCompile(`(?i)auth|token|secret|passw|signature|(?:^|[-_])key$|api-?key|cookie`)

// constant refuses placeholders where they would be sent as they stand.
func constant(what, template string) error {
	if unreplaced.MatchString(template) {
		return fmt.Errorf("%s: a placeholder such as {env.NAME} is not replaced in a template; write the text itself, or a {{variable}} of the tenant's vars", what)
	}
	return nil
}

var unreplaced = regexp.MustCompile(`(?:^|[^{])\{(?:env|file)\.[^{}]+\}`)

// tokenURL resolves and checks the address of a token server.
func tokenURL(o guest.DestinationOptions, raw string, allowHTTP bool) (string, error) {
	address, err := setting(o, "token_url", raw)
	if err != nil {
		return "", err
	}
	exposeClear(o, "token_url", address)
	return address, within("token_url", outbound.CheckURL(address, allowHTTP, true))
}

// privateKey reads a private key that is a PEM text, a placeholder for one, or the name of a file.
func privateKey(o guest.DestinationOptions, what, raw string) (crypto.Signer, error) {
	text, err := setting(o, what, raw)
	if err != nil {
		return nil, err
	}
	if !strings.Contains(text, "-----BEGIN") {
		if o.Bounds != nil {
			return nil, fmt.Errorf("%s: not a PEM text (-----BEGIN …); a document cannot name a file of the gateway's machine", what)
		}
		b, err := os.ReadFile(text)
		if err != nil {
			// The name may be a secret that was given without its first line; it stays out of the error.
			return nil, fmt.Errorf("%s: neither a PEM text (-----BEGIN …) nor a file that can be read: %w", what, errors.Unwrap(err))
		}
		text = string(b)
	} else if text == strings.TrimRight(raw, "\r\n") {
		if err := literal(o, what); err != nil {
			return nil, err
		}
	}
	// In environment variables the line breaks are often written as \n.
	if !strings.Contains(text, "\n") {
		text = strings.ReplaceAll(text, `\n`, "\n")
	}
	key, err := outbound.ParseKey([]byte(text))
	return key, within(what, err)
}

// headers splits headers into those that are shown and those that hold secrets, which are masked in previews.
func headers(o guest.DestinationOptions, all map[string]string) (shown http.Header, hidden outbound.Authorizer, err error) {
	shown = make(http.Header)
	secrets := make(map[string]string)
	for name, raw := range all {
		value, err := setting(o, "header "+name, raw)
		if err != nil {
			return nil, nil, err
		}
		if value != raw {
			secrets[name] = value
			continue
		}
		if secretName.MatchString(name) {
			if err := literal(o, "header "+name); err != nil {
				return nil, nil, err
			}
		}
		if _, err := outbound.Headers(map[string]string{name: value}); err != nil {
			return nil, nil, within("header", err)
		}
		shown.Set(name, value)
	}
	if len(secrets) == 0 {
		return shown, nil, nil
	}
	hidden, err = outbound.Headers(secrets)
	return shown, hidden, within("header", err)
}

// zone finds a time zone by its name.
func zone(name string) (*time.Location, error) {
	if name == "" {
		return nil, nil
	}
	l, err := time.LoadLocation(name)
	if err != nil || name == "Local" {
		return nil, fmt.Errorf("time_zone %q is not known; use a name such as America/New_York", name)
	}
	return l, nil
}
