package signature

import (
	"encoding/base64"
	"errors"
	"math/bits"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/callgate/callgate/internal/canonical"
)

// TestFormsAreMadeOnce: however many signatures and secrets there are, each form of a body is made once; and none where
// the headers, or the body as it came, decide.
func TestFormsAreMadeOnce(t *testing.T) {
	body := []byte(`{"a": 1.0}`)
	wrong := base64.StdEncoding.EncodeToString(make([]byte, 32))
	item := "hmac;1;" + formatTime(noon, millis) + ";" + wrong
	zeros := strings.Repeat("0", 64)
	for name, x := range map[string]struct {
		c    Config
		m    *Message
		want uint64
	}{
		"quo, four signatures": {Config{Scheme: "quo", Secrets: []string{secret, other}},
			&Message{Header: http.Header{"Openphone-Signature": {strings.Join([]string{item, item, item, item}, ",")}}, Body: body}, 2},
		"nextphone, three secrets": {Config{Scheme: "nextphone", Secrets: []string{"a", "b", "c"}},
			&Message{Header: http.Header{"X-Nextphone-Signature": {zeros}}, Body: body}, 2},
		"nextphone, raw": {Config{Scheme: "nextphone", Secrets: []string{"a"}},
			&Message{Header: http.Header{"X-Nextphone-Signature": {hexHMAC("a", string(body))}}, Body: body}, 0},
		"nextphone, js": {Config{Scheme: "nextphone", Secrets: []string{"a"}},
			&Message{Header: http.Header{"X-Nextphone-Signature": {hexHMAC("a", `{"a":1}`)}}, Body: body}, 1},
		"nextphone, malformed header": {Config{Scheme: "nextphone", Secrets: []string{"a"}},
			&Message{Header: http.Header{"X-Nextphone-Signature": {"x"}}, Body: body}, 0},
	} {
		v, before := mustNew(t, x.c), made.Load()
		_, _ = v.Verify(x.m, noon)
		if got := made.Load() - before; got != x.want {
			t.Errorf("%s: %d forms were made, want %d", name, got, x.want)
		}
	}
}

// TestSignedRequestsDoNotQueue: while strangers' forms take up the lines, a request that is signed as it came is verified.
func TestSignedRequestsDoNotQueue(t *testing.T) {
	v := mustNew(t, Config{Scheme: "nextphone", Secrets: []string{"a"}})
	taken := make(map[int]int)
	for i, q := range lines() {
		for range cap(q.turns) {
			q.turns <- struct{}{}
			taken[i]++
		}
	}
	body := `{"a": 1.0}`
	if _, err := v.Verify(&Message{Header: http.Header{"X-Nextphone-Signature": {hexHMAC("a", body)}}, Body: []byte(body)}, noon); err != nil {
		t.Error(err)
	}
	queued := make(chan error)
	go func() {
		_, err := v.Verify(&Message{Header: http.Header{"X-Nextphone-Signature": {hexHMAC("a", `{"a":1}`)}}, Body: []byte(body)}, noon)
		queued <- err
	}()
	select {
	case err := <-queued:
		t.Errorf("a form was made though the line was full: %v", err)
	default:
	}
	for i, q := range lines() {
		for range taken[i] {
			<-q.turns
		}
	}
	if err := <-queued; err != nil {
		t.Error(err)
	}
	if cap(lines()[0].turns) > runtime.GOMAXPROCS(0) {
		t.Errorf("%d forms may be made at once", cap(lines()[0].turns))
	}
}

// TestSlowBodies: a body that is made to be slow is refused, and where it is signed as it came it is not.
func TestSlowBodies(t *testing.T) {
	body := "[" + strings.Repeat("5e-324,", 100_000) + "1]"
	v := mustNew(t, Config{Scheme: "nextphone", Secrets: []string{"a"}})
	m := &Message{Header: http.Header{"X-Nextphone-Signature": {strings.Repeat("0", 64)}}, Body: []byte(body)}
	if _, err := v.Verify(m, noon); !errors.Is(err, ErrInvalid) || !strings.Contains(err.Error(), "dear") {
		t.Error(err)
	}
	m.Header.Set("X-Nextphone-Signature", hexHMAC("a", body))
	if _, err := v.Verify(m, noon); err != nil {
		t.Error(err)
	}
}

// FuzzFormParams: the parameters of a form are the same whatever their order, and no longer than the form.
func FuzzFormParams(f *testing.F) {
	f.Add("a=1&b=%41&a=2&\U0001f680=\uffff&\uffff=\U0001f680", uint8(2))
	f.Add("CallSid=CA1&To=%2B1&&=&x", uint8(1))
	f.Fuzz(func(t *testing.T, form string, turn uint8) {
		a, err := formParams([]byte(form))
		pairs := strings.Split(form, "&")
		n := int(turn) % len(pairs)
		b, err2 := formParams([]byte(strings.Join(append(pairs[n:len(pairs):len(pairs)], pairs[:n]...), "&")))
		if (err == nil) != (err2 == nil) || string(a) != string(b) || len(a) > len(form) {
			t.Fatalf("%q: %q, %v; turned: %q, %v", form, a, err, b, err2)
		}
		if err != nil && !errors.Is(err, ErrMalformed) {
			t.Fatal(err)
		}
	})
}

// FuzzWorkOfForms: to sort the parameters of a form costs no more than its length and the logarithm of their number
// allow, whatever is in it.
func FuzzWorkOfForms(f *testing.F) {
	f.Add("aaaaaaaaaaaaaaaaaaaaaaaa", "b", uint16(900), true)
	f.Add("\U0001f680", "\xff\xfe", uint16(999), false)
	f.Add("a", strings.Repeat("x", 200), uint16(500), true)
	f.Fuzz(func(t *testing.T, name, value string, n uint16, numbered bool) {
		ps := make([]param, min(int(n), maxParams))
		size := 0
		for i := range ps {
			ps[i] = param{name, value}
			if numbered {
				ps[i].value += strings.Repeat("z", i%7) + formatTime(noon.Add(time.Duration(i*7919%1000)*time.Second), seconds)
			}
			size += len(ps[i].name) + len(ps[i].value) + 2
		}
		if work, allowed := sortParams(ps), 4*size*bits.Len(uint(len(ps)))+100; work > allowed {
			t.Fatalf("%d parameters of %d bytes: %d steps, %d are allowed", len(ps), size, work, allowed)
		}
	})
}

// FuzzWorkOfURLs: a URL has few spellings, none much longer than itself.
func FuzzWorkOfURLs(f *testing.F) {
	f.Add("https://A.example/x?a=\u00e9&b=%2")
	f.Add("http://[::1]:80?%%%&=&&")
	f.Fuzz(func(t *testing.T, u string) {
		all, size := urlSpellings(u, true), 0
		for _, s := range all {
			size += len(s)
		}
		if len(all) > 12 || size > 12*(3*len(u)+20) {
			t.Fatalf("%q: %d spellings of %d bytes", u, len(all), size)
		}
	})
}

// TestFormsLeaveTheProcessors: forms of many strangers take a share of the time and no more, large bodies and small ones
// too. It is counted in work, of which there are so many steps between two pauses.
func TestFormsLeaveTheProcessors(t *testing.T) {
	for name, size := range map[string]int{"large bodies": 1 << 20, "of the usual size": 2 << 10} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := newLine(1)
				body := []byte("[" + strings.Repeat("0.10,", size/5) + "1]")
				var work atomic.Int64
				var all sync.WaitGroup
				began := time.Now()
				for range 4 {
					all.Go(func() {
						for range 4 << 20 / size {
							r, err := l.rewrite(canonical.JavaScriptForm, nil, body)
							if err != nil {
								t.Error(err)
							}
							work.Add(int64(r.Work))
						}
					})
				}
				all.Wait()
				want := time.Duration(work.Load()) * pause / canonical.Between
				if took := time.Since(began); took < want*8/10 || took > want {
					t.Errorf("%d steps of work have left the processors for %s, want about %s", work.Load(), took, want)
				}
			})
		})
	}
}

// TestOneFormDoesNotRest: who makes a form of the usual size, and who waits for the next, waits for nothing else.
func TestOneFormDoesNotRest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, began := newLine(1), time.Now()
		for range 3 {
			if _, err := l.rewrite(canonical.PythonForm, nil, []byte("["+strings.Repeat(`{"b": 1.0}, `, 100)+"1]")); err != nil {
				t.Error(err)
			}
		}
		if took := time.Since(began); took > 0 {
			t.Errorf("it took %s", took)
		}
	})
}
