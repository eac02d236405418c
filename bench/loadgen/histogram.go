package main

import (
	"math"
	"math/bits"
	"time"
)

// precision is how many buckets there are to each power of two.
const (
	precisionBits = 7
	precision     = 1 << precisionBits
)

// histogram counts durations in buckets that are at most 1/128 of their value wide. The zero value is ready to use.
type histogram struct {
	buckets [(65 - precisionBits) * precision]uint64
	count   uint64
	sum     float64
	max     uint64
}

func (h *histogram) add(d time.Duration) {
	v := uint64(max(d, 0))
	h.buckets[bucketOf(v)]++
	h.count++
	h.sum += float64(v)
	h.max = max(h.max, v)
}

// merge adds what another histogram counted.
func (h *histogram) merge(o *histogram) {
	for i, n := range o.buckets {
		h.buckets[i] += n
	}
	h.count += o.count
	h.sum += o.sum
	h.max = max(h.max, o.max)
}

// quantile is the duration that the share q of all durations does not exceed.
func (h *histogram) quantile(q float64) time.Duration {
	if h.count == 0 {
		return 0
	}
	rank := uint64(math.Ceil(q * float64(h.count)))
	var seen uint64
	for i, n := range h.buckets {
		if seen += n; n > 0 && seen >= rank {
			return time.Duration(min(bucketEnd(i), h.max))
		}
	}
	return time.Duration(h.max)
}

func (h *histogram) mean() time.Duration {
	if h.count == 0 {
		return 0
	}
	return time.Duration(h.sum / float64(h.count))
}

func bucketOf(v uint64) int {
	if v < precision {
		return int(v)
	}
	shift := bits.Len64(v) - 1 - precisionBits
	return (shift+1)*precision + int(v>>shift)&(precision-1)
}

// bucketEnd is the largest value in a bucket.
func bucketEnd(i int) uint64 {
	if i < precision {
		return uint64(i)
	}
	shift := i/precision - 1
	start := uint64(precision+i%precision) << shift
	return start + (1<<shift - 1)
}
