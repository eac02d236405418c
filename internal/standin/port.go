package standin

import (
	"errors"
	"math/rand/v2"
	"net"
	"strconv"
	"sync"
	"syscall"
	"testing"
)

// FreePort is a port on loopback that nobody listens on now, for a process that the test starts. It lies below the
// ports that the system gives to listeners and connections which ask for any, so that none of these takes it before the
// process does: a Caddy would then share it, or "localhost" lead to the other one over IPv6. It is given once only in a test
// process.
func FreePort(t testing.TB) int {
	t.Helper()
	const first, ports, tries = 20_000, 12_000, 200
	for range tries {
		port := first + rand.IntN(ports)
		if !unused("tcp4", "127.0.0.1", port) || !unused("tcp6", "::1", port) {
			continue
		}
		if _, given := givenPorts.LoadOrStore(port, true); !given {
			return port
		}
	}
	t.Fatalf("no free port in %d tries", tries)
	return 0
}

var givenPorts sync.Map

// unused reports whether a port can be listened on. Where there is no IPv6, nobody can be in the way over it.
func unused(network, host string, port int) bool {
	l, err := net.Listen(network, net.JoinHostPort(host, strconv.Itoa(port)))
	if err != nil {
		return network == "tcp6" && !errors.Is(err, syscall.EADDRINUSE)
	}
	return l.Close() == nil
}
