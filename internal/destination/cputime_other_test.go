//go:build !unix

package destination_test

import "time"

// cpuTime is not known here.
func cpuTime() time.Duration { return 0 }
