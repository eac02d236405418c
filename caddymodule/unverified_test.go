package caddymodule

import (
	"fmt"
	"math"
	"net/http"
	"strings"
	"testing"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	logtest "go.uber.org/zap/zaptest/observer"

	"github.com/callgate/callgate/internal/signature"
)

// A sender that puts whole calls into its events is not refused them, unless somebody says so.
func TestASourceSaysHowLargeItsBodiesAre(t *testing.T) {
	recording := fmt.Sprintf(`{"type":"post_call_audio","event_timestamp":1,"data":{"conversation_id":"c","full_audio":"%s"}}`, strings.Repeat("QUJD", 2<<20))
	transcript := fmt.Sprintf(`{"event":"call_analyzed","call":{"call_id":"c","transcript":"%s"}}`, strings.Repeat("word ", 500<<10))
	for name, c := range map[string]struct {
		preset, lines, body string
		status              int
	}{
		"8 MB of audio":                {"elevenlabs", "", recording, http.StatusOK},
		"a transcript of 2.5 MB":       {"retell", "", transcript, http.StatusOK},
		"audio to a sender of leads":   {"nextphone", "", recording, http.StatusRequestEntityTooLarge},
		"the operator's bound is less": {"elevenlabs", "max_body 1MiB", recording, http.StatusRequestEntityTooLarge},
	} {
		t.Run(name, func(t *testing.T) {
			g := newGateway(t, fmt.Sprintf("http:// {\ncallgate %s %s {\nname NAME\n%s\n}\ntest_receiver\n}", c.preset, testSecret, c.lines))
			scheme := signature.Config{Scheme: c.preset}
			if res := g.do(signed(t, scheme, "http://gate.test/", c.body)); res.StatusCode != c.status {
				t.Errorf("answered with %d %s", res.StatusCode, text(t, res))
			}
			if c.status == http.StatusOK && (g.last.Load() == nil || g.last.Load().body != c.body) {
				t.Error("the receiver did not get the body as it was sent")
			}
		})
	}
}

func TestUnverifiedMemoryHasRoomForTheLargestBody(t *testing.T) {
	const mib = 1 << 20
	for _, c := range []struct {
		largest, configured, memory, want int64
		warns                             bool
	}{
		{1 * mib, 0, math.MaxInt64, 256 * mib, false},
		{512 * mib, 0, math.MaxInt64, 512*mib + 1, false},
		{96 * mib, 0, 256 * mib, 96*mib + 1, false},
		{96 * mib, 0, 128 * mib, 64 * mib, true},
		{1 * mib, 0, 16 * mib, 32 * mib, false},
		{96 * mib, 96 * mib, math.MaxInt64, 96 * mib, true}, // a chunked body of just that size needs a byte more
		{96 * mib, 100 * mib, math.MaxInt64, 100 * mib, false},
	} {
		core, logs := logtest.New(zapcore.WarnLevel)
		in := &instance{logger: zap.New(core)}
		in.noteBody("large", c.largest)
		in.noteBody("small", 10)
		if got := in.unverified(c.configured, defaultUnverified(c.memory), c.memory); got != c.want {
			t.Errorf("%+v: %d bytes", c, got)
		}
		if warned := logs.FilterField(zap.String("route", "large")).Len() == 1; warned != c.warns {
			t.Errorf("%+v: warned %t", c, warned)
		}
	}
}

// What comes in pieces is refused when it turns out to be too large, and no part of it is stored.
func TestABodyCutAtTheBoundIsNotStored(t *testing.T) {
	c := newCRM(t)
	g := runGateway(t, strings.Replace(fmt.Sprintf(audioConfig, c.URL, "max_body 4KiB\ndeliver archive"), "callgate elevenlabs", "callgate nextphone", 1))
	lead := func(size int) string {
		const start, end = `{"lead":{"phone":"+15559876543","notes":"`, `"}}`
		return start + strings.Repeat("n", size-len(start)-len(end)) + end
	}
	for _, step := range []struct {
		size, status, stored int
	}{{4<<10 + 1, http.StatusRequestEntityTooLarge, 0}, {64 << 10, http.StatusRequestEntityTooLarge, 0}, {4 << 10, http.StatusOK, 1}} {
		body := lead(step.size)
		r, err := http.NewRequest(http.MethodPost, "http://gate.test/", strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		r.ContentLength = -1
		r.Header.Set("Content-Type", "application/json")
		signRequest(t, nextphone, r, body, time.Now())
		res, err := g.client.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		stats, err := g.store().Stats(t.Context())
		if err != nil || res.StatusCode != step.status || int(stats.Events) != step.stored {
			t.Errorf("%d bytes: answered with %d, %d events are stored, %v", step.size, res.StatusCode, stats.Events, err)
		}
	}
	if got := c.next(t); got.body != lead(4<<10) {
		t.Errorf("%d bytes were delivered", len(got.body))
	}
}
