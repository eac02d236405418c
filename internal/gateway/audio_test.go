package gateway

import (
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/callgate/callgate/internal/signature"
	"github.com/callgate/callgate/internal/source"
)

// What a request holds after its signature was verified does not grow with a recording that nobody asks for.
func TestADroppedRecordingIsNotHeld(t *testing.T) {
	rt := testRoute(t)
	p := rt.Plans["demo"]
	p.Preset, _ = source.Find("elevenlabs")
	p.MaxBody, p.DropAudio, p.Deliver = p.Preset.MaxBody, true, []Target{{To: "notes"}}
	config := signature.Config{Scheme: "elevenlabs", Secrets: []string{testSecret}}
	var err error
	if p.Verifier, err = signature.New(config); err != nil {
		t.Fatal(err)
	}
	if p.Parser, err = source.New("elevenlabs", source.Options{}); err != nil {
		t.Fatal(err)
	}
	signer, err := signature.NewSigner(config)
	if err != nil {
		t.Fatal(err)
	}
	const size = 32 << 20
	held := func() int64 {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return int64(m.HeapAlloc)
	}
	before := held()
	admitted := func() *Request {
		body := `{"type":"post_call_audio","data":{"conversation_id":"c","full_audio":"` + strings.Repeat("Q", size) + `"}}`
		r := httptest.NewRequest(http.MethodPost, "/webhooks/demo", strings.NewReader(body))
		m := signature.Message{Method: r.Method, Header: r.Header, Body: []byte(body)}
		if err := signer.Sign(&m, "", time.Now()); err != nil {
			t.Fatal(err)
		}
		rq := rt.NewRequest(r)
		if refused, err := rq.admit(httptest.NewRecorder()); refused != nil || err != nil {
			t.Fatalf("%+v, %v", refused, err)
		}
		return rq
	}()
	if grown := held() - before; grown > size/4 {
		t.Errorf("%d bytes are held for a recording of %d", grown, size)
	}
	if c, err := admitted.record(); err != nil || c.ID != "c" {
		t.Errorf("%+v, %v", c, err)
	}
	runtime.KeepAlive(admitted)
}
