package canonical

import (
	"bytes"
	"math"
	"strconv"
)

// maxSlow is how many numbers of one text may be slow to read: subnormal ones, those at the end of the range, and those
// of more than 19 digits that lie between two doubles. Reading one takes up to 30 microseconds, a thousand times as long as
// of any other. No sender's JSON has one, unless it is made up for that.
const maxSlow = 64

// slowWork is what reading a slow number is reckoned as.
const slowWork = 4000

// double writes a number as the double that it is read as. Of a text with too many slow numbers it writes nothing more,
// since it has no form.
func (t *tape) double(text []byte, k kind) {
	if t.slow > maxSlow {
		return
	}
	d := decimalOf(text)
	t.spend(24 + len(text)/2)
	if d.slow() {
		if t.slow++; t.slow > maxSlow {
			return
		}
		t.spend(slowWork)
	}
	f, _ := strconv.ParseFloat(string(text), 64) // out of range is an infinity
	at := len(t.out)
	if t.f == python {
		t.out = appendRepr(t.out, f)
	} else {
		t.out = appendNumber(t.out, f)
	}
	switch {
	case math.IsInf(f, 0), f == 0 && d.mantissa != 0:
		t.differs = true
	case k == integer && f != 0:
		t.differs = t.differs || !bytes.Equal(t.out[at:], text)
	default:
		t.differs = t.differs || d.digits > 17 && d.last > 17
	}
}

// decimal is what matters of a number's text: its value is 0.digits * 10^point.
type decimal struct {
	mantissa uint64 // the first 19 digits
	digits   int    // from the first that is not zero
	last     int    // of the digits, the last that is not zero
	point    int
}

// decimalOf reads the text of a number, which is well-formed.
func decimalOf(text []byte) (d decimal) {
	fraction := false
	for i, c := range text {
		switch {
		case c == '.':
			fraction = true
			continue
		case c == 'e' || c == 'E':
			d.point += exponent(text[i+1:])
			return d
		case c == '-':
			continue
		case c == '0' && d.digits == 0:
			if fraction {
				d.point--
			}
			continue
		}
		if d.digits++; d.digits <= 19 {
			d.mantissa = d.mantissa*10 + uint64(c-'0')
		}
		if c != '0' {
			d.last = d.digits
		}
		if !fraction {
			d.point++
		}
	}
	return d
}

// exponent reads what stands after the e. Beyond a few digits all are the same: out of every range.
func exponent(text []byte) (n int) {
	negative := text[0] == '-'
	if text[0] == '-' || text[0] == '+' {
		text = text[1:]
	}
	for _, c := range text {
		n = min(n*10+int(c-'0'), math.MaxInt32/2)
	}
	if negative {
		return -n
	}
	return n
}

// slow reports whether strconv takes its slow way with a number. Where it would have to look at more than 19 digits it
// takes that only if the first 19 of them do not decide.
func (d *decimal) slow() bool {
	switch {
	case d.mantissa == 0:
		return false
	case d.point <= -307 && d.point >= -340, d.point >= 309 && d.point <= 312:
		return true
	case d.digits <= 19 || d.point < -340 || d.point > 312:
		return false
	}
	return d.near(d.mantissa) != d.near(d.mantissa+1)
}

// near is the double for a mantissa of 19 digits at the number's place.
func (d *decimal) near(mantissa uint64) float64 {
	var buf [48]byte
	b := strconv.AppendUint(buf[:0], mantissa, 10)
	b = strconv.AppendInt(append(b, 'e'), int64(d.point-19), 10)
	f, _ := strconv.ParseFloat(string(b), 64)
	return f
}

// shortest are the digits of f, which is finite and not 0, and the exponent of ten n such that f is 0.digits * 10^n.
func shortest(buf *[32]byte, f float64) (neg bool, digits []byte, n int) {
	b := strconv.AppendFloat(buf[:0], f, 'e', -1, 64)
	if b[0] == '-' {
		neg, b = true, b[1:]
	}
	e := len(b) - 1
	for b[e] != 'e' {
		e--
	}
	for _, c := range b[e+2:] {
		n = n*10 + int(c-'0')
	}
	if b[e+1] == '-' {
		n = -n
	}
	if e > 1 { // close the gap that the point leaves
		b[1] = b[0]
		return neg, b[1:e:e], n + 1
	}
	return neg, b[:1], n + 1
}

// appendNumber is Number::toString (ECMA-262, 6.1.6.1.20) inside JSON.stringify.
func appendNumber(b []byte, f float64) []byte {
	if math.IsInf(f, 0) {
		return append(b, "null"...)
	}
	if f == 0 {
		return append(b, '0')
	}
	var buf [32]byte
	neg, d, n := shortest(&buf, f)
	if neg {
		b = append(b, '-')
	}
	switch k := len(d); {
	case k <= n && n <= 21:
		return zeros(append(b, d...), n-k)
	case 0 < n && n <= 21:
		return append(append(append(b, d[:n]...), '.'), d[n:]...)
	case -6 < n && n <= 0:
		return append(zeros(append(b, "0."...), -n), d...)
	}
	return appendExponent(b, d, n, 1)
}

// appendRepr is Python's float.__repr__ inside json.dumps.
func appendRepr(b []byte, f float64) []byte {
	switch {
	case math.IsInf(f, 1):
		return append(b, "Infinity"...)
	case math.IsInf(f, -1):
		return append(b, "-Infinity"...)
	case f == 0 && math.Signbit(f):
		return append(b, "-0.0"...)
	case f == 0:
		return append(b, "0.0"...)
	}
	var buf [32]byte
	neg, d, n := shortest(&buf, f)
	if neg {
		b = append(b, '-')
	}
	switch k := len(d); {
	case k <= n && n <= 16:
		return append(zeros(append(b, d...), n-k), ".0"...)
	case 0 < n && n <= 16:
		return append(append(append(b, d[:n]...), '.'), d[n:]...)
	case -4 < n && n <= 0:
		return append(zeros(append(b, "0."...), -n), d...)
	}
	return appendExponent(b, d, n, 2)
}

// appendExponent writes d.ddde+n with an exponent of at least width digits.
func appendExponent(b, d []byte, n, width int) []byte {
	b = append(b, d[0])
	if len(d) > 1 {
		b = append(append(b, '.'), d[1:]...)
	}
	sign := byte('+')
	if n--; n < 0 {
		sign, n = '-', -n
	}
	b = append(b, 'e', sign)
	if width == 2 && n < 10 {
		b = append(b, '0')
	}
	return strconv.AppendInt(b, int64(n), 10)
}

func zeros(b []byte, n int) []byte {
	for range n {
		b = append(b, '0')
	}
	return b
}
