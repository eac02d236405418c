package caddymodule

import (
	"fmt"

	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/callgate/callgate/caddymodule/grammar"
	"github.com/callgate/callgate/caddymodule/guest"
	"github.com/callgate/callgate/caddymodule/secret"
	"github.com/callgate/callgate/internal/call"
	"github.com/callgate/callgate/internal/gateway"
	"github.com/callgate/callgate/internal/minimize"
)

// StoreFields are what of a call is stored where a route delivers. It is decided before anything is written: what is kept
// back here is in no database, backup or write-ahead log, and no destination gets it. The request's body, its query and its
// headers are not stored then, so that pass_through and spool, which send them as they came, are refused; events of a call
// keep its id, and the hash of the caller's number by which the call can be erased, unless there is no encryption_key to make
// that hash with. Conditions of deliver still see the whole call.
type StoreFields struct {
	// Fields are the only fields of the call that are stored, Drop those that are not, Mask and Hash those that are stored
	// in part or as a keyed hash; names and rules are those of a destination. Default: all are stored.
	Fields []string `json:"fields,omitempty"`
	Drop   []string `json:"drop,omitempty"`
	Mask   []string `json:"mask,omitempty"`
	Hash   []string `json:"hash,omitempty"`

	// HashKey is the secret that Hash is keyed with, of at least 16 bytes.
	HashKey string `json:"hash_key,omitempty"`
}

func (s *StoreFields) unmarshal(d *caddyfile.Dispenser) error {
	if s.Fields = d.RemainingArgs(); len(s.Fields) == 0 {
		s.Fields = nil
	}
	lines := grammar.Lines{
		"drop": grammar.List(&s.Drop), "mask": grammar.List(&s.Mask), "hash": grammar.List(&s.Hash), "hash_key": grammar.Text(&s.HashKey),
	}
	if s.Fields == nil {
		lines["fields"] = grammar.List(&s.Fields)
	}
	if err := grammar.Block(d, lines); err != nil {
		return err
	}
	if len(s.Fields)+len(s.Drop)+len(s.Mask)+len(s.Hash) == 0 {
		return d.Errf("say which fields are stored, as in 'store_fields caller_number name', or in a block what to drop, mask or hash")
	}
	return nil
}

// setStored settles what of a call is stored, and by what it is found again.
func (c *routeCompiler) setStored(pl *gateway.Plan, p Policy) (err error) {
	if len(p.FindBy) > 0 {
		if err := checkFields("find_by", p.FindBy); err != nil {
			return err
		}
		if c.run.durable.options.Keys == nil {
			return fmt.Errorf("find_by needs an encryption_key in the global option callgate: without one there is nothing to make a hash of the values with")
		}
		pl.FindBy = p.FindBy
		c.run.noteFindBy(p.FindBy)
	}
	s := p.StoreFields
	if s == nil {
		return nil
	}
	if c.h.Spool {
		return fmt.Errorf("store_fields and spool exclude each other: spool sends the request again as it came, which store_fields does not store; use deliver, or leave one of them out")
	}
	for _, d := range p.Deliver {
		_, dest := c.app.destinationFor(pl.Tenant, d.To)
		if dest == nil {
			continue // one of a document, which has no pass_through
		}
		if w, ok := dest.module.(guest.Wholesaler); ok && w.SendsAll() {
			return fmt.Errorf("store_fields: destination %s has pass_through, which sends the provider's whole body, and that is not stored; say there what to send with body or a definition", d.To)
		}
	}
	pl.Keep, err = minimizer(minimize.Policy{Fields: s.Fields, Drop: s.Drop, Mask: s.Mask, Hash: s.Hash}, s.HashKey)
	if err != nil {
		return fmt.Errorf("store_fields: %w", err)
	}
	return nil
}

// noteFindBy notes by which fields events are found, so that operators can be told.
func (in *instance) noteFindBy(fields []string) {
	for _, f := range fields {
		in.findBy.Store(call.Canonical(f), nil)
	}
}

// minimizer compiles what is kept of a call; nil keeps everything.
func minimizer(p minimize.Policy, hashKey string) (func(*call.Call) *call.Call, error) {
	if hashKey != "" {
		key, err := secret.Resolve(hashKey)
		if err != nil {
			return nil, fmt.Errorf("hash_key: %w", err)
		}
		p.HashKey = []byte(key)
	}
	if len(p.Fields)+len(p.Drop)+len(p.Mask)+len(p.Hash) == 0 {
		return nil, nil
	}
	compiled, err := minimize.Compile(p)
	if err != nil {
		return nil, err
	}
	return compiled.Apply, nil
}
