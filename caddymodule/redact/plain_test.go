package redact

import (
	"strings"
	"testing"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
)

// TestUsualFieldsAreWrittenAlike: with and without a copy of the encoder, which fields of other types need.
func TestUsualFieldsAreWrittenAlike(t *testing.T) {
	e, clean := encoder(t, "{\nheader x-mine\nquery mine\n}")
	defer clean()
	ent := zapcore.Entry{Level: zapcore.InfoLevel, Time: time.Unix(1, 0), Message: "accepted /?token=s3cr3t"}
	for name, fields := range map[string][]zapcore.Field{
		"none": nil,
		"accepted": {zap.String("event", "01J"), zap.String("tenant", "acme"), zap.Strings("destinations", []string{"crm", "ehr"}), zap.Int("bytes", 7),
			zap.Duration("took", time.Second), zap.Time("next_at", time.Unix(2, 0)), zap.Bool("ok", true), zap.Float64("f", 1.5), zap.Uint8("u", 1), zap.Skip()},
		"secrets": {zap.String("x-mine", "s3cr3t"), zap.String("X-Mine", "s3cr3t"), zap.String("cookie", "s3cr3t"), zap.String("COOKIE", "s3cr3t"),
			zap.String("x_mine", "kept"), zap.String("authorization", ""), zap.String("uri", "/?mine=s3cr3t&a=kept"), zap.Strings("uris", []string{"/?mine=s3cr3t", "kept"})},
		"digits":         {zap.String("x-v2", "kept"), zap.String("o'clock", "kept")},
		"a secret array": {zap.Strings("cookie", []string{"s3cr3t"}), zap.String("a", "b")},
		"others":         {zap.String("x-mine", "s3cr3t"), zap.Any("header", map[string][]string{"Cookie": {"s3cr3t"}}), zap.Namespace("n"), zap.Int("i", 1)},
	} {
		got, err := e.EncodeEntry(ent, fields)
		if err != nil {
			t.Fatal(err)
		}
		inner := e.Encoder.Clone()
		o := e.object(inner)
		for i := range fields {
			fields[i].AddTo(o)
		}
		copied := ent
		copied.Message = o.text(ent.Message)
		want, err := inner.EncodeEntry(copied, nil)
		if err != nil {
			t.Fatal(err)
		}
		if got.String() != want.String() || strings.Contains(got.String(), "s3cr3t") {
			t.Errorf("%s: wrote\n%s, want\n%s", name, got, want)
		}
		if plain := new(line).plain(fields, filter{known.Load(), e.own}); plain != (name != "others" && name != "a secret array") {
			t.Errorf("%s: plain is %v", name, plain)
		}
	}
}

// TestNamesInSmallLetters are judged as the canonical names of headers are.
func TestNamesInSmallLetters(t *testing.T) {
	n := new(names).with([]string{"X-Mine", "x_other", "X-V2", "odd name"}, nil)
	for key, want := range map[string]bool{
		"x-mine": true, "X-MINE": true, "x-Mine": true, "x_mine": false, "x_other": true, "X_Other": true, "x-v2": true, "x-v3": false, "odd name": true, "": false, "mine": false,
	} {
		if got := n.header(key); got != want {
			t.Errorf("%q: %v", key, got)
		}
	}
}
