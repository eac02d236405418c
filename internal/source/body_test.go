package source

import (
	"errors"
	"strings"
	"testing"

	"github.com/callgate/callgate/internal/xmljson"
)

func TestBodiesAreReadByWhatTheyLookLike(t *testing.T) {
	const form = "phone=%2B15559876543&x=1"
	for _, c := range []struct {
		name, body string
		ok         bool
	}{
		{"JSON", `{"phone":"+15559876543"}`, true},
		{"JSON as text", `{"phone":"+15559876543"}`, true},
		{"JSON as a form", `{"phone":"+15559876543"}`, true},
		{"JSON with a byte order mark", "\xef\xbb\xbf {\"phone\":\"+15559876543\"}\n", true},
		{"JSON in a list of one", `[{"phone":"+15559876543"}]`, true},
		{"a form", form, true},
		{"a form without a type", form, true},
		{"XML", `<?xml version="1.0"?><r><phone>+15559876543</phone></r>`, true},
		{"XML as JSON", `<r><phone>+15559876543</phone></r>`, true},
		{"XML in Latin-1", "<?xml version=\"1.0\" encoding=\"ISO-8859-1\"?><r><phone>+15559876543</phone><n>Jos\xe9</n></r>", true},
		{"XML with a namespace", `<a:r xmlns:a="urn:x"><a:phone>+15559876543</a:phone></a:r>`, true},

		{"nothing", "", false},
		{"white space", " \r\n", false},
		{"JSON cut short", `{"phone":"+1555`, false},
		{"two values", `{} {}`, false},
		{"a list", `[1,2]`, false},
		{"a list of two", `[{},{}]`, false},
		{"text", `"phone"`, false},
		{"a number", `1`, false},
		{"a JWT", `eyJhbGciOiJIUzI1NiJ9.e30.x`, false},
		{"a form with a broken escape", `phone=%zz`, false},
		{"a multipart form without a boundary", "--x\r\n", false},
		{"a multipart form cut short", "--x\r\nContent-Disposition: form-data; name=\"phone\"\r\n\r\n+1", false},
		{"XML cut short", `<r><phone>`, false},
		{"XML with two roots", `<r/><r/>`, false},
		{"XML with an entity of its own", `<!DOCTYPE r [<!ENTITY p "+15559876543">]><r><phone>&p;</phone></r>`, false},
		{"XML with an external entity", `<!DOCTYPE r [<!ENTITY p SYSTEM "file:///etc/passwd">]><r><phone>&p;</phone></r>`, false},
		{"XML in an unknown encoding", `<?xml version="1.0" encoding="x-mine"?><r/>`, false},
		{"deep JSON", strings.Repeat(`{"a":`, 200) + "1" + strings.Repeat("}", 200), false},
		{"deep XML", strings.Repeat("<a>", 61) + strings.Repeat("</a>", 61), false},
		{"XML of very many elements", "<r>" + strings.Repeat("<a/>", xmljson.MaxElements) + "</r>", false},
		{"a multipart form of very many parts",
			strings.Repeat("--x\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n1\r\n", maxParts+1) + "--x--\r\n", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := &Request{Body: []byte(c.body)}
			for _, p := range []string{"nextphone", "generic"} {
				rec, err := newParser(t, p, Options{}).Parse(r)
				switch {
				case p == "generic" && strings.HasPrefix(c.name, "a list"): // batches are not refused there
				case !c.ok && !errors.Is(err, ErrMalformed):
					t.Errorf("%s: got %v, want ErrMalformed", p, err)
				case c.ok && err != nil:
					t.Errorf("%s: %v", p, err)
				case c.ok && rec.CallerNumber != "+15559876543":
					t.Errorf("%s: got %+v", p, rec)
				case err != nil && len(c.body) > 8 && strings.Contains(err.Error(), c.body[:8]):
					t.Errorf("%s: the error quotes the body: %v", p, err)
				}
			}
		})
	}
}

func TestWidestXMLAndDeepestAreRead(t *testing.T) {
	deep := strings.Repeat("<a>", xmljson.MaxDepth-1) + "<p>1</p><p>2</p>" + strings.Repeat("</a>", xmljson.MaxDepth-1)
	if _, err := newParser(t, "generic", Options{}).Parse(&Request{Body: []byte(deep)}); err != nil {
		t.Error(err)
	}
}

func TestQueryStandsForAnEmptyBody(t *testing.T) {
	q := "phone=5550001111&name=Mike&phone=(555)+987-6543"
	p := newParser(t, "nextphone", Options{})
	c, err := p.Parse(&Request{Query: q})
	if err != nil || c.CallerNumber != "+15559876543" || c.FirstName != "Mike" {
		t.Errorf("got %+v, %v", c, err)
	}
	if c, err = p.Parse(&Request{Query: q, Body: []byte(`{"name":"Ann"}`)}); err != nil || c.FirstName != "Ann" || c.CallerNumber != "" {
		t.Errorf("a body and a query: got %+v, %v", c, err)
	}
}

func TestMembersOfTheWrongTypeCountAsMissing(t *testing.T) {
	for preset, body := range map[string]string{
		"retell":     `{"event":{"x":1},"call":[1],"args":7}`,
		"vapi":       `{"message":{"type":7,"call":{"id":["x"]},"toolCallList":{"a":1},"artifact":"none","customer":"me"}}`,
		"elevenlabs": `{"type":"post_call_transcription","data":{"transcript":"text","analysis":{"data_collection_results":[1]},"metadata":null}}`,
		"bland":      `{"call_id":{"a":1},"inbound":"yes","variables":[],"transcripts":{"a":1}}`,
		"twilio":     `{"CallSid":["CA1"],"CallStatus":{"a":1}}`,
		"callrail":   `{"id":{},"duration":{},"customer_name":7}`,
		"quo":        `{"type":"call.completed","data":{"object":[1]}}`,
		"aircall":    `{"event":"call.ended","data":{"contact":"x","emails":1,"tags":"a","comments":{"a":1}}}`,
		"dialpad":    `{"call_id":"x","recording_details":{"url":1},"contact":[]}`,
		"telnyx":     `{"data":{"payload":"x","id":{"a":1}}}`,
		"nextphone":  `{"lead":"Mike","contact":[1,[2]],"phone":{"a":{"b":1}},"properties":[1,{"property":2}]}`,
		"hubspot":    `[1,"x",{"eventId":{}}]`,
	} {
		c, err := newParser(t, preset, Options{}).Parse(&Request{Body: []byte(body)})
		if err != nil {
			t.Errorf("%s: %v", preset, err)
			continue
		}
		if c.CallerNumber != "" || c.Email != "" || c.EventID != "" && preset != "twilio" {
			t.Errorf("%s: got %+v", preset, c)
		}
	}
}
