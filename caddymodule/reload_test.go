package caddymodule

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig"
	"go.uber.org/goleak"

	"github.com/callgate/callgate/internal/ratelimit"
	"github.com/callgate/callgate/internal/signature"
)

// load runs a Caddyfile in this process, as `caddy reload` would.
func load(t testing.TB, config string) error {
	t.Helper()
	text, _, err := caddyconfig.GetAdapter("caddyfile").Adapt([]byte(config), map[string]any{"filename": "Caddyfile"})
	if err != nil {
		return err
	}
	var c map[string]any
	if err := json.Unmarshal(text, &c); err != nil {
		return err
	}
	c["admin"] = map[string]any{"disabled": true, "config": map[string]any{"persist": false}}
	c["logging"] = map[string]any{"logs": map[string]any{"default": map[string]any{"level": "ERROR"}}}
	if text, err = json.Marshal(c); err != nil {
		return err
	}
	return caddy.Load(text, true)
}

// TestReloadsLoseNothing reloads two hundred times, every tenth time with a configuration that fails, while requests
// flow, each of them twice.
func TestReloadsLoseNothing(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent(),
		// Caddy's own, of each start; it ends by itself seconds later.
		goleak.IgnoreAnyFunction("github.com/caddyserver/certmagic.keepLockfileFresh"))
	var arrived sync.Map // how often each body did
	upstream := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		n, _ := arrived.LoadOrStore(string(b), new(atomic.Int64))
		n.(*atomic.Int64).Add(1)
		_, _ = w.Write([]byte("ok"))
	}))
	defer upstream.Close()
	// A Unix socket is handed from one configuration to the next. For TCP Caddy opens a second listener beside the
	// first, and Linux resets connections that wait in the first one's queue when it is closed, before any handler
	// is asked.
	socket := filepath.Join(t.TempDir(), "gateway.sock")
	config := func(i int) string {
		bad := ""
		if i%10 == 9 {
			bad = "callgate nextphone {env.CALLGATE_TEST_UNSET}\n"
		}
		return fmt.Sprintf(`{
	callgate {
		limiter_keys %d
	}
}
http:// {
	bind unix/%s
	callgate nextphone %s {
		name reload
		rate_limit off
	}
	%s
	header X-Generation %d
	reverse_proxy %s
}`, 1000+i, socket, testSecret, bad, i, upstream.Listener.Addr())
	}
	if err := load(t, config(0)); err != nil {
		t.Fatal(err)
	}
	stopped := false
	defer func() {
		if !stopped {
			_ = caddy.Stop()
		}
	}()

	done := make(chan struct{})
	var clients sync.WaitGroup
	var sent atomic.Int64
	client := unixClient(socket)
	for c := range 4 {
		clients.Go(func() {
			signer, err := signature.NewSigner(signature.Config{Scheme: "nextphone", Secrets: []string{testSecret}})
			if err != nil {
				t.Error(err)
				return
			}
			for n := 0; ; n++ {
				select {
				case <-done:
					return
				default:
				}
				body := fmt.Sprintf(`{"phone":"+15559876543","client":%d,"n":%d}`, c, n)
				for range 2 {
					if err := post(client, signer, "http://gate.test/", body); err != nil {
						t.Error(err)
						return
					}
				}
				sent.Add(1)
			}
		})
	}
	for i := 1; i <= 200; i++ {
		err := load(t, config(i))
		if failing := i%10 == 9; (err != nil) != failing {
			t.Fatalf("reload %d: %v", i, err)
		}
	}
	close(done)
	clients.Wait()
	if sent.Load() == 0 {
		t.Fatal("nothing was sent")
	}
	arrived.Range(func(body, n any) bool {
		if c := n.(*atomic.Int64).Load(); c != 1 {
			t.Errorf("%s arrived %d times", body, c)
		}
		return true
	})
	if s := currentShared().Answers.Size(); s.InFlight != 0 {
		t.Errorf("%d reservations were lost", s.InFlight)
	}
	if err := caddy.Stop(); err != nil {
		t.Error(err)
	}
	stopped = true
	client.CloseIdleConnections()
	if n, held := sharedPool.References(sharedKey); held {
		t.Logf("%d references are left to the state by tests that provision without end", n)
	}
	t.Logf("%d requests and their copies, through 200 reloads", sent.Load())
}

// unixClient sends everything to a Unix socket.
func unixClient(socket string) *http.Client {
	return &http.Client{Transport: &http.Transport{
		MaxIdleConnsPerHost: 8,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", socket)
		},
	}}
}

func post(client *http.Client, signer signature.Signer, url, body string) error {
	r, err := http.NewRequest(http.MethodPost, url, strings.NewReader(body))
	if err != nil {
		return err
	}
	r.Header.Set("Content-Type", "application/json")
	m := signature.Message{Method: r.Method, URL: url, Header: r.Header, Body: []byte(body)}
	if err := signer.Sign(&m, "", time.Now()); err != nil {
		return err
	}
	res, err := client.Do(r)
	for range 20 {
		if err == nil {
			break
		}
		// Caddy's old server closes connections on which it has not read a request yet; plain Caddy, reloaded as
		// fast as here, does it as often. The sender connects again.
		r.Body = io.NopCloser(strings.NewReader(body))
		res, err = client.Do(r)
	}
	if err != nil {
		return err
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != 200 || !bytes.Equal(b, []byte("ok")) {
		return fmt.Errorf("status %d, body %q, error %v", res.StatusCode, b, err)
	}
	return nil
}

// TestLimitsRollBackWithAFailedReload: what a configuration says of shared state holds while it runs, whichever
// configurations came and went meanwhile.
func TestLimitsRollBackWithAFailedReload(t *testing.T) {
	s, err := acquireShared()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = releaseShared() }()
	a := limits{limiterKeys: 3, unverified: 1 << 30} // the last ones stay in force for the tests after this one
	a.cache.Entries, a.cache.Bytes = 10, 1<<20
	b := a
	b.limiterKeys = 1
	fill := func() int {
		for i := range 5 {
			s.Addresses.Allow(fmt.Sprint(i), mustLimit(t, "5/s"))
		}
		return s.Addresses.Len()
	}
	detachA := s.attach(a)
	if n := fill(); n != 3 {
		t.Errorf("%d keys under the first configuration", n)
	}
	detachB := s.attach(b)
	if n := fill(); n != 1 {
		t.Errorf("%d keys under the second", n)
	}
	detachB()
	if n := fill(); n != 3 {
		t.Errorf("%d keys after the second failed", n)
	}
	detachA()
	detachA() // as when an app is stopped twice
}

func mustLimit(t testing.TB, rate string) ratelimit.Limit {
	t.Helper()
	l, err := (&RateLimit{Rate: rate}).compile()
	if err != nil {
		t.Fatal(err)
	}
	return *l
}
