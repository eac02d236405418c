package caddymodule

import (
	"math"

	"go.uber.org/zap"
)

// noteBody notes how large a body may be on a route.
func (in *instance) noteBody(route string, bound int64) {
	if bound > in.largest {
		in.largest, in.largestAt = bound, route
	}
}

// unverified is the memory for bodies that are not verified yet: what is configured, or else the usual, raised to what a
// body of the largest bound needs. memory is the memory limit of the process. A body for which there is no room would be
// asked for again and again, and never get in, so that is told.
func (in *instance) unverified(configured, usual, memory int64) int64 {
	needed := in.largest + 1 // the byte that shows that a body is too large
	bytes := configured
	if bytes == 0 {
		bytes = usual
		if bytes < needed {
			bytes = max(bytes, min(needed, memory/2))
		}
	}
	if bytes < needed {
		in.logger.Warn("unverified_memory has no room for one body as large as max_body allows on this route, so that such a body is "+
			"always answered with 503; raise unverified_memory (and the memory limit, GOMEMLIMIT), or lower max_body",
			zap.String("route", in.largestAt), zap.Int64("max_body", in.largest), zap.Int64("unverified_memory", bytes))
	}
	return bytes
}

// defaultUnverified is the memory for unverified bodies under a memory limit, which is MaxInt64 where there is none.
func defaultUnverified(limit int64) int64 {
	if limit == math.MaxInt64 {
		return 256 << 20
	}
	return min(max(limit/8, 32<<20), 1<<30)
}
