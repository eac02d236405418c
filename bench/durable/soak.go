package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"sync"
	"text/tabwriter"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/callgate/callgate/bench/machine"
)

// soaked is the result of a soak: two gateways on one PostgreSQL that calls go to at a steady rate, while somebody else in that
// database holds a transaction open for most of the time, so that no dead row can be cleared away.
type soaked struct {
	Machine   machine.Info `json:"machine"`
	BodyBytes int          `json:"body_bytes"`
	Rate      int          `json:"calls_per_second"`
	Seconds   float64      `json:"seconds_each"`
	Intervals []*interval  `json:"intervals"`
	Calls     int          `json:"calls"`
	Failed    int64        `json:"failed"`
	// Missing were acknowledged and have not arrived a minute after the last call.
	Missing int `json:"missing"`
	// Collapsed says what has become worse than it may; empty if nothing has, or if it was too short to tell.
	Collapsed string `json:"collapsed,omitempty"`
}

// interval is a part of the soak. Times are in milliseconds.
type interval struct {
	Held         bool        `json:"held"`            // the transaction was open
	PerSecond    float64     `json:"acks_per_second"` // of calls that were to go out in it, and were acknowledged by its end
	Arrivals     float64     `json:"arrivals_per_second"`
	SendToAck    percentiles `json:"send_to_ack_ms"`
	AckToArrival percentiles `json:"ack_to_arrival_ms"`
	Behind       int         `json:"behind"` // acknowledged at its end, and not arrived
	database
	Load string `json:"load,omitempty"`
}

// database is what PostgreSQL's statistics say. Blocks and busy time are for each call of the interval.
type database struct {
	DeadLive   int64   `json:"dead_rows_of_what_waits"`
	DeadCounts int64   `json:"dead_rows_of_counts"`
	HotBytes   int64   `json:"bytes_of_what_is_not_by_day"`
	Blocks     float64 `json:"blocks_each"`
	BusyMillis float64 `json:"database_ms_each"`
}

const (
	// soakParts is how many intervals a soak has at least; each is a minute at most.
	soakParts = 10
	// tooFewIntervals are those after which nothing is said about a collapse.
	tooFewIntervals = 8
	// farBehind is by how much deliveries may lag at the end, in seconds of the rate.
	farBehind = 30
)

// soak runs the soak.
func (o *options) soak(ctx context.Context) (_ *soaked, err error) {
	each := min(o.soakTime/soakParts, time.Minute)
	parts := int(o.soakTime / each)
	calls := make([]passage, int(float64(o.rate)*o.soakTime.Seconds()))
	var mu sync.Mutex
	began := time.Now()
	receiver, err := receive(calls, &mu, began)
	if err != nil {
		return nil, err
	}
	defer receiver.close()
	s, err := o.startGateway(ctx, receiver.address, freely, setup{shared: 2})
	if err != nil {
		return nil, err
	}
	defer s.end()
	conn, err := pgx.Connect(ctx, os.Getenv(databaseVariable))
	if err != nil {
		return nil, err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	r := &soaked{Machine: machine.This(), BodyBytes: o.Size, Rate: o.rate, Seconds: each.Seconds(), Calls: len(calls)}
	sending := make(chan error, 1)
	start := time.Since(began)
	go func() { sending <- o.sendSteadily(ctx, s.urls(), calls, &mu, began) }()

	last, release := totals{}, func() error { return nil }
	if last, err = readTotals(ctx, conn, s.schema); err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, release()) }()
	for n := range parts {
		switch n {
		case 1:
			if release, err = hold(ctx); err != nil {
				return nil, err
			}
		case parts - 1:
			if err := release(); err != nil {
				return nil, err
			}
			release = func() error { return nil }
		}
		from, to := start+time.Duration(n)*each, start+time.Duration(n+1)*each
		select {
		case <-time.After(to - time.Since(began)):
		case <-s.Done():
			return nil, s.Failed()
		case <-ctx.Done():
			return nil, ctx.Err()
		}
		now, err := readTotals(ctx, conn, s.schema)
		if err != nil {
			return nil, err
		}
		mu.Lock()
		i := summarizeInterval(calls, from, to)
		mu.Unlock()
		i.Held = n > 0 && n < parts-1
		i.database = now.since(last, i.PerSecond*each.Seconds())
		i.Load, last = machine.LoadAverage(), now
		r.Intervals = append(r.Intervals, i)
		fmt.Fprintf(o.progress, "%d of %d: %.0f acks/s, %.0f arrivals/s, ack p50 %.1f ms, arrival p50 %.1f ms, %d behind, dead rows %d and %d, %.0f blocks a call, load %s\n",
			n+1, parts, i.PerSecond, i.Arrivals, i.SendToAck.P50, i.AckToArrival.P50, i.Behind, i.DeadLive, i.DeadCounts, i.Blocks, i.Load)
	}
	if err := <-sending; err != nil {
		return nil, err
	}
	select {
	case <-receiver.all:
	case <-time.After(time.Minute):
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	mu.Lock()
	defer mu.Unlock()
	for _, c := range calls {
		if c.failed {
			r.Failed++
		} else if c.arrived == 0 {
			r.Missing++
		}
	}
	r.judge()
	return r, nil
}

// hold opens a transaction that sees the database as it is now, and ends it.
func hold(ctx context.Context) (release func() error, err error) {
	conn, err := pgx.Connect(ctx, os.Getenv(databaseVariable))
	if err != nil {
		return nil, err
	}
	// The number of its own has it count as a writer too, as a forgotten transaction does.
	for _, query := range []string{"BEGIN ISOLATION LEVEL REPEATABLE READ", "SELECT txid_current()"} {
		if _, err := conn.Exec(ctx, query); err != nil {
			return nil, errors.Join(err, conn.Close(context.WithoutCancel(ctx)))
		}
	}
	return func() error { return conn.Close(context.WithoutCancel(ctx)) }, nil
}

// totals are what the database has counted since its statistics began.
type totals struct {
	database
	blocks int64
	busy   float64 // milliseconds
}

func readTotals(ctx context.Context, conn *pgx.Conn, schema string) (t totals, err error) {
	err = conn.QueryRow(ctx, `SELECT coalesce(sum(n_dead_tup) FILTER (WHERE relname = 'live'), 0)::bigint,
		coalesce(sum(n_dead_tup) FILTER (WHERE relname IN ('counts', 'held', 'writers', 'signs')), 0)::bigint,
		coalesce(sum(pg_total_relation_size(relid)) FILTER (WHERE relname !~ '_\d+$'), 0)::bigint,
		(SELECT blks_hit + blks_read FROM pg_stat_database WHERE datname = current_database()),
		(SELECT active_time FROM pg_stat_database WHERE datname = current_database())
		FROM pg_stat_all_tables WHERE schemaname = $1`, schema).Scan(&t.DeadLive, &t.DeadCounts, &t.HotBytes, &t.blocks, &t.busy)
	return t, err
}

// since is what happened since an earlier time, when so many calls were acknowledged.
func (t totals) since(before totals, calls float64) database {
	d := t.database
	d.Blocks, d.BusyMillis = float64(t.blocks-before.blocks)/max(calls, 1), (t.busy-before.busy)/max(calls, 1)
	return d
}

// summarizeInterval looks at the calls that were to go out within an interval, at its end.
func summarizeInterval(calls []passage, from, to time.Duration) *interval {
	var acks, arrivals []time.Duration
	i := &interval{}
	arrived := 0
	for _, c := range calls {
		if c.acked > 0 && c.acked <= to && !c.failed && (c.arrived == 0 || c.arrived > to) {
			i.Behind++
		}
		if c.arrived > from && c.arrived <= to {
			arrived++
			arrivals = append(arrivals, max(0, c.arrived-c.acked))
		}
		if c.due >= from && c.due < to && c.acked > 0 && c.acked <= to && !c.failed {
			acks = append(acks, c.acked-c.due)
		}
	}
	for times, into := range map[*[]time.Duration]*percentiles{&acks: &i.SendToAck, &arrivals: &i.AckToArrival} {
		slices.Sort(*times)
		*into = percentiles{quantile(*times, .5), quantile(*times, .99), quantile(*times, 1)}
	}
	seconds := (to - from).Seconds()
	i.PerSecond, i.Arrivals = float64(len(acks))/seconds, float64(arrived)/seconds
	return i
}

// judge compares the last fifth of the time in which the transaction was open with the time before it.
func (r *soaked) judge() {
	if r.Missing > 0 {
		r.Collapsed = fmt.Sprintf("%d calls were acknowledged and have not arrived a minute after the last", r.Missing)
		return
	}
	if len(r.Intervals) < tooFewIntervals {
		return
	}
	held := r.Intervals[1 : len(r.Intervals)-1]
	late := held[len(held)-max(1, len(held)/5):]
	acks, arrivals := 0.0, 0.0
	for _, i := range late {
		acks, arrivals = acks+i.PerSecond/float64(len(late)), arrivals+i.Arrivals/float64(len(late))
	}
	switch last := late[len(late)-1]; {
	case acks < float64(r.Rate)/2 || arrivals < float64(r.Rate)/2:
		r.Collapsed = fmt.Sprintf("%.0f acknowledgements and %.0f arrivals a second in the end, of %d calls", acks, arrivals, r.Rate)
	case last.Behind > farBehind*r.Rate:
		r.Collapsed = fmt.Sprintf("%d calls were waiting in the end, more than come in %d seconds", last.Behind, farBehind)
	}
}

// Print writes the table: a line for each interval.
func (r *soaked) Print(w io.Writer) error {
	fmt.Fprintf(w, "%d byte bodies, %d calls a second to two gateways, intervals of %gs, %s/%s, %d CPUs, %s %s\n", r.BodyBytes, r.Rate, r.Seconds,
		r.Machine.OS, r.Machine.Arch, r.Machine.CPUs, r.Machine.Go, r.Machine.CPU)
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "interval\ttransaction held\tacks/s\tarrivals/s\tack p50, p99 ms\tarrival p50, p99 ms\tbehind\tdead rows: live\tcounts\thot tables MiB\tblocks a call\tdatabase ms a call\tload\t")
	for n, i := range r.Intervals {
		fmt.Fprintf(t, "%d\t%v\t%.0f\t%.0f\t%.1f, %.0f\t%.1f, %.0f\t%d\t%d\t%d\t%.1f\t%.0f\t%.2f\t%s\t\n", n+1, i.Held, i.PerSecond, i.Arrivals, i.SendToAck.P50, i.SendToAck.P99,
			i.AckToArrival.P50, i.AckToArrival.P99, i.Behind, i.DeadLive, i.DeadCounts, float64(i.HotBytes)/(1<<20), i.Blocks, i.BusyMillis, i.Load)
	}
	if err := t.Flush(); err != nil {
		return err
	}
	slowest := slices.MinFunc(r.Intervals, func(a, b *interval) int { return cmp.Compare(a.Arrivals, b.Arrivals) })
	fmt.Fprintf(w, "%d calls, %d not acknowledged, %d missing, %.0f arrivals/s in the slowest interval; ", r.Calls, r.Failed, r.Missing, slowest.Arrivals)
	switch {
	case r.Collapsed != "":
		fmt.Fprintln(w, "COLLAPSED:", r.Collapsed)
	case len(r.Intervals) < tooFewIntervals:
		fmt.Fprintln(w, "too short to tell whether it holds")
	default:
		fmt.Fprintln(w, "no collapse")
	}
	return nil
}
