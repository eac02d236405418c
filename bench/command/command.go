// Package command is what the measuring commands have in common: how they start and end, the programs that they build,
// the load generator, and where the result goes.
package command

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"github.com/callgate/callgate/bench/process"
	"github.com/callgate/callgate/bench/report"
)

// Main runs a command until it is done or interrupted, and ends the program.
func Main(name string, run func(ctx context.Context, args []string, stdout, stderr io.Writer) error) {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stdout, os.Stderr); err != nil && !errors.Is(err, flag.ErrHelp) {
		fail(name, err)
	}
}

// Helper runs help if its name is all that this program was started with, and says whether it was: a command starts
// itself so for a part of it that needs a process of its own.
func Helper(name string, help func(stdout io.Writer) error) (was bool) {
	if len(os.Args) != 2 || os.Args[1] != name {
		return false
	}
	if err := help(os.Stdout); err != nil {
		fail(name, err)
	}
	return true
}

func fail(name string, err error) {
	fmt.Fprintln(os.Stderr, name+":", err)
	os.Exit(1)
}

// StartHelper starts this program as its own helper, and returns the first line that it prints.
func StartHelper(ctx context.Context, name, dir string) (_ *process.Process, line string, err error) {
	self, err := os.Executable()
	if err != nil {
		return nil, "", err
	}
	p, err := process.Start(ctx, process.Program{Name: strings.TrimPrefix(name, "-"), Path: self, Args: []string{name}, Dir: dir})
	if err != nil {
		return nil, "", err
	}
	if line, err = p.FirstLine(); err != nil {
		p.Kill()
		return nil, "", err
	}
	return p, line, nil
}

// Options are those that all commands have.
type Options struct {
	Size              int
	Callgate, Loadgen string
	Out               string
}

// Flags are the flags of the options, to which the command adds its own.
func (o *Options) Flags(name string, stderr io.Writer) *flag.FlagSet {
	fl := flag.NewFlagSet(name, flag.ContinueOnError)
	fl.SetOutput(stderr)
	fl.IntVar(&o.Size, "size", 2048, "bytes in each body")
	fl.StringVar(&o.Callgate, "callgate", "", "the callgate binary; default: built from this module")
	fl.StringVar(&o.Loadgen, "loadgen", "", "the load generator's binary; default: built from this module")
	fl.StringVar(&o.Out, "o", "", "file for the whole result as JSON")
	return fl
}

// Parse parses the arguments, all of which are flags.
func Parse(fl *flag.FlagSet, args []string) error {
	if err := fl.Parse(args); err != nil {
		return err
	}
	if fl.NArg() > 0 {
		return fmt.Errorf("%q is not a flag: all arguments are flags, see -help", fl.Arg(0))
	}
	return nil
}

// Build builds the binaries that were not given, in a directory that exists.
func (o *Options) Build(ctx context.Context, dir string, stderr io.Writer) error {
	for _, b := range []struct {
		path *string
		name string
	}{{&o.Callgate, "cmd/callgate"}, {&o.Loadgen, "bench/loadgen"}} {
		if *b.path != "" {
			continue
		}
		*b.path = filepath.Join(dir, filepath.Base(b.name))
		fmt.Fprintln(stderr, "building", b.name)
		cmd := exec.CommandContext(ctx, "go", "build", "-o", *b.path, "github.com/callgate/callgate/"+b.name)
		cmd.Stderr = stderr
		if err := cmd.Run(); err != nil {
			return fmt.Errorf("%s cannot be built; run this inside the module: %w", b.name, err)
		}
	}
	return nil
}

// Target is what the load generator sends to.
type Target struct {
	URL, Secret string
	Process     *process.Process
	// PIDs are the processes that are watched; none: only that of Process.
	PIDs []int
}

// Load sends to a target with the load generator. args are further flags of it.
func (o *Options) Load(ctx context.Context, to Target, args ...string) (*report.Run, error) {
	pids := to.PIDs
	if len(pids) == 0 {
		pids = []int{to.Process.PID()}
	}
	list := make([]string, len(pids))
	for i, pid := range pids {
		list[i] = strconv.Itoa(pid)
	}
	cmd := exec.CommandContext(ctx, o.Loadgen, append([]string{
		"-url", to.URL, "-scheme", "nextphone", "-secret", to.Secret, "-size", strconv.Itoa(o.Size), "-pids", strings.Join(list, ","),
	}, args...)...)
	text, err := cmd.Output()
	if err != nil {
		if !to.Process.Running() {
			return nil, to.Process.Failed()
		}
		if exit := new(exec.ExitError); errors.As(err, &exit) {
			err = fmt.Errorf("%w: %s", err, exit.Stderr)
		}
		return nil, fmt.Errorf("the load generator failed: %w", err)
	}
	run := new(report.Run)
	if err := json.Unmarshal(text, run); err != nil {
		return nil, fmt.Errorf("the load generator's answer cannot be read: %w", err)
	}
	return run, nil
}

// printed is a result that has a table.
type printed interface{ Print(io.Writer) error }

// Publish writes the result to the file, if one is named, and its table to stdout.
func Publish(result printed, file string, stdout io.Writer) error {
	if file != "" {
		text, err := json.MarshalIndent(result, "", "  ")
		if err != nil {
			return err
		}
		if err := os.WriteFile(file, append(text, '\n'), 0o644); err != nil {
			return err
		}
	}
	return result.Print(stdout)
}
