package manage

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/callgate/callgate/internal/store"
)

// Difference is one place in which two versions of a document differ. From is missing where something is new, and To where
// it is gone.
type Difference struct {
	// Path leads there: rate_limit.rate, deliver[0].to, or secrets.NAME for a secret that was written with the document.
	Path string          `json:"path"`
	From json.RawMessage `json:"from,omitempty"`
	To   json.RawMessage `json:"to,omitempty"`
}

// String is the difference in a line.
func (d Difference) String() string {
	switch {
	case d.From == nil:
		return fmt.Sprintf("+ %s: %s", d.Path, d.To)
	case d.To == nil:
		return fmt.Sprintf("- %s: %s", d.Path, d.From)
	}
	return fmt.Sprintf("~ %s: %s → %s", d.Path, d.From, d.To)
}

// compare lists the differences of two versions, by path.
func compare(from, to *store.Document) ([]Difference, error) {
	before, err := leaves(from)
	if err != nil {
		return nil, err
	}
	after, err := leaves(to)
	if err != nil {
		return nil, err
	}
	all := maps.Clone(before)
	maps.Copy(all, after)
	list := []Difference{}
	for _, path := range slices.Sorted(maps.Keys(all)) {
		if !bytes.Equal(before[path], after[path]) {
			list = append(list, Difference{path, before[path], after[path]})
		}
	}
	return list, nil
}

// leaves are the values of a document by their paths: what is in it, and the fingerprints of its secrets.
func leaves(d *store.Document) (map[string]json.RawMessage, error) {
	all := make(map[string]json.RawMessage)
	if len(d.Body) > 0 {
		var v any
		dec := json.NewDecoder(bytes.NewReader(d.Body))
		dec.UseNumber()
		if dec.Decode(&v) != nil {
			return nil, errors.New("the document is not JSON")
		}
		if err := flatten(all, "", v); err != nil {
			return nil, err
		}
	}
	secrets, err := ReadSecrets(d.Secrets)
	if err != nil {
		return nil, err
	}
	for name, s := range secrets {
		text, err := json.Marshal(struct {
			Fingerprint string   `json:"fingerprint"`
			Hosts       []string `json:"hosts,omitempty"`
		}{s.Fingerprint, s.Hosts})
		if err != nil {
			return nil, err
		}
		all["secrets."+name+" (written apart)"] = text
	}
	return all, nil
}

func flatten(all map[string]json.RawMessage, path string, v any) error {
	switch v := v.(type) {
	case map[string]any:
		for name, inner := range v {
			if err := flatten(all, strings.TrimPrefix(path+"."+name, "."), inner); err != nil {
				return err
			}
		}
		if len(v) > 0 || path == "" {
			return nil
		}
	case []any:
		for i, inner := range v {
			if err := flatten(all, path+"["+strconv.Itoa(i)+"]", inner); err != nil {
				return err
			}
		}
		if len(v) > 0 {
			return nil
		}
	}
	var text bytes.Buffer
	enc := json.NewEncoder(&text)
	enc.SetEscapeHTML(false) // people read it: & is to be seen as it was written
	err := enc.Encode(v)
	all[path] = bytes.TrimSpace(text.Bytes())
	return err
}
