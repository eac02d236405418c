package lanes

import (
	"strconv"
	"strings"
	"sync"
)

// Names are the tenants and destinations, which rows refer to by number.
type Names struct {
	mu   sync.RWMutex
	ids  map[string]int64
	text map[int64]string
	last int64
}

// NewNames knows none.
func NewNames() *Names { return &Names{ids: map[string]int64{}, text: map[int64]string{}} }

// Add makes a name known.
func (n *Names) Add(name string, id int64) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.ids[name], n.text[id] = id, name
	n.last = max(n.last, id)
}

// ID is a name's number.
func (n *Names) ID(name string) (int64, bool) {
	n.mu.RLock()
	defer n.mu.RUnlock()
	id, ok := n.ids[name]
	return id, ok
}

// Name is the name that has a number; empty if that is not known.
func (n *Names) Name(id int64) string {
	n.mu.RLock()
	defer n.mu.RUnlock()
	return n.text[id]
}

// Known tells whether a number has a name.
func (n *Names) Known(id int64) bool {
	n.mu.RLock()
	defer n.mu.RUnlock()
	_, ok := n.text[id]
	return ok
}

// Last is the highest number.
func (n *Names) Last() int64 {
	n.mu.RLock()
	defer n.mu.RUnlock()
	return n.last
}

// List gives the names of numbers with commas between them.
func (n *Names) List(numbers string) (list []string) {
	if numbers == "" {
		return nil
	}
	for number := range strings.SplitSeq(numbers, ",") {
		id, _ := strconv.ParseInt(number, 10, 64)
		list = append(list, n.Name(id))
	}
	return list
}
