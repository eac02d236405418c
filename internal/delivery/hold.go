package delivery

import (
	"context"
	"encoding/json"
	"strconv"
	"time"

	"go.uber.org/zap"
)

// A hold is known after a restart: without it each restart would cost the calls that wait a few attempts each, until the
// lane has found out anew that it is not their fault. It is kept as a note of the store, renewed with every probe, since
// notes have an end and go with any erasure.

const (
	holdNote  = "callgate/hold"
	holdNoted = 30 * 24 * time.Hour
)

// notedHold is a hold as it is noted.
type notedHold struct {
	Reason  string `json:"reason"`
	Verdict string `json:"verdict,omitempty"`
}

// holdNote is the name under which the lane's hold is noted.
func (l *lane) holdNote() string {
	if l.lane.Shards > 1 {
		return holdNote + "/" + strconv.Itoa(l.lane.Shard)
	}
	return holdNote
}

// recallHold takes up the hold that an earlier process has noted. It gives how long to wait when the store cannot tell; 0
// when that is done.
func (l *lane) recallHold() (wait time.Duration) {
	text, err := l.e.store.Noted(l.serving.ctx, l.name, l.holdNote())
	if err != nil {
		return l.storeFailed("tell whether a destination is held", err)
	}
	l.recalled = true
	var n notedHold
	if len(text) == 0 || json.Unmarshal(text, &n) != nil || n.Reason == "" {
		return 0 // without it the lane finds out anew
	}
	l.mu.Lock()
	l.health.hold = &hold{reason: n.Reason, verdict: n.Verdict, wait: firstProbe} // a probe goes at once: perhaps it is mended
	l.noted = true
	l.mu.Unlock()
	l.e.log.Warn("a destination is still held, as before the restart: nothing is delivered but a probe now and then, and all calls are kept; it goes on by itself when one gets through",
		zap.String("destination", l.name), zap.String("reason", n.Reason))
	l.e.o.Observer.Paused(l.name, n.Reason)
	return 0
}

// notedHold is why a lane that another gateway has is held, as that one noted; empty if it is not.
func (l *lane) notedHold(ctx context.Context) string {
	text, err := l.e.store.Noted(ctx, l.name, l.holdNote())
	var n notedHold
	if err != nil || len(text) == 0 || json.Unmarshal(text, &n) != nil {
		return ""
	}
	return n.Reason
}

// holdUnsaved reports whether the store has to be told how the lane stands after an attempt.
func (l *lane) holdUnsaved(probe bool) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	held := l.health.hold != nil
	return held != l.noted || held && probe
}

// saveHold notes how a lane stands after an attempt, or that it is held no longer. It writes what is so by now, so that the
// last one of several attempts is what the store keeps, and does so together with what operators pause and resume.
func (l *lane) saveHold(ctx context.Context, probe bool) error {
	l.e.flags.Lock()
	defer l.e.flags.Unlock()
	l.mu.Lock()
	h, noted := l.health.hold, l.noted
	var n notedHold
	if h != nil {
		n = notedHold{h.reason, h.verdict}
	}
	l.mu.Unlock()
	var err error
	switch {
	case h == nil && noted:
		err = l.e.store.Forget(ctx, l.name, l.holdNote())
	case h != nil && (!noted || probe):
		text, marshalErr := json.Marshal(n)
		if marshalErr != nil {
			return marshalErr
		}
		err = l.e.store.Note(ctx, l.name, l.holdNote(), text, l.e.o.Now().Add(holdNoted))
	default:
		return nil
	}
	if err == nil {
		l.mu.Lock()
		l.noted = h != nil
		l.mu.Unlock()
	}
	return err
}
