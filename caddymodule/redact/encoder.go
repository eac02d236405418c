package redact

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/modules/logging"
	"go.uber.org/zap/buffer"
	"go.uber.org/zap/zapcore"
	"golang.org/x/term"
)

func init() {
	caddy.RegisterModule(new(Encoder))
}

// Encoder writes log entries without the tokens and signatures that requests carry: the values of the headers and query
// parameters of all signature schemes, and of the headers that the verifiers were configured with, are replaced by
// REDACTED, in access logs, error logs and debug logs alike.
//
// The program callgate has it around every log of a Caddyfile. In a Caddy with the plugin, and where the configuration is
// JSON, it is to be asked for, in each log: format callgate.
type Encoder struct {
	// WrappedRaw is the encoder that writes what is left. Default: json, and console where the log goes to a terminal.
	WrappedRaw json.RawMessage `json:"wrap,omitempty" caddy:"namespace=caddy.logging.encoders inline_key=format"`

	// Headers and Query are names of further headers and query parameters whose values are not written.
	Headers []string `json:"headers,omitempty"`
	Query   []string `json:"query,omitempty"`

	zapcore.Encoder `json:"-"` // the one that is wrapped

	own       *names // Headers and Query
	waiting   waiting
	ctx       *caddy.Context // by address, since an encoder is made for each request that is proxied
	isDefault bool
	counted   bool
}

// inForce counts the encoders of the configurations that are loaded.
var inForce atomic.Int64

// InForce reports whether any log is written through an Encoder.
func InForce() bool { return inForce.Load() > 0 }

// CaddyModule returns the Caddy module information.
func (*Encoder) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "caddy.logging.encoders.callgate", New: func() caddy.Module { return new(Encoder) }}
}

// Provision loads the encoder that is wrapped.
func (e *Encoder) Provision(ctx caddy.Context) error {
	e.ctx = &ctx
	e.own = new(names).with(e.Headers, e.Query)
	if e.WrappedRaw == nil {
		e.isDefault = true
		if err := e.wrap(new(logging.JSONEncoder)); err != nil {
			return err
		}
	} else {
		mod, err := ctx.LoadModule(e, "WrappedRaw")
		if err != nil {
			return fmt.Errorf("wrap: %w", err)
		}
		e.Encoder = mod.(zapcore.Encoder)
	}
	e.counted = true
	inForce.Add(1)
	return nil
}

func (e *Encoder) wrap(inner zapcore.Encoder) error {
	e.Encoder = inner
	return inner.(caddy.Provisioner).Provision(*e.ctx)
}

// Cleanup implements caddy.CleanerUpper.
func (e *Encoder) Cleanup() error {
	if e.counted {
		e.counted = false
		inForce.Add(-1)
	}
	return nil
}

// ConfigureDefaultFormat implements caddy.ConfiguresFormatterDefault: people at a terminal read lines, not JSON.
func (e *Encoder) ConfigureDefaultFormat(w caddy.WriterOpener) error {
	if !e.isDefault {
		if inner, ok := e.Encoder.(caddy.ConfiguresFormatterDefault); ok {
			return inner.ConfigureDefaultFormat(w)
		}
		return nil
	}
	if caddy.IsWriterStandardStream(w) && term.IsTerminal(int(os.Stderr.Fd())) {
		return e.wrap(new(logging.ConsoleEncoder))
	}
	return nil
}

// UnmarshalCaddyfile sets up the encoder from Caddyfile tokens. Syntax:
//
//	format callgate {
//		wrap   <another encoder> [...]
//		header <name>...
//		query  <name>...
//	}
func (e *Encoder) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	d.Next() // consume the encoder's name
	if d.NextArg() {
		return d.ArgErr()
	}
	for nesting := d.Nesting(); d.NextBlock(nesting); {
		switch d.Val() {
		case "wrap":
			if e.WrappedRaw != nil || !d.NextArg() {
				return d.ArgErr()
			}
			name := d.Val()
			mod, err := caddyfile.UnmarshalModule(d, "caddy.logging.encoders."+name)
			if err != nil {
				return err
			}
			if _, ok := mod.(zapcore.Encoder); !ok {
				return d.Errf("%s is no log encoder", name)
			}
			e.WrappedRaw = caddyconfig.JSONModuleObject(mod, "format", name, nil)
		case "header":
			more := d.RemainingArgs()
			if len(more) == 0 {
				return d.ArgErr()
			}
			e.Headers = append(e.Headers, more...)
		case "query":
			more := d.RemainingArgs()
			if len(more) == 0 {
				return d.ArgErr()
			}
			e.Query = append(e.Query, more...)
		default:
			return d.Errf("unrecognized subdirective '%s'", d.Val())
		}
	}
	return nil
}

// EncodeEntry implements zapcore.Encoder.
func (e *Encoder) EncodeEntry(ent zapcore.Entry, fields []zapcore.Field) (*buffer.Buffer, error) {
	f := filter{known.Load(), e.own}
	ent.Message = withoutChain(f.text(ent.Message))
	inner := e.written()
	l := lines.Get().(*line)
	defer l.free()
	if l.plain(fields, f) {
		return inner.EncodeEntry(ent, l.fields)
	}
	inner = inner.Clone() // fields that are added to an encoder stay in it
	o := &object{inner, f}
	for i := range fields {
		fields[i].AddTo(o)
	}
	return inner.EncodeEntry(ent, nil)
}

// line is the memory in which the fields of an entry are made what is written of them.
type line struct {
	fields []zapcore.Field
	arrays []filteredArray
}

var lines = sync.Pool{New: func() any { return new(line) }}

func (l *line) free() {
	clear(l.fields) // which may hold on to a request
	clear(l.arrays)
	l.fields, l.arrays = l.fields[:0], l.arrays[:0]
	lines.Put(l)
}

// plain takes fields up as they are to be written, if all of them are of the usual types. Nearly every line is of such
// fields only, and needs no copy of the encoder then.
func (l *line) plain(fields []zapcore.Field, f filter) bool {
	l.fields = slices.Grow(l.fields, len(fields))
	l.arrays = slices.Grow(l.arrays, len(fields)) // fields point into it, so it must not move
	for _, field := range fields {
		switch field.Type {
		case zapcore.StringType:
			if field.String != "" && f.header(field.Key) {
				field.String = Redacted
			} else {
				field.String = f.text(field.String)
			}
		case zapcore.ArrayMarshalerType:
			if f.header(field.Key) {
				return false
			}
			l.arrays = append(l.arrays, filteredArray{from: field.Interface.(zapcore.ArrayMarshaler), to: array{filter: f}})
			field.Interface = &l.arrays[len(l.arrays)-1]
		case zapcore.BoolType, zapcore.DurationType, zapcore.TimeType, zapcore.SkipType, zapcore.Float64Type,
			zapcore.Int64Type, zapcore.Int32Type, zapcore.Uint64Type, zapcore.Uint32Type, zapcore.Uint16Type, zapcore.Uint8Type:
		default:
			return false
		}
		l.fields = append(l.fields, field)
	}
	return true
}

// filteredArray is an array without what is not to be written.
type filteredArray struct {
	from zapcore.ArrayMarshaler
	to   array
}

// MarshalLogArray implements zapcore.ArrayMarshaler.
func (a *filteredArray) MarshalLogArray(to zapcore.ArrayEncoder) error {
	a.to.ArrayEncoder = to
	return a.from.MarshalLogArray(&a.to)
}

// filter knows what is not written.
type filter struct{ all, own *names }

func (f filter) header(key string) bool { return f.all.header(key) || f.own.header(key) }

func (f filter) text(s string) string { return f.own.text(f.all.text(s)) }

// object passes fields on without what is not to be written.
type object struct {
	zapcore.ObjectEncoder
	filter
}

func (o *object) AddObject(key string, m zapcore.ObjectMarshaler) error {
	if o.header(key) {
		o.ObjectEncoder.AddString(key, Redacted)
		return nil
	}
	return o.ObjectEncoder.AddObject(key, zapcore.ObjectMarshalerFunc(func(inner zapcore.ObjectEncoder) error {
		return m.MarshalLogObject(&object{inner, o.filter})
	}))
}

func (o *object) AddArray(key string, m zapcore.ArrayMarshaler) error {
	return o.ObjectEncoder.AddArray(key, zapcore.ArrayMarshalerFunc(func(inner zapcore.ArrayEncoder) error {
		if o.header(key) {
			inner.AppendString(Redacted)
			return nil
		}
		return m.MarshalLogArray(&array{inner, o.filter})
	}))
}

func (o *object) AddString(key, value string) {
	if o.header(key) && value != "" {
		value = Redacted
	}
	o.ObjectEncoder.AddString(key, o.text(value))
}

func (o *object) AddByteString(key string, value []byte) { o.AddString(key, string(value)) }

func (o *object) AddReflected(key string, value any) error {
	switch v := value.(type) {
	case http.Header:
		return o.AddObject(key, header(v))
	case map[string][]string:
		return o.AddObject(key, header(v))
	}
	if o.header(key) {
		value = Redacted
	}
	return o.ObjectEncoder.AddReflected(key, value)
}

// header is a header of which one knows nothing else.
type header map[string][]string

func (h header) MarshalLogObject(enc zapcore.ObjectEncoder) error {
	for name, values := range h {
		err := enc.AddArray(name, zapcore.ArrayMarshalerFunc(func(a zapcore.ArrayEncoder) error {
			for _, v := range values {
				a.AppendString(v)
			}
			return nil
		}))
		if err != nil {
			return err
		}
	}
	return nil
}

// array passes elements on.
type array struct {
	zapcore.ArrayEncoder
	filter
}

func (a *array) AppendString(s string) { a.ArrayEncoder.AppendString(a.text(s)) }

func (a *array) AppendByteString(s []byte) { a.AppendString(string(s)) }

func (a *array) AppendObject(m zapcore.ObjectMarshaler) error {
	return a.ArrayEncoder.AppendObject(zapcore.ObjectMarshalerFunc(func(inner zapcore.ObjectEncoder) error {
		return m.MarshalLogObject(&object{inner, a.filter})
	}))
}

func (a *array) AppendArray(m zapcore.ArrayMarshaler) error {
	return a.ArrayEncoder.AppendArray(zapcore.ArrayMarshalerFunc(func(inner zapcore.ArrayEncoder) error {
		return m.MarshalLogArray(&array{inner, a.filter})
	}))
}

// Interface guards
var (
	_ zapcore.Encoder                  = (*Encoder)(nil)
	_ caddy.Provisioner                = (*Encoder)(nil)
	_ caddy.CleanerUpper               = (*Encoder)(nil)
	_ caddy.ConfiguresFormatterDefault = (*Encoder)(nil)
	_ caddyfile.Unmarshaler            = (*Encoder)(nil)
)
