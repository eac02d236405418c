package source

import "testing"

// TestVariantsOfPayloads: what senders write in other ways than their examples do.
func TestVariantsOfPayloads(t *testing.T) {
	for _, c := range []struct {
		name, preset, body string
		want               string // a field, as Lookup names it
		is                 any
	}{
		{"a list of names and values", "nextphone", `[{"name":"first_name","value":"Mike"},{"name":"phone","value":"+15559876543"}]`, "caller_number", "+15559876543"},
		{"the last of duplicates", "nextphone", `{"lead":{"phone":"+15559876543","issue":"a","phone":"+15559876544","issue":"b"}}`, "caller_number", "+15559876544"},
		{"and its parameter", "nextphone", `{"lead":{"phone":"+15559876543","issue":"a","phone":"+15559876544","issue":"b"}}`, "params.issue", "b"},
		{"the last of two groups", "nextphone", `{"lead":{"phone":"+15559876543"},"lead":{"phone":"+15559876544"}}`, "caller_number", "+15559876544"},
		{"of anyone", "generic", `[{"property":"firstname","value":"Mike"},{"property":"phone","value":"5559876543"}]`, "first_name", "Mike"},
		{"the first of several leads", "generic", `[{"lead":{"phone":"+15559876543"}},{"lead":{"phone":"+15559876544"}}]`, "caller_number", "+15559876543"},
		{"the number that a withheld caller was asked for", "nextphone", `{"phone":"Anonymous","callback_number":"555-987-6543"}`, "caller_number", "+15559876543"},
		{"which is a number", "retell", `{"call":{"from_number":"anonymous","call_analysis":{"custom_analysis_data":{"callback_number":5559876543}}}}`, "caller_number", "+15559876543"},
		{"but no id", "retell", `{"call":{"from_number":"anonymous","metadata":{"caller_id":98231}}}`, "caller_number", nil},
		{"a person's number", "generic", `{"caller":{"name":"Mike","number":"(555) 987-6543"}}`, "caller_number", "+15559876543"},
		{"a person's number that is none", "generic", `{"client":{"number":"K-1234"}}`, "caller_number", nil},
		{"lists of one number", "generic", `{"phone":["+15559876543","+15559876544"]}`, "caller_number", "+15559876543"},
		{"Salesforce's collections", "nextphone", `{"allOrNone":false,"records":[{"attributes":{"type":"Lead"},"Phone":"+15559876543"}]}`, "caller_number", "+15559876543"},
		{"values in objects", "generic", `{"fields":{"phone":{"value":"+15559876543","verified":false}}}`, "caller_number", "+15559876543"},
		{"a transcript in an object", "generic", `{"phone":"1","transcript":{"language":"en","text":"Caller: hi"}}`, "transcript", "Caller: hi"},
		{"turns in an object", "generic", `{"phone":"1","transcript":{"messages":[{"role":"user","content":"hi"}]}}`, "transcript", "User: hi"},
		{"a transcript of an unknown form", "generic", `{"phone":"1","transcript":{"job":"t-1"}}`, "transcript.job", "t-1"},
		{"a recording in an object", "generic", `{"phone":"1","recording":{"url":"https://r.example/1","seconds":3}}`, "recording_url", "https://r.example/1"},
		{"a summary in an object", "generic", `{"phone":"1","summary":{"text":"wants a quote"}}`, "summary", "wants a quote"},
		{"a call's sid", "generic", `{"call":{"sid":"CA1","from":"+15559876543"}}`, "call_id", "CA1"},
		{"an invitee's number", "calendly", `{"event":"invitee.created","payload":{"name":"Mike","text_reminder_number":"+1 555-987-6543"}}`, "caller_number", "+15559876543"},
		{"a call with an id", "generic", `{"call":{"id":"c1","duration":42}}`, "call_id", "c1"},
		{"a call with an id in data", "generic", `{"id":"e1","type":"call.ended","data":{"call":{"id":"c1"}}}`, "call_id", "c1"},
		{"no name", "callrail", `{"id":1,"customer_name":"Restricted"}`, "first_name", nil},
		{"no name in parts", "nextphone", `{"first_name":"Unknown","last_name":"Caller"}`, "name", nil},
		{"a lone withheld name", "dialpad", `{"contact":{"name":"Anonymous"}}`, "name", nil},
		{"no name but the caller's own", "nextphone", `{"name":"Unknown Caller","first_name":"Mike"}`, "first_name", "Mike"},
		{"a name that begins alike", "nextphone", `{"name":"Private Ryan"}`, "name", "Private Ryan"},
		{"arguments of a tool in a text", "vapi", `{"message":{"toolCalls":[{"id":"t","function":{"name":"f","arguments":"{\"email\":\"a@b.example\"}"}}]}}`, "email", "a@b.example"},
		{"arguments beside a tool", "vapi", `{"message":{"toolWithToolCallList":[{"name":"f","toolCall":{"id":"t","function":{"parameters":{"email":"a@b.example"}}}}]}}`, "email", "a@b.example"},
		{"the customer's number with the call", "vapi", `{"message":{"customer":{"name":"Mike"},"call":{"customer":{"number":"+15559876543"}}}}`, "caller_number", "+15559876543"},
		{"the agent's instructions", "vapi", `{"message":{"artifact":{"messages":[{"role":"system","message":"You are."},{"role":"bot","message":"Hi."}]}}}`, "transcript", "Agent: Hi."},
		{"a truth in words", "bland", `{"inbound":"false","from":"+15551234567","to":"+15559876543"}`, "caller_number", "+15559876543"},
		{"who was dialled", "synthflow", `{"call":{"type_of_call":"outbound","phone_number_from":"+15551234567","phone_number_to":"+15559876543"}}`, "caller_number", "+15559876543"},
		{"who dialled", "synthflow", `{"call":{"type_of_call":"outbound","phone_number_from":"+15551234567","phone_number_to":"+15559876543"},"lead":{"phone":"+15559876543"}}`, "receiving_number", "+15551234567"},
		{"a number without its plus", "vonage", `{"direction":"outbound","from":"15551234567","to":"447700900123"}`, "caller_number", "+447700900123"},
		{"the state of a message", "twilio", `MessageSid=S&MessageStatus=delivered&From=%2B15551234567&To=%2B15559876543`, "caller_number", "+15559876543"},
		{"a conference", "twilio", `ConferenceSid=C&StatusCallbackEvent=participant-join&CallSid=c&SequenceNumber=1`, "event_type", "participant-join"},
		{"a live transcription", "twilio", `TranscriptionSid=G&TranscriptionEvent=transcription-content&SequenceId=3&CallSid=c`, "event_type", "transcription-content"},
		{"a call that has no duration yet", "callrail", `{"id":1,"duration":""}`, "event_type", "pre_call"},
		{"a call without changes", "callrail", `{"id":1,"duration":"13","changes":null}`, "event_type", "post_call"},
		{"Singapore by Vonage", "vonage", `{"from":"6591234567","to":"6531230000","uuid":"u","status":"completed"}`, "caller_number", "+6591234567"},
		{"Norway by Vonage", "vonage", `{"from":"4721234567","to":"15550100999","uuid":"u","status":"completed"}`, "caller_number", "+4721234567"},
		{"North America by Vonage", "vonage", `{"from":"15550100123","to":"15550100999","uuid":"u","status":"completed"}`, "caller_number", "+15550100123"},
		{"a name by Twilio's channels", "twilio", `MessageSid=SM1&From=messenger%3A1234567890123456&To=messenger%3A998877665544&SmsStatus=received&ProfileName=Jane+Doe`, "name", "Jane Doe"},
		{"an address by them", "twilio", `MessageSid=SM1&From=messenger%3A1234567890123456&To=messenger%3A998877665544&SmsStatus=received`, "params.caller_address", "messenger:1234567890123456"},
		{"and no number", "twilio", `MessageSid=SM1&From=messenger%3A1234567890123456&To=messenger%3A998877665544&SmsStatus=received`, "receiving_number", nil},
		{"a carrier's word for no name", "twilio", `CallSid=CA1&CallStatus=ringing&From=%2B15550100123&To=%2B15550100999&Direction=inbound&CallerName=WIRELESS+CALLER&SequenceNumber=0&CallbackSource=c`, "first_name", nil},
		{"a file is no URL", "generic", "--B\r\nContent-Disposition: form-data; name=\"recording\"; filename=\"a.wav\"\r\n\r\nRIFF\r\n--B--", "recording_url", nil},
		{"its name is kept", "generic", "--B\r\nContent-Disposition: form-data; name=\"recording\"; filename=\"a.wav\"\r\n\r\nRIFF\r\n--B--", "params.recording", "a.wav"},
	} {
		t.Run(c.name, func(t *testing.T) {
			rec, err := newParser(t, c.preset, Options{}).Parse(&Request{Body: []byte(c.body)})
			if err != nil {
				t.Fatal(err)
			}
			if got, _ := rec.Lookup(c.want); got != c.is && (got != "" || c.is != nil) {
				t.Errorf("%s: got %v, want %v", c.want, got, c.is)
			}
		})
	}
}

func TestANumberOfAPersonIsReadInItsRegion(t *testing.T) {
	rec, err := newParser(t, "generic", Options{Region: "DE"}).Parse(&Request{Body: []byte(`{"caller":{"number":"030 1234567"}}`)})
	if err != nil || rec.CallerNumber != "+49301234567" {
		t.Errorf("got %+v, %v", rec, err)
	}
}
