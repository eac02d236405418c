package caddymodule

import (
	"bytes"
	"os"
	"slices"
	"strconv"
	"syscall"
	"testing"

	"github.com/callgate/callgate/caddymodule/gatewaytest"
)

func TestOnlyWhatNobodyHasWrittenToIsGivenBack(t *testing.T) {
	const smaps = `55d0a0000000-55d0a2000000 r-xp 00001000 fe:00 42                         /usr/bin/callgate
Size:              32768 kB
Anonymous:             0 kB
Swap:                  0 kB
VmFlags: rd ex mr mw me
55d0a2000000-55d0a4000000 r--p 02001000 fe:00 42                         /usr/bin/callgate
Anonymous:             0 kB
Swap:                  0 kB
55d0a4000000-55d0a5000000 r--p 04001000 fe:00 42                         /usr/bin/callgate
Anonymous:          4096 kB
Swap:                  0 kB
55d0a5000000-55d0a6000000 r--p 05001000 fe:00 42                         /usr/bin/callgate
Anonymous:             0 kB
Swap:                  8 kB
55d0a6000000-55d0a7000000 rw-p 06001000 fe:00 42                         /usr/bin/callgate
Anonymous:             0 kB
7f0000000000-7f0000100000 r-xp 00000000 fe:00 43                         /usr/lib/libc.so.6
Anonymous:             0 kB
`
	if got, want := readOnlyParts(smaps, "/usr/bin/callgate"), []part{{0x55d0a0000000, 0x55d0a2000000}, {0x55d0a2000000, 0x55d0a4000000}}; !slices.Equal(got, want) {
		t.Errorf("given back are %x, want %x", got, want)
	}

	for line, want := range map[string]bool{
		"00400000-02f6c000 r-xp 00000000 fe:00 42   /usr/bin/callgate":  true,
		"02f6c000-05f00000 r--p 02b6c000 fe:00 42   /usr/bin/callgate":  true,
		"05f00000-06100000 rw-p 05b00000 fe:00 42   /usr/bin/callgate":  false,
		"05f00000-06100000 r--s 05b00000 fe:00 42   /usr/bin/callgate":  false,
		"7f0000000000-7f0000100000 r-xp 0 fe:00 43  /usr/lib/libc.so.6": false,
		"c000000000-c000400000 rw-p 00000000 00:00 0":                   false,
		"zz-02f6c000 r-xp 00000000 fe:00 42 /usr/bin/callgate":          false,
		"": false,
	} {
		if start, end, ok := readOnlyPart(line, "/usr/bin/callgate"); ok != want || ok && start >= end {
			t.Errorf("%q: %x to %x, %v", line, start, end, ok)
		}
	}
}

// TestTheProgramGoesOnWithoutItsPages: and has fewer of them.
func TestTheProgramGoesOnWithoutItsPages(t *testing.T) {
	before := rssFile(t)
	dropProgram()
	after := rssFile(t)
	if after >= before || after == 0 {
		t.Errorf("%d KiB of files in memory before, and %d after", before, after)
	}
}

// TestStartingLeavesNoPagesBehind: also where nobody has asked for little memory.
func TestStartingLeavesNoPagesBehind(t *testing.T) {
	readProgram(t)
	before := rssFile(t)
	gatewaytest.Run(t, "{\n\tcallgate {\n\t\tstore sqlite STORE\n\t}\n}\nhttp:// {\n\tbind SOCKET\n\thandle /hook {\n\t\tcallgate nextphone "+gatewaytest.Secret+" {\n\t\t\tname NAME\n\t\t}\n\t\trespond got\n\t}\n}\n")
	if after := rssFile(t); after > before*3/4 {
		t.Errorf("with all of the program in memory %d KiB are of files, and when a gateway has started still %d", before, after)
	}
}

// readProgram reads all of the program into memory.
func readProgram(t *testing.T) {
	t.Helper()
	const populateRead = 22 // MADV_POPULATE_READ, since Linux 5.14
	err := eachReadOnlyPart(func(start, length uintptr) error {
		if _, _, errno := syscall.Syscall(syscall.SYS_MADVISE, start, length, populateRead); errno != 0 {
			return errno
		}
		return nil
	})
	if err != nil {
		t.Skip("this system cannot read a program ahead:", err)
	}
}

// rssFile is how much of files is in memory, in KiB.
func rssFile(t *testing.T) int {
	t.Helper()
	text, err := os.ReadFile("/proc/self/status")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := bytes.Cut(text, []byte("RssFile:"))
	n, err := strconv.Atoi(string(bytes.Fields(rest)[0]))
	if err != nil {
		t.Fatal(err)
	}
	return n
}
