package sqlite_test

import (
	"fmt"
	"os"
	"testing"

	"github.com/callgate/callgate/internal/store/sqlite"
	"github.com/callgate/callgate/internal/store/storetest"
)

// heavy tells whether the tests that take minutes are wanted.
func heavy() bool { return os.Getenv("CALLGATE_HEAVY") == "1" }

func TestModel(t *testing.T) {
	seeds, steps := uint64(3), 300
	if heavy() {
		seeds, steps = 150, 800
	}
	for seed := uint64(2); seed < 2+seeds; seed++ {
		t.Run(fmt.Sprint("seed", seed), func(t *testing.T) {
			o := sqlite.Options{RecentKeys: int(1 + seed%20), MaxBatch: int(1 + seed%4)}
			if seed%2 == 0 {
				o.Keys = ring(t, keyA)
			}
			storetest.Model(t, harness(o), seed, steps)
		})
	}
}
