package process

import (
	"errors"
	"math/rand/v2"
	"net"
	"strconv"
)

// FreeAddress is a loopback address where nobody listens now. Its port lies below those that the system gives to
// listeners and connections which ask for any, so that none of these takes it before the program does: a Caddy would
// then share it.
func FreeAddress() (string, error) {
	const first, ports, tries = 20_000, 12_000, 200
	for range tries {
		address := net.JoinHostPort("127.0.0.1", strconv.Itoa(first+rand.IntN(ports)))
		if l, err := net.Listen("tcp", address); err == nil {
			return address, l.Close()
		}
	}
	return "", errors.New("no port between 20000 and 32000 is free on 127.0.0.1; see what listens there")
}
