package lanes_test

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/callgate/callgate/internal/store"
	"github.com/callgate/callgate/internal/store/lanes"
)

func TestExpireGoesByKinds(t *testing.T) {
	now := time.Unix(0, 0).Add(100 * time.Hour)
	broken := errors.New("broken")
	for name, tt := range map[string]struct {
		r    store.Retention
		done int
		err  error
		asks []string
		want store.Expired
	}{
		"both":                      {store.Retention{Done: time.Hour, Dead: 2 * time.Hour}, 3, nil, []string{"false 99h0m0s 10", "true 98h0m0s 7"}, store.Expired{Done: 3, Dead: 1}},
		"what was delivered":        {store.Retention{Done: time.Hour}, 3, nil, []string{"false 99h0m0s 10"}, store.Expired{Done: 3}},
		"what is dead":              {store.Retention{Dead: time.Hour}, 3, nil, []string{"true 99h0m0s 10"}, store.Expired{Dead: 1}},
		"nothing is left for these": {store.Retention{Done: time.Hour, Dead: time.Hour}, 10, nil, []string{"false 99h0m0s 10"}, store.Expired{Done: 10}},
		"an error":                  {store.Retention{Done: time.Hour, Dead: time.Hour}, 2, broken, []string{"false 99h0m0s 10"}, store.Expired{Done: 2}},
		"without a retention":       {},
	} {
		var asks []string
		got, err := lanes.Expire(tt.r, now, 10, func(e *lanes.Expiry, limit int) (int, error) {
			asks = append(asks, fmt.Sprint(e.Dead, " ", time.Duration(e.Before), " ", limit))
			if e.Dead {
				return 1, nil
			}
			return tt.done, tt.err
		})
		if got != tt.want || !errors.Is(err, tt.err) || !slices.Equal(asks, tt.asks) {
			t.Errorf("%s: %+v, %v, asked %q", name, got, err, asks)
		}
	}
}

func TestWhatKeepsAnEvent(t *testing.T) {
	for name, tt := range map[string]struct {
		e              *lanes.Expiry
		state, updated int64
		want           bool
	}{
		"one that waits":              {&lanes.Expiry{Dead: true, Before: 10}, lanes.Pending, 1, true},
		"delivered long ago":          {&lanes.Expiry{Before: 10}, lanes.Delivered, 9, false},
		"delivered just now":          {&lanes.Expiry{Before: 10}, lanes.Delivered, 10, true},
		"dead, of what was delivered": {&lanes.Expiry{Before: 10}, lanes.Dead, 1, true},
		"dead long ago":               {&lanes.Expiry{Dead: true, Before: 10}, lanes.Dead, 9, false},
		"erased":                      {nil, lanes.Pending, 10, false},
	} {
		if got := tt.e.Keeps(tt.state, tt.updated); got != tt.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}
