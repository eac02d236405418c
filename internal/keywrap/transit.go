// Package keywrap wraps tenants' data keys outside of the process: with the Transit engine of HashiCorp Vault or OpenBao, by
// its HTTP API.
package keywrap

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/tls"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"time"

	"github.com/callgate/callgate/internal/outbound"
	"github.com/callgate/callgate/internal/seal"
)

// Defaults of Options.
const (
	DefaultMount   = "transit"
	DefaultTimeout = 5 * time.Second
	// DefaultLifetime is long enough that nobody notices when the engine is away for half of it.
	DefaultLifetime = 12 * time.Hour
)

// Options are of whom data keys are wrapped by.
type Options struct {
	// Address is the server's, such as https://vault.example.com:8200. http is for the machine itself only, where an agent
	// listens.
	Address string
	// Mount is where the engine is; DefaultMount if it is empty. Key names the key there.
	Mount, Key string
	// PerTenant gives each tenant a key of its own in the engine, whose name begins with Key and a hyphen. They are made by
	// the first encryption, which the token has to be allowed ("create"). Destroying a tenant's data keys deletes it, so
	// that no copy of a wrapped data key can be unwrapped any more.
	PerTenant bool
	// Namespace is Vault's; empty for none.
	Namespace string
	// Token gives the token. It is called for each request, so that one which is renewed in a file is found there. nil
	// sends none, for an agent that puts its own in.
	Token func() (string, error)
	// TLS has own authorities and client certificates; nil for the system's.
	TLS *tls.Config
	// Timeout bounds one request; 0 means DefaultTimeout.
	Timeout time.Duration
	// Lifetime is for how long an unwrapped key may be kept in memory; 0 means DefaultLifetime.
	Lifetime time.Duration
}

// Errors of the options.
var (
	ErrAddress = errors.New("the address of transit is https:// with a host, as VAULT_ADDR has it; http:// only to this machine, where an agent listens")
	ErrName    = errors.New("the name of a key of transit has letters, digits, underscores, hyphens and dots, and begins and ends with none of the latter two")
	ErrMount   = errors.New("the mount of transit is a path such as transit or team/transit, without v1")
)

// A key's name as Vault's and OpenBao's paths take it.
var (
	name  = regexp.MustCompile(`^[0-9A-Za-z_]([0-9A-Za-z_.-]*[0-9A-Za-z_])?$`)
	mount = regexp.MustCompile(`^[0-9A-Za-z_-]+(/[0-9A-Za-z_-]+)*$`)
)

// maxName bounds a key's name.
const maxName = 200

// Transit wraps data keys with a key that does not leave the engine. A wrapped key is the name of the key there, a space, and
// the engine's ciphertext, such as "callgate vault:v1:…".
type Transit struct {
	o      Options
	base   string
	host   string
	client *outbound.Client
}

// New checks the options.
func New(o Options) (*Transit, error) {
	if o.Mount == "" {
		o.Mount = DefaultMount
	}
	o.Mount = strings.Trim(o.Mount, "/")
	o.Address = strings.TrimRight(o.Address, "/")
	_, host, _ := strings.Cut(o.Address, "://")
	switch {
	case outbound.CheckURL(o.Address, true, true) != nil, outbound.InClear(o.Address), strings.ContainsAny(host, "/?#"):
		return nil, ErrAddress
	case !mount.MatchString(o.Mount):
		return nil, ErrMount
	case !name.MatchString(o.Key), len(o.Key) > maxName/2:
		return nil, ErrName
	case o.Timeout < 0, o.Lifetime < 0:
		return nil, errors.New("timeout and keep cannot be negative")
	}
	if o.Timeout == 0 {
		o.Timeout = DefaultTimeout
	}
	if o.Lifetime == 0 {
		o.Lifetime = DefaultLifetime
	}
	proxy, _, err := outbound.EnvironmentProxy()
	if err != nil {
		return nil, err
	}
	return &Transit{o: o, base: o.Address + "/v1/" + o.Mount + "/", host: host, client: outbound.NewClient(outbound.Options{
		Timeout: o.Timeout, MaxAnswer: 64 << 10, AllowPrivate: true, TLS: o.TLS, Proxy: proxy})}, nil
}

// Close gives back what it holds.
func (t *Transit) Close() { t.client.CloseIdle() }

// Lifetime is for how long an unwrapped key may be kept.
func (t *Transit) Lifetime() time.Duration { return t.o.Lifetime }

// keyName names the key of a tenant in the engine.
func (t *Transit) keyName(tenant string) string {
	if !t.o.PerTenant {
		return t.o.Key
	}
	// A tenant's name may have what a path may not; and that of one must not be the stand-in of another's.
	own := t.o.Key + "-" + tenant
	if !name.MatchString(own) || tenant == "" || len(own) > maxName || strings.HasPrefix(tenant, "x-") {
		sum := sha256.Sum256([]byte(tenant))
		own = t.o.Key + "-x-" + hex.EncodeToString(sum[:16])
	}
	return own
}

// Wrap implements seal.Wrapper.
func (t *Transit) Wrap(ctx context.Context, tenant string, key []byte) (string, error) {
	name := t.keyName(tenant)
	a, err := t.ask(ctx, http.MethodPost, "encrypt/"+name, map[string]any{"plaintext": base64.StdEncoding.EncodeToString(key)})
	if err != nil {
		return "", err
	}
	return wrapped(name, a.Ciphertext)
}

func wrapped(name, ciphertext string) (string, error) {
	if ciphertext == "" || strings.ContainsFunc(ciphertext, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return "", errAnswer
	}
	return name + " " + ciphertext, nil
}

var errAnswer = errors.New("transit answers with something else than it should: is the mount that of a transit engine, and the key one for encryption (aes256-gcm96)?")

// parse reads a wrapped key.
func parse(text string) (key, ciphertext string, err error) {
	key, ciphertext, ok := strings.Cut(text, " ")
	if !ok || len(key) > maxName || !name.MatchString(key) || ciphertext == "" {
		return "", "", fmt.Errorf("%w (a data key that transit has wrapped)", seal.ErrTampered)
	}
	return key, ciphertext, nil
}

// Unwrap implements seal.Wrapper. The key is found by the name that it was wrapped under, so that a configuration may name
// another one by now.
func (t *Transit) Unwrap(ctx context.Context, _, text string) ([]byte, error) {
	name, ciphertext, err := parse(text)
	if err != nil {
		return nil, err
	}
	a, err := t.ask(ctx, http.MethodPost, "decrypt/"+name, map[string]any{"ciphertext": ciphertext})
	if err != nil {
		return nil, err
	}
	key, err := base64.StdEncoding.DecodeString(a.Plaintext)
	if err != nil {
		return nil, errAnswer
	}
	return key, nil
}

// Rewrap implements seal.Wrapper: with the newest version of the key, for which the data key does not leave the engine; or
// with another key, if the configuration names another one by now.
func (t *Transit) Rewrap(ctx context.Context, tenant, text string) (string, error) {
	name, ciphertext, err := parse(text)
	if err != nil {
		return "", err
	}
	if name != t.keyName(tenant) {
		key, err := t.Unwrap(ctx, tenant, text)
		if err != nil {
			return "", err
		}
		defer clear(key)
		return t.Wrap(ctx, tenant, key)
	}
	a, err := t.ask(ctx, http.MethodPost, "rewrap/"+name, map[string]any{"ciphertext": ciphertext})
	if err != nil {
		return "", err
	}
	if version(a.Ciphertext) != "" && version(a.Ciphertext) == version(ciphertext) {
		return text, nil // a rewrapped key is another text each time
	}
	return wrapped(name, a.Ciphertext)
}

// version is what says in a ciphertext which version of the key it was made with: vault:v1:.
func version(ciphertext string) string {
	i := strings.LastIndexByte(ciphertext, ':')
	return ciphertext[:i+1]
}

// Shred deletes the key of a tenant in the engine, where each has one. It is nothing where they have none.
func (t *Transit) Shred(ctx context.Context, tenant string) error {
	if !t.o.PerTenant {
		return nil
	}
	key := "keys/" + t.keyName(tenant)
	_, err := t.ask(ctx, http.MethodPost, key+"/config", map[string]any{"deletion_allowed": true})
	if err == nil {
		_, err = t.ask(ctx, http.MethodDelete, key, nil)
	}
	var refused *refusal
	if errors.As(err, &refused) && refused.missing() {
		return nil
	}
	if err != nil {
		return fmt.Errorf("the key %s of transit is not deleted, so that copies of data keys which it has wrapped, as in backups, can still be unwrapped: delete it there (allow it by deletion_allowed), or let the token update %s/%s/config and delete %[2]s/%[3]s: %[4]w",
			t.keyName(tenant), t.o.Mount, key, err)
	}
	return nil
}

type answer struct {
	Ciphertext string `json:"ciphertext"`
	Plaintext  string `json:"plaintext"`
}

// ask sends a request. Its error is seal.ErrAway if others would come to the same.
func (t *Transit) ask(ctx context.Context, method, path string, body any) (a answer, err error) {
	var text []byte
	if body != nil {
		if text, err = json.Marshal(body); err != nil {
			return a, err
		}
		defer clear(text)
	}
	r, err := outbound.NewRequest(ctx, method, t.base+path, text)
	if err != nil {
		return a, err
	}
	r.Header.Set("X-Vault-Request", "true")
	if body != nil {
		r.Header.Set("Content-Type", "application/json")
	}
	if t.o.Namespace != "" {
		r.Header.Set("X-Vault-Namespace", t.o.Namespace)
	}
	if t.o.Token != nil {
		token, err := t.o.Token()
		if err != nil {
			return a, fmt.Errorf("%w: the token: %w", seal.ErrAway, err)
		}
		r.Header.Set("X-Vault-Token", strings.TrimSpace(token))
	}
	res, err := t.client.Do(ctx, r)
	if err != nil {
		return a, fmt.Errorf("%w: %w", seal.ErrAway, err)
	}
	defer clear(res.Body)
	if res.Status != http.StatusOK && res.Status != http.StatusNoContent {
		return a, t.refused(res, path)
	}
	var data struct {
		Data answer `json:"data"`
	}
	if len(bytes.TrimSpace(res.Body)) > 0 {
		if err := json.Unmarshal(res.Body, &data); err != nil || res.Truncated {
			return a, errAnswer
		}
	}
	return data.Data, nil
}

// refusal is an answer that says no.
type refusal struct {
	status int
	text   string
	what   string // to do about it
	all    bool   // it would be said of every key
}

func (r *refusal) Error() string {
	text := fmt.Sprintf("transit answered %d", r.status)
	if r.text != "" {
		text += " (" + r.text + ")"
	}
	return text + ": " + r.what
}

// Is makes it seal.ErrAway if it would be said of every key.
func (r *refusal) Is(target error) bool { return r.all && target == seal.ErrAway }

// missing tells whether there is no such key.
// Guessed: the words are those that others' programs look for; no page of Vault or OpenBao gives them.
func (r *refusal) missing() bool {
	return r.status == http.StatusBadRequest && (strings.Contains(r.text, "not found") || strings.Contains(r.text, "no existing key"))
}

// refused makes an error of an answer. The texts of the engine's errors hold no secrets, and are cut short.
func (t *Transit) refused(res *outbound.Answer, path string) error {
	r := &refusal{status: res.Status, all: true}
	var said struct {
		Errors []string `json:"errors"`
	}
	if json.Unmarshal(res.Body, &said) == nil {
		r.text = plain(strings.Join(said.Errors, "; "))
	}
	switch {
	case res.Status == http.StatusForbidden:
		r.all = !t.o.PerTenant // a policy may allow one tenant's key and not another's
		r.what = fmt.Sprintf("the token is no longer valid, or its policy does not let it update %s/%s; renew it in the file that token names, by an agent, or give it the capability", t.o.Mount, path)
	case res.Status == http.StatusNotFound:
		r.what = fmt.Sprintf("there is no transit engine at %s, or not in this namespace", t.o.Mount)
	case res.Status == http.StatusTooManyRequests:
		r.what = "its quota for requests is used up; it is asked again in a moment"
	case res.Status == http.StatusServiceUnavailable:
		r.what = "it is sealed or being maintained: unseal it"
	case res.Status/100 == 3:
		r.what = "it sends elsewhere, which is not followed with a token: name the active server, or a load balancer before it"
	case res.Status/100 == 5:
		r.what = "see its own log"
	default:
		r.all = false
		r.what = "is the key there, of a type that encrypts, not derived, and its min_decryption_version not above the version that has wrapped the data key?"
	}
	return r
}

// plain makes a line of what a server says.
func plain(text string) string {
	text = strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' {
			return ' '
		}
		return r
	}, text)
	text = strings.Join(strings.Fields(text), " ")
	return text[:min(len(text), 200)]
}
