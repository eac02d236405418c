package canonical

import (
	"errors"
	"math"
	"strconv"
	"strings"
	"testing"
)

var forms = []Form{JavaScriptForm, PythonForm, CompactForm}

// bound is the most that a text of n bytes may cost, as Rewritten.Work promises.
func bound(n int) int { return 40*n + (maxSlow+1)*slowWork + 100 }

// FuzzWork: whatever a stranger sends, its forms cost no more than its length allows. Work is counted and not timed, so
// that the bound is the same on every machine.
func FuzzWork(f *testing.F) {
	for _, c := range cases {
		f.Add([]byte(c.in), uint16(1))
	}
	for _, s := range []string{
		"5e-324", "1e309", "2.2250738585072011e-308", "9007199254740993", strings.Repeat("9", 40), `{"1":2,"0":1,"a":{"1":1,"0":2}}`,
		`{"a":1,"a":2,"\u0061":3}`, "[[[[1e-320]]]]", `"\u00e9\ud83d"`, "1797693134862315807937289714053012e275", "-0.0e-00000000320",
	} {
		f.Add([]byte(s), uint16(2000))
	}
	f.Fuzz(func(t *testing.T, one []byte, times uint16) {
		text := append([]byte(`[`), one...)
		for range min(int(times), 1<<16/(len(one)+1)) {
			text = append(append(text, ','), one...)
		}
		text = append(text, ']')
		for _, form := range forms {
			if r, _ := Rewrite(form, nil, text, nil); r.Work > bound(len(text)) {
				t.Fatalf("form %d of %d bytes %.60q took %d steps, %d are promised", form, len(text), text, r.Work, bound(len(text)))
			}
		}
	})
}

// TestSlowNumbers: numbers that are dear to read are told by their looks, and there may be a few in a text but no more.
func TestSlowNumbers(t *testing.T) {
	slow := []string{
		"5e-324", "-5E-324", "0.00005e-319", "1e-330", "3.2e-320", "2.2250738585072011e-308", "1e309", "1.8e308",
		"1797693134862315807937289714053012e275", "5e-0000324", "9007199254740993.00000000000001", "18014398509481986.0001",
	}
	for _, n := range slow {
		many := "[" + strings.Repeat(n+",", maxSlow) + "0.5]"
		if _, err := Python(nil, []byte(many)); err != nil {
			t.Errorf("%d times %s: %v", maxSlow, n, err)
		}
		for _, f := range []Form{JavaScriptForm, PythonForm} {
			dst := []byte("x")
			r, err := Rewrite(f, dst, []byte("["+n+","+many[1:]), nil)
			if f == PythonForm && !strings.ContainsAny(n, ".eE") {
				continue // an integer, which is exact there
			}
			if !errors.Is(err, ErrTooDear) || string(r.Text) != "x" {
				t.Errorf("form %d: once more %s: %.60q, %v", f, n, r.Text, err)
			}
		}
	}
	fast := []string{
		"0", "0e-324", "0.0", "1.5", "-0", "1e22", "1e-22", "1.7e307", "1e307", "2.3e-307", "1e999999999999999999999", "1e-999999999999999999999",
		"0.30000000000000004440892098500626161694526672363281249999", "3.14159265358979323846264338327950288", "12345678901234567890123",
	}
	for _, n := range fast {
		many := "[" + strings.Repeat(n+",", 5000) + "0.5]"
		for _, f := range forms {
			if _, err := Rewrite(f, nil, []byte(many), nil); err != nil {
				t.Errorf("form %d: many times %s: %v", f, n, err)
			}
		}
	}
}

// FuzzDecimal holds what is read of a number's text against strconv: where the first digits decide, they decide rightly.
func FuzzDecimal(f *testing.F) {
	for _, s := range []string{"0", "-1.50e3", "0.000123", "123456789012345678901e-5", "5e-324", "1e400", "100000000000000000000000.5"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if s == "" {
			return
		}
		if i, err := (&tape{text: []byte(s), f: compact}).number(0); err != nil || i != len(s) {
			return
		}
		d := decimalOf([]byte(s))
		if d.mantissa == 0 || d.slow() || d.point < -340 || d.point > 312 {
			return
		}
		want, _ := strconv.ParseFloat(s, 64)
		got := d.near(d.mantissa)
		if d.digits < 19 {
			got, _ = strconv.ParseFloat(strconv.FormatUint(d.mantissa, 10)+"e"+strconv.Itoa(d.point-d.digits), 64)
		}
		if got != math.Abs(want) {
			t.Fatalf("%s is %v and was taken for %v: %+v", s, want, got, d)
		}
	})
}

// TestDiffers: a body of which a reader may make something else than its form says.
func TestDiffers(t *testing.T) {
	for in, want := range map[string][2]bool{ // in JavaScript, in Python
		`{"a": 1, "b": [1.50, "\u00e9", true]}`:           {},
		`{"2":1,"1":2}`:                                   {},
		"[0.1, 1E2, -0, 0.10, 9007199254740992, 1.0]":     {},
		"[0.12345678901234567]":                           {},
		`{"phone":"+1999","phone":"+1415"}`:               {true, true},
		`{"phone":"+1999","\u0070hone":"+1415"}`:          {true, true},
		`[1e400]`:                                         {true, true},
		`[-1e400]`:                                        {true, true},
		`[1e-400]`:                                        {true, true},
		`[0e-400]`:                                        {},
		`[12345678901234567890]`:                          {true, false},
		`[9007199254740993]`:                              {true, false},
		`[100000000000000000000]`:                         {},
		`[0.1000000000000000055511151231257827021181583]`: {true, true},
		`[0.5000000000000000000000000000000000000000000]`: {},
		"[\"a\xffb\"]":                                    {true, false}, // Python refuses it
		"[NaN]":                                           {},
	} {
		for i, f := range []Form{JavaScriptForm, PythonForm} {
			r, err := Rewrite(f, nil, []byte(in), nil)
			if err == nil && r.Differs != want[i] {
				t.Errorf("%s in form %d: differs %v, the form is %s", in, f, r.Differs, r.Text)
			}
		}
		if r, err := Rewrite(CompactForm, nil, []byte(in), nil); err == nil && r.Differs {
			t.Errorf("%s: compact leaves everything but white space", in)
		}
	}
}

// TestRest: a long text lets others in front again and again, whatever it is made of, and a usual one does not.
func TestRest(t *testing.T) {
	for name, part := range map[string]string{
		"numbers": "0.10,", "slow numbers": "5e-324,", "literals": "true,", "members": `{"b":1,"a":{"2":1,"1":2}},`,
		"strings": `"\u006e",`, "nested": strings.Repeat("[", 400) + strings.Repeat("]", 400) + ",",
	} {
		text := []byte("[" + strings.Repeat(part, 1<<20/len(part)) + "1]")
		for _, f := range forms {
			rests := 0
			r, _ := Rewrite(f, nil, text, func() { rests++ })
			if work := r.Work - r.Since; rests == 0 || work < rests*Between || work > rests*(Between+Between/4) || r.Since > Between+Between/4 {
				t.Errorf("form %d of %s: %d rests in %d steps, %d of them since the last", f, name, rests, r.Work, r.Since)
			}
		}
	}
	text := []byte("[" + strings.Repeat(`{"b":1.0,"a":{"2":1,"1":2}},`, 4<<10/28) + "1]")
	for _, f := range forms {
		r, err := Rewrite(f, nil, text, func() { t.Errorf("form %d of a usual body rests", f) })
		if err != nil || r.Since != r.Work {
			t.Errorf("form %d: %v, %d of %d steps", f, err, r.Since, r.Work)
		}
	}
}
