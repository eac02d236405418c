package caddymodule

import (
	"encoding/base64"
	"fmt"
	"math/rand/v2"
	"net"
	"strings"
	"testing"

	"github.com/oklog/ulid/v2"

	"github.com/callgate/callgate/internal/store"
)

// TestReloadTunesTheStore: a store that is full takes events again with a larger max_size, without a restart. A reload
// that fails leaves what was in force.
func TestReloadTunesTheStore(t *testing.T) {
	c := newCRM(t)
	c.down.Store(true) // what is delivered makes room
	const small, large = 1 << 20, 64 << 20
	with := func(bytes int) string {
		return strings.Replace(fmt.Sprintf(deliveringConfig, c.URL), "STORE", fmt.Sprintf("STORE {\n\t\t\tmax_size %d\n\t\t}", bytes), 1)
	}
	g := runGateway(t, with(small))
	inForce := func() int64 {
		t.Helper()
		stats, err := g.store().Stats(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return stats.MaxBytes
	}
	full := 0
	for status := 200; status == 200; full++ {
		res, body := g.send("/hook/acme", strings.Replace(numbered(full), "{", `{"pad":"`+noise(100<<10)+`",`, 1))
		if status = res.StatusCode; status != 200 && (status != 503 || !strings.Contains(body, "store_full")) {
			t.Fatalf("status %d: %s", status, body)
		}
	}
	before := g.config

	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	g.config = strings.Replace(before, fmt.Sprint(small), fmt.Sprint(large), 1)
	global, _, _ := strings.Cut(g.config, "http:// {")
	for range 5 { // the order in which Caddy starts apps is random
		if err := load(t, global+fmt.Sprintf("http://%s {\n\tbind 127.0.0.1\n}\n", taken.Addr())); err == nil {
			t.Fatal("a configuration with an address that is taken was started")
		}
		if n := inForce(); n != small {
			t.Fatalf("after a reload that failed max_size is %d", n)
		}
	}
	g.start()
	if n := inForce(); n != large {
		t.Errorf("after the reload max_size is %d", n)
	}
	// Not over HTTP: Caddy closes connections in a reload, new ones too.
	if _, err := g.store().Accept(t.Context(), &store.Event{ID: ulid.Make().String()}, nil); err != nil {
		t.Errorf("after the reload: %v", err)
	}
}

// noise is a text that cannot be compressed, which is how a store fills up.
func noise(n int) string {
	b := make([]byte, n)
	rand.NewChaCha8([32]byte{1}).Read(b)
	return base64.RawURLEncoding.EncodeToString(b)[:n]
}
