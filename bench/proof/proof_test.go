// Package proof_test runs all that is promised of several gateways on one PostgreSQL, at full length, with one command:
//
//	go test ./bench/proof -proof -v -timeout 6h
//
// Each part can be had alone with -run TestProof/soak and so on. It needs PostgreSQL's programs, as the heavy tests do.
package proof_test

import (
	"bufio"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"testing"
	"time"

	"github.com/callgate/callgate/bench/machine"
	"github.com/callgate/callgate/internal/pgtest"
)

var (
	proof      = flag.Bool("proof", false, "run it: it takes two to three hours")
	rounds     = flag.Int("rounds", 50, "faults of gateways under load")
	promotions = flag.Int("promotions", 20, "primaries that are killed under load, each with its standby promoted")
	soak       = flag.Duration("soak", time.Hour, "how long calls come in while a transaction is held open")
	rows       = flag.String("rows", "0,1000000", "numbers of stored events to measure growth at; ten million need 20 GB")
)

func TestProof(t *testing.T) {
	if !*proof {
		t.Skip("takes hours; -proof runs it")
	}
	for _, part := range []struct {
		name     string
		database bool     // it needs a server, with the durability that it has by default
		args     []string // of go
	}{
		{"contract", false, []string{"test", "-count=1", "-timeout=60m", "./internal/store/..."}},
		{"rounds", false, []string{"test", "-count=1", "-timeout=120m", "-v", "-run=^TestRounds$", "./examples/cluster", "-rounds", strconv.Itoa(*rounds)}},
		{"cluster", false, []string{"test", "-count=1", "-timeout=60m", "-v", "-run=TestExample|TestRollingRestart", "./examples/cluster"}},
		{"promotions", false, []string{"test", "-count=1", "-timeout=60m", "-v", "-run=^TestThePrimaryIsKilledAndTheStandbyPromoted$", "./internal/store/postgres"}},
		{"standby", false, []string{"test", "-count=1", "-timeout=60m", "-v", "-run=^TestNothingIsAcknowledgedWithoutTheStandby$|^TestRequireSync$|^TestANetworkThatSwallows$", "./internal/store/postgres"}},
		{"alone", false, []string{"test", "-count=1", "-timeout=60m", "-run=^$", "-bench=Accept|Deliver", "-benchtime=100000x", "./internal/store/postgres"}},
		{"durable", true, []string{"run", "./bench/durable", "-store", "postgres", "-connections", "64,256"}},
		{"growth", true, []string{"run", "./bench/growth", "-store", "postgres", "-rows", *rows, "-producers", "64"}},
		{"soak", true, []string{"run", "./bench/durable", "-store", "postgres", "-soak", soak.String(), "-rate", "200"}},
	} {
		t.Run(part.name, func(t *testing.T) {
			cmd := exec.CommandContext(t.Context(), "go", part.args...)
			cmd.Dir = "../.."
			cmd.Env = append(os.Environ(), "CALLGATE_HEAVY=1", fmt.Sprintf("CALLGATE_ROUNDS=%d", *promotions))
			if part.database {
				server := pgtest.Start(t, "fsync = on", "full_page_writes = on", "shared_buffers = 256MB", "max_wal_size = 2GB")
				cmd.Env = append(cmd.Env, fmt.Sprintf("DATABASE_URL=postgres://%s@%s/%s?sslmode=disable", pgtest.User, server.Addr(), pgtest.Database))
			}
			began := time.Now()
			t.Logf("%s; the load average is %s", cmd, machine.LoadAverage())
			r, w := io.Pipe()
			cmd.Stdout, cmd.Stderr = w, w
			told := make(chan error, 1)
			go func() { told <- tell(r) }()
			err := cmd.Run()
			_ = w.Close() // never fails
			if tellErr := <-told; tellErr != nil {
				t.Error(tellErr)
			}
			if err != nil {
				t.Errorf("%s: %v", part.name, err)
			}
			t.Logf("%s took %s; the load average is %s", part.name, time.Since(began).Round(time.Second), machine.LoadAverage())
		})
	}
}

// tell shows what a part prints while it runs, which a test's own log would keep to its end.
func tell(from io.Reader) error {
	lines := bufio.NewScanner(from)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		fmt.Println("    " + lines.Text())
	}
	_, _ = io.Copy(io.Discard, from) // of a line that is too long; whoever writes is not to wait
	return lines.Err()
}
