//go:build unix

package source

import (
	"bytes"
	"fmt"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/callgate/callgate/internal/xmljson"
)

// hostileBodies are 256 KiB each of what costs the most per byte.
func hostileBodies() map[string][]byte {
	const size = 256 << 10
	fill := func(head, unit, tail string) []byte {
		return []byte(head + strings.Repeat(unit, (size-len(head)-len(tail))/len(unit)) + tail)
	}
	var keys bytes.Buffer
	keys.WriteString(`{"lead":{`)
	for i := 0; keys.Len() < size; i++ {
		fmt.Fprintf(&keys, `"k%d":{},`, i)
	}
	keys.WriteString(`"name":"x"}}`)
	bodies := map[string][]byte{
		"empty objects":    fill(`{"a":{},`, `"b":{},`, `"c":{}}`),
		"distinct members": keys.Bytes(),
		"a list":           fill(`{"a":[1`, `,1`, `]}`),
		"a batch":          fill(`[{}`, `,{}`, `]`),
		"pairs":            fill(`{"properties":[{"property":"a","value":"b"}`, `,{"property":"a","value":"b"}`, `]}`),
		"turns":            fill(`{"message":{"type":"end-of-call-report","artifact":{"messages":[{"role":"bot","message":"x"}`, `,{"role":"bot","message":"x"}`, `]}}}`),
		"groups in groups": []byte(strings.Repeat(`{"lead":`, 100) + string(fill(`[`, `{},`, `{}]`)) + strings.Repeat("}", 100)),
		"denied words":     fill(`{"summary":"`, `not a real urgent `, `"}`),
		"fillers":          fill(`{"summary":"`, `a a urgent: no `, `"}`),
		"short lines":      fill(`{"transcript":"`, `a:\n`, `"}`),
		"escapes":          fill(`{"name":"`, `\u00e9`, `"}`),
		"escaped keys":     fill(`{"\u0061":1`, `,"\u0061":1`, `}`),
		"digits":           fill(`{"phone":"`, `5`, `","duration":"1"}`),
		"a long number":    fill(`{"call_id":`, `5`, `}`),
		"variables":        fill(`{"name":"`, `{{a}}`, `"}`),
		"colons":           fill(`{"duration":"`, `1:`, `1"}`),
		"a form":           fill(`a=1`, `&a=1`, ``),
		"a list of ids":    fill(`{"message":{"type":"tool-calls","call":{"id":"c"},"toolCallList":[{"id":"a"}`, `,{"id":"a"}`, `]}}`),
		"XML text":         fill(`<r>`, `&amp;`, `</r>`),
		"XML attributes":   fill(`<r `, `a="1" `, `/>`),
		"XML siblings":     []byte("<r>" + strings.Repeat("<a>x</a>", xmljson.MaxElements-1) + "</r>"),
		"spaces":           fill(`{"name":"`, ` a`, `"}`),
		"commas":           fill(`{"name":"`, `a,`, `"}`),
		"particles":        fill(`{"name":"a `, `de `, `la"}`),
		"signs":            fill(`{"email":"a@`, `b`, `"}`),
	}
	return bodies
}

// TestHostileBodiesCostLittle: reading a body takes time in proportion to its size, whatever it holds. The bound is
// wide, for slow machines; what is quadratic takes longer. It is CPU time, since other processes have theirs too.
func TestHostileBodiesCostLittle(t *testing.T) {
	const most = 3 * time.Second
	for _, preset := range []string{"nextphone", "vapi", "hubspot"} {
		parser := newParser(t, preset, Options{Map: &Mapping{Params: map[string]string{"x": "$..none"}}})
		for name, body := range hostileBodies() {
			r := &Request{Body: body}
			start := cpuTime(t)
			_, _ = parser.Parse(r) // some are refused, which has to be quick too
			if took := cpuTime(t) - start; took > most {
				t.Errorf("%s as %s took %v", name, preset, took)
			}
		}
	}
}

// cpuTime is what this process has used so far.
func cpuTime(t *testing.T) time.Duration {
	t.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		t.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
