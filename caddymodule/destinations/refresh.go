package destinations

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"

	"github.com/caddyserver/caddy/v2"
	"go.uber.org/zap"

	"github.com/callgate/callgate/caddymodule/guest"
	"github.com/callgate/callgate/internal/outbound"
)

// rotations holds a *rotation for each refresh token that running configurations name. A reload of the configuration
// must go on with the token that the server gave last: the one in the configuration is void by then.
var rotations = caddy.NewUsagePool()

// rotation is what became of one refresh token.
type rotation struct {
	// configured is the hash of the token in the configuration.
	configured string
	file       string

	mu sync.Mutex
	// latest is the token that is valid now.
	latest string
	// settings and auth are the newest configuration's way to fetch tokens: while its settings stay the same, it
	// serves the next configuration too, so that no two refresh at once and void each other's token.
	settings string
	auth     *outbound.OAuth2
	warned   bool
	logger   *zap.Logger
}

// Destruct implements caddy.Destructor.
func (r *rotation) Destruct() error { return nil }

// keptToken is the content of a refresh token file.
type keptToken struct {
	// For is the hash of the configured token that this one descends from.
	For          string `json:"for"`
	RefreshToken string `json:"refresh_token"`
}

// refreshing makes an authorizer from a refresh token, or finds the one that the running configuration has.
func (k *kept) refreshing(o guest.DestinationOptions, cfg outbound.OAuth2Config, s Refresh) (outbound.Authorizer, error) {
	first, err := credential(o, "refresh_token", s.RefreshToken)
	if err != nil {
		return nil, err
	}
	file := ""
	if s.RefreshTokenFile != "" {
		if file, err = fileSetting(o, "refresh_token_file", s.RefreshTokenFile); err != nil {
			return nil, err
		}
		if file, err = filepath.Abs(file); err != nil {
			return nil, within("refresh_token_file", err)
		}
	}
	configured := digest(first)
	key := digest(cfg.TokenURL, cfg.ClientID, first, file)
	value, _, err := rotations.LoadOrNew(key, func() (caddy.Destructor, error) {
		r := &rotation{configured: configured, file: file, latest: first}
		return r, r.load()
	})
	if err != nil {
		return nil, within("refresh_token_file", err)
	}
	k.tokens = append(k.tokens, key)
	r := value.(*rotation)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.logger = o.Logger
	settings := digest(cfg.ClientSecret, fmt.Sprint(cfg.Scopes, cfg.Params, cfg.AuthStyle, o.Timeout), k.made)
	if r.auth != nil && r.settings == settings {
		return r.auth, nil
	}
	auth, err := outbound.OAuth2Refresh(cfg, r.latest, r.save)
	if err != nil {
		return nil, err
	}
	r.auth, r.settings = auth, settings
	return auth, nil
}

// load reads the file, if there is one that belongs to the configured token.
func (r *rotation) load() error {
	if r.file == "" {
		return nil
	}
	b, err := os.ReadFile(r.file)
	if errors.Is(err, fs.ErrNotExist) {
		// Found out now rather than when the first token has to be kept.
		if at, err := os.Stat(filepath.Dir(r.file)); err != nil || !at.IsDir() {
			return fmt.Errorf("there is no directory %s; make it, writable for the gateway", filepath.Dir(r.file))
		}
		return nil
	}
	if err != nil {
		return err
	}
	var t keptToken
	if json.Unmarshal(b, &t) != nil || t.For == "" {
		return fmt.Errorf("%s does not hold a token that the gateway has kept; name a file that is not there yet", r.file)
	}
	if t.For == r.configured && t.RefreshToken != "" {
		r.latest = t.RefreshToken
	}
	return nil
}

// save keeps a new token. An error makes the authorizer call it again.
func (r *rotation) save(_ context.Context, token string) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.latest = token
	if r.file == "" {
		if !r.warned {
			r.warned = true
			r.logger.Warn("the server replaces refresh tokens, and the present one is kept in memory only: after a restart the configured one is refused; set refresh_token_file")
		}
		return nil
	}
	err := r.write()
	if err != nil && !r.warned {
		r.logger.Error("the new refresh token can not be kept: a restart now would lose access", zap.Error(err))
	}
	r.warned = err != nil
	return err
}

// write replaces the file as a whole, so that a crash leaves the old one or the new one.
func (r *rotation) write() error {
	b, err := json.Marshal(keptToken{For: r.configured, RefreshToken: r.latest})
	if err != nil {
		return err
	}
	dir := filepath.Dir(r.file)
	f, err := os.CreateTemp(dir, ".callgate-token-*") // with mode 0600
	if err != nil {
		return err
	}
	_, err = f.Write(b)
	err = errors.Join(err, f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), r.file)
	}
	if err != nil {
		os.Remove(f.Name())
		return err
	}
	if d, e := os.Open(dir); e == nil { // some systems can not sync a directory, and the file is written by now
		_ = d.Sync()
		_ = d.Close()
	}
	return nil
}

// digest is a hash of texts, by which they can be compared and not read.
func digest(all ...string) string {
	h := sha256.New()
	for _, s := range all {
		fmt.Fprintf(h, "%d:%s", len(s), s)
	}
	return hex.EncodeToString(h.Sum(nil))
}
