package manage

import (
	"encoding/json"
	"errors"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"
)

// Secret is a secret of a document as it is kept.
type Secret struct {
	Value       string    `json:"value"`
	Hosts       []string  `json:"hosts,omitempty"`
	Fingerprint string    `json:"fingerprint"`
	At          time.Time `json:"at"`
}

// Secrets are those of a document by name.
type Secrets map[string]Secret

// ReadSecrets reads what a store.Document keeps.
func ReadSecrets(text []byte) (Secrets, error) {
	s := Secrets{}
	if len(text) == 0 {
		return s, nil
	}
	if json.Unmarshal(text, &s) != nil {
		return nil, errors.New("the secrets of the document cannot be read") // and are not quoted
	}
	return s, nil
}

// SecretInput is a secret that is written. Hosts are those that it may be sent to; without any it verifies what comes in.
type SecretInput struct {
	Value string   `json:"value"`
	Hosts []string `json:"hosts,omitempty"`
}

// SecretInfo is what is shown of a secret: never its value.
type SecretInfo struct {
	Fingerprint string    `json:"fingerprint"`
	At          time.Time `json:"at"`
	Hosts       []string  `json:"hosts,omitempty"`
}

var secretName = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_-]{0,63}$`)

// merge lays what is written over the secrets that there are. A nil one takes a secret away.
func (s *Service) merge(secrets Secrets, written map[string]*SecretInput) (Secrets, error) {
	merged := maps.Clone(secrets)
	for _, name := range slices.Sorted(maps.Keys(written)) {
		in := written[name]
		switch {
		case !secretName.MatchString(name):
			return nil, fail(ErrBadRequest, "secret %.70q: a name begins with a letter and has up to 64 letters, digits, hyphens and underscores", name)
		case in == nil:
			delete(merged, name)
			continue
		case in.Value == "" || len(in.Value) > 16<<10:
			return nil, fail(ErrBadRequest, "secret %s: a value has 1 to 16384 bytes; hosts cannot be changed without it", name)
		case slices.ContainsFunc(in.Hosts, func(h string) bool { return !isHost(h) }):
			return nil, fail(ErrBadRequest, "secret %s: a host is a name such as crm.example.com, or *.example.com, without scheme and path", name)
		}
		merged[name] = Secret{in.Value, in.Hosts, s.o.Fingerprint(in.Value), s.o.Now().UTC()}
	}
	return merged, nil
}

func isHost(h string) bool {
	return h != "" && len(h) <= 260 && !strings.ContainsAny(strings.TrimPrefix(h, "*."), "*/@? #\\") && strings.Trim(h, "*.") != ""
}
