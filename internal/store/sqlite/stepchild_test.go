//go:build unix

package sqlite_test

import (
	"bufio"
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/callgate/callgate/internal/store"
	"github.com/callgate/callgate/internal/store/sqlite"
)

// say writes a line to standard output in one piece, so that lines of several goroutines do not mix.
func say(format string, args ...any) {
	os.Stdout.WriteString(fmt.Sprintf(format, args...) + "\n")
}

func printLogged(msg string, err error) { say("logged %s: %v", msg, err) }

// acceptThrough accepts events from 16 goroutines, as senders send them: what is refused comes again, under the same key.
// It prints "ok", the id and the key for each that was acknowledged, and "failed" and the error for each that was not.
func acceptThrough(path string) error {
	s, err := sqlite.Open(sqlite.Options{Path: path, RecentKeys: 300, WALBytes: 1 << 20, Log: printLogged})
	if err != nil {
		return err
	}
	if err := beginAudit(s); err != nil {
		return err
	}
	strange := make(chan error)
	for range 16 {
		go func() {
			for {
				e := randomEvent(nil)
				a, err := accept(s, e)
				for ; err != nil; a, err = accept(s, e) {
					if !errors.Is(err, store.ErrUnavailable) {
						strange <- err
						return
					}
					say("failed %v", err)
					time.Sleep(time.Millisecond)
				}
				say("ok %s %x", a.EventID, e.Key)
				if rand.IntN(3) == 0 && !a.Duplicate {
					err := s.Finish(context.Background(), []store.Attempt{{DeliveryID: a.Deliveries[0], State: store.Delivered, At: time.Now()}})
					if err != nil && !errors.Is(err, store.ErrUnavailable) {
						strange <- err
						return
					}
				}
			}
		}()
	}
	return <-strange
}

// accept sends an event under an id of its own, as every request has one.
func accept(s *sqlite.Store, e *store.Event) (store.Accepted, error) {
	e.ID = randomEvent(nil).ID
	e.Body = []byte("body of " + e.ID)
	return s.Accept(context.Background(), e, []string{"crm", "ehr"})
}

// takeSteps does what it is told, a line at a time, and answers each with some lines and "done":
//
//	accept N   accepts N events, one after the other, and prints "ok" and the id of each, or "failed" and the error
//	read       begins to read the state of now
//	unread     ends that
//	copy       has the log copied into the database and emptied
//	kill       kills the process
func takeSteps(path string) error {
	s, err := sqlite.Open(sqlite.Options{Path: path, Log: printLogged})
	if err != nil {
		return err
	}
	db, err := sql.Open("sqlite", path)
	if err != nil {
		return err
	}
	ctx := context.Background()
	var reading *sql.Tx
	say("done")
	for lines := bufio.NewScanner(os.Stdin); lines.Scan(); say("done") {
		step, arg, _ := strings.Cut(lines.Text(), " ")
		switch step {
		case "accept":
			n, _ := strconv.Atoi(arg)
			for range n {
				a, err := s.Accept(ctx, randomEvent(noise(8<<10)), []string{"crm"})
				if err != nil {
					say("failed %v", err)
					continue
				}
				say("ok %s", a.EventID)
			}
		case "read":
			if reading, err = db.Begin(); err == nil {
				var n int
				err = reading.QueryRow("SELECT count(*) FROM events").Scan(&n)
			}
		case "unread":
			err = reading.Rollback()
		case "copy": // erasing an event ends with it
			e := randomEvent(nil)
			if _, err = s.Accept(ctx, e, nil); err == nil {
				_, err = s.Erase(ctx, store.Filter{EventID: e.ID}, false)
			}
		case "kill":
			err = syscall.Kill(os.Getpid(), syscall.SIGKILL)
		}
		if err != nil {
			return fmt.Errorf("%s: %w", step, err)
		}
	}
	return nil
}

// lines are what a child has printed so far.
type lines struct {
	mu   sync.Mutex
	list []string
	rest []byte
}

func (l *lines) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.rest = append(l.rest, b...)
	for {
		line, after, whole := bytes.Cut(l.rest, []byte("\n"))
		if !whole {
			return len(b), nil
		}
		l.list, l.rest = append(l.list, string(line)), bytes.Clone(after)
	}
}

// with are the lines that begin with a word, without it.
func (l *lines) with(word string) (list []string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, line := range l.list {
		if first, rest, _ := strings.Cut(line, " "); first == word {
			list = append(list, rest)
		}
	}
	return list
}
