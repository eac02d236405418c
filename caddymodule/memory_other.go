//go:build !linux

package caddymodule

// dropProgram is for Linux.
func dropProgram() {}
