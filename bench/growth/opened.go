package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os/exec"
	"runtime/debug"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"
)

// openFlag has the program open a store and tell what that took. It is followed by the store's path and by how many
// events to accept then.
const openFlag = "-open"

// opened is what it took to open a store, and the memory of the process then. FirstMillis is how long the first event took
// to be accepted, BusyRSSBytes the memory after all of them.
type opened struct {
	Millis       float64 `json:"ms"`
	RSSBytes     int64   `json:"rss_bytes"`
	FirstMillis  float64 `json:"first_accept_ms"`
	BusyRSSBytes int64   `json:"busy_rss_bytes"`
}

// openAndReport opens a store, accepts events that have no destination, writes a line about it, and closes the store when
// its input ends.
func openAndReport(path, accept string, stdin io.Reader, stdout io.Writer) (err error) {
	count, err := strconv.ParseInt(accept, 10, 64)
	if err != nil {
		return err
	}
	began := time.Now()
	s, err := openStore(path)
	if err != nil {
		return err
	}
	o := opened{Millis: millis(time.Since(began))}
	debug.FreeOSMemory()
	o.RSSBytes = rss()
	body, record := payload(2048)
	u := &subject{store: s}
	copy(u.salt[:], strconv.FormatInt(began.UnixNano(), 36)) // keys of its own
	var n atomic.Int64
	more := func() error {
		for i := n.Add(1); i <= count; i = n.Add(1) {
			if _, err := s.Accept(context.Background(), event(u.key(i), body, record), nil); err != nil || i == 1 {
				return err
			}
		}
		return nil
	}
	first, err := timed(more)
	if err != nil {
		return err
	}
	o.FirstMillis = millis(first)
	var g errgroup.Group
	for range 64 {
		g.Go(more)
	}
	if err := g.Wait(); err != nil {
		return err
	}
	o.BusyRSSBytes = rss()
	if err := json.NewEncoder(stdout).Encode(o); err != nil {
		return err
	}
	if _, err := io.Copy(io.Discard, stdin); err != nil {
		return err
	}
	return s.Close()
}

// openElsewhere opens the store in a process of its own. If events are to be accepted there, the process is killed after
// that; otherwise it closes the store and ends.
func (o *options) openElsewhere(ctx context.Context, path string, accept int) (result opened, err error) {
	cmd := exec.CommandContext(ctx, o.program, openFlag, path, strconv.Itoa(accept))
	var log bytes.Buffer
	cmd.Stderr = &log
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return result, err
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return result, err
	}
	if err := cmd.Start(); err != nil {
		return result, err
	}
	failed := func(err error) (opened, error) {
		_ = cmd.Process.Kill() // it may have ended
		_ = cmd.Wait()
		return result, fmt.Errorf("opening the store in another process: %w: %s", err, strings.TrimSpace(log.String()))
	}
	if err := json.NewDecoder(stdout).Decode(&result); err != nil {
		return failed(err)
	}
	if accept > 0 {
		_ = cmd.Process.Kill() // Wait tells if it did not work
		if err := cmd.Wait(); err == nil {
			return result, fmt.Errorf("the process that should have been killed ended by itself: %s", log.String())
		}
		return result, ctx.Err()
	}
	if err := stdin.Close(); err != nil {
		return failed(err)
	}
	if err := cmd.Wait(); err != nil {
		return failed(err)
	}
	return result, nil
}
