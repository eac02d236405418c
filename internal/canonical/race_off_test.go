//go:build !race

package canonical

const raceDetector = false
