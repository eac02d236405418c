// Package minimize takes out of a call record what a destination need not know: the guide's "minimal PII" rule, and
// the minimum-necessary standard of 45 CFR 164.502(b).
//
// # Names
//
// A name is that of a field of the record, as call.Call.Lookup knows them (caller_number, email, name, timestamp …),
// or of a collected parameter: patient_id, params.patient_id, params.address.city. "params" means all of them.
//
// Parameters repeat what fields hold: a form's "callback_number" is the caller's number again. So a name that takes
// something away (Drop, Mask, Hash) is read widely: a field's name covers every parameter that is known to mean that
// field (see call.FieldOf), and a parameter's name covers parameters of that name at any depth, whatever their
// capitals and punctuation. A name in Fields is read narrowly: it allows that field and the parameter of exactly that
// name, and nothing else.
//
// What is said in free text (message, summary, transcript) is not searched. A destination that must not learn a
// name or number must not get these fields either.
package minimize

import (
	"errors"
	"fmt"
	"strings"

	"github.com/callgate/callgate/internal/call"
)

// Policy says what of a record a destination gets. The zero Policy gives it everything.
type Policy struct {
	// Fields is the allow-list: with it, everything else is dropped. provider, event_type, event_id and call_id are
	// always allowed, because no delivery could be recognised as a repetition without them, and so are urgent and
	// callback_requested, because somebody has to act on them; Drop takes them too.
	Fields []string
	// Drop lists what is left out, even if Fields allows it.
	Drop []string
	// Mask lists what is sent in part: the last four digits of a number (***4567), the first letter of anything else
	// (m***@*** for an e-mail address, M*** for a name).
	Mask []string
	// Hash lists what is sent as a pseudonym: the same for the same value and key, and of no use without the key.
	// It is the first 32 hexadecimal digits of HMAC-SHA256.
	Hash []string
	// HashKey is the key for Hash, at least MinHashKey bytes. Whoever has it can find phone numbers by trying them.
	HashKey []byte
}

// MinHashKey is the least length of a key in bytes.
const MinHashKey = 16

// ErrPolicy is wrapped by all errors of Compile.
var ErrPolicy = errors.New("field policy")

// Compiled is a Policy ready for use, safe for concurrent use.
type Compiled struct {
	allow *selection // nil allows everything
	drop  *selection
	mask  *selection
	hash  *selection
	key   []byte
}

// Compile checks a policy and makes it ready.
func Compile(p Policy) (*Compiled, error) {
	c := &Compiled{key: p.HashKey}
	var err error
	for _, list := range []struct {
		name  string
		names []string
		to    **selection
		text  bool
	}{{"fields", p.Fields, &c.allow, false}, {"drop", p.Drop, &c.drop, false}, {"mask", p.Mask, &c.mask, true}, {"hash", p.Hash, &c.hash, true}} {
		if len(list.names) == 0 {
			continue
		}
		if *list.to, err = newSelection(list.names, list.text); err != nil {
			return nil, fmt.Errorf("%w: %s: %w", ErrPolicy, list.name, err)
		}
		if list.to != &c.allow {
			(*list.to).widen(list.text)
		}
	}
	if c.hash != nil && len(p.HashKey) < MinHashKey {
		return nil, fmt.Errorf("%w: hash: the key has fewer than %d bytes; give it a random one", ErrPolicy, MinHashKey)
	}
	if c.hash != nil && c.mask != nil {
		if name := c.hash.shared(c.mask); name != "" {
			return nil, fmt.Errorf("%w: %s is in mask and in hash; choose one", ErrPolicy, name)
		}
	}
	return c, nil
}

// Apply is the record as the destination gets it. It shares nothing that could be changed with the original, which
// stays as it is; with the zero Policy it is the original.
func (p *Compiled) Apply(c *call.Call) *call.Call {
	if c == nil || p.allow == nil && p.drop == nil && p.mask == nil && p.hash == nil {
		return c
	}
	out := *c
	if p.allow != nil {
		p.allow.keep(&out)
	}
	p.change(&out)
	return &out
}

// bare is a name reduced to its letters and digits, in small letters.
func bare(name string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case 'A' <= r && r <= 'Z':
			return r + 'a' - 'A'
		case 'a' <= r && r <= 'z', '0' <= r && r <= '9', r >= 0x80:
			return r
		}
		return -1
	}, name)
}
