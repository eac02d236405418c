//go:build !linux

package main

// inMemory names the kind of a file system that keeps its files in memory; empty for all others, and where the system is
// not asked.
func inMemory(string) string { return "" }
