package main

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

func TestHistogramIsPreciseToOnePart(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	var parts [2]histogram
	var all []time.Duration
	for i := range 20_000 {
		d := time.Duration(random.Int64N(int64(1) << random.IntN(40)))
		all = append(all, d)
		parts[i%2].add(d)
	}
	h := new(histogram)
	h.merge(&parts[0])
	h.merge(&parts[1])
	slices.Sort(all)
	for _, q := range []float64{.001, .5, .9, .99, .999, 1} {
		want := all[max(int(q*float64(len(all)))-1, 0)]
		if got := h.quantile(q); got < want || float64(got) > float64(want)*(1+1./precision)+1 {
			t.Errorf("quantile %v is %d, want %d or at most 1/128 more", q, got, want)
		}
	}
	if got, want := time.Duration(h.max), all[len(all)-1]; got != want {
		t.Errorf("the longest is %d, want %d", got, want)
	}
	var sum float64
	for _, d := range all {
		sum += float64(d)
	}
	if got, want := h.mean(), time.Duration(sum/float64(len(all))); got != want {
		t.Errorf("mean %d, want %d", got, want)
	}
}

func TestHistogramBucketsFollowOneAnother(t *testing.T) {
	for i := range (65-precisionBits)*precision - 1 {
		if end := bucketEnd(i); bucketOf(end) != i || bucketOf(end+1) != i+1 {
			t.Fatalf("bucket %d ends at %d, which is in %d, and the next number in %d", i, end, bucketOf(end), bucketOf(end+1))
		}
	}
	if i := bucketOf(1<<64 - 1); i != (65-precisionBits)*precision-1 {
		t.Errorf("the largest number is in bucket %d, which is not the last", i)
	}
}

func TestEmptyHistogram(t *testing.T) {
	var h histogram
	if h.quantile(.99) != 0 || h.mean() != 0 {
		t.Error("there are figures of nothing")
	}
	h.add(-time.Second)
	if h.quantile(1) != 0 || h.count != 1 {
		t.Error("a clock that went back does not count as 0")
	}
}
