package curl

import (
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"
)

// maxCommand bounds a command in bytes.
const maxCommand = 1 << 20

// word is a word of a command. Literal tells that no shell would have put anything in its place.
type word struct {
	text string
	// variables are those that a shell would have put in, as $NAME or ${NAME}.
	variables []string
}

// words divides a command as a POSIX shell does: quotes, escapes, continued lines and the C strings $'…' that browsers
// copy. Variables stay as they stand and are noted. What would run or read something else is an error.
func words(command string) (list []word, err error) {
	if len(command) > maxCommand {
		return nil, fmt.Errorf("the command is larger than %d bytes", maxCommand)
	}
	if !utf8.ValidString(command) || strings.ContainsRune(command, 0) {
		return nil, errors.New("the command is not text")
	}
	s := splitter{rest: strings.ReplaceAll(command, "\r\n", "\n")}
	for {
		w, ok, err := s.word()
		if err != nil {
			return nil, err
		}
		if !ok {
			return list, nil
		}
		list = append(list, w)
	}
}

// splitter is what is left of a command.
type splitter struct{ rest string }

// next takes a character away.
func (s *splitter) next() byte {
	c := s.rest[0]
	s.rest = s.rest[1:]
	return c
}

// word takes a word away; not ok at the end of the command.
func (s *splitter) word() (w word, ok bool, err error) {
	for s.rest != "" && (strings.HasPrefix(s.rest, "\\\n") || strings.IndexByte(" \t\n", s.rest[0]) >= 0) {
		if s.next() == '\\' {
			s.next()
		}
	}
	if s.rest == "" {
		return w, false, nil
	}
	if s.rest[0] == '#' {
		return w, false, errors.New("the command has a comment; paste the command alone")
	}
	var b strings.Builder
	for s.rest != "" && strings.IndexByte(" \t\n", s.rest[0]) < 0 {
		if err := s.part(&b, &w); err != nil {
			return w, false, err
		}
	}
	w.text = b.String()
	return w, true, nil
}

// part takes a quoted part or a character away.
func (s *splitter) part(b *strings.Builder, w *word) error {
	switch c := s.next(); c {
	case '\'':
		text, rest, ok := strings.Cut(s.rest, "'")
		if !ok {
			return errors.New("a quote ' is not closed")
		}
		b.WriteString(text)
		s.rest = rest
	case '"':
		return s.double(b, w)
	case '\\':
		if s.rest == "" {
			return errors.New("the command ends in a backslash; paste the lines that follow too")
		}
		if c := s.next(); c != '\n' {
			b.WriteByte(c)
		}
	case '$':
		if strings.HasPrefix(s.rest, "'") {
			s.next()
			return s.c(b)
		}
		return s.dollar(b, w)
	case '`', ';', '|', '&', '<', '>', '(', ')':
		return fmt.Errorf("%q outside of quotes would run or read something else; paste one curl command, and quote URLs that have it", string(c))
	case '^':
		if strings.HasPrefix(s.rest, "\n") || strings.HasPrefix(s.rest, `"`) {
			return errors.New("this is a command for cmd.exe; copy it as cURL (bash)")
		}
		b.WriteByte(c)
	default:
		b.WriteByte(c)
	}
	return nil
}

// double takes the rest of a text in double quotes away.
func (s *splitter) double(b *strings.Builder, w *word) error {
	for s.rest != "" {
		switch c := s.next(); {
		case c == '"':
			return nil
		case c == '`':
			return errors.New("a command between backquotes is not run here; put its result in its place")
		case c == '$':
			if err := s.dollar(b, w); err != nil {
				return err
			}
		case c == '\\' && s.rest != "" && strings.IndexByte("\"\\$`\n", s.rest[0]) >= 0:
			if c := s.next(); c != '\n' {
				b.WriteByte(c)
			}
		default:
			b.WriteByte(c)
		}
	}
	return errors.New(`a quote " is not closed`)
}

// dollar takes a variable away, of which the $ is gone already.
func (s *splitter) dollar(b *strings.Builder, w *word) error {
	b.WriteByte('$')
	if strings.HasPrefix(s.rest, "(") {
		return errors.New("a command in $(…) is not run here; put its result in its place")
	}
	braced := strings.HasPrefix(s.rest, "{")
	name := strings.TrimPrefix(s.rest, "{")
	end := 0
	for end < len(name) && (name[end] == '_' || 'a' <= name[end]|0x20 && name[end]|0x20 <= 'z' || end > 0 && '0' <= name[end] && name[end] <= '9') {
		end++
	}
	if end == 0 || braced && !strings.HasPrefix(name[end:], "}") {
		return nil // a dollar is all it is
	}
	w.variables = append(w.variables, name[:end])
	if braced {
		b.WriteString("{" + name[:end] + "}")
		s.rest = name[end+1:]
		return nil
	}
	b.WriteString(name[:end])
	s.rest = name[end:]
	return nil
}

// escapes are those of a C string that stand for one character.
var escapes = map[byte]string{'n': "\n", 't': "\t", 'r': "\r", 'a': "\a", 'b': "\b", 'e': "\x1b", 'f': "\f", 'v': "\v", '\\': `\`, '\'': "'", '"': `"`, '?': "?"}

// digits of escapes: how many there are at most, in which base, and whether they are a code point.
var digits = map[byte]struct {
	n, base int
	rune    bool
}{'x': {2, 16, false}, 'u': {4, 16, true}, 'U': {8, 16, true}, '0': {3, 8, false}, '1': {3, 8, false}, '2': {3, 8, false}, '3': {3, 8, false}}

// c takes the rest of a text in $'…' away.
func (s *splitter) c(b *strings.Builder) error {
	for s.rest != "" {
		ch := s.next()
		switch {
		case ch == '\'':
			return nil
		case ch != '\\' || s.rest == "":
			b.WriteByte(ch)
			continue
		}
		e := s.next()
		d, numeric := digits[e]
		switch {
		case escapes[e] != "":
			b.WriteString(escapes[e])
		case numeric:
			if d.base == 8 {
				s.rest = string(e) + s.rest
			}
			s.number(b, d.n, d.base, d.rune)
		default:
			b.WriteByte('\\')
			b.WriteByte(e)
		}
	}
	return errors.New("a quote $' is not closed")
}

// number takes up to n digits away and writes the byte or character that they are.
func (s *splitter) number(b *strings.Builder, n, base int, isRune bool) {
	v, i := 0, 0
	for ; i < n && i < len(s.rest); i++ {
		d := strings.IndexByte("0123456789abcdef", s.rest[i]|0x20)
		if '0' <= s.rest[i] && s.rest[i] <= '9' {
			d = int(s.rest[i] - '0')
		}
		if d < 0 || d >= base {
			break
		}
		v = v*base + d
	}
	s.rest = s.rest[i:]
	switch {
	case isRune:
		b.WriteRune(rune(v))
	default:
		b.WriteByte(byte(v))
	}
}
