package source

import (
	"bytes"
	"encoding/binary"
	"strings"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/callgate/callgate/internal/charset"
)

// legible is a text in UTF-8. In which charset a sender wrote shows in its bytes: the header that should say so is not
// signed. UTF-16 has a byte order mark, or the zeros of the ASCII character that every body begins with. What is not UTF-8
// and has no letter beyond ASCII in UTF-8 is read as Windows-1252, which is Latin-1 and more; anything else is UTF-8 that
// was cut or damaged, and stays so. A text that is UTF-8 already is given back itself, without its byte order mark.
func legible(b []byte) []byte {
	switch {
	case bytes.HasPrefix(b, bom):
		b = b[len(bom):]
	case bytes.HasPrefix(b, []byte{0xff, 0xfe}):
		return fromUTF16(b[2:], binary.LittleEndian)
	case bytes.HasPrefix(b, []byte{0xfe, 0xff}):
		return fromUTF16(b[2:], binary.BigEndian)
	case len(b) > 3 && b[0] != 0 && b[1] == 0 && b[3] == 0:
		return fromUTF16(b, binary.LittleEndian)
	case len(b) > 3 && b[0] == 0 && b[1] != 0 && b[2] == 0:
		return fromUTF16(b, binary.BigEndian)
	}
	return charset.Guess(b)
}

func fromUTF16(b []byte, order binary.ByteOrder) []byte {
	units := make([]uint16, 0, len(b)/2)
	for ; len(b) > 1; b = b[2:] {
		units = append(units, order.Uint16(b))
	}
	return []byte(string(utf16.Decode(units)))
}

// readable are the charsets that legible can tell, as headers name them.
var readable = map[string]bool{
	"": true, "utf-8": true, "utf8": true, "us-ascii": true, "ascii": true, "iso-8859-1": true, "latin1": true, "windows-1252": true,
	"cp1252": true, "iso-8859-15": true, "utf-16": true, "utf-16le": true, "utf-16be": true,
}

// damaged reports whether a body is said to be in a charset that cannot be read here and has characters that need it. XML
// names its own charset.
func damaged(body []byte, name string) bool {
	if readable[strings.ToLower(strings.TrimSpace(name))] || bytes.HasPrefix(bytes.TrimSpace(body), []byte("<")) {
		return false
	}
	if !utf8.Valid(body) {
		return true
	}
	if bytes.IndexByte(body, '%') < 0 || bytes.IndexByte(body, '=') <= 0 || body[0] == '{' || body[0] == '[' {
		return false
	}
	plain, err := appendForm(nil, body)
	return err == nil && !utf8.Valid(plain)
}
