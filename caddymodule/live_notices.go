package caddymodule

import (
	"slices"
	"sync"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
)

// notices collect what is told while something is worked out.
type notices struct {
	mu      sync.Mutex
	list    []string
	stopped bool
}

func (w *notices) add(text string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.stopped && !slices.Contains(w.list, text) {
		w.list = append(w.list, text)
	}
}

func (w *notices) stop() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.stopped = true
}

// beside is a logger whose warnings are collected besides.
func (w *notices) beside(log *zap.Logger) *zap.Logger {
	return log.WithOptions(zap.WrapCore(func(core zapcore.Core) zapcore.Core {
		return zapcore.NewTee(core, zapcore.RegisterHooks(collecting{}, func(e zapcore.Entry) error {
			w.add(e.Message)
			return nil
		}))
	}))
}

// collecting is a core that takes warnings and writes nothing.
type collecting struct{}

// Enabled implements zapcore.Core.
func (collecting) Enabled(level zapcore.Level) bool { return level >= zapcore.WarnLevel }

// With implements zapcore.Core.
func (c collecting) With([]zapcore.Field) zapcore.Core { return c }

// Check implements zapcore.Core.
func (c collecting) Check(e zapcore.Entry, ce *zapcore.CheckedEntry) *zapcore.CheckedEntry {
	if c.Enabled(e.Level) {
		return ce.AddCore(e, c)
	}
	return ce
}

// Write implements zapcore.Core.
func (collecting) Write(zapcore.Entry, []zapcore.Field) error { return nil }

// Sync implements zapcore.Core.
func (collecting) Sync() error { return nil }
