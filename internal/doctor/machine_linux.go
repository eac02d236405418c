package doctor

import (
	"fmt"
	"syscall"
)

// kinds are the file systems that are told by name, by the numbers of statfs(2).
var kinds = map[int64]Volume{
	0xef53: {Kind: "ext4"}, 0x58465342: {Kind: "xfs"}, 0x9123683e: {Kind: "btrfs"}, 0x2fc12fc1: {Kind: "zfs"}, 0x794c7630: {Kind: "overlay"},
	0x01021994: {Kind: "tmpfs", Memory: true}, 0x858458f6: {Kind: "ramfs", Memory: true},
	0x6969: {Kind: "nfs", Network: true}, 0xff534d42: {Kind: "cifs", Network: true}, 0xfe534d42: {Kind: "smb", Network: true}, 0x517b: {Kind: "smb", Network: true},
	0x01021997: {Kind: "9p", Network: true}, 0x00c36400: {Kind: "ceph", Network: true}, 0x5346414f: {Kind: "afs", Network: true}, 0x65735546: {Kind: "fuse"},
	0x0bd00bd0: {Kind: "lustre", Network: true}, 0x47504653: {Kind: "gpfs", Network: true},
}

func volume(dir string) Volume {
	var s syscall.Statfs_t
	if err := syscall.Statfs(dir, &s); err != nil {
		return Volume{}
	}
	v := kinds[int64(s.Type)&0xffffffff]
	v.Free, v.Size = s.Bavail*uint64(s.Bsize), s.Blocks*uint64(s.Bsize)
	return v
}

// The bits of adjtimex(2).
const (
	staUnsync = 0x0040
	timeError = 5
)

// Clock looks at whether the clock is kept right.
func (r *Report) Clock() {
	var t syscall.Timex
	state, err := syscall.Adjtimex(&t)
	if err != nil {
		return // not to be seen, as in some containers
	}
	r.addClock(state == timeError || t.Status&staUnsync != 0)
}

func (r *Report) addClock(unsynced bool) {
	if unsynced {
		r.Add("clock", Warning, "", "nothing says that the clock is kept right (the kernel calls it unsynchronized)",
			"run chrony or systemd-timesyncd; in a container the host does. Signatures with a time in them are refused when the clock is some minutes off")
		return
	}
	r.Add("clock", Fine, "", "the kernel says that the clock is synchronized", "")
}

// minFiles is how many descriptors a gateway has use for: a connection takes one, and one to the receiver.
const minFiles = 8192

// Limits looks at the limits of this process, which are those of the gateway only where it is started in the same way.
func (r *Report) Limits(secret bool) {
	var files, core syscall.Rlimit
	if syscall.Getrlimit(syscall.RLIMIT_NOFILE, &files) == nil {
		r.addFiles(files.Max)
	}
	if secret && syscall.Getrlimit(syscall.RLIMIT_CORE, &core) == nil && core.Cur > 0 {
		r.Add("limits", Note, "", "a crash may write a core dump, with secrets and calls in it", "LimitCORE=0 in the unit, or ulimit -c 0")
	}
}

func (r *Report) addFiles(most uint64) {
	if most < minFiles {
		r.Add("limits", Warning, "", fmt.Sprintf("a process may have %d files and connections open here", most), "LimitNOFILE=65536 in the unit, or ulimit -n 65536")
		return
	}
	r.Add("limits", Fine, "", fmt.Sprintf("a process may have %d files and connections open", most), "")
}
