package main

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/callgate/callgate/bench/gateway"
	"github.com/callgate/callgate/bench/process"
)

// The bare program is no product. It is what is left of one that answers when Redis has an event and brings it to PostgreSQL
// and to the receiver afterwards, as WebhookX and Convoy do, if the product itself costs nothing: one command to Redis for an
// answer, and for a batch of events one transaction that stores them, their requests, one statement that notes they were
// delivered, and one command that takes them out of Redis. No retries, no routes, no configuration, no page.

// bareHelper is what this program starts itself as, for the bare program.
const bareHelper = "-bare"

// Variables of the bare program's environment.
const (
	redisVariable    = "PEERS_REDIS"
	databaseVariable = "PEERS_DATABASE"
	upstreamVariable = "PEERS_UPSTREAM"
)

const (
	consumers = 4
	batch     = 64
	stream    = "events"
	group     = "deliver"
)

// awaitPostgres waits until a server takes connections.
func awaitPostgres(ctx context.Context, p *process.Process, dsn string) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	for {
		conn, err := pgx.Connect(ctx, dsn)
		if err == nil {
			return conn.Close(ctx)
		}
		select {
		case <-p.Done():
			return p.Failed()
		case <-ctx.Done():
			return fmt.Errorf("PostgreSQL takes no connections: %w", errors.Join(err, p.Failed()))
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// bare is a running bare program.
type bare struct {
	redis    *redisConn
	db       *pgxpool.Pool
	upstream string
	client   *http.Client
}

// runBare is the whole of a process. It says on standard output where it listens.
func runBare(stdout io.Writer) error {
	ctx := context.Background()
	b := &bare{
		upstream: os.Getenv(upstreamVariable),
		client:   &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: consumers * batch}, Timeout: 30 * time.Second},
	}
	var err error
	if b.redis, err = dialRedis(ctx, os.Getenv(redisVariable)); err != nil {
		return err
	}
	if b.db, err = pgxpool.New(ctx, os.Getenv(databaseVariable)); err != nil {
		return err
	}
	if _, err := b.db.Exec(ctx, `CREATE TABLE IF NOT EXISTS events (id text PRIMARY KEY, body text NOT NULL, delivered_at timestamptz)`); err != nil {
		return err
	}
	if _, err := b.redis.do("XGROUP", "CREATE", stream, group, "0", "MKSTREAM"); err != nil && !strings.Contains(err.Error(), "BUSYGROUP") {
		return err
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	for i := range consumers {
		c, err := dialRedis(ctx, os.Getenv(redisVariable))
		if err != nil {
			return err
		}
		go func() {
			fmt.Fprintln(os.Stderr, b.consume(ctx, c, "c"+strconv.Itoa(i)))
			os.Exit(1)
		}()
	}
	fmt.Fprintln(stdout, l.Addr())
	return http.Serve(l, b)
}

// ServeHTTP answers when Redis has the event.
func (b *bare) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 1<<20))
	if err != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	if !signed(body, r.Header.Get("X-Nextphone-Signature")) {
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	if _, err := b.redis.do("XADD", stream, "*", "body", string(body)); err != nil {
		w.WriteHeader(http.StatusServiceUnavailable)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = io.WriteString(w, `{"received":true}`) // whoever has gone away sends it again
}

func signed(body []byte, signature string) bool {
	given, err := hex.DecodeString(signature)
	mac := hmac.New(sha256.New, []byte(gateway.Secret))
	mac.Write(body)
	return err == nil && hmac.Equal(given, mac.Sum(nil))
}

// consume takes batches of events to PostgreSQL and to the receiver, until something fails.
func (b *bare) consume(ctx context.Context, c *redisConn, name string) error {
	for {
		v, err := c.do("XREADGROUP", "GROUP", group, name, "COUNT", strconv.Itoa(batch), "BLOCK", "1000", "STREAMS", stream, ">")
		if err != nil {
			return err
		}
		ids, bodies, err := entries(v)
		if err != nil {
			return err
		}
		if len(ids) == 0 {
			continue
		}
		if _, err := b.db.Exec(ctx, `INSERT INTO events (id, body) SELECT * FROM unnest($1::text[], $2::text[])`, ids, bodies); err != nil {
			return err
		}
		if err := b.deliver(ctx, bodies); err != nil {
			return err
		}
		if _, err := b.db.Exec(ctx, `UPDATE events SET delivered_at = now() WHERE id = ANY($1)`, ids); err != nil {
			return err
		}
		if _, err := c.do(append([]string{"XACK", stream, group}, ids...)...); err != nil {
			return err
		}
		if _, err := c.do(append([]string{"XDEL", stream}, ids...)...); err != nil {
			return err
		}
	}
}

// deliver sends all of a batch at once.
func (b *bare) deliver(ctx context.Context, bodies []string) error {
	failed := make([]error, len(bodies))
	var wg sync.WaitGroup
	for i, body := range bodies {
		wg.Go(func() { failed[i] = b.send(ctx, body) })
	}
	wg.Wait()
	return errors.Join(failed...)
}

func (b *bare) send(ctx context.Context, body string) error {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, b.upstream, strings.NewReader(body))
	if err != nil {
		return err
	}
	r.Header.Set("Content-Type", "application/json")
	res, err := b.client.Do(r)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	_, err = io.Copy(io.Discard, res.Body)
	if err == nil && res.StatusCode != http.StatusOK {
		err = fmt.Errorf("the receiver answered %d", res.StatusCode)
	}
	return err
}

var errEntries = errors.New("XREADGROUP has answered in a form that is not known here")

// entries reads what XREADGROUP answers of one stream, whose entries have one field each; nil is nothing new.
func entries(v any) (ids, bodies []string, err error) {
	if v == nil {
		return nil, nil, nil
	}
	streams, ok := v.([]any)
	if !ok || len(streams) != 1 {
		return nil, nil, errEntries
	}
	one, ok := streams[0].([]any)
	if !ok || len(one) != 2 {
		return nil, nil, errEntries
	}
	list, ok := one[1].([]any)
	if !ok {
		return nil, nil, errEntries
	}
	for _, e := range list {
		entry, ok := e.([]any)
		if !ok || len(entry) != 2 {
			return nil, nil, errEntries
		}
		id, isID := entry[0].(string)
		fields, isList := entry[1].([]any)
		if !isID || !isList || len(fields) != 2 {
			return nil, nil, errEntries
		}
		body, ok := fields[1].(string)
		if !ok {
			return nil, nil, errEntries
		}
		ids, bodies = append(ids, id), append(bodies, body)
	}
	return ids, bodies, nil
}
