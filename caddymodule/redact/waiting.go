package redact

import (
	"sync/atomic"
	"time"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
)

// waiting are fields that a logger has for all its entries and that are not encoded before it writes one.
//
// reverse_proxy makes a logger for each request it hands on, with all headers of the request in a field, and next to none of
// them ever writes a line: encoding that field is a tenth of what a request costs.
type waiting struct {
	fields []zapcore.Field
	// encoded is the wrapped encoder with the fields in it, once an entry was written.
	encoded atomic.Pointer[zapcore.Encoder]
	// lent says that the wrapped encoder is another's too, so that no field may be added to it.
	lent atomic.Bool
}

// Clone implements zapcore.Encoder. The wrapped encoder is cloned when a field is added to either of the two.
func (e *Encoder) Clone() zapcore.Encoder {
	if !e.waiting.lent.Load() {
		e.waiting.lent.Store(true)
	}
	c := &Encoder{Encoder: e.Encoder, own: e.own}
	n := len(e.waiting.fields)
	c.waiting.fields = e.waiting.fields[:n:n]
	c.waiting.lent.Store(true)
	return c
}

// written is the wrapped encoder with all fields in it. It is not to be added to.
func (e *Encoder) written() zapcore.Encoder {
	if len(e.waiting.fields) == 0 {
		return e.Encoder
	}
	if inner := e.waiting.encoded.Load(); inner != nil {
		return *inner
	}
	inner := e.Encoder.Clone()
	o := e.object(inner)
	for i := range e.waiting.fields {
		e.waiting.fields[i].AddTo(o)
	}
	e.waiting.encoded.Store(&inner)
	return inner
}

// now is where a field goes that is encoded at once, after those that wait.
func (e *Encoder) now() *object {
	switch {
	case len(e.waiting.fields) > 0:
		e.Encoder = e.written().Clone() // that of an entry may be in use
		e.waiting.fields = nil
		e.waiting.encoded.Store(nil)
	case e.waiting.lent.Load():
		e.Encoder = e.Encoder.Clone()
	}
	e.waiting.lent.Store(false)
	return e.object(e.Encoder)
}

// later has a field wait, whose value must not change any more.
func (e *Encoder) later(f zapcore.Field) {
	if e.waiting.fields == nil {
		e.waiting.fields = make([]zapcore.Field, 0, 4) // reverse_proxy's three
	}
	e.waiting.fields = append(e.waiting.fields, f)
	if e.waiting.encoded.Load() != nil {
		e.waiting.encoded.Store(nil)
	}
}

func (e *Encoder) object(inner zapcore.ObjectEncoder) *object {
	return &object{inner, filter{known.Load(), e.own}}
}

// proxied reports whether the next field is reverse_proxy's request, by the two that it puts before it. That request is a
// copy which nobody changes as long as the logger is in use; of requests in other loggers this is not known.
func (e *Encoder) proxied(key string) bool {
	n := len(e.waiting.fields)
	return key == "request" && n >= 2 && e.waiting.fields[n-2].Key == "upstream" && e.waiting.fields[n-1].Key == "duration"
}

// AddObject and its like implement zapcore.ObjectEncoder, for fields that a logger has for all its entries.

// AddObject implements zapcore.ObjectEncoder.
func (e *Encoder) AddObject(key string, m zapcore.ObjectMarshaler) error {
	if r, ok := m.(caddyhttp.LoggableHTTPRequest); ok && e.proxied(key) {
		e.later(zap.Object(key, r))
		return nil
	}
	return e.now().AddObject(key, m)
}

// AddString implements zapcore.ObjectEncoder.
func (e *Encoder) AddString(key, value string) { e.later(zap.String(key, value)) }

// AddDuration implements zapcore.ObjectEncoder.
func (e *Encoder) AddDuration(key string, value time.Duration) { e.later(zap.Duration(key, value)) }

// AddArray implements zapcore.ObjectEncoder.
func (e *Encoder) AddArray(key string, m zapcore.ArrayMarshaler) error {
	return e.now().AddArray(key, m)
}

// AddReflected implements zapcore.ObjectEncoder.
func (e *Encoder) AddReflected(key string, value any) error { return e.now().AddReflected(key, value) }

// AddByteString implements zapcore.ObjectEncoder.
func (e *Encoder) AddByteString(key string, value []byte) { e.now().AddByteString(key, value) }

// AddBinary implements zapcore.ObjectEncoder.
func (e *Encoder) AddBinary(key string, value []byte) { e.now().AddBinary(key, value) }

// AddBool implements zapcore.ObjectEncoder.
func (e *Encoder) AddBool(key string, value bool) { e.now().AddBool(key, value) }

// AddComplex128 implements zapcore.ObjectEncoder.
func (e *Encoder) AddComplex128(key string, value complex128) { e.now().AddComplex128(key, value) }

// AddComplex64 implements zapcore.ObjectEncoder.
func (e *Encoder) AddComplex64(key string, value complex64) { e.now().AddComplex64(key, value) }

// AddFloat64 implements zapcore.ObjectEncoder.
func (e *Encoder) AddFloat64(key string, value float64) { e.now().AddFloat64(key, value) }

// AddFloat32 implements zapcore.ObjectEncoder.
func (e *Encoder) AddFloat32(key string, value float32) { e.now().AddFloat32(key, value) }

// AddInt implements zapcore.ObjectEncoder.
func (e *Encoder) AddInt(key string, value int) { e.now().AddInt(key, value) }

// AddInt64 implements zapcore.ObjectEncoder.
func (e *Encoder) AddInt64(key string, value int64) { e.now().AddInt64(key, value) }

// AddInt32 implements zapcore.ObjectEncoder.
func (e *Encoder) AddInt32(key string, value int32) { e.now().AddInt32(key, value) }

// AddInt16 implements zapcore.ObjectEncoder.
func (e *Encoder) AddInt16(key string, value int16) { e.now().AddInt16(key, value) }

// AddInt8 implements zapcore.ObjectEncoder.
func (e *Encoder) AddInt8(key string, value int8) { e.now().AddInt8(key, value) }

// AddTime implements zapcore.ObjectEncoder.
func (e *Encoder) AddTime(key string, value time.Time) { e.now().AddTime(key, value) }

// AddUint implements zapcore.ObjectEncoder.
func (e *Encoder) AddUint(key string, value uint) { e.now().AddUint(key, value) }

// AddUint64 implements zapcore.ObjectEncoder.
func (e *Encoder) AddUint64(key string, value uint64) { e.now().AddUint64(key, value) }

// AddUint32 implements zapcore.ObjectEncoder.
func (e *Encoder) AddUint32(key string, value uint32) { e.now().AddUint32(key, value) }

// AddUint16 implements zapcore.ObjectEncoder.
func (e *Encoder) AddUint16(key string, value uint16) { e.now().AddUint16(key, value) }

// AddUint8 implements zapcore.ObjectEncoder.
func (e *Encoder) AddUint8(key string, value uint8) { e.now().AddUint8(key, value) }

// AddUintptr implements zapcore.ObjectEncoder.
func (e *Encoder) AddUintptr(key string, value uintptr) { e.now().AddUintptr(key, value) }

// OpenNamespace implements zapcore.ObjectEncoder.
func (e *Encoder) OpenNamespace(key string) { e.now().OpenNamespace(key) }
