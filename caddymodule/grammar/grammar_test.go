package grammar

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
)

// settings has a line of each sort.
type settings struct {
	text    string
	list    []string
	more    []string
	pairs   map[string]string
	flag    bool
	on      bool
	choice  string
	count   int
	time    caddy.Duration
	bytes   int64
	percent float64
	rate    string
	burst   int
	inner   string
}

func (s *settings) read(d *caddyfile.Dispenser) error {
	d.Next()
	return Block(d, Lines{
		"text":   Text(&s.text),
		"list":   List(&s.list),
		"more":   More(&s.more),
		"pair":   Pairs(&s.pairs),
		"flag":   Flag(&s.flag),
		"on_off": func(d *caddyfile.Dispenser) error { return OnOff(d, &s.on) },
		"choice": Choice(&s.choice, "one", "two", "three"),
		"count":  Count(&s.count),
		"time":   Time(&s.time),
		"bytes":  Bytes(&s.bytes),
		"percent": func(d *caddyfile.Dispenser) (err error) {
			s.percent, err = Percentage(d)
			return err
		},
		"rate_limit": func(d *caddyfile.Dispenser) error { return Rate(d, &s.rate, map[string]*int{"burst": &s.burst}) },
		"nested": func(d *caddyfile.Dispenser) error {
			if err := NoArgs(d); err != nil {
				return err
			}
			return Block(d, Lines{"inner": Text(&s.inner)})
		},
	}, "more", "pair")
}

func tokens(t *testing.T, text, file string) *caddyfile.Dispenser {
	t.Helper()
	all, err := caddyfile.Tokenize([]byte(text), file)
	if err != nil {
		t.Fatal(err)
	}
	return caddyfile.NewDispenser(all)
}

func TestLinesAreRead(t *testing.T) {
	var s settings
	err := s.read(tokens(t, `block {
	text "a b"
	list a b
	more a
	more b c
	pair a b
	pair c d
	flag
	on_off on
	choice two
	count 3
	time 3d
	bytes 10MB
	percent 95
	rate_limit 100/10s burst 7
	nested {
		inner x{{y
	}
}`, "Caddyfile"))
	if err != nil {
		t.Fatal(err)
	}
	if s.text != "a b" || !slices.Equal(s.list, []string{"a", "b"}) || !slices.Equal(s.more, []string{"a", "b", "c"}) || len(s.pairs) != 2 ||
		!s.flag || !s.on || s.choice != "two" || s.count != 3 || time.Duration(s.time) != 72*time.Hour || s.bytes != 10_000_000 ||
		s.percent != 95 || s.rate != "100/10s" || s.burst != 7 || s.inner != "x{{y" {
		t.Errorf("read %+v", s)
	}
}

func TestLinesAreRefusedWithWhatIsMeant(t *testing.T) {
	for line, want := range map[string]string{
		"ratelimit 5/s":              "unrecognized subdirective 'ratelimit'; did you mean rate_limit?, at Caddyfile:2",
		"something else":             "unrecognized subdirective 'something', at",
		"text":                       "wrong argument count or unexpected line ending after 'text', at Caddyfile:2",
		"text a {\nburst 5\n}":       "a block is opened behind a line that takes none: write what belongs to it on the line itself, at Caddyfile:2",
		"text a b":                   "wrong argument count",
		"text \"\"":                  "an empty value where one is needed",
		"list a \"\"":                "an empty value where one is needed",
		"text a\ntext b":             "text is given twice, at Caddyfile:3",
		"pair a b\npair a c":         "pair a is given twice",
		"flag yes":                   "wrong argument count",
		"on_off true":                "'true' is not on or off",
		"choice four":                "'four' is not one, two or three",
		"count 0":                    "'0' is not a whole number of at least 1",
		"count 1.5":                  "'1.5' is not a whole number",
		"time 3 days":                "'3 days' is not a duration such as 500ms, 10s or 3d; write 3d, at",
		"time 2 weeks":               "'2 weeks' is not a duration such as 500ms, 10s or 3d; write 14d, at",
		"time 90 sec":                "'90 sec' is not a duration such as 500ms, 10s or 3d; write 90s, at",
		"time 30":                    "'30' is not a duration such as 500ms, 10s or 3d; write 30s if seconds are meant, at",
		"time soon":                  "'soon' is not a duration such as 500ms, 10s or 3d, at",
		"time -3s":                   "'-3s' is not a duration",
		"time 0s":                    "'0s' is not a duration",
		"bytes 10":                   "'10' is a number of bytes; write 10MiB or 10KiB, or 10B if so few are meant, at",
		"bytes 1":                    "write 1MiB or 1KiB, or 1B",
		"bytes 10 MB":                "'10 MB' is not a size such as 512KiB or 1MiB; write 10MB, at",
		"bytes many":                 "'many' is not a size such as 512KiB or 1MiB, at",
		"bytes 0":                    "'0' is not a size",
		"bytes 9000PB":               "is not a size",
		"percent 0.95":               "'0.95' is 0.95 percent; write 95% if it is a share, or 0.95% if that is meant, at",
		"percent 1":                  "write 100% if it is a share, or 1%",
		"percent ninety":             "'ninety' is not a percentage such as 95%",
		"rate_limit 5/fortnight":     `"5/fortnight" is not a rate: write a number of requests and a time, such as 20/s, 100/10s, 600/min or 1000/h, or off, at`,
		"rate_limit 5":               "is not a rate",
		"rate_limit 5/s burst":       "burst needs a number",
		"rate_limit 5/s burst 0":     "'0' is not a whole number of at least 1",
		"rate_limit 5/s brust 9":     "expected burst, not 'brust'; did you mean burst?",
		"rate_limit 5/s 9":           "expected burst, not '9', at",
		"text s3cr3t{":               "a space is missing before the brace at the end of the line, at Caddyfile:2",
		"nested{":                    "a space is missing before the brace",
		"nested x{":                  "a space is missing before the brace",
		"list a s3cr3t{":             "a space is missing before the brace",
		"nested {\ninnner x\n}":      "unrecognized subdirective 'innner'; did you mean inner?, at Caddyfile:3",
		"nested {\nratelimit 5/s\n}": "unrecognized subdirective 'ratelimit', at",
	} {
		err := new(settings).read(tokens(t, "block {\n"+line+"\n}", "Caddyfile"))
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "s3cr3t") {
			t.Errorf("%q: error %v\nwant %s", line, err, want)
		}
	}
	if err := new(settings).read(tokens(t, "block {\nbytes 10B\npercent 0.95%\n}", "Caddyfile")); err != nil {
		t.Errorf("what is written out is refused: %v", err)
	}
}

func TestRates(t *testing.T) {
	for text, want := range map[string]float64{
		"20/s": 20, "100/10s": 10, "5/min": 5.0 / 60, "600/m": 10, "5/sec": 5, "1000/h": 1000.0 / 3600, "5/second": 5, "5/minute": 5.0 / 60,
		"7200/hours": 2, "86400/d": 1, "86400/day": 1, "0.5/s": 0.5, "30/1m30s": 1.0 / 3, "10/500ms": 20, "100/10sec": 10, "120/2min": 1, "5 / s": 5,
	} {
		count, per, err := ParseRate(text)
		if got := count / per.Seconds(); err != nil || got < want*0.999999 || got > want*1.000001 {
			t.Errorf("%s: %v a second, %v; want %v", text, got, err, want)
		}
	}
	for _, text := range []string{"", "20", "20/", "/s", "s/20", "0/s", "-1/s", "NaN/s", "Inf/s", "1e10/s", "5/0s", "5/-1s", "5/fortnight", "5//s", "5/s/s", "off"} {
		if count, per, err := ParseRate(text); err == nil {
			t.Errorf("%q was taken for %v in %v", text, count, per)
		}
	}
}

func TestNearest(t *testing.T) {
	known := []string{"rate_limit", "require", "secret", "email", "crm", "public_url", "standard-webhooks"}
	for word, want := range map[string]string{
		"ratelimit": "rate_limit", "rate-limit": "rate_limit", "emial": "email", "crn": "crm", "secrets": "secret", "requires": "require",
		"RATE_LIMIT": "rate_limit", "standard_webhooks": "standard-webhooks", "url": "", "x": "", "": "", "completely": "", strings.Repeat("a", 100): "",
	} {
		if got := Nearest(word, known); got != want {
			t.Errorf("%q is near %q, want %q", word, got, want)
		}
	}
	if got, want := ThereAre("lead", []string{"desk", "crm", "leads"}), "there are: leads, crm, desk"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

// TestEmptyVariables: Caddy has replaced them by nothing before the tokens are made.
func TestEmptyVariables(t *testing.T) {
	t.Setenv("GRAMMAR_EMPTY", "")
	t.Setenv("GRAMMAR_SET", "x")
	file := filepath.Join(t.TempDir(), "Caddyfile")
	for written, c := range map[string]struct{ read, want string }{
		"text {$GRAMMAR_EMPTY}":              {"text", "{$GRAMMAR_EMPTY} is empty: the environment variable GRAMMAR_EMPTY is not set where the Caddyfile is read"},
		`text "{$GRAMMAR_EMPTY}"`:            {`text ""`, "{$GRAMMAR_EMPTY} is empty"},
		"list {$GRAMMAR_EMPTY}":              {"list", "{$GRAMMAR_EMPTY} is empty"},
		"pair {$GRAMMAR_SET} {$GRAMMAR_NOT}": {"pair x", "{$GRAMMAR_NOT} is empty"},
		"time {$GRAMMAR_EMPTY}":              {"time", "{$GRAMMAR_EMPTY} is empty"},
		"rate_limit {$GRAMMAR_EMPTY}":        {"rate_limit", "{$GRAMMAR_EMPTY} is empty"},
		"text":                               {"text", "wrong argument count"},
		"text # {$GRAMMAR_SET}":              {"text", "wrong argument count"},
		"{$GRAMMAR_EMPTY} text":              {"text", "wrong argument count"},
		"something {$GRAMMAR_EMPTY}":         {"text", "wrong argument count"}, // the file is another one
	} {
		if err := os.WriteFile(file, []byte("block {\n\n"+written+"\n}\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		err := new(settings).read(tokens(t, "block {\n\n"+c.read+"\n}\n", file))
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: error %v\nwant %s", written, err, c.want)
		}
	}
}

func FuzzParseRate(f *testing.F) {
	for _, s := range []string{"20/s", "100/10s", "5/min", "1e3/1h30m", "5/", "/", "5/d", "1/0.000001ms"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if count, per, err := ParseRate(s); err == nil && !(count > 0 && per > 0) {
			t.Errorf("%q is %v in %v", s, count, per)
		}
	})
}
