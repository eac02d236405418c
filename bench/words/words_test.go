package words

import (
	"testing"

	"github.com/klauspost/compress/s2"
)

// What is measured with the text should say something of calls: prose of this length is compressed to some two thirds.
func TestTextIsCompressedAsProseIs(t *testing.T) {
	text := Text(2000)
	if len(text) != 2000 || text != Text(2000) || Text(0) != "" {
		t.Errorf("%d bytes", len(text))
	}
	if n := len(s2.Encode(nil, []byte(text))); n < 1100 || n > 1700 {
		t.Errorf("%d bytes are compressed to %d", len(text), n)
	}
}
