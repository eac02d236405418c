package source

import (
	"slices"
	"testing"
)

func TestPresets(t *testing.T) {
	schemes := []string{
		"nextphone", "standard-webhooks", "svix", "github", "stripe", "slack", "shopify", "twilio", "hubspot", "retell", "vapi",
		"elevenlabs", "telnyx", "signalwire", "callrail", "quo", "bland", "aircall", "dialpad", "synthflow", "calendly", "zendesk",
		"intercom", "vonage", "zoom", "meta", "typeform", "tally", "calcom", "google-ads", "plivo", "livekit", "justcall", "gohighlevel",
		"ultravox", "sinch", "basic",
	}
	var names []string
	for _, p := range Presets() {
		names = append(names, p.Name)
		if p.Summary == "" || p.Timeout < 0 {
			t.Errorf("%s: %+v", p.Name, p)
		}
		if p.Scheme != "" {
			i := slices.Index(schemes, p.Scheme)
			if i < 0 {
				t.Fatalf("%s: scheme %q", p.Name, p.Scheme)
			}
			schemes = slices.Delete(schemes, i, i+1)
		}
		if p.RetriesClientErrors && !p.Retries {
			t.Errorf("%s retries a 4xx and not a 5xx", p.Name)
		}
		if _, err := New(p.Name, Options{}); err != nil {
			t.Error(err)
		}
		if found, ok := Find(p.Name); !ok || found.Name != p.Name || found.Scheme != p.Scheme {
			t.Errorf("Find(%q) = %+v, %t", p.Name, found, ok)
		}
	}
	if !slices.IsSorted(names) || len(slices.Compact(slices.Clone(names))) != len(names) {
		t.Errorf("not sorted, or a name twice: %v", names)
	}
	if len(schemes) > 0 {
		t.Errorf("schemes without a preset: %v", schemes)
	}
	if _, ok := Find("nope"); ok {
		t.Error("Find found what is not there")
	}
}

func TestCallersCannotChangePresets(t *testing.T) {
	p, _ := Find("vapi")
	p.Synchronous[0] = "changed"
	Presets()[0].Name = "changed"
	if q, _ := Find("vapi"); q.Synchronous[0] == "changed" || Presets()[0].Name == "changed" {
		t.Error("a preset was changed from outside")
	}
}

// TestSendersThatNeverRetryAClientError are those of whom the vendors' pages say so: there a 429 loses the call.
func TestSendersThatNeverRetryAClientError(t *testing.T) {
	for _, name := range []string{"nextphone", "dialpad", "callrail", "vapi", "elevenlabs", "generic"} {
		if p, _ := Find(name); p.RetriesClientErrors {
			t.Errorf("%s: a 4xx would be retried", name)
		}
	}
	for _, name := range []string{"callrail", "vapi", "elevenlabs"} {
		if p, _ := Find(name); p.Retries {
			t.Errorf("%s: retries by default", name)
		}
	}
}

func TestSynchronousEventsAreRecognised(t *testing.T) {
	for _, c := range [][2]string{
		{"vapi", `{"message":{"type":"assistant-request","call":{"id":"c"}}}`},
		{"vapi", `{"message":{"type":"tool-calls","call":{"id":"c"}}}`},
		{"retell", `{"event":"call_inbound","call_inbound":{"from_number":"+15559876543"}}`},
		{"retell", `{"name":"book","args":{},"call":{"call_id":"c"}}`},
		{"elevenlabs", `{"caller_id":"+15559876543","agent_id":"a","called_number":"+15551234567","call_sid":"CA1"}`},
		{"twilio", `CallSid=c&CallStatus=ringing&From=a&To=b`},
		{"twilio", `CallSid=c&CallStatus=in-progress&Digits=1`},
		{"twilio", `CallSid=c&CallStatus=in-progress&AnsweredBy=human&From=a`},
		{"twilio", `CallSid=c&CallStatus=in-progress&RecordingUrl=https://x&RecordingDuration=3`},
		{"twilio", `MessageSid=SM1&SmsStatus=received&From=a&Body=x`},
		{"twilio", `EventType=onMessageAdd&ConversationSid=CH1&Body=x`},
		{"twilio", `TaskSid=WT1&ReservationSid=WR1&WorkerSid=WK1&TaskAttributes=%7B%7D`},
		{"telnyx", `CallSid=c&CallStatus=ringing&From=a&To=b`},
		{"telnyx", `{"data":{"id":"e","event_type":"assistant.initialization","payload":{}}}`},
		{"signalwire", `CallSid=c&CallStatus=ringing&From=a&To=b`},
		{"signalwire", `MessageSid=SM1&SmsStatus=received&From=a&Body=x`},
		{"signalwire", `{"call":{"call_id":"c","from":"a"},"vars":{},"params":{}}`},
		{"signalwire", `{"function":"book","argument":{"parsed":[{}]},"call_id":"c"}`},
		{"vonage", `{"from":"1","to":"2","uuid":"u","conversation_uuid":"CON-1"}`},
		{"vonage", `{"from":"1","to":"2","uuid":"u","speech":{"results":[]},"dtmf":{"digits":"1"},"timestamp":"2026-01-01T00:00:00Z"}`},
		{"vonage", `{"payload":{"a":"b"},"conversation_uuid":"CON-1","timestamp":"2026-01-01T00:00:00Z"}`},
		{"vonage", `{"reason":"timeout","original_request":{"url":"https://x"},"uuid":"u"}`},
		{"vapi", `{"message":{"type":"campaign.predial","campaignId":"c"}}`},
		{"synthflow", `{"event":"call_inbound","call_inbound":{"from_number":"+15559876543"}}`},
		{"retell", `{"event":"chat_inbound","chat_inbound":{"from_number":"+15559876543"}}`},
		{"plivo", `CallUUID=c&CallStatus=ringing&From=1&To=2&Direction=inbound`},
		{"plivo", `CallUUID=c&CallStatus=in-progress&Digits=1`},
		{"plivo", `CallUUID=c&CallStatus=in-progress&Event=StartApp`},
		{"sinch", `{"event":"ice","callid":"c","cli":"+15559876543"}`},
		{"sinch", `{"event":"pie","callid":"c","menuResult":{"value":"1"}}`},
		{"bandwidth", `{"eventType":"initiate","callId":"c","from":"+15559876543"}`},
		{"slack", `{"type":"url_verification","challenge":"x"}`},
		{"slack", `payload=%7B%22type%22%3A%22block_actions%22%7D`},
	} {
		p, _ := Find(c[0])
		if id := identify(t, c[0], c[1], ""); !slices.Contains(p.Synchronous, id.EventType) {
			t.Errorf("%s: %s: event type %q is not in %v", c[0], c[1], id.EventType, p.Synchronous)
		}
	}
	for _, c := range [][2]string{
		{"vapi", `{"message":{"type":"end-of-call-report","call":{"id":"c"}}}`},
		{"twilio", `CallSid=c&CallStatus=completed`},
		{"twilio", `CallSid=c&CallStatus=ringing&CallbackSource=call-progress-events`},
		{"retell", `{"event":"call_ended","call":{"call_id":"c"}}`},
		{"twilio", `CallSid=c&AnsweredBy=machine_end_beep&MachineDetectionDuration=3400`},
		{"twilio", `StreamSid=MZ1&StreamEvent=stream-started&CallSid=c`},
		{"twilio", `CallSid=c&CallStatus=in-progress&SequenceNumber=3&UnstableSpeechResult=he`},
		{"twilio", `MessageSid=SM1&MessageStatus=delivered&To=a`},
		{"twilio", `EventType=onMessageAdded&MessageSid=IM1&ConversationSid=CH1`},
		{"twilio", `EventType=task.created&Sid=EV1&TaskSid=WT1`},
		{"twilio", `CallSid=c&RecordingSid=RE1&RecordingStatus=completed&From=a`},
		{"twilio", `[{"specversion":"1.0","type":"com.twilio.voice.status-callback.call.completed","id":"EZ1","data":{}}]`},
		{"telnyx", `CallSid=c&CallStatus=completed&CallbackSource=call-progress-events`},
		{"telnyx", `{"data":{"id":"e","event_type":"call.hangup","payload":{}}}`},
		{"signalwire", `{"event_type":"calling.call.state","params":{"call_id":"c","call_state":"ended"}}`},
		{"vonage", `{"from":"1","to":"2","uuid":"u","status":"answered"}`},
		{"vonage", `{"message_uuid":"m","from":"1","to":"2","text":"hi","uuid":"u"}`},
		{"vonage", `{"recording_uuid":"r","recording_url":"https://x","conversation_uuid":"CON-1","from":"1"}`},
		{"vonage", `{"type":"transfer","uuid":"u","conversation_uuid_from":"a","from":"1"}`},
		{"synthflow", `{"status":"completed","call":{"call_id":"c"}}`},
	} {
		p, _ := Find(c[0])
		if id := identify(t, c[0], c[1], ""); slices.Contains(p.Synchronous, id.EventType) {
			t.Errorf("%s: %s: event type %q counts as synchronous", c[0], c[1], id.EventType)
		}
	}
}
