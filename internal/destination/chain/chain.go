// Package chain keeps how far a delivery of several requests has come, so that the next attempt goes on at the step that
// failed, also after a restart.
package chain

import (
	"context"
	"encoding/json"
	"fmt"

	lru "github.com/hashicorp/golang-lru/v2"
)

// Store keeps the progress of deliveries by their ids, where a restart does not lose it. It is sealed there, since what is
// kept may tell of callers, and is taken away when the delivery is delivered or its event goes.
type Store interface {
	// Keep keeps at most 4096 bytes, in place of what was kept of the delivery before; an empty value takes that away.
	Keep(ctx context.Context, deliveryID string, value []byte) error
	// Kept is what was kept; nil when there is nothing.
	Kept(ctx context.Context, deliveryID string) ([]byte, error)
}

// Progress is how far one delivery has come.
type Progress struct {
	// Done are the steps that were carried out, with what was kept of their answers by name.
	Done map[string]map[string]string `json:"done,omitempty"`
	// Asking is where the outcome of a step is to be asked for that the receiver has taken on and not carried out yet.
	Asking *Asking `json:"asking,omitempty"`

	store Store
	id    string
}

// Asking is a step whose outcome is asked for.
type Asking struct {
	Step string `json:"step"`
	URL  string `json:"url"`
	// Kept is what the first answer had of what is to be kept.
	Kept map[string]string `json:"kept,omitempty"`
}

// Load reads the progress of a delivery.
func Load(ctx context.Context, s Store, deliveryID string) (*Progress, error) {
	p := &Progress{store: s, id: deliveryID}
	b, err := s.Kept(ctx, deliveryID)
	if err != nil {
		return nil, fmt.Errorf("which steps were carried out before cannot be told: %w; see to the store", err)
	}
	if b != nil && json.Unmarshal(b, p) != nil {
		return nil, fmt.Errorf("which steps were carried out before cannot be told: what was kept of them is damaged, or of a newer version")
	}
	if p.Done == nil {
		p.Done = make(map[string]map[string]string)
	}
	return p, nil
}

// Finish notes that a step is carried out and what was kept of its answer, and makes that durable.
func (p *Progress) Finish(ctx context.Context, step string, kept map[string]string) error {
	if kept == nil {
		kept = map[string]string{}
	}
	p.Done[step] = kept
	p.Asking = nil
	return p.save(ctx)
}

// Ask notes where the outcome of a step is to be asked for, and makes that durable.
func (p *Progress) Ask(ctx context.Context, a *Asking) error {
	p.Asking = a
	return p.save(ctx)
}

func (p *Progress) save(ctx context.Context) error {
	b, err := json.Marshal(p)
	if err != nil {
		return err
	}
	// The step was carried out, whether the attempt is still wanted or not.
	return p.store.Keep(context.WithoutCancel(ctx), p.id, b)
}

// maxMemory is how many deliveries a Memory knows, the latest ones.
const maxMemory = 4096

// Memory is a Store that forgets everything with the process.
type Memory struct {
	kept *lru.Cache[string, []byte]
}

// NewMemory is an empty Memory.
func NewMemory() *Memory {
	kept, _ := lru.New[string, []byte](maxMemory) // it fails only for a size below one
	return &Memory{kept: kept}
}

// Keep implements Store.
func (m *Memory) Keep(_ context.Context, deliveryID string, value []byte) error {
	if len(value) == 0 {
		m.kept.Remove(deliveryID)
		return nil
	}
	m.kept.Add(deliveryID, value)
	return nil
}

// Kept implements Store.
func (m *Memory) Kept(_ context.Context, deliveryID string) ([]byte, error) {
	b, _ := m.kept.Get(deliveryID)
	return b, nil
}

// Values are what the steps that are carried out have kept, as "step.name".
func (p *Progress) Values() map[string]string {
	all := make(map[string]string)
	for step, kept := range p.Done {
		for name, value := range kept {
			all[step+"."+name] = value
		}
	}
	return all
}
