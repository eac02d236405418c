package caddymodule

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/callgate/callgate/internal/signature"
	"github.com/callgate/callgate/internal/store"
)

const audioConfig = `{
	callgate {
		store sqlite STORE
		destination notes http %[1]s/notes {
			body ` + "`" + `{"call":"{{call_id}}"}` + "`" + `
		}
		destination archive http %[1]s/archive {
			pass_through
		}
	}
}
http:// {
	bind SOCKET
	callgate elevenlabs ` + testSecret + ` {
		name NAME
		%[2]s
	}
	respond 404
}`

// sendRecording sends the audio of a call as ElevenLabs does, and gives the event that is stored.
func (g *running) sendRecording(body string) *store.Event {
	g.t.Helper()
	r, err := http.NewRequest(http.MethodPost, "http://gate.test/", strings.NewReader(body))
	if err != nil {
		g.t.Fatal(err)
	}
	r.ContentLength = -1 // it comes in chunks
	r.Header.Set("Content-Type", "application/json")
	signRequest(g.t, signature.Config{Scheme: "elevenlabs"}, r, body, time.Now())
	res, err := g.client.Do(r)
	if err != nil {
		g.t.Fatal(err)
	}
	defer res.Body.Close()
	var answer struct{ ID string }
	if err := json.NewDecoder(res.Body).Decode(&answer); err != nil || res.StatusCode != http.StatusOK {
		g.t.Fatalf("%d, %v", res.StatusCode, err)
	}
	ev, err := g.store().Event(g.t.Context(), answer.ID)
	if err != nil {
		g.t.Fatal(err)
	}
	return ev
}

func TestAudioIsKeptOnlyForADestinationThatAsksForIt(t *testing.T) {
	c := newCRM(t)
	const start = `{"type":"post_call_audio","event_timestamp":1,"data":{"agent_id":"a","conversation_id":"conv-1","full_audio":"`
	audio := strings.Repeat("QUJD", 1<<20)
	t.Run("nobody asks", func(t *testing.T) {
		g := runGateway(t, fmt.Sprintf(audioConfig, c.URL, "deliver notes"))
		ev := g.sendRecording(start + audio + `"}}`)
		if string(ev.Body) != start+`"}}` || ev.CallID != "conv-1" {
			t.Errorf("stored %d bytes of the call %s", len(ev.Body), ev.CallID)
		}
		if got := http.Header(ev.Header).Get("Callgate-Left-Out"); got != "data.full_audio" {
			t.Errorf("nothing says that the body is not whole, but %q", got)
		}
		if got := c.next(t); got.body != `{"call":"conv-1"}` {
			t.Errorf("delivered %s", got.body)
		}
		// A copy is one, though what is stored is not what was sent.
		r := g.sendRecording(start + audio + `"}}`)
		if r.ID != ev.ID {
			t.Errorf("a copy became the event %s", r.ID)
		}
	})
	t.Run("one asks", func(t *testing.T) {
		g := runGateway(t, fmt.Sprintf(audioConfig, c.URL, "deliver notes\ndeliver archive"))
		whole := start + audio + `"}}`
		if ev := g.sendRecording(whole); string(ev.Body) != whole || http.Header(ev.Header).Get("Callgate-Left-Out") != "" {
			t.Errorf("stored %d of %d bytes", len(ev.Body), len(whole))
		}
		for range 2 {
			if got := c.next(t); strings.HasPrefix(got.uri, "/archive") && got.body != whole {
				t.Errorf("the archive got %d of %d bytes", len(got.body), len(whole))
			}
		}
	})
}
