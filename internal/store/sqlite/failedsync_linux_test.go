package sqlite_test

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/callgate/callgate/internal/diskfault"
	"github.com/callgate/callgate/internal/store/sqlite"
)

// TestFailingSync lets fsync fail and work again while a process accepts events, and kills the process: while the disk
// works again, or while it does not. Everything that was acknowledged has to be there.
func TestFailingSync(t *testing.T) {
	rounds := 2
	if heavy() {
		rounds = 12
	}
	path := filepath.Join(t.TempDir(), "store.db")
	acknowledged := map[string]string{} // key -> event id
	refused, failed := 0, 0
	for round := range rounds {
		cmd, out := startChild(t, "through", path), new(lines)
		cmd.Stdout = out
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { cmd.Process.Kill() })
		more := func(word string, n int) {
			t.Helper()
			want := len(out.with(word)) + n
			eventually(t, fmt.Sprintf("the child prints %q", word), func() bool { return len(out.with(word)) >= want })
		}
		more("ok", 200)
		fault := diskfault.Syncs(t, cmd.Process.Pid)
		more("failed", 100) // by then everybody has heard of what was under way
		before := len(out.with("ok"))
		more("failed", 400)
		if n := len(out.with("ok")) - before; n > 0 {
			t.Fatalf("%d events were acknowledged although no fsync has succeeded", n)
		}
		if round%2 == 0 {
			fault.End()
			more("ok", 1000)
		}
		cmd.Process.Kill()
		if err := cmd.Wait(); err == nil || !strings.Contains(err.Error(), "killed") {
			t.Fatalf("the process was not killed: %v", err)
		}
		fault.End()
		failed += fault.Failed(t)
		for _, line := range out.with("ok") {
			id, key, _ := strings.Cut(line, " ")
			if first := acknowledged[key]; first != "" && first != id {
				t.Errorf("one key was acknowledged as two events, %s and %s", first, id)
			}
			acknowledged[key] = id
		}
		for _, text := range out.with("failed") {
			if refused++; !strings.Contains(text, "store is unavailable: its disk does not confirm what is written to it (fsync): look for errors") {
				t.Fatalf("an operator is told %q", text)
			}
		}
	}
	stored := checkAcknowledged(t, path, acknowledged)
	checkIntegrity(t, path)
	checkAudit(t, path)
	t.Logf("%d rounds, %d fsyncs failed, %d times an event was refused: %d events acknowledged, %d stored, none lost", rounds, failed, refused, len(acknowledged), stored)
}

// TestFailingSyncOfDatabase lets only the fsync of the database fail, with which a copy of the log ends. Events are
// accepted all the same, since they are in the log, and the log is copied when the disk works again.
func TestFailingSyncOfDatabase(t *testing.T) {
	path := filepath.Join(t.TempDir(), "store.db")
	cmd, out := startChild(t, "through", path), new(lines)
	cmd.Stdout = out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cmd.Process.Kill() })
	eventually(t, "events are accepted", func() bool { return len(out.with("ok")) >= 200 })
	fault := diskfault.Syncs(t, cmd.Process.Pid, path)
	const complaint = "copying the store's log into its database: store is unavailable: its disk does not confirm"
	eventually(t, "it says that the log cannot be copied", func() bool {
		logged := out.with("logged")
		return len(logged) > 1 && strings.HasPrefix(logged[len(logged)-1], complaint)
	})
	before := len(out.with("ok"))
	eventually(t, "events are accepted meanwhile", func() bool { return len(out.with("ok")) >= before+1000 })
	grown := size(t, path+"-wal")
	fault.End()
	if fault.Failed(t) == 0 {
		t.Error("no fsync has failed")
	}
	eventually(t, "the log is begun anew", func() bool { return size(t, path+"-wal") < grown || grown <= 1<<20 })
	logged := len(out.with("logged"))
	before = len(out.with("ok"))
	eventually(t, "events are accepted afterwards", func() bool { return len(out.with("ok")) >= before+1000 })
	if after := out.with("logged"); len(after) > logged {
		t.Errorf("it complains with a disk that works: %q", after[logged:])
	}
	cmd.Process.Kill()
	cmd.Wait()
	if failed := out.with("failed"); len(failed) > 0 {
		t.Errorf("%d events were refused, the first since %s", len(failed), failed[0])
	}
	acknowledged := map[string]string{}
	for _, line := range out.with("ok") {
		id, key, _ := strings.Cut(line, " ")
		acknowledged[key] = id
	}
	checkAcknowledged(t, path, acknowledged)
	checkIntegrity(t, path)
}

// TestPagesDroppedByCopy does to the database what a kernel may do after a failed fsync: the pages that were written since
// the last good one are the old ones again. The log has to bring them once more, also those that it had brought in an
// earlier part of the copy.
func TestPagesDroppedByCopy(t *testing.T) {
	path := filepath.Join(t.TempDir(), "store.db")
	c := startSteps(t, path, func(cmd *exec.Cmd) *exec.Cmd { return cmd })
	c.do(t, "accept 50")
	c.do(t, "copy")
	synced, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	c.do(t, "accept 50")
	c.do(t, "read")
	c.do(t, "accept 50")
	fault := diskfault.Syncs(t, c.cmd.Process.Pid, path)
	c.do(t, "copy") // as far as to the state that is being read
	if int(size(t, path)) <= len(synced) {
		t.Fatal("no part of the log was copied: the test says nothing")
	}
	c.do(t, "unread")
	c.do(t, "copy") // all of it
	if logged := c.out.with("logged"); len(logged) != 2 {
		t.Fatalf("two copies should have failed, logged was %q", logged)
	}
	dropped := make([]byte, size(t, path))
	copy(dropped, synced)
	if err := os.WriteFile(path, dropped, 0o600); err != nil {
		t.Fatal(err)
	}
	c.do(t, "accept 20") // which has to read what is in the log, and not what is in the database
	fault.End()
	if n := fault.Failed(t); n != 2 {
		t.Errorf("%d fsyncs have failed", n)
	}
	c.do(t, "copy")
	if n := size(t, path+"-wal"); n != 0 {
		t.Fatalf("%d bytes are left in the log: the test says nothing", n)
	}
	c.do(t, "accept 5")
	c.kill(t)
	checkIntegrity(t, path)
	acknowledged := c.out.with("ok")
	s := openStore(t, sqlite.Options{Path: path})
	for _, id := range acknowledged {
		if _, err := s.Event(context.Background(), id); err != nil {
			t.Errorf("event %s was acknowledged: %v", id, err)
		}
	}
	if len(acknowledged) != 175 {
		t.Errorf("%d events were acknowledged", len(acknowledged))
	}
}

// TestLogIsWrittenAgain kills a process whose last commit could not be synced. What it has left in the log is on the disk
// before the next process believes it, or there is no next process.
func TestLogIsWrittenAgain(t *testing.T) {
	path := filepath.Join(t.TempDir(), "store.db")
	wal := path + "-wal"
	c := startSteps(t, path, func(cmd *exec.Cmd) *exec.Cmd { return cmd })
	c.do(t, "accept 200")
	fault := diskfault.Syncs(t, c.cmd.Process.Pid, wal)
	c.do(t, "accept 1")
	if n := len(c.out.with("failed")); n != 1 {
		t.Fatalf("%d events were refused while the log could not be synced", n)
	}
	c.kill(t)
	fault.End()
	left := size(t, wal)

	cmd := diskfault.SyncsOf(t, startChild(t, "steps", path), wal)
	var text strings.Builder
	cmd.Stderr = &text
	if err := cmd.Run(); err == nil || !strings.Contains(text.String(), "its disk does not confirm what is written to it (fsync): look for errors") {
		t.Errorf("with a log that cannot be synced: %v, and it says %q", err, text.String())
	}
	if size(t, wal) != left {
		t.Errorf("the log had %d bytes and has %d", left, size(t, wal))
	}

	record := filepath.Join(t.TempDir(), "record")
	again := startSteps(t, path, func(cmd *exec.Cmd) *exec.Cmd { return diskfault.Watched(t, cmd, record, wal) })
	again.do(t, "accept 1")
	again.kill(t)
	calls, err := os.ReadFile(record)
	if err != nil {
		t.Fatal(err)
	}
	written := int64(0)
	for _, call := range diskfault.Calls(string(calls)) {
		if strings.Contains(call, "sync(") {
			break
		}
		if m := pwrite.FindStringSubmatch(call); m != nil {
			n, _ := strconv.ParseInt(m[1], 10, 64)
			at, _ := strconv.ParseInt(m[2], 10, 64)
			if at == written {
				written += n
			}
		}
	}
	if written != left {
		t.Errorf("of %d bytes that were left in the log %d were written again before the first fsync:\n%.2000s", left, written, calls)
	}
	s := openStore(t, sqlite.Options{Path: path})
	for _, id := range append(c.out.with("ok"), again.out.with("ok")...) {
		if _, err := s.Event(context.Background(), id); err != nil {
			t.Errorf("event %s was acknowledged: %v", id, err)
		}
	}
}

var pwrite = regexp.MustCompile(`pwrite64\(.*, (\d+), (\d+)\) += `)

// steps is a child that does what it is told.
type steps struct {
	cmd *exec.Cmd
	in  io.Writer
	out *lines
}

func startSteps(t *testing.T, path string, as func(*exec.Cmd) *exec.Cmd) *steps {
	t.Helper()
	c := &steps{cmd: as(startChild(t, "steps", path)), out: new(lines)}
	c.cmd.Stdout = c.out
	in, err := c.cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	c.in = in
	if err := c.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.cmd.Process.Kill() })
	eventually(t, "the child has opened the store", func() bool { return len(c.out.with("done")) == 1 })
	return c
}

func (c *steps) do(t *testing.T, step string) {
	t.Helper()
	n := len(c.out.with("done"))
	if _, err := io.WriteString(c.in, step+"\n"); err != nil {
		t.Fatalf("%s: %v", step, err)
	}
	eventually(t, "the child has done "+step, func() bool { return len(c.out.with("done")) > n })
}

// kill has the child kill itself, which ends strace around it too.
func (c *steps) kill(t *testing.T) {
	t.Helper()
	if _, err := io.WriteString(c.in, "kill\n"); err != nil {
		t.Fatal(err)
	}
	if err := c.cmd.Wait(); err == nil || !strings.Contains(err.Error(), "killed") {
		t.Fatalf("the process was not killed: %v", err)
	}
}

func eventually(t *testing.T, what string, is func() bool) {
	t.Helper()
	for late := time.Now().Add(time.Minute); !is(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(late) {
			t.Fatalf("not within a minute: %s", what)
		}
	}
}
