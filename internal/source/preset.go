package source

import (
	"slices"
	"strings"
	"time"
)

// Preset is what is known about a sender.
type Preset struct {
	// Name is how configuration names the source, such as "retell".
	Name string
	// Scheme is the name of the sender's signature scheme in internal/signature; empty where the operator has to say.
	Scheme string
	// Summary says in a line whose webhooks these are.
	Summary string
	// EventIDHeader is the header in which the sender gives each event an id that stays the same over retries, and which
	// the scheme signs; empty where the id is in the body or there is none. A header that is not signed is none: it could
	// make one event of many.
	EventIDHeader string
	// Retries reports whether the sender sends again after a 5xx or a timeout, with its default settings. It is false
	// also where that is not known, so that nobody relies on it.
	Retries bool
	// RetriesClientErrors reports whether the sender sends again after a 4xx, 429 among them. It is false also where
	// that is not known: then a refused event must be taken for lost.
	RetriesClientErrors bool
	// Synchronous are the event types whose sender waits for what the answer says, not only for its status. They have
	// to be passed through to something that can answer.
	Synchronous []string
	// Timeout is how long the sender waits for an answer; 0 where that is not known.
	Timeout time.Duration
	// MaxBody is how many bytes a body of the sender may have where nobody says otherwise; 0 for the gateway's own default.
	// It is larger where the sender puts whole transcripts into its events, with the time of each word, or a recording.
	MaxBody int64

	format *format
}

var presets = slices.SortedFunc(slices.Values(slices.Concat(callPresets, newPresets, senderPresets, formPresets, platformPresets)),
	func(a, b Preset) int { return strings.Compare(a.Name, b.Name) })

// Presets lists all presets by name.
func Presets() []Preset {
	list := slices.Clone(presets)
	for i := range list {
		list[i].Synchronous = slices.Clone(list[i].Synchronous)
	}
	return list
}

// Find returns the preset of that name.
func Find(name string) (Preset, bool) {
	for i := range presets {
		if presets[i].Name == name {
			p := presets[i]
			p.Synchronous = slices.Clone(p.Synchronous)
			return p, true
		}
	}
	return Preset{}, false
}

// Bounds for senders whose bodies are larger than the leads and states that most send.
const (
	// withTranscript is for those that send a whole conversation: an hour with the time of each word is over 1 MB.
	withTranscript = 8 << 20
	// withRecording is for those that send the audio of a call as base64: an hour of MP3 at 128 kbit/s is 77 MB.
	withRecording = 96 << 20
)

// callPresets are those whose payloads are calls. Who retries what, and who waits how long, is from the vendors'
// webhook pages; where a page could not be seen the careful answer stands.
//
// Guessed: a sender whose page says nothing of it, or could not be seen, is taken not to send again after a 5xx or a 4xx. So
// a no in these tables can also mean that it is not known.
var callPresets = []Preset{
	{
		Name: "nextphone", Scheme: "nextphone", format: nextphone,
		Summary: "NextPhone AI receptionist: leads in the shape of any body template",
		Retries: true, Timeout: 30 * time.Second,
	},
	{
		Name: "generic", format: generic,
		Summary: "any JSON, form or XML body, read by the names of its members",
	},
	{
		Name: "retell", Scheme: "retell", format: retell,
		Summary: "Retell AI: call_started, call_ended, call_analyzed",
		Retries: true, Timeout: 10 * time.Second, MaxBody: withTranscript,
		Synchronous: []string{"call_inbound", "chat_inbound", retellFunction},
	},
	{
		Name: "vapi", Scheme: "vapi", format: vapi,
		Summary: "Vapi: server messages, of which end-of-call-report tells about a finished call",
		Timeout: 20 * time.Second, MaxBody: withTranscript,
		Synchronous: []string{
			"assistant-request", "tool-calls", "function-call", "transfer-destination-request",
			"handoff-destination-request", "knowledge-base-request", "voice-request", "call.endpointing.request",
			"campaign.predial",
		},
	},
	{
		Name: "elevenlabs", Scheme: "elevenlabs", format: elevenlabs,
		Summary: "ElevenLabs agents: post_call_transcription, post_call_audio, call_initiation_failure",
		Timeout: 10 * time.Second, MaxBody: withRecording, Synchronous: []string{elevenlabsInitiation},
	},
	{Name: "bland", Scheme: "bland", format: bland, Summary: "Bland AI: post-call webhook", MaxBody: withTranscript},
	{
		Name: "twilio", Scheme: "twilio", format: twilio,
		Summary: "Twilio: voice requests, status callbacks, recordings, transcriptions and messages",
		Timeout: 15 * time.Second, Synchronous: twilioRequests,
	},
	{
		Name: "callrail", Scheme: "callrail", format: callrail, Summary: "CallRail: calls, text messages and forms",
		MaxBody: withTranscript,
	},
	{
		Name: "quo", Scheme: "quo", format: quo,
		Summary: "Quo (OpenPhone): calls, recordings, summaries, transcripts and messages, both API generations",
		Retries: true, Timeout: 10 * time.Second, MaxBody: withTranscript,
	},
	{
		Name: "aircall", Scheme: "aircall", format: aircall, Summary: "Aircall: call, transcription and summary events",
		Retries: true, Timeout: 5 * time.Second, MaxBody: withTranscript,
	},
	{
		Name: "dialpad", Scheme: "dialpad", format: dialpad,
		Summary: "Dialpad: calls and text messages, as JSON or the claims of the JWT",
		Retries: true, Timeout: 5 * time.Second, MaxBody: withTranscript,
	},
	{
		Name: "telnyx", Scheme: "telnyx", format: telnyx, Summary: "Telnyx: Call Control, AI assistants and TeXML",
		Retries: true, MaxBody: withTranscript, Synchronous: append([]string{"assistant.initialization"}, twilioRequests...),
	},
	{
		Name: "signalwire", Scheme: "signalwire", format: signalwire,
		Summary: "SignalWire: calling events, cXML and SWML", MaxBody: withTranscript,
		Synchronous: append([]string{signalwireDocument, signalwireFunction}, twilioRequests...),
	},
	{
		Name: "synthflow", Scheme: "synthflow", format: synthflow, Summary: "Synthflow: calls that come in, and post-call webhook",
		MaxBody: withTranscript, Synchronous: []string{synthflowInbound},
	},
	{
		Name: "vonage", Scheme: "vonage", format: vonage, Summary: "Vonage: voice events, answers and messages",
		Synchronous: []string{vonageAnswer, vonageInput, vonageNotify, vonageFallback},
	},
}
