// Command loadgen sends signed webhooks as fast as they are answered and says how fast that was.
//
// Each request is a NextPhone lead with a number of its own in the body, and a signature over exactly its bytes that
// was made before the clock started. Each connection sends its next request when it has the answer to the last one (a
// closed loop), so a server that is slow is also asked less often. The answer is one JSON object.
//
//	go run ./bench/loadgen -url http://127.0.0.1:8080/webhooks/demo -secret development-secret-change-me
//
// The exit status is 0 if it could run, also when requests failed: what became of them is in the answer.
package main

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"runtime"
	"strconv"
	"strings"
	"time"
)

func main() {
	if err := run(os.Args[1:], os.Stdout, os.Stderr); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return
		}
		fmt.Fprintln(os.Stderr, "loadgen:", err)
		os.Exit(1)
	}
}

// maxAhead bounds what is signed ahead: 1,000,000 signatures take some 100 MB and 3 s.
const maxAhead = 1_000_000

func run(args []string, stdout, stderr io.Writer) error {
	fl := flag.NewFlagSet("loadgen", flag.ContinueOnError)
	fl.SetOutput(stderr)
	var l load
	target := fl.String("url", "", "where to send to; http only")
	scheme := fl.String("scheme", "nextphone", "signature scheme, or none")
	secret := fl.String("secret", "", "the scheme's secret")
	size := fl.Int("size", 2048, "bytes in each body")
	fl.IntVar(&l.connections, "connections", 64, "keep-alive connections")
	fl.DurationVar(&l.duration, "duration", 10*time.Second, "measured time; 0: until -n requests were sent")
	fl.DurationVar(&l.warmup, "warmup", time.Second, "time before that, which is not measured")
	fl.Int64Var(&l.count, "n", 0, "requests in all, those of the warm-up included; 0: until the time is up")
	fl.Float64Var(&l.duplicates, "duplicates", 0, "share of requests that repeat an earlier one byte for byte, 0 to 1")
	fl.DurationVar(&l.timeout, "timeout", 10*time.Second, "how long to wait for an answer, at least")
	pids := fl.String("pids", "", "processes to watch, separated by commas: their CPU time and memory is reported (Linux)")
	ahead := fl.Int("ahead", 0, "requests to sign before the start; 0: 50,000 for each second, at most 1,000,000")
	procs := fl.Int("procs", 1, "threads that run Go code at once, so that the server has the rest of the machine")
	out := fl.String("o", "", "file for the answer; default: standard output")
	if err := fl.Parse(args); err != nil {
		return err
	}
	var err error
	if l.pids, err = parsePIDs(*pids); err != nil {
		return err
	}
	switch {
	case fl.NArg() > 0:
		return fmt.Errorf("%q is not a flag: all arguments are flags, see -help", fl.Arg(0))
	case l.connections < 1 || l.connections > 10_000:
		return errors.New("-connections must lie between 1 and 10000")
	case l.duplicates < 0 || l.duplicates > 1:
		return errors.New("-duplicates is a share: give 0 to 1")
	case l.duration < 0 || l.warmup < 0 || l.timeout <= 0 || l.count < 0 || *ahead < 0 || *procs < 1:
		return errors.New("times and numbers cannot be negative, and -timeout and -procs not 0")
	case l.duration == 0 && l.count == 0:
		return errors.New("the run would never end: give -duration or -n")
	}
	u, err := url.Parse(*target)
	if err != nil {
		return fmt.Errorf("-url: %w", err)
	}
	if l.leads, err = newLeads(u, *scheme, *secret, *size, time.Now()); err != nil {
		return err
	}
	l.address = u.Host
	if u.Port() == "" {
		l.address = net.JoinHostPort(u.Hostname(), "80")
	}
	n := *ahead
	if n == 0 {
		n = int(min(50_000*(l.warmup+l.duration).Seconds(), maxAhead))
		if l.duration == 0 || l.count > 0 && l.count < int64(n) {
			n = int(min(l.count, maxAhead))
		}
	}
	if err := l.leads.signAhead(n); err != nil {
		return err
	}
	runtime.GC() // what signing left behind
	runtime.GOMAXPROCS(*procs)
	r, err := l.run()
	if err != nil {
		return err
	}
	text, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return err
	}
	text = append(text, '\n')
	if *out != "" {
		return os.WriteFile(*out, text, 0o644)
	}
	_, err = stdout.Write(text)
	return err
}

func parsePIDs(list string) (pids []int, err error) {
	for s := range strings.SplitSeq(list, ",") {
		if s == "" {
			continue
		}
		pid, err := strconv.Atoi(strings.TrimSpace(s))
		if err != nil || pid < 1 {
			return nil, fmt.Errorf("-pids: %q is not a process id", s)
		}
		pids = append(pids, pid)
	}
	return pids, nil
}
