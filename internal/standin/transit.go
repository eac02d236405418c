package standin

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// TransitConfig says whom a Transit engine lets in.
type TransitConfig struct {
	// Token is the one that is valid; a request without it is forbidden.
	Token string
	// Namespace is where the engine is mounted; empty for the root.
	Namespace string
	// Mount is where it is mounted; transit by default.
	Mount string
	// Deny are capabilities that the token does not have, as "create encrypt/other" or "delete keys/callgate".
	Deny []string
	// TLS has it speak HTTPS.
	TLS bool
}

// Transit is the Transit secrets engine of HashiCorp Vault and OpenBao, for keys of type aes256-gcm96, with the answers that
// their documentation of the HTTP API gives (developer.hashicorp.com/vault/api-docs/secret/transit and openbao.org, API docs):
// a key that is encrypted with for the first time is made, if the token may create it; ciphertexts say their key's version;
// those before min_decryption_version are refused; a key is deleted only once deletion_allowed is set.
type Transit struct {
	*httptest.Server

	t      testing.TB
	cfg    TransitConfig
	mu     sync.Mutex
	keys   map[string]*transitKey
	token  string
	sealed bool
	slow   chan struct{} // closed when requests may go on; nil if they need not wait
	fail   []Reply
	asked  map[string]int
	seen   []Recorded
}

type transitKey struct {
	versions      [][]byte // the first is version 1
	created       []time.Time
	minDecryption int
	minEncryption int
	deletable     bool
	derived       bool
}

// NewTransit starts one without any key. It is closed with the test.
func NewTransit(t testing.TB, cfg TransitConfig) *Transit {
	if cfg.Mount == "" {
		cfg.Mount = "transit"
	}
	s := &Transit{t: t, cfg: cfg, token: cfg.Token, keys: map[string]*transitKey{}, asked: map[string]int{}}
	if cfg.TLS {
		s.Server = httptest.NewTLSServer(s)
	} else {
		s.Server = httptest.NewServer(s)
	}
	t.Cleanup(func() {
		s.Hang(false)
		s.Close()
	})
	return s
}

// Seal seals the server, or unseals it.
func (s *Transit) Seal(sealed bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sealed = sealed
}

// Renew has another token be the valid one.
func (s *Transit) Renew(token string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.token = token
}

// Hang has requests wait until it is called again, or for their sender to give up.
func (s *Transit) Hang(hang bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.slow != nil {
		close(s.slow)
		s.slow = nil
	}
	if hang {
		s.slow = make(chan struct{})
	}
}

// Fail makes the next requests fail as given.
func (s *Transit) Fail(replies ...Reply) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fail = append(s.fail, replies...)
}

// Make makes a key, which with derived wants a context for each request.
func (s *Transit) Make(name string, derived bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.keys[name] = newTransitKey()
	s.keys[name].derived = derived
}

// Rotate makes a new version of a key, and MinDecryption sets the version before which nothing is decrypted any more.
func (s *Transit) Rotate(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.keys[name].rotate()
}

// MinDecryption sets a key's min_decryption_version.
func (s *Transit) MinDecryption(name string, version int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.keys[name].minDecryption = version
}

// Keys names the keys there are.
func (s *Transit) Keys() (names []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for name := range s.keys {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// Asked counts the requests for an operation, such as decrypt.
func (s *Transit) Asked(operation string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.asked[operation]
}

// Requests are those that came.
func (s *Transit) Requests() []Recorded {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.seen)
}

func newTransitKey() *transitKey {
	k := &transitKey{minDecryption: 1}
	k.rotate()
	return k
}

func (k *transitKey) rotate() {
	raw := make([]byte, 32)
	rand.Read(raw)
	k.versions, k.created = append(k.versions, raw), append(k.created, time.Now())
}

func (k *transitKey) cipher(version int) cipher.AEAD {
	block, err := aes.NewCipher(k.versions[version-1])
	if err != nil {
		panic(err)
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		panic(err)
	}
	return aead
}

// apiError is answered as {"errors": [...]}.
type apiError struct {
	status int
	text   string
}

func (e *apiError) Error() string { return e.text }

func invalid(format string, args ...any) *apiError {
	return &apiError{http.StatusBadRequest, fmt.Sprintf(format, args...)}
}

var errDenied = &apiError{http.StatusForbidden, "1 error occurred:\n\t* permission denied\n\n"}

// transitName is a key's name in a path.
var transitName = regexp.MustCompile(`^\w(([\w-.]+)?\w)?$`)

// transitInput is the body of a request.
type transitInput struct {
	Plaintext            *string `json:"plaintext"`
	Ciphertext           string  `json:"ciphertext"`
	Context              string  `json:"context"`
	KeyVersion           int     `json:"key_version"`
	Bits                 int     `json:"bits"`
	DeletionAllowed      *bool   `json:"deletion_allowed"`
	MinDecryptionVersion *int    `json:"min_decryption_version"`
	MinEncryptionVersion *int    `json:"min_encryption_version"`
}

// ServeHTTP implements http.Handler.
func (s *Transit) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body := readBody(s.t, r)
	s.mu.Lock()
	s.seen = append(s.seen, record(r, body))
	slow := s.slow
	var reply *Reply
	if len(s.fail) > 0 {
		reply = &s.fail[0]
		s.fail = s.fail[1:]
	}
	s.mu.Unlock()
	if slow != nil {
		select {
		case <-slow:
		case <-r.Context().Done():
			return
		}
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	if reply != nil {
		for k, v := range reply.Header {
			w.Header()[k] = v
		}
		w.WriteHeader(reply.Status)
		_, _ = w.Write([]byte(reply.Body))
		return
	}
	data, err := s.answer(r, body)
	switch {
	case err != nil:
		texts := []string{}
		if err.text != "" {
			texts = append(texts, err.text)
		}
		w.WriteHeader(err.status)
		_ = json.NewEncoder(w).Encode(map[string]any{"errors": texts})
	case data == nil:
		w.WriteHeader(http.StatusNoContent)
	default:
		_ = json.NewEncoder(w).Encode(map[string]any{"request_id": "0", "lease_id": "", "renewable": false, "lease_duration": 0, "data": data,
			"wrap_info": nil, "warnings": nil, "auth": nil})
	}
}

func (s *Transit) answer(r *http.Request, body []byte) (any, *apiError) {
	s.mu.Lock()
	defer s.mu.Unlock()
	path, ok := strings.CutPrefix(r.URL.Path, "/v1/")
	if !ok {
		return nil, &apiError{http.StatusNotFound, "unsupported path"}
	}
	if s.sealed {
		return nil, &apiError{http.StatusServiceUnavailable, "Vault is sealed"}
	}
	if r.Header.Get("X-Vault-Token") != s.token && r.Header.Get("Authorization") != "Bearer "+s.token {
		return nil, errDenied
	}
	namespace := strings.Trim(r.Header.Get("X-Vault-Namespace"), "/")
	inside, ok := strings.CutPrefix(path, s.cfg.Mount+"/")
	if !ok || namespace != s.cfg.Namespace {
		return nil, &apiError{http.StatusNotFound, fmt.Sprintf("no handler for route %q. route entry not found.", path)}
	}
	operation, name, _ := strings.Cut(inside, "/")
	var more string
	if operation == "datakey" { // datakey/wrapped/name
		more, name, _ = strings.Cut(name, "/")
	} else {
		name, more, _ = strings.Cut(name, "/")
	}
	if !transitName.MatchString(name) {
		return nil, &apiError{http.StatusNotFound, "unsupported path"}
	}
	var in transitInput
	if len(body) > 0 {
		if err := json.Unmarshal(body, &in); err != nil {
			return nil, invalid("failed to parse JSON input: %v", err)
		}
	}
	s.asked[operation]++
	return s.carryOut(r.Method, operation, name, more, &in)
}

func (s *Transit) may(capability, path string) bool {
	return !slices.Contains(s.cfg.Deny, capability+" "+path)
}

// carryOut is called with the lock held.
func (s *Transit) carryOut(method, operation, name, more string, in *transitInput) (any, *apiError) {
	key := s.keys[name]
	path := operation + "/" + name
	write := method == http.MethodPost || method == http.MethodPut
	switch {
	case operation == "encrypt" && write && more == "":
		if key == nil {
			if !s.may("create", path) {
				return nil, errDenied
			}
			key = newTransitKey()
			s.keys[name] = key
		} else if !s.may("update", path) {
			return nil, errDenied
		}
		if in.Plaintext == nil {
			return nil, invalid("missing plaintext to encrypt")
		}
		return key.encrypt(*in.Plaintext, in)
	case operation == "decrypt" && write && more == "", operation == "rewrap" && write && more == "":
		if !s.may("update", path) {
			return nil, errDenied
		}
		if key == nil {
			return nil, invalid("encryption key not found")
		}
		plaintext, err := key.decrypt(in)
		if err != nil {
			return nil, err
		}
		if operation == "decrypt" {
			return map[string]any{"plaintext": plaintext}, nil
		}
		return key.encrypt(plaintext, in)
	case operation == "datakey" && write && (more == "wrapped" || more == "plaintext"):
		return s.dataKey(key, name, more, in)
	case operation == "keys":
		return s.key(method, name, more, key, in)
	}
	return nil, &apiError{http.StatusMethodNotAllowed, "unsupported operation"}
}

func (s *Transit) dataKey(key *transitKey, name, kind string, in *transitInput) (any, *apiError) {
	if !s.may("update", "datakey/"+kind+"/"+name) {
		return nil, errDenied
	}
	if key == nil {
		return nil, invalid("encryption key not found")
	}
	raw := make([]byte, map[int]int{0: 32, 128: 16, 256: 32, 512: 64}[in.Bits])
	if len(raw) == 0 {
		return nil, invalid("invalid bit length")
	}
	rand.Read(raw)
	plaintext := base64.StdEncoding.EncodeToString(raw)
	data, err := key.encrypt(plaintext, in)
	if err == nil && kind == "plaintext" {
		data["plaintext"] = plaintext
	}
	return data, err
}

// key is what is done to a key itself.
func (s *Transit) key(method, name, more string, key *transitKey, in *transitInput) (any, *apiError) {
	write := method == http.MethodPost || method == http.MethodPut
	path := strings.TrimSuffix("keys/"+name+"/"+more, "/")
	capability := map[bool]string{true: "update", false: "read"}[write]
	if method == http.MethodDelete {
		capability = "delete"
	}
	if !s.may(capability, path) {
		return nil, errDenied
	}
	switch {
	case write && more == "":
		if key == nil {
			s.keys[name] = newTransitKey()
		}
		return s.describe(name), nil
	case method == http.MethodGet && more == "":
		if key == nil {
			return nil, &apiError{status: http.StatusNotFound}
		}
		return s.describe(name), nil
	case method == http.MethodDelete && more == "":
		if key == nil {
			return nil, invalid("error deleting policy %s: could not delete key; not found", name)
		}
		if !key.deletable {
			return nil, invalid("error deleting policy %s: deletion is not allowed for this key", name)
		}
		delete(s.keys, name)
		return nil, nil
	case key == nil:
		return nil, invalid("no existing key named %s could be found", name)
	case write && more == "rotate":
		key.rotate()
		return s.describe(name), nil
	case write && more == "config":
		if v := in.MinDecryptionVersion; v != nil {
			if *v > len(key.versions) {
				return nil, invalid("cannot set min decryption version of %d, latest key version is %d", *v, len(key.versions))
			}
			key.minDecryption = max(1, *v)
		}
		if v := in.MinEncryptionVersion; v != nil {
			key.minEncryption = *v
		}
		if in.DeletionAllowed != nil {
			key.deletable = *in.DeletionAllowed
		}
		return s.describe(name), nil
	}
	return nil, &apiError{http.StatusMethodNotAllowed, "unsupported operation"}
}

func (s *Transit) describe(name string) map[string]any {
	k := s.keys[name]
	versions := map[string]int64{}
	for i, at := range k.created {
		versions[strconv.Itoa(i+1)] = at.Unix()
	}
	return map[string]any{"type": "aes256-gcm96", "name": name, "keys": versions, "latest_version": len(k.versions), "deletion_allowed": k.deletable,
		"min_decryption_version": k.minDecryption, "min_encryption_version": k.minEncryption, "derived": k.derived, "exportable": false,
		"supports_encryption": true, "supports_decryption": true}
}

var errContext = invalid("missing 'context' for key derivation; the key was created using a derived key, which means additional, per-request information must be included in order to perform operations with the key")

func (k *transitKey) encrypt(plaintext string, in *transitInput) (map[string]any, *apiError) {
	if k.derived && in.Context == "" {
		return nil, errContext
	}
	raw, err := base64.StdEncoding.DecodeString(plaintext)
	if err != nil {
		return nil, invalid("%v", err)
	}
	version := in.KeyVersion
	if version == 0 {
		version = len(k.versions)
	}
	if version < max(1, k.minEncryption) || version > len(k.versions) {
		return nil, invalid("requested version for encryption is less than the minimum encryption key version")
	}
	nonce := make([]byte, 12)
	rand.Read(nonce)
	sealed := k.cipher(version).Seal(nonce, nonce, raw, nil)
	return map[string]any{"ciphertext": fmt.Sprintf("vault:v%d:%s", version, base64.StdEncoding.EncodeToString(sealed)), "key_version": version}, nil
}

func (k *transitKey) decrypt(in *transitInput) (string, *apiError) {
	if in.Ciphertext == "" {
		return "", invalid("missing ciphertext to decrypt")
	}
	if k.derived && in.Context == "" {
		return "", errContext
	}
	rest, ok := strings.CutPrefix(in.Ciphertext, "vault:v")
	if !ok {
		return "", invalid("invalid ciphertext: no prefix")
	}
	number, text, ok := strings.Cut(rest, ":")
	if !ok {
		return "", invalid("invalid ciphertext: wrong number of fields")
	}
	version, err := strconv.Atoi(number)
	switch {
	case err != nil:
		return "", invalid("invalid ciphertext: version number could not be decoded")
	case version > len(k.versions):
		return "", invalid("invalid ciphertext: version is too new")
	case version < max(1, k.minDecryption):
		return "", invalid("ciphertext or signature version is disallowed by policy (too old)")
	}
	sealed, err := base64.StdEncoding.DecodeString(text)
	if err != nil || len(sealed) < 12 {
		return "", invalid("invalid ciphertext: could not decode base64")
	}
	raw, err := k.cipher(version).Open(nil, sealed[:12], sealed[12:], nil)
	if err != nil {
		return "", invalid("cipher: message authentication failed")
	}
	return base64.StdEncoding.EncodeToString(raw), nil
}
