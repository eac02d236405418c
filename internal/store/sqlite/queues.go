package sqlite

import (
	"github.com/callgate/callgate/internal/store/lanes"
)

// The states as they are stored. none is where a delivery is before it is made and after it is deleted.
const (
	none      = lanes.None
	pending   = lanes.Pending
	delivered = lanes.Delivered
	dead      = lanes.Dead
)

// writeQueues adds up a batch's changes in the table of queue lengths.
func (b *batch) writeQueues() error {
	type pair struct{ destination, tenant int64 }
	sums := map[pair]*[3]int64{}
	for _, c := range b.changes {
		if c.From == c.To {
			continue
		}
		sum := sums[pair{c.Destination, c.Tenant}]
		if sum == nil {
			sum = &[3]int64{}
			sums[pair{c.Destination, c.Tenant}] = sum
		}
		if c.From != none {
			sum[c.From]--
		}
		if c.To != none {
			sum[c.To]++
		}
	}
	for p, sum := range sums {
		if *sum == [3]int64{} {
			continue
		}
		_, err := b.c.exec(`INSERT INTO queues (destination, tenant, pending, delivered, dead) VALUES (?, ?, ?, ?, ?)
			ON CONFLICT (destination, tenant) DO UPDATE SET pending = pending + excluded.pending,
			delivered = delivered + excluded.delivered, dead = dead + excluded.dead`,
			p.destination, p.tenant, sum[pending], sum[delivered], sum[dead])
		if err != nil {
			return err
		}
	}
	return nil
}
