package call

import (
	"bytes"
	"encoding/json"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/callgate/callgate/internal/jsonscan"
)

// buffers keeps the memory that records are written in. A rare giant is not kept.
var buffers = sync.Pool{New: func() any { return new([]byte) }}

const maxBuffer = 1 << 16

// Encode is the record as JSON: the bytes that encoding/json writes for it with SetEscapeHTML(false). The characters
// <, > and & stand as they are, since no record is ever put into a page as it is and escapes would make a transcript
// longer; JSON readers take either.
//
// It fails where encoding/json does: for a time outside the years 0 to 9999, or a parameter that JSON has no value for.
func (c *Call) Encode() ([]byte, error) {
	buf := buffers.Get().(*[]byte)
	b, err := c.Append((*buf)[:0])
	var text []byte
	if err == nil {
		text = bytes.Clone(b)
	}
	if cap(b) <= maxBuffer {
		*buf = b
		buffers.Put(buf)
	}
	return text, err
}

// Append appends what Encode gives.
func (c *Call) Append(b []byte) ([]byte, error) {
	b = jsonscan.AppendString(append(b, `{"provider":`...), c.Provider)
	b = appendText(b, `,"event_type":`, c.EventType)
	b = appendText(b, `,"event_id":`, c.EventID)
	b = appendText(b, `,"call_id":`, c.ID)
	b = appendText(b, `,"direction":`, string(c.Direction))
	b = appendText(b, `,"caller_number":`, c.CallerNumber)
	b = appendText(b, `,"receiving_number":`, c.ReceivingNumber)
	b = appendText(b, `,"first_name":`, c.FirstName)
	b = appendText(b, `,"last_name":`, c.LastName)
	b = appendText(b, `,"email":`, c.Email)
	b = appendText(b, `,"company":`, c.Company)
	b = appendText(b, `,"message":`, c.Message)
	b = appendText(b, `,"summary":`, c.Summary)
	b = appendText(b, `,"transcript":`, c.Transcript)
	b = appendText(b, `,"recording_url":`, c.RecordingURL)
	var err error
	if b, err = appendTime(b, `,"started_at":`, c.StartedAt); err != nil {
		return b, err
	}
	if b, err = appendTime(b, `,"ended_at":`, c.EndedAt); err != nil {
		return b, err
	}
	if c.Duration != nil {
		b = strconv.AppendInt(append(b, `,"duration":`...), int64(*c.Duration), 10)
	}
	b = strconv.AppendBool(append(b, `,"urgent":`...), c.Urgent)
	b = strconv.AppendBool(append(b, `,"callback_requested":`...), c.CallbackRequested)
	if len(c.Params) > 0 {
		if b, err = appendObject(append(b, `,"params":`...), c.Params); err != nil {
			return b, err
		}
	}
	return append(b, '}'), nil
}

func appendText(b []byte, name, text string) []byte {
	if text == "" {
		return b
	}
	return jsonscan.AppendString(append(b, name...), text)
}

func appendTime(b []byte, name string, t time.Time) ([]byte, error) {
	if t.IsZero() {
		return b, nil
	}
	b = append(append(b, name...), '"')
	b, err := t.AppendText(b)
	return append(b, '"'), err
}

// member is a member of an object.
type member struct {
	key   string
	value any
}

// few is how many members of an object are sorted without memory of their own.
const few = 16

func appendObject(b []byte, m map[string]any) ([]byte, error) {
	var memory [few]member
	var places [few]int
	members, order := memory[:0], places[:0]
	for k, v := range m {
		order = append(order, len(members))
		members = append(members, member{k, v})
	}
	slices.SortFunc(order, func(i, j int) int { return strings.Compare(members[i].key, members[j].key) })
	b = append(b, '{')
	for n, i := range order {
		if n > 0 {
			b = append(b, ',')
		}
		b = append(jsonscan.AppendString(b, members[i].key), ':')
		var err error
		if b, err = appendValue(b, members[i].value); err != nil {
			return b, err
		}
	}
	return append(b, '}'), nil
}

func appendArray(b []byte, list []any) ([]byte, error) {
	b = append(b, '[')
	for i, v := range list {
		if i > 0 {
			b = append(b, ',')
		}
		var err error
		if b, err = appendValue(b, v); err != nil {
			return b, err
		}
	}
	return append(b, ']'), nil
}

// appendValue appends a parameter's value. What no parser makes is left to encoding/json.
func appendValue(b []byte, v any) ([]byte, error) {
	switch v := v.(type) {
	case string:
		return jsonscan.AppendString(b, v), nil
	case bool:
		return strconv.AppendBool(b, v), nil
	case json.Number:
		if isInteger(string(v)) {
			return append(b, v...), nil
		}
	case map[string]any:
		if v != nil {
			return appendObject(b, v)
		}
	case []any:
		if v != nil {
			return appendArray(b, v)
		}
	}
	w := bytes.NewBuffer(b)
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return b, err
	}
	return bytes.TrimSuffix(w.Bytes(), []byte("\n")), nil
}

// isInteger reports whether the text is a number without sign, fraction or exponent, as JSON writes it.
func isInteger(s string) bool {
	if s == "" || s[0] == '0' && len(s) > 1 {
		return false
	}
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return true
}
