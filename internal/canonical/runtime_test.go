package canonical

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"fmt"
	"math"
	"math/rand/v2"
	"os/exec"
	"strconv"
	"strings"
	"testing"
)

// The scripts read one base64 text a line, and write that of its form, or "!" where the runtime throws.
const (
	nodeScript = `
const out = []
for (const line of require('fs').readFileSync(0, 'latin1').split('\n').slice(0, -1)) {
  try { out.push(Buffer.from(JSON.stringify(JSON.parse(Buffer.from(line, 'base64').toString('utf8')))).toString('base64')) }
  catch { out.push('!') }
}
process.stdout.write(out.join('\n') + '\n')`
	pythonScript = `
import sys, json, base64
for line in sys.stdin:
    try:
        b = base64.b64decode(line)
        s = b.decode('utf-8-sig' if b.startswith(b'\xef\xbb\xbf') else 'utf-8', 'surrogatepass')
        print(base64.b64encode(json.dumps(json.loads(s)).encode()).decode())
    except (ValueError, RecursionError):
        print('!')`
)

// TestAgainstRuntimes compares both forms with what the runtimes themselves make of generated texts, of the fixed
// cases, and of the cases with a byte changed.
func TestAgainstRuntimes(t *testing.T) {
	texts := generate(10_000)
	for _, c := range cases {
		texts = append(texts, []byte(c.in))
	}
	var in bytes.Buffer
	for _, b := range texts {
		in.WriteString(base64.StdEncoding.EncodeToString(b) + "\n")
	}
	for _, r := range []struct {
		name string
		args []string
		do   func(dst, body []byte) ([]byte, error)
	}{
		{"node", []string{"-e", nodeScript}, JavaScript},
		{"python3", []string{"-c", pythonScript}, Python},
	} {
		t.Run(r.name, func(t *testing.T) {
			path, err := exec.LookPath(r.name)
			if err != nil {
				t.Skipf("%s is not installed; TestForms has its answers to the fixed cases", r.name)
			}
			cmd := exec.Command(path, r.args...)
			cmd.Stdin = bytes.NewReader(in.Bytes())
			out, err := cmd.Output()
			if err != nil {
				t.Fatal(err)
			}
			lines := bufio.NewScanner(bytes.NewReader(out))
			lines.Buffer(nil, 16<<20)
			n, refused, failed := 0, 0, 0
			for ; lines.Scan(); n++ {
				got, err := r.do(nil, texts[n])
				enc := base64.StdEncoding.EncodeToString(got)
				if err != nil {
					enc = "!"
					refused++
				}
				if want := lines.Text(); enc != want && failed < 10 {
					failed++
					w, _ := base64.StdEncoding.DecodeString(want)
					t.Errorf("%q: got %q, %v; %s has %q", texts[n], got, err, r.name, w)
				}
			}
			if n != len(texts) || refused > n/2 {
				t.Errorf("%d of %d texts answered, %d refused", n, len(texts), refused)
			}
		})
	}
}

// generate makes texts, always the same ones.
func generate(n int) [][]byte {
	g := &generator{rand.New(rand.NewPCG(1, 2)), nil}
	texts := make([][]byte, n)
	for i := range texts {
		g.b = nil
		g.space()
		g.value(0)
		g.space()
		if g.IntN(4) == 0 && len(g.b) > 0 { // break it
			at := g.IntN(len(g.b))
			switch g.IntN(3) {
			case 0:
				g.b[at] = byte(g.IntN(256))
			case 1:
				g.b = append(g.b[:at:at], g.b[at+1:]...)
			case 2:
				g.b = append(g.b[:at:at], append([]byte{byte(g.IntN(128))}, g.b[at:]...)...)
			}
		}
		texts[i] = bytes.Clone(g.b)
	}
	return texts
}

type generator struct {
	*rand.Rand
	b []byte
}

func (g *generator) add(s string) { g.b = append(g.b, s...) }

// rare is a number below n, seldom one from k on: those make the text invalid in one of the runtimes.
func (g *generator) rare(k, n int) int {
	if g.IntN(1000) == 0 {
		return k + g.IntN(n-k)
	}
	return g.IntN(k)
}

func (g *generator) space() {
	if g.IntN(3) == 0 {
		g.add([]string{" ", "\n", "\t", "\r\n", "  "}[g.IntN(5)])
	}
}

func (g *generator) value(depth int) {
	k := g.IntN(8)
	if depth == 0 {
		k = g.IntN(3)
	} else if depth > 3 {
		k = 3 + g.IntN(5)
	}
	switch k {
	case 0, 1:
		g.add("{")
		for i := range g.IntN(14 >> depth) {
			if i > 0 {
				g.add(",")
			}
			g.space()
			g.key()
			g.space()
			g.add(":")
			g.space()
			g.value(depth + 1)
			g.space()
		}
		g.add("}")
	case 2:
		g.add("[")
		for i := range g.IntN(max(1, 6-depth)) {
			if i > 0 {
				g.add(",")
			}
			g.space()
			g.value(depth + 1)
			g.space()
		}
		g.add("]")
	case 3, 4:
		g.str()
	case 5, 6:
		g.number()
	case 7:
		g.add([]string{"true", "false", "null", "NaN", "-Infinity"}[g.rare(3, 5)])
	}
}

func (g *generator) key() {
	switch g.IntN(4) {
	case 0:
		g.add(strconv.Quote([]string{"a", "b", "c", "", "__proto__", "name"}[g.IntN(6)]))
	case 1:
		g.add(`"` + strconv.Itoa(g.IntN(30)-3) + `"`)
	case 2:
		g.add(fmt.Sprintf(`"%d"`, uint64(math.MaxUint32)-2+uint64(g.IntN(5))))
	default:
		g.str()
	}
}

func (g *generator) str() {
	g.add(`"`)
	for range g.IntN(6) {
		g.add([]string{
			"abc ", "plain text, longer than a word ", "\u00eb", "\u2028", "\U0001f680", "\x7f", "/", "<&>", "'",
			`\n`, `\/`, `\"`, `\\`, `\u0061`, `\u0031`, `\u00EB`, `\ud83d`, `\ude80`, `\ud83d\ude80`, `\u0000`, `\b`,
			"\xed\xa0\xbd", "\xff", "\xe2\x82",
		}[g.rare(21, 24)])
	}
	g.add(`"`)
}

func (g *generator) number() {
	switch g.IntN(6) {
	case 0:
		g.add(strconv.FormatInt(int64(g.Uint64())>>g.IntN(64), 10))
	case 1:
		if f := math.Float64frombits(g.Uint64()); !math.IsNaN(f) && !math.IsInf(f, 0) {
			g.add(strconv.FormatFloat(f, "efg"[g.IntN(3)], -1, 64))
		} else {
			g.add("0.0")
		}
	case 2:
		g.add(strconv.FormatFloat(float64(g.IntN(2_000_000)-1_000_000)/1000, 'f', g.IntN(6), 64))
	case 3:
		g.add(fmt.Sprintf("%d.%de%+d", g.IntN(10), g.IntN(100000), g.IntN(60)-30))
	case 4:
		g.add(strings.Repeat(strconv.Itoa(1+g.IntN(9)), 1+g.IntN(40)))
	default:
		g.add([]string{"0", "-0", "-0.0", "1E5", "1e+5", "0.1e-7", "1e400", "-1e400", "1e21", "1e16", "123456789012345678", "0e99", "5e-324", "01", "1.", "-"}[g.rare(13, 16)])
	}
}
