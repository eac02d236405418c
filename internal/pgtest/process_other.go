//go:build !unix

package pgtest

import (
	"errors"
	"os/exec"
)

var errSystem = errors.New("tests run PostgreSQL servers on Unix systems only")

func own(string) error { return nil }

func asUser(*exec.Cmd) error { return errSystem }

func children(int) []int { return nil }

func kill(int) {}

func stop(int) error { return errSystem }

func cont(int) error { return errSystem }

func alive(int) bool { return false }
