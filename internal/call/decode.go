package call

import (
	"bytes"
	"encoding/json"
	"strconv"
	"sync"
	"time"

	"github.com/callgate/callgate/internal/jsonscan"
)

// docs keeps what records are scanned into, for its memory. A rare giant is not kept.
var docs = sync.Pool{New: func() any { return new(jsonscan.Doc) }}

const maxDoc = 1 << 14

// Decode reads a record that Encode wrote, or encoding/json, as earlier versions used. It reads what encoding/json
// reads with UseNumber, and fails where that fails.
func Decode(text []byte) (*Call, error) {
	if c := scanned(text); c != nil {
		return c, nil
	}
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	c := new(Call)
	if err := d.Decode(c); err != nil {
		return nil, err
	}
	return c, nil
}

// scanned is the record that the text is, or nil if there is anything unusual about it: a name that is not written as
// Encode writes it, a value of another type, or nesting beyond what the scanner allows, which is one level for each of
// the payload's and two of the record.
func scanned(text []byte) *Call {
	doc := docs.Get().(*jsonscan.Doc)
	defer func() {
		if doc.Size() <= maxDoc {
			doc.Reset()
			docs.Put(doc)
		}
	}()
	if doc.Scan(text) != nil || doc.Root().Kind() != jsonscan.Object {
		return nil
	}
	doc.Share()
	c := new(Call)
	for name, v := range doc.Root().Members() {
		if !c.set(name, v) {
			return nil
		}
	}
	return c
}

// set sets a field from its member, and reports whether it could.
func (c *Call) set(name string, v jsonscan.Value) bool {
	if to := c.TextField(name); to != nil {
		return setText(to, v)
	}
	switch name {
	case "started_at":
		return setTime(&c.StartedAt, v)
	case "ended_at":
		return setTime(&c.EndedAt, v)
	case "duration":
		return c.setDuration(v)
	case "urgent":
		return setBool(&c.Urgent, v)
	case "callback_requested":
		return setBool(&c.CallbackRequested, v)
	case "params":
		if m, ok := v.Interface().(map[string]any); ok && c.Params == nil {
			c.Params = m
			return true
		}
	}
	return false
}

// TextField is the field that is text and has this name in JSON, or nil.
func (c *Call) TextField(name string) *string {
	switch name {
	case "provider":
		return &c.Provider
	case "event_type":
		return &c.EventType
	case "event_id":
		return &c.EventID
	case "call_id":
		return &c.ID
	case "direction":
		return (*string)(&c.Direction)
	case "caller_number":
		return &c.CallerNumber
	case "receiving_number":
		return &c.ReceivingNumber
	case "first_name":
		return &c.FirstName
	case "last_name":
		return &c.LastName
	case "email":
		return &c.Email
	case "company":
		return &c.Company
	case "message":
		return &c.Message
	case "summary":
		return &c.Summary
	case "transcript":
		return &c.Transcript
	case "recording_url":
		return &c.RecordingURL
	default:
		return nil
	}
}

func setText(to *string, v jsonscan.Value) bool {
	if v.Kind() != jsonscan.String {
		return false
	}
	*to = v.Text()
	return true
}

func setTime(to *time.Time, v jsonscan.Value) bool {
	return v.Kind() == jsonscan.String && to.UnmarshalJSON(v.Raw()) == nil
}

func setBool(to *bool, v jsonscan.Value) bool {
	*to = v.Kind() == jsonscan.True
	return *to || v.Kind() == jsonscan.False
}

func (c *Call) setDuration(v jsonscan.Value) bool {
	if v.Kind() != jsonscan.Number {
		return false
	}
	n, err := strconv.Atoi(v.Text())
	c.Duration = &n
	return err == nil
}
