package storetest

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/callgate/callgate/internal/store"
)

// everybody stands for all tenants.
const everybody = "*"

// memorySize is what an event counts for: its content, and something for what is known of it besides.
func memorySize(e *store.Event, deliveries int) int64 {
	size := len(e.Method) + len(e.URI) + len(e.Body) + len(e.Record) + 400 + 120*deliveries
	for name, values := range e.Header {
		size += len(name)
		for _, v := range values {
			size += len(v)
		}
	}
	return int64(size)
}

// refuses tells why an event of a tenant cannot be stored now, and whose content could make room for it: the tenant's
// own, or everybody's.
func (m *memory) refuses(tenant string, size int64) (whose []string, err error) {
	var used, bytes, events int64
	alone := true
	for _, e := range m.events {
		used += e.size
		if e.Tenant != tenant {
			alone = false
			continue
		}
		bytes += e.size
		if !e.Dropped {
			events++
		}
	}
	each, own := m.o.Tenant, m.o.Tenants[tenant]
	q := store.Quota{Bytes: cmp.Or(own.Bytes, each.Bytes), Events: cmp.Or(own.Events, each.Events)}
	switch {
	case m.o.MaxBytes > 0 && size > m.o.MaxBytes, q.Bytes > 0 && size > q.Bytes:
		return nil, fmt.Errorf("the event is larger than what there may be")
	case q.Bytes > 0 && bytes+size > q.Bytes, q.Events > 0 && events >= q.Events:
		return []string{tenant}, fmt.Errorf("tenant %q has reached its bound", tenant)
	case m.o.MaxBytes == 0:
		return nil, nil
	case used+size > m.o.MaxBytes:
		return []string{everybody}, fmt.Errorf("%d bytes is the limit", m.o.MaxBytes)
	case bytes+size > 4*(m.o.MaxBytes-used) && !(tenant == "" && alone):
		return []string{tenant, everybody}, fmt.Errorf("tenant %q has its share", tenant)
	}
	return nil, nil
}

// drop takes the content of the oldest event of a tenant, or of everybody, that was delivered everywhere.
func (m *memory) drop(whose string) bool {
	for _, id := range m.order {
		e := m.events[id]
		if e.Dropped || len(e.deliveries) == 0 || whose != everybody && e.Tenant != whose ||
			slices.ContainsFunc(e.deliveries, func(d *memoryDelivery) bool { return d.State != store.Delivered }) {
			continue
		}
		e.Dropped = true
		e.Method, e.URI, e.Header, e.Body, e.Record = "", "", nil, nil, nil
		e.size = memorySize(&e.Event, len(e.deliveries))
		m.dropped++
		return true
	}
	return false
}
