package source

import (
	"slices"
	"strings"
	"testing"
)

func identify(t *testing.T, preset, body, signedID string) Identity {
	t.Helper()
	r := &Request{Body: []byte(body), EventID: signedID}
	id, err := newParser(t, preset, Options{}).Identify(r)
	if err != nil {
		t.Fatalf("%s: %s: %v", preset, body, err)
	}
	return id
}

// TestRetriesAreOneEvent: what changes from one delivery to the next must not change the id.
func TestRetriesAreOneEvent(t *testing.T) {
	for _, c := range []struct{ preset, first, second string }{
		{"vapi",
			`{"message":{"type":"end-of-call-report","timestamp":1,"call":{"id":"c"},"artifact":{"presignedMonoUrl":"https://x?sig=1"}}}`,
			`{"message":{"type":"end-of-call-report","timestamp":2,"call":{"id":"c"},"artifact":{"presignedMonoUrl":"https://x?sig=2"}}}`},
		{"retell",
			`{"event":"call_analyzed","call":{"call_id":"c","recording_url":"https://x?sig=1"}}`,
			`{"event_type":"call_analyzed","call":{"call_id":"c","recording_url":"https://x?sig=2"}}`},
		{"hubspot",
			`[{"eventId":1,"subscriptionId":2,"objectId":3,"occurredAt":4,"attemptNumber":0},{"eventId":9,"subscriptionId":2,"objectId":3,"occurredAt":4,"attemptNumber":0}]`,
			`[{"eventId":9,"subscriptionId":2,"objectId":3,"occurredAt":4,"attemptNumber":1},{"eventId":1,"subscriptionId":2,"objectId":3,"occurredAt":4,"attemptNumber":1}]`},
		{"zoom", `{"event":"phone.callee_ended","event_ts":1,"payload":{"object":{"call_id":"1"}}}`, `{"payload":{"object":{"call_id":"1","x":2}},"event":"phone.callee_ended","event_ts":1}`},
		{"calcom", `{"triggerEvent":"BOOKING_CREATED","createdAt":"2026-09-01T10:00:00Z","payload":{"uid":"b"}}`, `{"createdAt":"2026-09-01T10:00:00Z","triggerEvent":"BOOKING_CREATED","payload":{"uid":"b","x":1}}`},
		{"intercom", `{"topic":"a","id":"n1","delivery_attempts":1}`, `{"topic":"a","id":"n1","delivery_attempts":2}`},
		{"synthflow", `{"call_id":"c","status":"completed","lead":{"name":"A"}}`, `{"call_id":"c","status":"failed","lead":{"name":"B"}}`},
		{"aircall", `{"event":"call.ended","timestamp":1,"data":{"id":7}}`, `{"event":"call.ended","timestamp":2,"data":{"id":7}}`},
	} {
		a, b := identify(t, c.preset, c.first, ""), identify(t, c.preset, c.second, "")
		if a.EventID == "" || a.EventID != b.EventID {
			t.Errorf("%s: got %q and %q", c.preset, a.EventID, b.EventID)
		}
	}
}

// TestEventsOfOneCallDiffer: two things that happened in one call are two events, or the second would be lost.
func TestEventsOfOneCallDiffer(t *testing.T) {
	for _, c := range []struct{ preset, first, second string }{
		{"retell", `{"event":"call_ended","call":{"call_id":"c"}}`, `{"event":"call_analyzed","call":{"call_id":"c"}}`},
		{"vapi", `{"message":{"type":"status-update","status":"queued","call":{"id":"c"}}}`, `{"message":{"type":"status-update","status":"ended","call":{"id":"c"}}}`},
		{"vapi", `{"message":{"type":"tool-calls","call":{"id":"c"},"toolCallList":[{"id":"1"}]}}`, `{"message":{"type":"tool-calls","call":{"id":"c"},"toolCallList":[{"id":"2"}]}}`},
		{"elevenlabs", `{"type":"post_call_transcription","data":{"conversation_id":"c"}}`, `{"type":"post_call_audio","data":{"conversation_id":"c"}}`},
		{"twilio", `CallSid=c&CallStatus=ringing&CallbackSource=x&SequenceNumber=0`, `CallSid=c&CallStatus=completed&CallbackSource=x&SequenceNumber=1`},
		{"callrail", `{"id":"c"}`, `{"id":"c","duration":"3"}`},
		{"aircall", `{"event":"call.created","data":{"id":7}}`, `{"event":"call.ended","data":{"id":7}}`},
		{"aircall", `{"event":"call.tagged","resource":"call","timestamp":1,"data":{"id":7}}`, `{"event":"call.tagged","resource":"call","timestamp":2,"data":{"id":7}}`},
		{"dialpad", `{"call_id":1,"state":"ringing","event_timestamp":5}`, `{"call_id":1,"state":"hangup","event_timestamp":5}`},
		{"dialpad", `{"call_id":5314479320940545123,"state":"hangup","event_timestamp":5}`, `{"call_id":5314479320940545124,"state":"hangup","event_timestamp":5}`},
		{"bland", `{"call_id":"c","status":"started"}`, `{"call_id":"c","status":"completed"}`},
		{"vonage", `{"uuid":"c","status":"ringing"}`, `{"uuid":"c","status":"answered"}`},
		{"signalwire", `{"event_type":"calling.call.play","params":{"call_id":"c","control_id":"p1","state":"finished"}}`, `{"event_type":"calling.call.play","params":{"call_id":"c","control_id":"p2","state":"finished"}}`},
		{"callrail", `{"id":"c","duration":""}`, `{"id":"c","duration":"3"}`},
		{"twilio", `ConferenceSid=f&StatusCallbackEvent=participant-join&CallSid=c&SequenceNumber=1`, `ConferenceSid=f&StatusCallbackEvent=participant-join&CallSid=c&SequenceNumber=2`},
		{"vapi", `{"message":{"type":"tool-calls","call":{"id":"c"},"toolWithToolCallList":[{"toolCall":{"id":"1"}}]}}`, `{"message":{"type":"tool-calls","call":{"id":"c"},"toolWithToolCallList":[{"toolCall":{"id":"2"}}]}}`},
		{"signalwire", `{"event":"call.state","params":{"call_id":"c","state":"ringing"}}`, `{"event":"call.state","params":{"call_id":"c","state":"answered"}}`},
	} {
		a, b := identify(t, c.preset, c.first, ""), identify(t, c.preset, c.second, "")
		if a.EventID == "" || b.EventID == "" || a.EventID == b.EventID {
			t.Errorf("%s: got %q and %q", c.preset, a.EventID, b.EventID)
		}
		if a.CallID != b.CallID && !strings.Contains(c.first, "5314479320940545123") || a.CallID == "" {
			t.Errorf("%s: calls %q and %q", c.preset, a.CallID, b.CallID)
		}
	}
}

// TestEventsAreNotTakenForOthers: events of one provider that share an object are events of their own, each under its own
// name.
func TestEventsAreNotTakenForOthers(t *testing.T) {
	for preset, bodies := range map[string]map[string]string{ // by type
		"callrail": {
			"pre_call":               `{"id":"c","duration":null,"timestamp":"2026-09-01T10:00:00-04:00","direction":"inbound"}`,
			"call_routing_complete":  `{"id":"c","duration":null,"timestamp":"2026-09-01T10:00:04-04:00","business_phone_number":"+15550100888"}`,
			"post_call":              `{"id":"c","duration":3,"business_phone_number":"+15550100888"}`,
			"call_modified":          `{"id":"c","duration":3,"changes":["note"]}`,
			"outbound_post_call":     `{"id":"c","duration":3,"call_type":"outbound"}`,
			"outbound_call_modified": `{"id":"c","duration":3,"call_type":"outbound","changes":["note"]}`,
			"text_message_received":  `{"id":"c","resource_id":"MSG1","source_number":"+1","destination_number":"+2","content":"hi"}`,
			"text_message_sent":      `{"id":"c","resource_id":"MSG1","source_number":"+1","destination_number":"+2","content":"hi","agent":null}`,
			"form_submission":        `{"id":"c","form_data":{"a":"b"},"form_url":"https://x"}`,
		},
		"twilio": {
			"onMessageAdded":                 `EventType=onMessageAdded&MessageSid=IM1&DateCreated=1`,
			"onMessageUpdated":               `EventType=onMessageUpdated&MessageSid=IM1&DateCreated=1&DateUpdated=2`,
			"onConversationStateUpdated":     `EventType=onConversationStateUpdated&ConversationSid=CH1&DateUpdated=2`,
			"reservation.accepted":           `EventType=reservation.accepted&Sid=EV1&TaskSid=WT1&ReservationSid=WR1`,
			"message-delivered":              `MessageSid=IM1&MessageStatus=delivered`,
			"message-read":                   `MessageSid=IM1&MessageStatus=read&EventType=READ`,
			"async-amd":                      `CallSid=c&AnsweredBy=human`,
			"stream-started":                 `CallSid=c&StreamSid=MZ1&StreamEvent=stream-started`,
			"stream-stopped":                 `CallSid=c&StreamSid=MZ1&StreamEvent=stream-stopped`,
			"siprec-started":                 `CallSid=c&SiprecSid=SR1&SiprecEvent=siprec-started`,
			"partial-result":                 `CallSid=c&CallStatus=in-progress&SequenceNumber=0&StableSpeechResult=a`,
			"in-progress":                    `CallSid=c&CallStatus=in-progress&SequenceNumber=0&CallbackSource=call-progress-events`,
			"transcription-content":          `CallSid=c&TranscriptionSid=GT1&TranscriptionEvent=transcription-content&SequenceId=2`,
			"debugger-error":                 `Sid=NO1&AccountSid=AC1&Level=ERROR&PayloadType=application%2Fjson&Payload=%7B%7D`,
			"com.twilio.a":                   `[{"specversion":"1.0","type":"com.twilio.a","id":"EZ1","data":{}}]`,
			"com.twilio.b":                   `[{"specversion":"1.0","type":"com.twilio.b","id":"EZ2"},{"specversion":"1.0","type":"com.twilio.b","id":"EZ3"}]`,
			"voice_intelligence_transcript_": `{"transcript_sid":"GT1","event_type":"voice_intelligence_transcript_"}`,
		},
		"dialpad": {
			"hangup": `{"call_id":1,"state":"hangup","event_timestamp":5}`,
			"sms":    `{"id":1,"from_number":"+1","to_number":["+2"],"text":"hi","message_status":"pending","event_timestamp":5}`,
		},
		"aircall": {
			"message.received": `{"event":"message.received","timestamp":1,"data":{"id":7}}`,
			"message.sent":     `{"event":"message.sent","timestamp":1,"data":{"id":7}}`,
			"call.ended":       `{"event":"call.ended","timestamp":1,"data":{"id":7}}`,
		},
	} {
		seen := make(map[string]string)
		for typ, body := range bodies {
			id := identify(t, preset, body, "")
			if id.EventType != typ {
				t.Errorf("%s: %s is of type %q, want %q", preset, body, id.EventType, typ)
			}
			if id.EventID == "" { // the hash of the body tells
				continue
			}
			if other := seen[id.EventID]; other != "" {
				t.Errorf("%s: %s and %s are both %q", preset, typ, other, id.EventID)
			}
			seen[id.EventID] = typ
		}
	}
	a := identify(t, "dialpad", `{"id":1,"from_number":"+1","to_number":["+2"],"message_status":"pending"}`, "")
	b := identify(t, "dialpad", `{"id":1,"from_number":"+1","to_number":["+2"],"message_status":"success"}`, "")
	if a.EventID == b.EventID || a.EventID == "" {
		t.Errorf("a message's status: %+v and %+v", a, b)
	}
	x := identify(t, "twilio", `[{"specversion":"1.0","type":"a","id":"2"},{"specversion":"1.0","type":"b","id":"1"}]`, "")
	y := identify(t, "twilio", `[{"specversion":"1.0","type":"b","id":"1"},{"specversion":"1.0","type":"a","id":"2"}]`, "")
	if x != y || x.EventID != "1,2" || x.EventType != "" {
		t.Errorf("a batch in another order: %+v and %+v", x, y)
	}
}

// TestUnknownEventsKeepTheirWord: an event that a preset does not know has the provider's own name and is told apart by
// its body.
func TestUnknownEventsKeepTheirWord(t *testing.T) {
	for _, c := range [][2]string{
		{"retell", `{"event":"transfer_bridged_soon","call":{"call_id":"c"}}`},
		{"vapi", `{"message":{"type":"brand-new","call":{"id":"c"}}}`},
		{"elevenlabs", `{"type":"brand_new","data":{"conversation_id":"c"}}`},
		{"signalwire", `{"event_type":"brand.new"}`},
		{"twilio", `CallSid=c&StatusCallbackEvent=brand-new`},
	} {
		p, _ := Find(c[0])
		id := identify(t, c[0], c[1], "")
		if !strings.Contains(c[1], id.EventType) || id.EventType == "" || id.EventID != "" || slices.Contains(p.Synchronous, id.EventType) {
			t.Errorf("%s: %s: %+v", c[0], c[1], id)
		}
	}
}

// TestRepeatedEventsHaveNoID: where nothing tells two events from one another, the hash of the body has to.
func TestRepeatedEventsHaveNoID(t *testing.T) {
	for _, c := range [][2]string{
		{"nextphone", `{"call_id":"c","lead":{"phone":"+15559876543"}}`},
		{"retell", `{"event":"transcript_updated","call":{"call_id":"c"}}`},
		{"retell", `{"name":"book","args":{},"call":{"call_id":"c"}}`},
		{"vapi", `{"message":{"type":"transcript","call":{"id":"c"}}}`},
		{"vapi", `{"message":{"type":"tool-calls","call":{"id":"c"}}}`},
		{"vapi", `{"message":{"type":"tool-calls","call":{"id":"c"},"toolCallList":[{"name":"a"},{"name":"b"}]}}`},
		{"bland", `{"call_id":"c","category":"info","message":"x"}`},
		{"twilio", `CallSid=c&CallStatus=in-progress&Digits=1`},
		{"callrail", `{"id":"c","duration":"3","changes":["note"]}`},
		{"calendly", `{"event":"invitee.created","payload":{"email":"a@b.example"}}`},
		{"zendesk", `{"event":"ticket.updated","id":123}`},
		{"generic", `{"id":"cus_1","name":"Mike"}`},
		{"hubspot", `[{"eventId":1,"subscriptionId":2,"objectId":3,"occurredAt":4},{"eventId":1}]`},
	} {
		if id := identify(t, c[0], c[1], ""); id.EventID != "" {
			t.Errorf("%s: %s: got %q", c[0], c[1], id.EventID)
		}
	}
}

// TestSignedIDs: an id that the signature covers beside the body is the event's, whatever the provider has in the body.
func TestSignedIDs(t *testing.T) {
	for _, p := range Presets() {
		body := `{"id":"in the body","type":"t","event_id":"e","message":{"type":"end-of-call-report","call":{"id":"c"}}}`
		if id := identify(t, p.Name, body, "d-1"); id.EventID != "d-1" {
			t.Errorf("%s: got %q", p.Name, id.EventID)
		}
	}
	p := newParser(t, "quo", Options{Map: &Mapping{EventID: "$.id"}})
	if id, err := p.Identify(&Request{Body: []byte(`{"id":"EV1"}`), EventID: "d-1"}); err != nil || id.EventID != "EV1" {
		t.Errorf("where the operator says where it is: %+v, %v", id, err)
	}
}

func TestIdentityIsSafeToPrintAndKeep(t *testing.T) {
	long := strings.Repeat("x", maxID+1)
	for _, bad := range []string{long, `a\r\nX-Evil: 1`, `a\u0000b\u0001`, `a\u007f`} {
		id := identify(t, "generic", `{"event_id":"`+bad+`","event_type":"`+bad+`","call_id":"`+bad+`"}`, "")
		if !strings.HasPrefix(id.EventID, "sha256:") || id.EventID != id.CallID || id.EventType != "" {
			t.Errorf("%.20q: got %+v", bad, id)
		}
	}
	a := identify(t, "generic", `{"event_id":"`+long+`1"}`, "")
	if b := identify(t, "generic", `{"event_id":"`+long+`2"}`, ""); a == b {
		t.Error("two long ids became one")
	}
}

func TestCallEndedAndAnalyzedAreTheSameCall(t *testing.T) {
	ended := identify(t, "retell", `{"event":"call_ended","call":{"call_id":"c"}}`, "")
	analyzed := identify(t, "retell", `{"event":"call_analyzed","call":{"call_id":"c"}}`, "")
	if ended.CallID != "c" || ended.CallID != analyzed.CallID || ended.EventID == analyzed.EventID {
		t.Errorf("got %+v and %+v", ended, analyzed)
	}
}
