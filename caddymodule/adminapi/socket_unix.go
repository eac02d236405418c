//go:build unix

package adminapi

import (
	"os"
	"os/user"
	"strconv"
	"strings"
	"syscall"
)

// ownerOf is the name of whom a unix socket's permissions leave it to alone: whoever is at its other end is them, or may
// be anybody as root is. It is empty if others may connect too.
func ownerOf(path string) string {
	if path == "" || strings.HasPrefix(path, "@") { // without a file it has no permissions
		return ""
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm()&0o077 != 0 {
		return ""
	}
	stat, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return ""
	}
	uid := strconv.FormatUint(uint64(stat.Uid), 10)
	if u, err := user.LookupId(uid); err == nil {
		return u.Username
	}
	return "uid " + uid
}
