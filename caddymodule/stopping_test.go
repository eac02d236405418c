package caddymodule

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"go.uber.org/zap"
	logtest "go.uber.org/zap/zaptest/observer"
)

// TestStoppingHasAnEnd: a binary of ours gives one, a configuration says another, and a Caddy of one's own without either
// is told.
func TestStoppingHasAnEnd(t *testing.T) {
	defer func(d time.Duration) { DefaultGracePeriod = d }(DefaultGracePeriod)
	for name, c := range map[string]struct {
		standard time.Duration
		global   string
		want     time.Duration
		warned   bool
	}{
		"our binary":             {10 * time.Second, "", 10 * time.Second, false},
		"with one of its own":    {10 * time.Second, "grace_period 3s", 3 * time.Second, false},
		"another Caddy":          {0, "", 0, true},
		"another Caddy with one": {0, "grace_period 3s", 3 * time.Second, false},
	} {
		DefaultGracePeriod = c.standard
		ctx, err := provision("{\n" + c.global + "\n}\nhttp:// {\ncallgate nextphone s3cret\nrespond ok\n}")
		if err != nil {
			t.Fatal(err)
		}
		app, err := ctx.App("callgate")
		if err != nil {
			t.Fatal(err)
		}
		core, logs := logtest.New(zap.WarnLevel)
		in := app.(*App).run
		in.logger = zap.New(core)
		in.limitStopping()
		http, err := ctx.App("http")
		if err != nil {
			t.Fatal(err)
		}
		if got := http.(*caddyhttp.App).GracePeriod; got != caddy.Duration(c.want) || in.stopping.grace != c.want {
			t.Errorf("%s: Caddy waits for %v and the deliveries for %v, want %v", name, time.Duration(got), in.stopping.grace, c.want)
		}
		told := ""
		for _, e := range logs.All() {
			told += e.Message
		}
		if c.warned != strings.Contains(told, "write `grace_period 10s`") || !c.warned && told != "" {
			t.Errorf("%s: told %q", name, told)
		}
	}
}

// TestWhatIsLeftForStopping counts from when Caddy began to stop, and only once.
func TestWhatIsLeftForStopping(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := stopping{grace: 10 * time.Second}
		if left, limited := s.left(); left != 0 || limited {
			t.Errorf("before: %v, %v", left, limited)
		}
		for _, want := range []time.Duration{10 * time.Second, 6 * time.Second, 2 * time.Second, 0, 0} {
			if err := s.Handle(t.Context(), caddy.Event{}); err != nil {
				t.Fatal(err)
			}
			if left, limited := s.left(); left != want || !limited {
				t.Errorf("%v, %v left, want %v", left, limited, want)
			}
			time.Sleep(4 * time.Second)
		}
		endless := stopping{}
		endless.began.Store(time.Now().UnixNano())
		if _, limited := endless.left(); limited {
			t.Error("there is an end without a grace period")
		}
	})
}
