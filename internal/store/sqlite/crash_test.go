//go:build unix

package sqlite_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/callgate/callgate/internal/audit"
	"github.com/callgate/callgate/internal/store"
	"github.com/callgate/callgate/internal/store/sqlite"
)

const childVariable = "CALLGATE_STORE_CHILD"

// child is what the test binary does when a test has started it again: it accepts events until it is killed, or finds
// out what happens when its files may not grow.
func child() bool {
	mode, path, _ := strings.Cut(os.Getenv(childVariable), ":")
	var err error
	switch mode {
	case "":
		return false
	case "accept":
		err = acceptForever(path, false)
	case "audited":
		err = acceptForever(path, true)
	case "full":
		err = fillUp(path)
	case "through":
		err = acceptThrough(path)
	case "backup":
		err = backupForever(path)
	case "steps":
		err = takeSteps(path)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	return true
}

func startChild(t *testing.T, mode, path string) *exec.Cmd {
	t.Helper()
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(program, "-test.run=^$")
	cmd.Env = append(os.Environ(), childVariable+"="+mode+":"+path)
	cmd.Stderr = os.Stderr
	return cmd
}

// acceptForever accepts events from 16 goroutines and prints the id and key of each that was acknowledged. Every fourth
// key is one of a few, so that there are duplicates, across restarts too. An audited store keeps an audit log.
func acceptForever(path string, audited bool) error {
	s, err := sqlite.Open(sqlite.Options{Path: path, RecentKeys: 300, WALBytes: 1 << 20})
	if err != nil {
		return err
	}
	if audited {
		if err := beginAudit(s); err != nil {
			return err
		}
	}
	failed := make(chan error)
	for range 16 {
		go func() {
			for {
				e := randomEvent(nil)
				if rand.IntN(4) == 0 {
					e.Key = [16]byte{byte(rand.IntN(200)), 1}
				}
				e.Body = []byte("body of " + e.ID)
				a, err := s.Accept(context.Background(), e, []string{"crm", "ehr"})
				if err != nil {
					failed <- err
					return
				}
				line := fmt.Sprintf("%s %x\n", a.EventID, e.Key)
				if _, err := os.Stdout.WriteString(line); err != nil {
					failed <- err
					return
				}
				if rand.IntN(3) == 0 && !a.Duplicate {
					err := s.Finish(context.Background(), []store.Attempt{{DeliveryID: a.Deliveries[0], State: store.Delivered, At: time.Now()}})
					if err != nil {
						failed <- err
						return
					}
				}
			}
		}()
	}
	return <-failed
}

// beginAudit begins an audit log of this process.
func beginAudit(s *sqlite.Store) error {
	if _, err := s.OpenAudit(fmt.Sprint("process ", os.Getpid())); err != nil {
		return err
	}
	return s.Record(context.Background(), audit.Leaf{Kind: audit.Start})
}

// TestKill kills a process that accepts events, again and again. What it acknowledged has to be there afterwards.
func TestKill(t *testing.T) {
	path := filepath.Join(t.TempDir(), "store.db")
	killAndCheck(t, "accept", path)
}

// TestKillAudited is TestKill with an audit log: whatever is stored is recorded, and whatever is recorded is stored.
func TestKillAudited(t *testing.T) {
	path := filepath.Join(t.TempDir(), "store.db")
	rounds := killAndCheck(t, "audited", path)
	if boots := checkAudit(t, path); boots != rounds {
		t.Errorf("%d starts are recorded, of %d", boots, rounds)
	}
}

// checkAudit compares the audit log of a store that was left by a kill with what is stored: both are there, or neither. It
// returns how many processes have written it.
func checkAudit(t *testing.T, path string) int {
	t.Helper()
	s := openStore(t, sqlite.Options{Path: path})
	defer s.Close()
	accepted, attempts := map[string]bool{}, map[string]int{}
	var state audit.State
	boots := map[string]bool{}
	if err := s.AuditLines(context.Background(), 0, func(_ int64, line []byte) error {
		state.Add(audit.LeafHashes(nil, line)[0], nil)
		l, err := audit.ParseLine(line)
		if err != nil {
			return err
		}
		boots[l.Boot] = true
		switch l.Kind {
		case audit.EventAccepted:
			if accepted[l.Event] || len(l.To) != 2 {
				t.Errorf("recorded twice, or not with both destinations: %s", line)
			}
			accepted[l.Event] = true
		case audit.Attempt:
			attempts[l.Delivery]++
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	status, err := s.AuditStatus(context.Background())
	if err != nil || status.State.Size != state.Size || status.State.Root() != state.Root() || !status.Running {
		t.Errorf("%d records, and a state of %d: %v", state.Size, status.State.Size, err)
	}
	stored, tried := 0, 0
	for before := ""; ; {
		page, err := s.Deliveries(context.Background(), store.Filter{}, store.Page{Before: before, Limit: 1000})
		if err != nil {
			t.Fatal(err)
		}
		if len(page) == 0 {
			break
		}
		for _, d := range page {
			stored++
			tried += d.Attempts
			if !accepted[d.EventID] {
				t.Errorf("event %s is stored and not recorded", d.EventID)
			}
			if attempts[d.ID] != d.Attempts {
				t.Errorf("delivery %s: %d attempts are stored and %d recorded", d.ID, d.Attempts, attempts[d.ID])
			}
			delete(attempts, d.ID)
		}
		before = page[len(page)-1].ID
	}
	if stored != 2*len(accepted) || len(attempts) != 0 {
		t.Errorf("%d events are recorded and %d deliveries stored; %d attempts are of none", len(accepted), stored, len(attempts))
	}
	t.Logf("%d events and %d attempts, all recorded with what they were", len(accepted), tried)
	return len(boots)
}

// killAndCheck kills a process that accepts events, and checks what it leaves. It returns how often.
func killAndCheck(t *testing.T, mode, path string) (rounds int) {
	rounds = 4
	if heavy() {
		rounds = 60
	}
	acknowledged := map[string]string{} // key -> event id
	for range rounds {
		cmd := startChild(t, mode, path)
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		lines := make(chan int)
		go func() {
			n := 0
			for scanner := bufio.NewScanner(out); scanner.Scan(); n++ {
				id, key, ok := strings.Cut(scanner.Text(), " ")
				if !ok || len(key) != 32 {
					break // cut off by the kill
				}
				if first := acknowledged[key]; first != "" && first != id {
					t.Errorf("one key was acknowledged as two events, %s and %s", first, id)
				}
				acknowledged[key] = id
				if n == 0 {
					lines <- 0
				}
			}
			lines <- n
		}()
		<-lines // it has begun
		timer := time.AfterFunc(time.Duration(rand.IntN(400))*time.Millisecond, func() { cmd.Process.Signal(syscall.SIGKILL) })
		<-lines
		timer.Stop()
		if err := cmd.Wait(); err == nil || !strings.Contains(err.Error(), "killed") {
			t.Fatalf("the process was not killed: %v", err)
		}
	}

	stored := checkAcknowledged(t, path, acknowledged)
	t.Logf("%d kills: %d events acknowledged, %d stored, none lost", rounds, len(acknowledged), stored)
	return rounds
}

// checkAcknowledged opens a store that was left by a kill and compares it with what was acknowledged, event ids by key. It
// returns how many events there are.
func checkAcknowledged(t *testing.T, path string, acknowledged map[string]string) int {
	t.Helper()
	s := openStore(t, sqlite.Options{Path: path})
	stored := map[string]bool{}
	keys := map[[16]byte]string{}
	deliveries := 0
	for before := ""; ; {
		page, err := s.Events(context.Background(), store.Filter{}, store.Page{Before: before, Limit: 1000})
		if err != nil {
			t.Fatal(err)
		}
		if len(page) == 0 {
			break
		}
		for _, info := range page {
			e, err := s.Event(context.Background(), info.ID)
			if err != nil || string(e.Body) != "body of "+info.ID {
				t.Fatalf("event %s: %v", info.ID, err)
			}
			if keys[e.Key] != "" {
				t.Errorf("events %s and %s have one key", keys[e.Key], e.ID)
			}
			keys[e.Key], stored[e.ID] = e.ID, true
			if info.States[store.Pending]+info.States[store.Delivered] != 2 {
				t.Errorf("event %s has deliveries %v, want two", e.ID, info.States)
			}
			deliveries += 2
		}
		before = page[len(page)-1].ID
	}
	for key, id := range acknowledged {
		if !stored[id] {
			t.Errorf("event %s was acknowledged and is lost", id)
		}
		again := randomEvent(nil)
		hex.Decode(again.Key[:], []byte(key))
		if rand.IntN(20) > 0 {
			continue
		}
		if a, err := s.Accept(context.Background(), again, nil); err != nil || !a.Duplicate || a.EventID != id {
			t.Errorf("the retry of %s was answered %+v, %v", id, a, err)
		}
	}
	stats, err := s.Stats(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	counted := 0
	for _, d := range stats.Destinations {
		counted += int(d.Pending + d.Delivered + d.Dead)
	}
	if counted != deliveries || int(stats.Events) != len(stored) {
		t.Errorf("stats count %d events and %d deliveries, there are %d and %d", stats.Events, counted, len(stored), deliveries)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	return len(stored)
}

// TestFilesMayNotGrow lets a process run into the bound of its file size, as a stand-in for a full disk.
func TestFilesMayNotGrow(t *testing.T) {
	path := filepath.Join(t.TempDir(), "store.db")
	cmd := startChild(t, "full", path)
	var out bytes.Buffer
	cmd.Stdout = &out
	if err := cmd.Run(); err != nil {
		t.Fatalf("%v\n%s", err, out.Bytes())
	}
}

func fillUp(path string) error {
	signal.Ignore(syscall.SIGXFSZ)
	var logged sync.Map
	s, err := sqlite.Open(sqlite.Options{Path: path, WALBytes: 1 << 20, Log: func(msg string, err error) { logged.Store(msg, err) }})
	if err != nil {
		return err
	}
	defer s.Close()
	if err := beginAudit(s); err != nil {
		return err
	}
	if err := runFull(s, 0, func(full bool) error {
		limit := syscall.Rlimit{Cur: 4 << 20}
		var now syscall.Rlimit
		if err := syscall.Getrlimit(syscall.RLIMIT_FSIZE, &now); err != nil {
			return err
		}
		limit.Max = now.Max
		if !full {
			limit.Cur = now.Max
		}
		return syscall.Setrlimit(syscall.RLIMIT_FSIZE, &limit)
	}); err != nil {
		return err
	}
	return nil
}

// runFull accepts events until the disk is full, sees that nothing is acknowledged then and what is there can be read,
// and that all goes on when there is room again. room(true) takes the room away. The store has some events.
func runFull(s *sqlite.Store, has int, room func(full bool) error) error {
	ctx := context.Background()
	if err := room(true); err != nil {
		return err
	}
	var kept []string
	body := noise(64 << 10)
	refused := 0
	for i := 0; refused < 20; i++ {
		a, err := s.Accept(ctx, randomEvent(body), []string{"crm"})
		switch {
		case err == nil:
			kept = append(kept, a.EventID)
		case errors.Is(err, store.ErrFull), errors.Is(err, store.ErrUnavailable):
			refused++
		default:
			return fmt.Errorf("neither stored nor full: %w", err)
		}
		if i > 2000 {
			return errors.New("the disk does not fill up")
		}
	}
	claimed, err := s.Claim(ctx, "crm", time.Now().Add(time.Second), time.Minute, 5, nil)
	if err != nil || len(claimed) != 5 {
		return fmt.Errorf("claiming with a full disk: %d, %w", len(claimed), err)
	}
	// An attempt is either recorded or refused; what it was is kept by whoever asks again.
	if err := s.Finish(ctx, []store.Attempt{{DeliveryID: claimed[1].ID, State: store.Delivered}}); err != nil && !errors.Is(err, store.ErrFull) && !errors.Is(err, store.ErrUnavailable) {
		return fmt.Errorf("finishing with a full disk: %w", err)
	}
	if err := room(false); err != nil {
		return err
	}
	if _, err := s.Accept(ctx, randomEvent(body), []string{"crm"}); err != nil {
		return fmt.Errorf("there is room again: %w", err)
	}
	if err := s.Finish(ctx, []store.Attempt{{DeliveryID: claimed[0].ID, State: store.Delivered}}); err != nil {
		return fmt.Errorf("finishing with room again: %w", err)
	}
	for _, id := range kept {
		if _, err := s.Event(ctx, id); err != nil {
			return fmt.Errorf("an event acknowledged before the disk was full: %w", err)
		}
	}
	stats, err := s.Stats(ctx)
	if err != nil || stats.Events != int64(has+len(kept))+1 {
		return fmt.Errorf("%d events counted, %d accepted: %w", stats.Events, has+len(kept)+1, err)
	}
	return nil
}
