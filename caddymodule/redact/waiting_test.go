package redact

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
)

// logger writes what an encoder makes to a buffer, without the time.
func logger(e zapcore.Encoder) (*zap.Logger, *bytes.Buffer) {
	out := new(bytes.Buffer)
	return zap.New(zapcore.NewCore(e, zapcore.AddSync(out), zapcore.InfoLevel), zap.WithClock(stopped{})), out
}

type stopped struct{}

func (stopped) Now() time.Time                       { return time.Unix(1, 0) }
func (stopped) NewTicker(time.Duration) *time.Ticker { panic("nobody waits here") }

// looks counts how often a request is looked at by those who log it: they ask for the client's address.
type looks struct {
	context.Context
	n *atomic.Int32
}

func (l looks) Value(key any) any {
	if key == caddyhttp.VarsCtxKey {
		l.n.Add(1)
	}
	return l.Context.Value(key)
}

func request(n *atomic.Int32) caddyhttp.LoggableHTTPRequest {
	r, _ := http.NewRequestWithContext(looks{context.Background(), n}, http.MethodPost, "http://receiver/calls", http.NoBody)
	r.Header = http.Header{"X-Api-Key": {"s3cr3t"}} // one, since headers are logged in no order
	return caddyhttp.LoggableHTTPRequest{Request: r}
}

// TestFieldsOfALoggerAreWrittenAsThoseOfAnEntry, whatever waits for what and however the logger was made.
func TestFieldsOfALoggerAreWrittenAsThoseOfAnEntry(t *testing.T) {
	e, clean := encoder(t, "{\nheader x-mine\nquery mine\n}")
	defer clean()
	var n atomic.Int32
	proxy := []zap.Field{zap.String("upstream", "receiver:80"), zap.Duration("duration", time.Second), zap.Object("request", request(&n))}
	others := []zap.Field{
		zap.Bool("bool", true), zap.Binary("binary", []byte("b")), zap.ByteString("uri", []byte("/?mine=s3cr3t")), zap.Complex128("c", 1i),
		zap.Complex64("c64", 1i), zap.Float64("f", 1.5), zap.Float32("f32", 1.5), zap.Int("i", 1), zap.Int64("i64", 1), zap.Int32("i32", 1),
		zap.Int16("i16", 1), zap.Int8("i8", 1), zap.String("x-mine", "s3cr3t"), zap.Time("t", time.Unix(2, 0)), zap.Uint("u", 1),
		zap.Uint64("u64", 1), zap.Uint32("u32", 1), zap.Uint16("u16", 1), zap.Uint8("u8", 1), zap.Uintptr("p", 1), zap.Reflect("r", []int{1}),
		zap.Strings("list", []string{"/?mine=s3cr3t"}), zap.Error(errors.New("broken")), zap.Duration("duration", 1), zap.Namespace("deeper"), zap.String("s", "s"),
	}
	for name, fields := range map[string][]zap.Field{
		"none": nil, "proxy": proxy, "others": others, "both": append(proxy[:3:3], others...), "the other way": append(others[:len(others):len(others)], proxy...),
		"another request": {zap.Object("request", request(&n)), zap.String("a", "b")},
	} {
		log, out := logger(e)
		log.Error("m", append(fields[:len(fields):len(fields)], zap.Int("status", 1))...)
		want := out.String()
		one, made := logger(e)
		one.With(fields...).Error("m", zap.Int("status", 1))
		step, steps := logger(e)
		for _, f := range fields {
			before := step
			step = step.With(f)
			before.With(zap.String("of", "another")) // what is added to a sister is not in this one
			before.With(zap.Int("of", 1))
		}
		step.Error("m", zap.Int("status", 1))
		step.Error("m", zap.Int("status", 1))
		if made.String() != want || steps.String() != want+want || strings.Contains(want, "s3cr3t") {
			t.Errorf("%s: wrote\n%s%swant\n%s", name, made, steps, want)
		}
	}
	log, out := logger(e)
	if log.Error("m"); strings.Contains(out.String(), "upstream") {
		t.Errorf("what was added to a logger is in another: %s", out)
	}
}

// TestWhatWasClonedMayBeAddedTo: the copy has nothing of what is added to the first one afterwards.
func TestWhatWasClonedMayBeAddedTo(t *testing.T) {
	e, clean := encoder(t, "")
	defer clean()
	first := e.Clone()
	first.AddInt("both", 1)
	second := first.Clone()
	first.AddInt("first", 1)
	first.AddString("text", "first")
	second.AddString("text", "second")
	for _, c := range []struct {
		of   zapcore.Encoder
		want string
	}{{e, `"msg":"m"}`}, {first, `"msg":"m","both":1,"first":1,"text":"first"}`}, {second, `"msg":"m","both":1,"text":"second"}`}} {
		log, out := logger(c.of)
		log.Error("m")
		if !strings.HasSuffix(strings.TrimSpace(out.String()), c.want) {
			t.Errorf("wrote %s, want %s", out, c.want)
		}
	}
}

// TestARequestThatIsNotLoggedIsNotEncoded where reverse_proxy makes a logger for it; others may change theirs.
func TestARequestThatIsNotLoggedIsNotEncoded(t *testing.T) {
	e, clean := encoder(t, "")
	defer clean()
	log, out := logger(e)
	var n atomic.Int32
	r := request(&n)
	kept := log.With(zap.String("upstream", "receiver:80"), zap.Duration("duration", time.Second), zap.Object("request", r))
	kept.Debug("upstream roundtrip")
	if n.Load() != 0 || out.Len() > 0 {
		t.Errorf("encoded %d times, wrote %s", n.Load(), out)
	}
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() { kept.With(zap.Int("read", 1)) })
	}
	all.Wait()
	kept.Warn("aborting with incomplete response")
	kept.Warn("again")
	if text := out.String(); strings.Count(text, `"X-Api-Key":["REDACTED"]`) != 2 || strings.Contains(text, "s3cr3t") {
		t.Errorf("wrote %s", text)
	}

	for _, fields := range [][]zap.Field{
		{zap.Object("request", r)},
		{zap.String("upstream", "a"), zap.Object("request", r)},
		{zap.String("upstream", "a"), zap.Duration("duration", 1), zap.Object("response", r)},
		{zap.String("duration", "a"), zap.String("upstream", "a"), zap.Object("request", r)},
	} {
		n.Store(0)
		if log.With(fields...); n.Load() != 1 {
			t.Errorf("a request of another logger was encoded %d times when it was added", n.Load())
		}
	}
}
