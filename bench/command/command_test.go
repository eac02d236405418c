package command

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/callgate/callgate/bench/process"
)

const helper = "-helper"

func TestMain(m *testing.M) {
	if !Helper(helper, func(stdout io.Writer) error {
		_, err := fmt.Fprintln(stdout, "a helper")
		time.Sleep(time.Minute) // it is ended before
		return err
	}) {
		os.Exit(m.Run())
	}
}

func startHelper(t *testing.T) *process.Process {
	t.Helper()
	p, line, err := StartHelper(t.Context(), helper, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Kill)
	if line != "a helper" {
		t.Errorf("the helper says %q", line)
	}
	return p
}

// generator is a load generator that runs a script.
func generator(t *testing.T, script string) *Options {
	t.Helper()
	if runtime.GOOS == "windows" {
		t.Skip("there are no scripts of this kind")
	}
	file := filepath.Join(t.TempDir(), "loadgen")
	if err := os.WriteFile(file, []byte("#!/bin/sh\n"+script), 0o700); err != nil {
		t.Fatal(err)
	}
	return &Options{Loadgen: file, Size: 700}
}

func TestLoad(t *testing.T) {
	p := startHelper(t)
	o := generator(t, `echo "{\"url\":\"$*\",\"sent\":3}"`)
	pid := strconv.Itoa(p.PID())
	for _, c := range []struct {
		pids []int
		want string
	}{
		{nil, "-url http://x -scheme nextphone -secret s -size 700 -pids " + pid + " -n 3"},
		{[]int{p.PID(), 7}, "-url http://x -scheme nextphone -secret s -size 700 -pids " + pid + ",7 -n 3"},
	} {
		r, err := o.Load(t.Context(), Target{URL: "http://x", Secret: "s", Process: p, PIDs: c.pids}, "-n", "3")
		if err != nil || r.URL != c.want || r.Sent != 3 {
			t.Errorf("%+v %v, want %s", r, err, c.want)
		}
	}
	for script, want := range map[string]string{"echo what went wrong >&2; exit 1": "what went wrong", "echo nonsense": "cannot be read"} {
		if _, err := generator(t, script).Load(t.Context(), Target{Process: p}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", script, err)
		}
	}
	p.Kill()
	if _, err := generator(t, "exit 1").Load(t.Context(), Target{Process: p}); err == nil || !strings.Contains(err.Error(), "helper failed") {
		t.Errorf("what is measured has ended: %v", err)
	}
}

func TestParse(t *testing.T) {
	var o Options
	fl := o.Flags("sample", io.Discard)
	if err := Parse(fl, []string{"-size", "600", "-callgate", "a", "-loadgen", "b", "-o", "c"}); err != nil || o != (Options{Size: 600, Callgate: "a", Loadgen: "b", Out: "c"}) {
		t.Errorf("%+v %v", o, err)
	}
	for _, args := range [][]string{{"more"}, {"-unknown"}, {"-size", "x"}} {
		if err := Parse(fl, args); err == nil {
			t.Errorf("%v is taken", args)
		}
	}
	if err := o.Build(t.Context(), "", io.Discard); err != nil || o.Callgate != "a" || o.Loadgen != "b" {
		t.Errorf("binaries that were given are built: %+v %v", o, err)
	}
}

type sample struct {
	A   int `json:"a"`
	err error
}

func (s sample) Print(w io.Writer) error {
	fmt.Fprint(w, "the table")
	return s.err
}

func TestPublish(t *testing.T) {
	file := filepath.Join(t.TempDir(), "result.json")
	var stdout bytes.Buffer
	if err := Publish(sample{A: 1}, file, &stdout); err != nil || stdout.String() != "the table" {
		t.Errorf("%q %v", &stdout, err)
	}
	if text, err := os.ReadFile(file); err != nil || string(text) != "{\n  \"a\": 1\n}\n" {
		t.Errorf("%q %v", text, err)
	}
	if err := Publish(sample{err: errors.New("closed")}, "", io.Discard); err == nil {
		t.Error("an error of the table is lost")
	}
}
