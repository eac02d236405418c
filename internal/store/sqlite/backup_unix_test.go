//go:build unix

package sqlite_test

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/callgate/callgate/internal/store/sqlite"
)

// backupForever makes backups of a store that another process writes, until it is killed, and prints the name of each.
func backupForever(path string) error {
	for n := 0; ; n++ {
		file := fmt.Sprintf("%s.%d.backup-%d", path, os.Getpid(), n)
		say("begin %s", file)
		if _, err := sqlite.Backup(context.Background(), path, file, sqlite.Tuning{}); err != nil {
			return err
		}
		say("made %s", file)
	}
}

// printed starts a child and hands over what it prints, a line at a time.
func printed(t *testing.T, cmd *exec.Cmd) <-chan string {
	t.Helper()
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cmd.Process.Kill() })
	lines := make(chan string, 1<<20)
	go func() {
		defer close(lines)
		for scanner := bufio.NewScanner(out); scanner.Scan(); {
			lines <- scanner.Text()
		}
	}()
	return lines
}

// TestBackupWhileAnotherProcessWrites has a process accept events as fast as it can, another one make backups of its
// store, and kills both, the second one while it writes. What was acknowledged before a backup began is in it, nothing is
// in it by half, and no backup has its name before it is whole.
func TestBackupWhileAnotherProcessWrites(t *testing.T) {
	path := filepath.Join(t.TempDir(), "store.db")
	writer := startChild(t, "through", path)
	events := printed(t, writer)
	acknowledged := map[string]string{} // key -> event id
	take := func(n int) {
		t.Helper()
		for range n {
			line, ok := <-events
			if !ok {
				t.Fatal("the writer has ended")
			}
			word, rest, _ := strings.Cut(line, " ")
			id, key, _ := strings.Cut(rest, " ")
			if word != "ok" {
				t.Fatalf("the writer says %q", line)
			}
			acknowledged[key] = id
		}
	}
	take(1000)
	file := path + ".backup"
	b, err := sqlite.Backup(t.Context(), path, file, sqlite.Tuning{})
	if err != nil {
		t.Fatal(err)
	}
	before := len(acknowledged)
	if b.Events < int64(before) {
		t.Errorf("%d events were acknowledged before the backup, which has %d", before, b.Events)
	}
	for round := range 3 {
		cmd := startChild(t, "backup", path)
		lines := printed(t, cmd)
		made := 0
		for line := range lines {
			if strings.HasPrefix(line, "made") {
				made++
			}
			if made > round && strings.HasPrefix(line, "begin") {
				cmd.Process.Kill()
			}
		}
		if err := cmd.Wait(); err == nil || !strings.Contains(err.Error(), "killed") {
			t.Fatalf("the process that makes backups was not killed: %v", err)
		}
	}
	writer.Process.Kill()
	writer.Wait()

	files, err := filepath.Glob(path + ".*backup*")
	if err != nil || len(files) < 4 {
		t.Fatal(files, err)
	}
	for _, f := range files {
		to := filepath.Join(t.TempDir(), "store.db")
		if _, err := sqlite.Restore(t.Context(), f, to); err != nil {
			t.Error(err)
			continue
		}
		if n := checkAcknowledged(t, to, acknowledged); f == file && n != int(b.Events) {
			t.Errorf("the backup had %d events, restored it has %d", b.Events, n)
		}
		checkIntegrity(t, to)
	}
	checkAcknowledged(t, path, acknowledged)
}
