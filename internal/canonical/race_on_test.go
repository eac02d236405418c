//go:build race

package canonical

// raceDetector is set where the race detector is built in: it makes sync.Pool forget at random, so that allocations
// cannot be counted.
const raceDetector = true
