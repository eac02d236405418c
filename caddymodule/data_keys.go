package caddymodule

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"reflect"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"go.uber.org/zap"

	"github.com/callgate/callgate/caddymodule/grammar"
	"github.com/callgate/callgate/caddymodule/secret"
	"github.com/callgate/callgate/internal/keywrap"
	"github.com/callgate/callgate/internal/seal"
	"github.com/callgate/callgate/internal/store"
)

// DataKeys give each tenant a key of its own, a random one of 256 bits that is made when its first event is accepted. The
// tenant's events are sealed with it, what receivers have answered too, and how far a delivery has come; the data keys
// themselves lie in the store, wrapped by the first encryption_key or by the Transit engine of HashiCorp Vault or OpenBao.
// So all that is kept of one tenant can be destroyed at once, by `callgate keys destroy`, without touching another's. It needs
// encryption_key besides, for documents and for the hashes by which callers are found.
//
// What was sealed before stays readable. `callgate rekey` wraps the data keys anew, which takes a moment however much is
// stored, and seals with a data key what has none yet; with --tenant it seals all that a tenant has with a data key that is
// new. A reload can change all of this; data keys that Transit has wrapped need it to be named until rekey has wrapped them
// otherwise.
//
// A copy of the store, as in a backup, has the data keys in it, wrapped. What makes it unreadable for a tenant whose data
// keys were destroyed is the loss of what has wrapped them: with key_per_tenant that tenant's key in Transit is deleted with
// them; otherwise change the encryption_key (new one first, rekey, a new backup, and delete the old key), or rotate the key in
// Transit, rekey, and trim the versions before.
//
// A data key that Transit has unwrapped is kept in memory for a while, and is unwrapped anew in the second half of that, so
// that nothing is held up by an engine that is away for less. A tenant whose data key cannot be had is answered with 503, and
// its deliveries wait; nothing is ever stored that is not sealed.
type DataKeys struct {
	// Transit is the address of Vault or OpenBao, such as https://vault.example.com:8200, which wraps the data keys. http://
	// is for an agent on this machine only. Default: encryption_key wraps them.
	Transit string `json:"transit,omitempty"`

	// Key is the name of the key in Transit, of type aes256-gcm96 and not derived. The token has to be allowed to update
	// encrypt/KEY, decrypt/KEY and rewrap/KEY of the mount. It is required with Transit.
	Key string `json:"key,omitempty"`

	// KeyPerTenant gives each tenant a key of its own in Transit, whose name begins with Key and a hyphen. The token needs
	// "create" of encrypt/KEY-*, which makes them, and to destroy them "update" of keys/KEY-*/config and "delete" of
	// keys/KEY-*. Default: all data keys are wrapped with Key.
	KeyPerTenant bool `json:"key_per_tenant,omitempty"`

	// Mount is where the engine is mounted. Default: transit.
	Mount string `json:"mount,omitempty"`

	// Namespace is Vault's or OpenBao's namespace. Default: none.
	Namespace string `json:"namespace,omitempty"`

	// Token is what the engine lets the gateway in with, or a placeholder for it such as {file./run/secrets/vault-token}. It is
	// read for each request, so that an agent can renew it in the file; the gateway renews none. Default: none is sent, as to
	// an agent that puts its own in.
	Token string `json:"token,omitempty"`

	// CA is a PEM file of the authorities that the engine's certificate may be from. Default: those of the system.
	CA string `json:"ca,omitempty"`

	// ClientCert are two PEM files: of a certificate that the gateway shows the engine, and of its key. Default: none.
	ClientCert []string `json:"client_cert,omitempty"`

	// Timeout bounds one request to the engine. Default: 5s.
	Timeout caddy.Duration `json:"timeout,omitempty"`

	// Keep is for how long an unwrapped data key may be used before it has to be unwrapped anew. Default: 12h.
	Keep caddy.Duration `json:"keep,omitempty"`

	// WrapWith is who wraps data keys: transit, or encryption_key, with which Transit only unwraps what it has wrapped before.
	// Default: transit where it is configured.
	WrapWith string `json:"wrap_with,omitempty"`
}

// What WrapWith says.
const (
	wrapWithTransit = "transit"
	wrapWithRing    = "encryption_key"
)

func (a *App) unmarshalDataKeys(d *caddyfile.Dispenser) error {
	if err := grammar.NoArgs(d); err != nil {
		return err
	}
	k := new(DataKeys)
	a.DataKeys = k
	return grammar.Block(d, grammar.Lines{
		"transit":        grammar.Text(&k.Transit),
		"key":            grammar.Text(&k.Key),
		"key_per_tenant": grammar.Flag(&k.KeyPerTenant),
		"mount":          grammar.Text(&k.Mount),
		"namespace":      grammar.Text(&k.Namespace),
		"token":          grammar.Text(&k.Token),
		"ca":             grammar.Text(&k.CA),
		"client_cert": func(d *caddyfile.Dispenser) error {
			k.ClientCert = make([]string, 2)
			return grammar.Exactly(d, &k.ClientCert[0], &k.ClientCert[1])
		},
		"timeout":   grammar.Time(&k.Timeout),
		"keep":      grammar.Time(&k.Keep),
		"wrap_with": grammar.Choice(&k.WrapWith, wrapWithTransit, wrapWithRing),
	})
}

// wrapping works out who wraps data keys.
func (k *DataKeys) wrapping(logger *zap.Logger) (w seal.Wrapping, err error) {
	if k == nil {
		return w, nil
	}
	w.Tenants = true
	if k.Transit == "" {
		if bare := (DataKeys{WrapWith: k.WrapWith}); !reflect.DeepEqual(*k, bare) {
			return w, errors.New("without transit, of which it says more, there is nobody whom it could be said of: write transit <url>")
		}
		if k.WrapWith == wrapWithTransit {
			return w, errors.New("wrap_with transit needs transit <url>")
		}
		return w, nil
	}
	w.ByRing = k.WrapWith == wrapWithRing
	o := keywrap.Options{Key: k.Key, PerTenant: k.KeyPerTenant, Mount: k.Mount, Namespace: k.Namespace, Timeout: time.Duration(k.Timeout), Lifetime: time.Duration(k.Keep)}
	if o.Address, err = secret.ResolveText(k.Transit); err != nil {
		return w, fmt.Errorf("transit: %w", err)
	}
	if o.TLS, err = k.tls(); err != nil {
		return w, err
	}
	if o.Token, err = k.token(logger); err != nil {
		return w, fmt.Errorf("token: %w", err)
	}
	if w.Remote, err = keywrap.New(o); err != nil {
		return w, err
	}
	return w, nil
}

// token reads the token when it is asked for; nil if there is none. One that is not there yet, since an agent is to write
// it, is told: the gateway starts all the same.
func (k *DataKeys) token(logger *zap.Logger) (func() (string, error), error) {
	if k.Token == "" {
		return nil, nil
	}
	warnOfLiterals(logger, "data_keys", "token", k.Token)
	read := func() (string, error) { return secret.Resolve(k.Token) }
	_, err := read()
	if errors.Is(err, secret.ErrNoValue) {
		logger.Warn("there is no token for transit yet; it is looked for again with each request", zap.Error(err))
		err = nil
	}
	return read, err
}

func (k *DataKeys) tls() (*tls.Config, error) {
	conf := &tls.Config{MinVersion: tls.VersionTLS12}
	if k.CA != "" {
		pem, err := readNamed(k.CA)
		if err != nil {
			return nil, fmt.Errorf("ca: %w", err)
		}
		if conf.RootCAs = x509.NewCertPool(); !conf.RootCAs.AppendCertsFromPEM(pem) {
			return nil, errors.New("ca: no certificate in the file; give a PEM file")
		}
	}
	if n := len(k.ClientCert); n != 0 && n != 2 {
		return nil, errors.New("client_cert: give the certificate's file and its key's file")
	}
	if len(k.ClientCert) == 2 {
		certificate, err := readNamed(k.ClientCert[0])
		if err != nil {
			return nil, fmt.Errorf("client_cert: %w", err)
		}
		key, err := readNamed(k.ClientCert[1])
		if err != nil {
			return nil, fmt.Errorf("client_cert: %w", err)
		}
		pair, err := tls.X509KeyPair(certificate, key)
		if err != nil {
			return nil, fmt.Errorf("client_cert: %w; give the names of two PEM files, the certificate's first", err)
		}
		conf.Certificates = []tls.Certificate{pair}
	}
	return conf, nil
}

// readNamed reads the file that a setting names.
func readNamed(setting string) ([]byte, error) {
	name, err := secret.ResolveText(setting)
	if err != nil {
		return nil, err
	}
	return os.ReadFile(name)
}

// openStore opens the store, which has to know data keys if there are to be any.
func (u *durable) openStore() (store.Store, error) {
	s, err := u.module.OpenStore(u.options)
	if err != nil {
		return nil, err
	}
	if _, ok := s.(store.DataKeyed); !ok && u.options.Wrapping.Tenants {
		return nil, errors.Join(fmt.Errorf("the store %s has no data keys: take data_keys out, or use another kind of store", u.module.StoreKey()), s.Close())
	}
	return s, nil
}

// setDataKeys works out what a store is told of data keys.
func (u *durable) setDataKeys(k *DataKeys, logger *zap.Logger) (err error) {
	if k != nil && u.options.Keys == nil {
		return errors.New("data_keys: encryption_key is needed besides, for documents and for the hashes by which callers are found; write encryption_key {file./run/secrets/callgate.key}")
	}
	if u.options.Wrapping, err = k.wrapping(logger); err != nil {
		return fmt.Errorf("data_keys: %w", err)
	}
	return nil
}
