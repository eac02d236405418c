package postgres

import (
	"context"
	"slices"
	"sync"

	"github.com/jackc/pgx/v5"
)

// pair is a destination that a tenant has had deliveries for.
type pair struct{ destination, tenant int64 }

// pairs are those that are known to be in their table.
type pairs struct {
	mu    sync.RWMutex
	known map[pair]bool
}

func (p *pairs) has(one pair) bool {
	p.mu.RLock()
	defer p.mu.RUnlock()
	return p.known[one]
}

func (p *pairs) add(list ...pair) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.known == nil {
		p.known = map[pair]bool{}
	}
	for _, one := range list {
		p.known[one] = true
	}
}

// loadNames reads the names with numbers above one.
func (s *Store) loadNames(ctx context.Context, conn querier, after int64) error {
	rows, err := conn.Query(ctx, s.q("SELECT id, name FROM {s}.names WHERE id > $1"), after)
	if err != nil {
		return err
	}
	var id int64
	var name string
	_, err = pgx.ForEachRow(rows, []any{&id, &name}, func() error {
		s.names.Add(untext(name), id)
		return nil
	})
	return err
}

// addNames gives names numbers that have none, in a transaction of its own: it is rare, and nobody who has to wait for
// another's transaction should hold up a batch. Names are sorted for the same reason as keys.
func (s *Store) addNames(ctx context.Context, conn querier, names ...string) error {
	var missing []string
	for _, name := range names {
		if _, ok := s.names.ID(name); !ok {
			missing = append(missing, text(name))
		}
	}
	if len(missing) == 0 {
		return nil
	}
	slices.Sort(missing)
	missing = slices.Compact(missing)
	if _, err := conn.Exec(ctx, s.q("INSERT INTO {s}.names (name) SELECT unnest($1::text[]) ON CONFLICT DO NOTHING"), missing); err != nil {
		return err
	}
	rows, err := conn.Query(ctx, s.q("SELECT id, name FROM {s}.names WHERE name = ANY ($1::text[])"), missing)
	if err != nil {
		return err
	}
	var id int64
	var name string
	_, err = pgx.ForEachRow(rows, []any{&id, &name}, func() error {
		s.names.Add(untext(name), id)
		return nil
	})
	return err
}

// addPairs notes that tenants have deliveries for destinations, before they have them.
func (s *Store) addPairs(ctx context.Context, conn querier, list []pair) error {
	var destinations, tenants []int64
	var missing []pair
	for _, p := range list {
		if !s.pairs.has(p) && !slices.Contains(missing, p) {
			missing = append(missing, p)
			destinations, tenants = append(destinations, p.destination), append(tenants, p.tenant)
		}
	}
	if len(missing) == 0 {
		return nil
	}
	_, err := conn.Exec(ctx, s.q(`INSERT INTO {s}.pairs (destination, tenant)
		SELECT d, t FROM unnest($1::integer[], $2::integer[]) AS p (d, t) ORDER BY d, t ON CONFLICT DO NOTHING`), destinations, tenants)
	if err == nil {
		s.pairs.add(missing...)
	}
	return err
}

// name is the name that has a number, which another gateway may have given it.
func (s *Store) name(ctx context.Context, id int64) (string, error) {
	if !s.names.Known(id) {
		if err := s.loadNames(ctx, s.pool, 0); err != nil {
			return "", err
		}
	}
	return s.names.Name(id), nil
}

// id is the number of a name that somebody may have given it; false if it has none.
func (s *Store) id(ctx context.Context, name string) (int64, bool, error) {
	if id, ok := s.names.ID(name); ok {
		return id, true, nil
	}
	var id int64
	err := s.pool.QueryRow(ctx, s.q("SELECT id FROM {s}.names WHERE name = $1"), text(name)).Scan(&id)
	if err == pgx.ErrNoRows {
		return 0, false, nil
	}
	if err == nil {
		s.names.Add(name, id)
	}
	return id, err == nil, err
}
