//go:build linux

package diskfault_test

import (
	"slices"
	"testing"

	"github.com/callgate/callgate/internal/diskfault"
)

// TestCalls reads records as strace 6.1 writes them when threads change while a call is being made.
func TestCalls(t *testing.T) {
	const record = `3022  pwrite64(8, "a"..., 1048576, 0) = 1048576
3024  pwrite64(8, "b <unfinished ...>"..., 1048576, 1048576 <unfinished ...>
3022  --- SIGURG {si_signo=SIGURG, si_code=SI_TKILL, si_pid=3022, si_uid=0} ---
3022  fdatasync(8 <unfinished ...>
3024  <... pwrite64 resumed>)           = 1048576
3022  <... fdatasync resumed>)          = 0
3025  pwrite64(8, "c", 1, 2097152 <unfinished ...>
3024  fsync(8)                          = -1 EIO (Input/output error) (INJECTED)
`
	want := []string{
		`pwrite64(8, "a"..., 1048576, 0) = 1048576`,
		`--- SIGURG {si_signo=SIGURG, si_code=SI_TKILL, si_pid=3022, si_uid=0} ---`,
		`fdatasync(8`,
		`pwrite64(8, "b <unfinished ...>"..., 1048576, 1048576)           = 1048576`,
		`fsync(8)                          = -1 EIO (Input/output error) (INJECTED)`,
	}
	if got := diskfault.Calls(record); !slices.Equal(got, want) {
		t.Errorf("got\n%q, want\n%q", got, want)
	}
}
