package transport

import (
	"testing"

	"go.uber.org/goleak"
)

// TestMain fails if goroutines are left. certmagic keeps one for a while after a storage lock was given up.
func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("github.com/caddyserver/certmagic.keepLockfileFresh"))
}
