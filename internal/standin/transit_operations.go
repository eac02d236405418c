package standin

import (
	"crypto/rand"
	"encoding/base64"
	"net/http"
	"slices"
	"strings"
)

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
