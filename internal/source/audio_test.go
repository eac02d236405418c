package source

import (
	"encoding/json"
	"reflect"
	"testing"
)

func TestWithoutAudioTakesOutTheRecordingAndNothingElse(t *testing.T) {
	for _, c := range []struct{ preset, body, want, member string }{
		{"elevenlabs", `{"type":"post_call_audio","data":{"conversation_id":"c", "full_audio" : "SUQzBAA=" ,"x":1}}`,
			`{"type":"post_call_audio","data":{"conversation_id":"c", "full_audio" : "" ,"x":1}}`, "data.full_audio"},
		{"elevenlabs", `{"data":{"full_audio":"AA","full_audio":"BB"},"full_audio":"CC","data":{"full_audio":"DD"}}`,
			`{"data":{"full_audio":"","full_audio":""},"full_audio":"CC","data":{"full_audio":""}}`, "data.full_audio"},
		{"elevenlabs", "\xef\xbb\xbf" + `{"data":{"full_audio":"a\"b"}}`, `{"data":{"full_audio":""}}`, "data.full_audio"},
		{"elevenlabs", `{"data":{"full_audio":null}}`, `{"data":{"full_audio":null}}`, ""},
		{"elevenlabs", `{"data":{"full_audio":""}}`, `{"data":{"full_audio":""}}`, ""},
		{"elevenlabs", `{"data":{"transcript":[]}}`, `{"data":{"transcript":[]}}`, ""},
		{"elevenlabs", `{"data":{"full_audio":"AA"}`, `{"data":{"full_audio":"AA"}`, ""}, // no JSON
		{"retell", `{"data":{"full_audio":"AA"}}`, `{"data":{"full_audio":"AA"}}`, ""},
	} {
		p, _ := Find(c.preset)
		if got, member := p.WithoutAudio([]byte(c.body)); string(got) != c.want || member != c.member {
			t.Errorf("%s %s: %s, %q", c.preset, c.body, got, member)
		}
	}
}

// FuzzWithoutAudio holds that what is left is the same JSON with an empty recording, and the same call.
func FuzzWithoutAudio(f *testing.F) {
	f.Add(`{"type":"post_call_audio","data":{"conversation_id":"c","full_audio":"SUQz"}}`)
	f.Add(`{"data":{"full_audio":"AA","full_audio":"BB"},"data":{"full_audio":"\ud83d"}}`)
	f.Add("\xef\xbb\xbf" + `{"data":[{"full_audio":"AA"}]}`)
	preset, _ := Find("elevenlabs")
	parser, err := New("elevenlabs", Options{})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, body string) {
		rest, member := preset.WithoutAudio([]byte(body))
		if member == "" {
			if string(rest) != body {
				t.Fatalf("%q became %q", body, rest)
			}
			return
		}
		if !json.Valid(rest) {
			t.Fatalf("%q became %q", body, rest)
		}
		if again, member := preset.WithoutAudio(rest); member != "" {
			t.Fatalf("there is audio left in %q, %q", rest, again)
		}
		before, errBefore := parser.Parse(&Request{Body: []byte(body)})
		after, errAfter := parser.Parse(&Request{Body: rest})
		if (errBefore == nil) != (errAfter == nil) || !reflect.DeepEqual(before, after) {
			t.Fatalf("%q is the call %+v, without audio %q %+v", body, before, rest, after)
		}
	})
}
