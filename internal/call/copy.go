package call

import "encoding/json"

// Clone is a copy of the record that shares nothing with it that could be changed.
func (c *Call) Clone() *Call {
	d := *c
	if c.Duration != nil {
		n := *c.Duration
		d.Duration = &n
	}
	if c.Params != nil {
		d.Params = cloned(c.Params).(map[string]any)
	}
	return &d
}

func cloned(v any) any {
	switch v := v.(type) {
	case map[string]any:
		m := make(map[string]any, len(v))
		for k, e := range v {
			m[k] = cloned(e)
		}
		return m
	case []any:
		list := make([]any, len(v))
		for i, e := range v {
			list[i] = cloned(e)
		}
		return list
	default:
		return v
	}
}

// Size is about how many bytes of memory the record takes, and not less where no two of its texts are one; 0 of nil.
func (c *Call) Size() int {
	if c == nil {
		return 0
	}
	size := 512 + len(c.Provider) + len(c.EventType) + len(c.EventID) + len(c.ID) + len(c.CallerNumber) + len(c.ReceivingNumber) +
		len(c.FirstName) + len(c.LastName) + len(c.Email) + len(c.Company) +
		len(c.Message) + len(c.Summary) + len(c.Transcript) + len(c.RecordingURL)
	if len(c.Params) > 0 {
		size += sizeOf(c.Params)
	}
	return size
}

// sizeOf is that of a parameter's value.
func sizeOf(v any) int {
	const each, member = 16, 64 // what a text, or an element, and a member of an object take besides
	switch v := v.(type) {
	case string:
		return each + len(v)
	case json.Number:
		return each + len(v)
	case map[string]any:
		size := member
		for k, e := range v {
			size += member + len(k) + sizeOf(e)
		}
		return size
	case []any:
		size := each
		for _, e := range v {
			size += each + sizeOf(e)
		}
		return size
	default:
		return each
	}
}
