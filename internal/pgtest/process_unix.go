//go:build unix

package pgtest

import (
	"errors"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// clerk is the user that servers run as when the test runs as root.
func clerk() (uid, gid int, err error) {
	for _, name := range []string{"postgres", "nobody"} {
		u, err := user.Lookup(name)
		if err != nil {
			continue
		}
		uid, errU := strconv.Atoi(u.Uid)
		gid, errG := strconv.Atoi(u.Gid)
		return uid, gid, errors.Join(errU, errG)
	}
	return 0, 0, errors.New("PostgreSQL does not run as root, and there is no user postgres or nobody for it")
}

// own gives a directory to the user that servers run as.
func own(dir string) error {
	if os.Getuid() != 0 {
		return nil
	}
	uid, gid, err := clerk()
	if err != nil {
		return err
	}
	return os.Chown(dir, uid, gid)
}

// asUser has a command run as that user.
func asUser(cmd *exec.Cmd) error {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // an interrupt of the test is not the server's
	if os.Getuid() != 0 {
		return nil
	}
	uid, gid, err := clerk()
	if err == nil {
		cmd.SysProcAttr.Credential = &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
	}
	return err
}

// children are the processes that a process has started; none are found where there is no /proc.
func children(parent int) (list []int) {
	stats, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, file := range stats {
		text, err := os.ReadFile(file)
		if err != nil {
			continue // it has ended
		}
		// The second field is the name in parentheses, the fourth the parent.
		_, rest, _ := strings.Cut(string(text), ") ")
		fields := strings.Fields(rest)
		if len(fields) < 2 || fields[1] != strconv.Itoa(parent) {
			continue
		}
		if pid, err := strconv.Atoi(filepath.Base(filepath.Dir(file))); err == nil {
			list = append(list, pid)
		}
	}
	return list
}

func kill(pid int) { _ = syscall.Kill(pid, syscall.SIGKILL) }

func stop(pid int) error { return syscall.Kill(pid, syscall.SIGSTOP) }

func cont(pid int) error { return syscall.Kill(pid, syscall.SIGCONT) }

// alive tells whether a process runs: not one that has ended, and whose end nobody has asked for.
func alive(pid int) bool {
	text, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return false
	}
	_, rest, _ := strings.Cut(string(text), ") ")
	return !strings.HasPrefix(rest, "Z")
}
