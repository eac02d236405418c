package pgtest

import (
	"fmt"
	"path/filepath"
	"time"
)

// Standby makes a standby that streams from a server, and starts it. Its name is what synchronous_standby_names knows it by.
func (s *Server) Standby(name string) *Server {
	s.t.Helper()
	b := prepare(s.t, s.bin, name)
	b.run("pg_basebackup", "-D", b.data(), "-R", "-X", "stream", "-c", "fast", "--no-sync", "-d", s.DSN("application_name="+name))
	b.configure()
	b.Run()
	s.await("stream to "+name, func() bool {
		n, err := s.query("SELECT count(*) FROM pg_stat_replication WHERE state = 'streaming' AND application_name = '" + name + "'")
		return err == nil && n == "1"
	})
	return b
}

// Pair is a primary that waits for its synchronous standby, named b, with each commit.
func (s *Server) Pair() *Server {
	s.t.Helper()
	b := s.Standby("b")
	s.Set("synchronous_standby_names = 'ANY 1 (b)'")
	s.await("have a synchronous standby", func() bool {
		n, err := s.query("SELECT count(*) FROM pg_stat_replication WHERE sync_state = 'quorum'")
		return err == nil && n == "1"
	})
	return b
}

// Promote makes a standby a primary that waits for nobody.
func (s *Server) Promote() {
	s.t.Helper()
	s.run("pg_ctl", "promote", "-D", s.data(), "-w", "-t", fmt.Sprint(int(patience/time.Second)))
	// What it has inherited from its primary names standbys that it does not have.
	s.Set("synchronous_standby_names = ''")
}

// Stop shuts the server down in order, ending its connections.
func (s *Server) Stop() {
	s.t.Helper()
	s.run("pg_ctl", "stop", "-D", s.data(), "-m", "fast", "-w")
	<-s.done
}

// Kill ends all of the server's processes at once, as a power cut does, and waits until they are gone. Without a process it
// does nothing.
func (s *Server) Kill() {
	if s.cmd == nil {
		return
	}
	children := children(s.cmd.Process.Pid)
	_ = s.cmd.Process.Kill() // first, or it would start others in their place; it may have ended before
	for _, pid := range children {
		kill(pid)
	}
	<-s.done
	for _, pid := range children {
		for alive(pid) {
			time.Sleep(time.Millisecond)
		}
	}
	s.cmd = nil
}

// Freeze stops all of the server's processes, which keep their connections; Thaw lets them go on.
func (s *Server) Freeze() {
	s.t.Helper()
	s.signalAll(stop)
}

// Thaw ends what Freeze began.
func (s *Server) Thaw() {
	s.t.Helper()
	s.signalAll(cont)
}

func (s *Server) signalAll(signal func(pid int) error) {
	s.t.Helper()
	pid := s.cmd.Process.Pid
	if err := signal(pid); err != nil {
		s.t.Fatal(err)
	}
	for _, child := range children(pid) {
		_ = signal(child) // some end by themselves
	}
}

// Path is a file in the data directory.
func (s *Server) Path(name string) string { return filepath.Join(s.data(), name) }
