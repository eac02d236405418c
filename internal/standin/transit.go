package standin

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
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
