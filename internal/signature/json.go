package signature

import (
	"bytes"
	"encoding/json"
)

// quoteJSON is s as a JSON string.
func quoteJSON(s string) []byte {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	_ = e.Encode(s) // a string can always be encoded
	return bytes.TrimSuffix(b.Bytes(), []byte("\n"))
}

// trimLeft cuts JSON's white space.
func trimLeft(b []byte) []byte { return bytes.TrimLeft(b, " \t\r\n") }
