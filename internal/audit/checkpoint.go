package audit

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

// Checkpoint says what a log held at one moment: all that came before is bound by the root. Signed it is what leaves the
// machine. Its text is the C2SP tlog-checkpoint: the origin, the size and the root in lines of their own.
type Checkpoint struct {
	// Origin names the log: the name of the key that signs it.
	Origin string
	Size   int64
	Root   tlog.Hash
}

// maxCheckpoint is the length of the longest signed checkpoint that is read, with the cosignatures of its witnesses.
const maxCheckpoint = 64 << 10

// Text is what is signed.
func (c Checkpoint) Text() string {
	return c.Origin + "\n" + strconv.FormatInt(c.Size, 10) + "\n" + c.Root.String() + "\n"
}

// ErrCheckpoint is a text that is not a checkpoint.
var ErrCheckpoint = errors.New("this is not a checkpoint of an audit log: it has the log's name, its size and its root in three lines, and signatures after an empty one")

// ParseCheckpoint reads what is signed. Lines that follow, extensions, are passed over. It checks no signature: see
// [Verifier].
func ParseCheckpoint(text string) (Checkpoint, error) {
	if len(text) > maxCheckpoint || !strings.HasSuffix(text, "\n") {
		return Checkpoint{}, ErrCheckpoint
	}
	lines := strings.Split(strings.TrimSuffix(text, "\n"), "\n")
	if len(lines) < 3 || lines[0] == "" {
		return Checkpoint{}, ErrCheckpoint
	}
	for _, extension := range lines[3:] {
		if extension == "" {
			return Checkpoint{}, ErrCheckpoint
		}
	}
	size, err := decimal(lines[1])
	if err != nil {
		return Checkpoint{}, ErrCheckpoint
	}
	root, err := base64.StdEncoding.Strict().DecodeString(lines[2])
	if err != nil || len(root) != tlog.HashSize || base64.StdEncoding.EncodeToString(root) != lines[2] {
		return Checkpoint{}, ErrCheckpoint
	}
	return Checkpoint{Origin: lines[0], Size: size, Root: tlog.Hash(root)}, nil
}

// Signer signs the checkpoints of one log with Ed25519.
type Signer struct{ key note.Signer }

// NewSigner reads a private key as [GenerateKey] makes it.
func NewSigner(key string) (*Signer, error) {
	s, err := note.NewSigner(strings.TrimSpace(key))
	if err != nil {
		return nil, errors.New("this is not a private key of an audit log, which begins with PRIVATE+KEY+: make one with callgate audit keygen")
	}
	return &Signer{key: s}, nil
}

// Origin is the name of the key and of its log.
func (s *Signer) Origin() string { return s.key.Name() }

// Sign gives the signed checkpoint of a log.
func (s *Signer) Sign(l State) ([]byte, error) {
	c := Checkpoint{Origin: s.Origin(), Size: l.Size, Root: l.Root()}
	return note.Sign(&note.Note{Text: c.Text()}, s.key)
}

// Verifier checks the checkpoints of one log.
type Verifier struct {
	key  note.Verifier
	text string
}

// NewVerifier reads a public key as [GenerateKey] makes it.
func NewVerifier(key string) (*Verifier, error) {
	key = strings.TrimSpace(key)
	v, err := note.NewVerifier(key)
	if err != nil {
		return nil, errors.New("this is not a public key of an audit log, which is NAME+ID+KEY in one line, as callgate audit keygen writes it")
	}
	return &Verifier{key: v, text: key}, nil
}

// Key is the public key in its one line.
func (v *Verifier) Key() string { return v.text }

// Origin is the name of the key and of its log.
func (v *Verifier) Origin() string { return v.key.Name() }

// ErrForeign is a checkpoint that the key of the log has not signed.
var ErrForeign = errors.New("the key of this audit log has not signed this checkpoint")

// Open checks the signature of a signed checkpoint and gives what it says. Signatures of others, of witnesses, are passed
// over. Errors are [ErrCheckpoint] and [ErrForeign].
func (v *Verifier) Open(signed []byte) (Checkpoint, error) {
	if len(signed) > maxCheckpoint {
		return Checkpoint{}, ErrCheckpoint
	}
	n, err := note.Open(signed, note.VerifierList(v.key))
	if err != nil {
		if _, unknown := errors.AsType[*note.UnverifiedNoteError](err); unknown {
			return Checkpoint{}, ErrForeign
		}
		if _, wrong := errors.AsType[*note.InvalidSignatureError](err); wrong {
			return Checkpoint{}, ErrForeign
		}
		return Checkpoint{}, ErrCheckpoint
	}
	c, err := ParseCheckpoint(n.Text)
	if err != nil {
		return Checkpoint{}, err
	}
	if c.Origin != v.Origin() {
		return Checkpoint{}, fmt.Errorf("%w: it is of another log, whose name is not the key's", ErrForeign)
	}
	return c, nil
}

// Line is a signed checkpoint as one line of ASCII, {"checkpoint":"…"}, for what keeps lines. It ends without a line feed.
func Line(signed []byte) []byte {
	line := []byte(`{"checkpoint":"`)
	for _, r := range string(signed) {
		switch {
		case r == '\n':
			line = append(line, `\n`...)
		case r == '"' || r == '\\':
			line = append(line, '\\', byte(r))
		case r >= ' ' && r < utf8.RuneSelf:
			line = append(line, byte(r))
		default:
			for _, unit := range utf16.Encode([]rune{r}) {
				line = fmt.Appendf(line, `\u%04x`, unit)
			}
		}
	}
	return append(line, `"}`...)
}

// ReadCheckpoints reads the checkpoints of a log out of what was kept of them: a signed checkpoint as it was sent, or a file
// with lines that have [Line] anywhere in them, such as that of a syslog server. Those of logs with other names are passed
// over; one that bears this log's name and is not signed by its key is an error, and so is it if there is none.
func (v *Verifier) ReadCheckpoints(text []byte) ([]Checkpoint, error) {
	c, err := v.Open(text)
	if err == nil {
		return []Checkpoint{c}, nil
	}
	if errors.Is(err, ErrForeign) {
		return nil, err
	}
	var all []Checkpoint
	for i, line := range strings.Split(string(text), "\n") {
		_, rest, ok := strings.Cut(line, `"checkpoint":`)
		if !ok {
			continue
		}
		var signed string
		if err := json.NewDecoder(strings.NewReader(rest)).Decode(&signed); err != nil {
			return nil, fmt.Errorf("line %d: %w", i+1, ErrCheckpoint)
		}
		if origin, _, _ := strings.Cut(signed, "\n"); origin != v.Origin() {
			continue
		}
		c, err := v.Open([]byte(signed))
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", i+1, err)
		}
		all = append(all, c)
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("there is no checkpoint of the log %s here: %w", v.Origin(), ErrCheckpoint)
	}
	return all, nil
}
