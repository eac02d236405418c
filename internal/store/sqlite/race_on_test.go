//go:build race

package sqlite_test

// raceDetector is set where the race detector is built in: it slows the copies of the log so much that what they meet is
// another thing in every run.
const raceDetector = true
