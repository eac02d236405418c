package examples_test

import (
	"encoding/json"
	"net/http"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// The secrets of the senders, and those under which the gateway signs what it hands on.
const (
	sdkText           = "sdk-secret-äöü-of-the-sender"
	sdkTextReceiver   = "sdk-secret-of-the-receiver"
	sdkBase64         = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
	sdkBase64Receiver = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"
)

// sdkSchemes are the schemes whose libraries we have, and the library of each.
var sdkSchemes = []struct{ scheme, library, secret, receiver string }{
	{"standard-webhooks", "standardwebhooks", sdkBase64, sdkBase64Receiver},
	{"svix", "svix", sdkBase64, sdkBase64Receiver},
	{"stripe", "stripe", sdkText, sdkTextReceiver},
	{"twilio", "twilio", sdkText, sdkTextReceiver},
	{"github", "@octokit/webhooks-methods", sdkText, sdkTextReceiver},
	{"retell", "retell-sdk", sdkText, sdkTextReceiver},
	{"plivo", "plivo", sdkTextReceiver, sdkBase64Receiver},
	{"livekit", "livekit-server-sdk", sdkText, sdkText}, // handed on as it is signed
}

// sdkMessage is one that the script of testdata/sdk signs or verifies.
type sdkMessage struct {
	Scheme      string            `json:"scheme"`
	Secret      string            `json:"secret"`
	URL         string            `json:"url"`
	ContentType string            `json:"content_type"`
	Body        []byte            `json:"body"`
	Headers     map[string]string `json:"headers,omitempty"`

	name     string
	receiver string // the secret under which the receiver gets it
}

const (
	isJSON = "application/json"
	isForm = "application/x-www-form-urlencoded"
)

// sdkBodies are what is sent under every scheme.
func sdkBodies(t *testing.T) []sdkMessage {
	return []sdkMessage{
		{name: "lead", ContentType: isJSON, Body: []byte(readFile(t, leadFile()))},
		{name: "unicode", ContentType: isJSON, Body: []byte("{\"name\":\"Zoë Ångström 😀 日本\",\"note\":\"a\u2028b\u00a0c\",\"esc\":\"\\u00e9\\ud83d\\ude00\"}")},
		{name: "big", ContentType: isJSON, Body: []byte(`{"transcript":"` + strings.Repeat("Grüße, my kitchen is under water. ", 20_000) + `"}`)},
		{name: "empty object", ContentType: isJSON, Body: []byte(`{}`)},
		{name: "as nobody would write it", ContentType: isJSON, Body: []byte(" {\t\"a\" :1.0e2,\"a\":\"&%+ \",\r\n\"b\":12345678901234567890}\n\n")},
	}
}

// plivoBodies are forms, which are all that Plivo signs. In its library names that come twice are sorted as texts.
func plivoBodies() []sdkMessage {
	return []sdkMessage{
		{name: "form", ContentType: isForm, Body: []byte("CallUUID=cu-1&From=15550100123&To=15550100999&CallStatus=completed&Direction=inbound&Duration=62")},
		{name: "form with unicode", ContentType: isForm, Body: []byte("CallUUID=cu-2&CallerName=Zo%C3%AB+%C3%85ngstr%C3%B6m&Speech=it%27s+%26+%3D+100%25&Empty=")},
		{name: "form with lists", ContentType: isForm, Body: []byte("b=2&a=2&CallUUID=cu-3&a=1&B=3")},
		{name: "form and query", URL: "?tenant=abc&x=y", ContentType: isForm, Body: []byte("CallUUID=cu-4&From=anonymous")},
	}
}

// twilioBodies are forms, and URLs with queries, which only Twilio signs.
func twilioBodies() []sdkMessage {
	return []sdkMessage{
		{name: "form", ContentType: isForm, Body: []byte("CallSid=CA0123456789&CallStatus=completed&From=%2B15559876543&To=%2B15551234567&CallDuration=42")},
		{name: "form with unicode", ContentType: isForm, Body: []byte("CallSid=CA1&CallerName=Zo%C3%AB+%C3%85ngstr%C3%B6m&SpeechResult=%F0%9F%98%80+it%27s+%26+%3D+100%25&Empty=")},
		{name: "form with lists", ContentType: isForm, Body: []byte("b=2&a=2&CallSid=CA2&a=1&B=3&a=2&aa=0")},
		{name: "form and query", URL: "?tenant=abc&x=%2F%20y", ContentType: isForm, Body: []byte("CallSid=CA3&From=anonymous")},
		{name: "JSON and query", URL: "?tenant=abc", ContentType: isJSON, Body: []byte(`{"CallSid":"CA4"}`)},
	}
}

// sdkMessages are all of them, to be sent to a gateway.
func sdkMessages(t *testing.T, gateway string) (all []sdkMessage) {
	for _, s := range sdkSchemes {
		bodies := sdkBodies(t)
		switch s.scheme {
		case "twilio":
			bodies = append(bodies, twilioBodies()...)
		case "plivo":
			bodies = plivoBodies()
		case "livekit": // whose library reads the body as one of its events
			bodies = slices.DeleteFunc(bodies, func(m sdkMessage) bool { return m.name == "as nobody would write it" })
		}
		for _, m := range bodies {
			m.name = s.library + ", " + m.name
			m.Scheme, m.Secret, m.receiver = s.scheme, s.secret, s.receiver
			path := s.scheme
			if s.scheme == "twilio" && m.ContentType == isJSON {
				path, m.receiver = "twilio-json", s.secret // it is handed on as it is signed
			}
			m.URL = gateway + "/" + path + m.URL
			all = append(all, m)
		}
	}
	return all
}

func runSDK(t *testing.T, project, action string, messages []sdkMessage, results any) {
	t.Helper()
	in, err := json.Marshal(messages)
	if err != nil {
		t.Fatal(err)
	}
	out := script(t, project, in, tool(t, "node"), "sdk.mjs", action)
	if err := json.Unmarshal(out, results); err != nil {
		t.Fatalf("%v in %.200q", err, out)
	}
}

// sdkSign has the messages signed by the libraries.
func sdkSign(t *testing.T, project string, messages []sdkMessage) {
	t.Helper()
	var signed []struct {
		URL     string            `json:"url"`
		Headers map[string]string `json:"headers"`
	}
	runSDK(t, project, "sign", messages, &signed)
	if len(signed) != len(messages) {
		t.Fatalf("%d of %d messages are signed", len(signed), len(messages))
	}
	for i, s := range signed {
		messages[i].URL, messages[i].Headers = s.URL, s.Headers
	}
}

// sdkVerify says for each message what the library thinks of it.
func sdkVerify(t *testing.T, project string, messages []sdkMessage) []string {
	t.Helper()
	var results []string
	runSDK(t, project, "verify", messages, &results)
	if len(results) != len(messages) {
		t.Fatalf("%d of %d messages are looked at", len(results), len(messages))
	}
	return results
}

func (m *sdkMessage) header() http.Header {
	h := http.Header{"Content-Type": {m.ContentType}}
	for name, value := range m.Headers {
		h.Set(name, value)
	}
	return h
}

// received makes a message of what a receiver got, or of what callgate sign printed.
func (m sdkMessage) received(url, secret string, header http.Header, body []byte) sdkMessage {
	m.URL, m.Secret, m.Body = url, secret, body
	m.Headers = make(map[string]string, len(header))
	for name := range header {
		m.Headers[strings.ToLower(name)] = header.Get(name)
	}
	return m
}

// altered is a body with one character changed.
func altered(body []byte) []byte {
	body = slices.Clone(body)
	for i, c := range slices.Backward(body) {
		if c >= 'a' && c < 'z' || c >= '0' && c < '9' {
			body[i]++
			return body
		}
	}
	return append(body, ' ')
}

func sdkProject(t *testing.T) string {
	t.Helper()
	return nodeProject(t, filepath.Join("testdata", "sdk"), "sdk.mjs", "package.json")
}

// TestSDKsSign has the vendors' libraries sign, and the gateway verify; then the gateway sign, and the libraries verify.
func TestSDKsSign(t *testing.T) {
	heavy(t)
	project := sdkProject(t)
	rc := startReceiver(t)
	gw := startGateway(t, "testdata/sdk/Caddyfile", rc.port,
		"SDK_TEXT_SECRET="+sdkText, "SDK_TEXT_RECEIVER_SECRET="+sdkTextReceiver,
		"SDK_BASE64_SECRET="+sdkBase64, "SDK_BASE64_RECEIVER_SECRET="+sdkBase64Receiver)
	messages := sdkMessages(t, gw.url)
	sdkSign(t, project, messages)

	var handedOn []sdkMessage
	for _, m := range messages {
		if status, _, answer := post(t, m.URL, m.header(), m.Body); status != http.StatusOK {
			t.Errorf("%s: %d %s", m.name, status, answer)
			continue
		}
		got := rc.take()
		if len(got) != 1 || string(got[0].body) != string(m.Body) {
			t.Errorf("%s: the receiver got %d requests, or another body", m.name, len(got))
			continue
		}
		handedOn = append(handedOn, m.received(got[0].url, m.receiver, got[0].header, got[0].body))

		status, _, answer := post(t, m.URL, m.header(), altered(m.Body))
		if status != http.StatusForbidden || !strings.Contains(answer, "signature_") {
			t.Errorf("%s, tampered: %d %s", m.name, status, answer)
		}
		if m.Scheme == "twilio" {
			sep := "?"
			if strings.Contains(m.URL, "?") {
				sep = "&"
			}
			if status, _, answer = post(t, m.URL+sep+"tenant=other", m.header(), m.Body); status != http.StatusForbidden {
				t.Errorf("%s, other URL: %d %s", m.name, status, answer)
			}
		}
		// The answer comes before the body is read, and who goes on sending may not see it; so this sender asks first.
		unsigned := http.Header{"Content-Type": {m.ContentType}, "Expect": {"100-continue"}}
		if status, _, answer = post(t, m.URL, unsigned, m.Body); status != http.StatusForbidden {
			t.Errorf("%s, unsigned: %d %s", m.name, status, answer)
		}
		if len(rc.take()) != 0 {
			t.Errorf("%s: the receiver got what was refused", m.name)
		}
	}

	for i, result := range sdkVerify(t, project, handedOn) {
		if result != "valid" {
			t.Errorf("%s, as the receiver got it: %s", handedOn[i].name, result)
		}
	}
	// The libraries are no use as judges if they say yes to everything.
	for i := range handedOn {
		handedOn[i].Body = altered(handedOn[i].Body)
	}
	for i, result := range sdkVerify(t, project, handedOn) {
		if result == "valid" {
			t.Errorf("%s: the library accepts another body", handedOn[i].name)
		}
	}
}

// TestSDKsVerify has the command sign, and the vendors' libraries verify.
func TestSDKsVerify(t *testing.T) {
	heavy(t)
	project := sdkProject(t)
	messages := slices.DeleteFunc(sdkMessages(t, "https://hooks.example.com"), func(m sdkMessage) bool {
		return m.Scheme == "livekit" // which signs for a key whose name we do not know
	})
	for i, m := range messages {
		out, err := callgate(t, m.Body, "sign", "--scheme", m.Scheme, "--secret", m.Secret, "--url", m.URL,
			"--content-type", m.ContentType, "--id", "msg_"+strconv.Itoa(i), "--json")
		if err != nil {
			t.Fatalf("%s: %v", m.name, err)
		}
		var signed struct {
			URL     string      `json:"url"`
			Headers http.Header `json:"headers"`
			Body    string      `json:"body"`
		}
		if err := json.Unmarshal([]byte(out), &signed); err != nil {
			t.Fatalf("%s: %v in %.200q", m.name, err, out)
		}
		if signed.URL == "" {
			signed.URL = m.URL
		}
		messages[i] = m.received(signed.URL, m.Secret, signed.Headers, m.Body)
	}
	for i, result := range sdkVerify(t, project, messages) {
		if result != "valid" {
			t.Errorf("%s: %s", messages[i].name, result)
		}
	}
}
