package sqlite

import (
	"strconv"
	"strings"
	"sync"
)

// names are the tenants and destinations, which rows refer to by number.
type names struct {
	mu   sync.RWMutex
	ids  map[string]int64
	text map[int64]string
	last int64
}

func (n *names) init() { n.ids, n.text = map[string]int64{}, map[int64]string{} }

func (n *names) add(name string, id int64) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.ids[name], n.text[id] = id, name
	n.last = max(n.last, id)
}

func (n *names) id(name string) (int64, bool) {
	n.mu.RLock()
	defer n.mu.RUnlock()
	id, ok := n.ids[name]
	return id, ok
}

func (n *names) name(id int64) string {
	n.mu.RLock()
	defer n.mu.RUnlock()
	return n.text[id]
}

// list gives the names of numbers with commas between them.
func (n *names) list(numbers string) (list []string) {
	if numbers == "" {
		return nil
	}
	for number := range strings.SplitSeq(numbers, ",") {
		id, _ := strconv.ParseInt(number, 10, 64)
		list = append(list, n.name(id))
	}
	return list
}

// nameID is the number of a name, which the batch gives it if it has none.
func (b *batch) nameID(name string) (int64, error) {
	if id, ok := b.s.names.id(name); ok {
		return id, nil
	}
	if id, ok := b.names[name]; ok {
		return id, nil
	}
	id := b.s.names.last + int64(len(b.names)) + 1
	if _, err := b.c.exec("INSERT INTO names (id, name) VALUES (?, ?)", id, name); err != nil {
		return 0, err
	}
	b.names[name] = id
	return id, nil
}
