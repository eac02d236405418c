package caddymodule

import (
	"math"
	"runtime/debug"
	"strings"
	"testing"

	"github.com/callgate/callgate/caddymodule/gatewaytest"
)

// TestASmallMachine: what memory small holds down, and that what is configured besides wins; afterwards the limit is what it
// was.
func TestASmallMachine(t *testing.T) {
	before := debug.SetMemoryLimit(-1)
	a := &App{Memory: memorySmall}
	if l := a.cacheLimits(); l != smallCache || a.memoryLimit() != min(before, smallMemory) || a.unverifiedDefault() != smallUnverified {
		t.Errorf("%+v, %d, %d", l, a.memoryLimit(), a.unverifiedDefault())
	}
	a.IdempotencyCache = &CacheLimits{Entries: 7, Keys: 10}
	if l := a.cacheLimits(); l.Entries != 7 || l.Keys != 10 || l.OwnerKeys != 5 || l.Bytes != smallCache.Bytes {
		t.Errorf("%+v", l)
	}
	usual := new(App)
	if l := usual.cacheLimits(); l != defaultCache || usual.memoryLimit() != before {
		t.Errorf("%+v, %d", l, usual.memoryLimit())
	}
	g := gatewaytest.Run(t, "{\n\tcallgate {\n\t\tstore sqlite STORE\n\t\tmemory small\n\t}\n}\nhttp:// {\n\tbind SOCKET\n\thandle /hook {\n\t\tcallgate nextphone "+gatewaytest.Secret+" {\n\t\t\tname NAME\n\t\t}\n\t\trespond got\n\t}\n}\n")
	if now := debug.SetMemoryLimit(-1); now != min(before, smallMemory) {
		t.Errorf("the limit is %d", now)
	}
	if status, answer := g.Send("/hook", `{"lead":{"phone":"+15559876543"}}`); status != 200 || answer != "got" {
		t.Errorf("%d %s", status, answer)
	}
	g.Stop()
	if now := debug.SetMemoryLimit(-1); now != before {
		t.Errorf("afterwards the limit is %d, and was %d", now, before)
	}
	if _, err := provision("{\n\tcallgate {\n\t\tmemory tiny\n\t}\n}\n"); err == nil || !strings.Contains(err.Error(), "small") {
		t.Errorf("%v", err)
	}
	setMemory(0)
	if now := debug.SetMemoryLimit(before); now != math.MaxInt64 {
		t.Errorf("without a limit it is %d", now)
	}
}
