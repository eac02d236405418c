package audit

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
)

// Commitment is an HMAC-SHA-256 over something that the log does not hold, keyed by a salt that lies beside the leaf. Who
// has both finds that they fit; who has neither learns nothing, also when there are few guesses, as for a phone number. The
// zero value is none. In a line it is unpadded base64url, 43 characters.
type Commitment [sha256.Size]byte

// IsZero is whether nothing is committed to.
func (c Commitment) IsZero() bool { return c == Commitment{} }

// String is the commitment as it stands in a line.
func (c Commitment) String() string { return base64.RawURLEncoding.EncodeToString(c[:]) }

// MarshalText is String.
func (c Commitment) MarshalText() ([]byte, error) { return []byte(c.String()), nil }

// UnmarshalText reads what MarshalText writes.
func (c *Commitment) UnmarshalText(text []byte) error {
	b, err := base64.RawURLEncoding.AppendDecode(make([]byte, 0, len(c)+2), text)
	if err != nil || len(b) != len(c) {
		return errors.New("a commitment is 43 characters of base64url")
	}
	*c = Commitment(b)
	return nil
}

// SaltSize is the length of a salt in bytes.
const SaltSize = 32

// Salt keys the commitments of one event. All leaves of an event may share it: then equal bytes, as of two attempts, have
// equal commitments, and nobody who has not the salt can make one. It must die with the event.
type Salt [SaltSize]byte

// NewSalt makes a salt.
func NewSalt() Salt {
	var s Salt
	rand.Read(s[:]) // never fails
	return s
}

// Commit is the HMAC-SHA-256 of b, keyed by a salt.
func Commit(salt Salt, b []byte) Commitment {
	m := hmac.New(sha256.New, salt[:])
	m.Write(b)
	var c Commitment
	m.Sum(c[:0])
	return c
}

// Beside is what is kept beside the leaves of an event until it is erased: what opens their commitments, and by which name
// its caller is known. The log verifies without it.
type Beside struct {
	Salt Salt
	// Pseudonym is what Subject commits to: the keyed hash of the caller, never the number. Empty if there is no caller.
	Pseudonym string
}

type keepSubjectsKey struct{}

// KeepSubjects has what is erased with the context leave what lies beside its leaves. By default an erasure takes that along:
// nobody can tell any more whom the records are about. But an accounting of disclosures (45 CFR 164.528: of six years, of those
// for other ends than treatment, payment and operations) has to answer what was sent about a person, to whom and when, also
// after the calls themselves were erased. So what is kept is the
// salt and the pseudonym, a keyed hash, and nothing that anybody said. It goes with its records when the log is pruned, or by
// a later erasure of the same caller that does not keep it.
func KeepSubjects(ctx context.Context) context.Context {
	return context.WithValue(ctx, keepSubjectsKey{}, true)
}

// SubjectsKept reports whether KeepSubjects was said.
func SubjectsKept(ctx context.Context) bool { return ctx.Value(keepSubjectsKey{}) != nil }

// ReasonSubjectKept is the reason in the record of an event that was erased so.
const ReasonSubjectKept = "its subject is kept for the accounting of disclosures"

// Subject is what stands in a leaf for the caller.
func (b Beside) Subject() Commitment {
	if b.Pseudonym == "" {
		return Commitment{}
	}
	return Commit(b.Salt, []byte(b.Pseudonym))
}

// maxPseudonym bounds what is read from a store that may be damaged.
const maxPseudonym = 256

// AppendBinary appends the salt and the pseudonym.
func (b Beside) AppendBinary(dst []byte) ([]byte, error) {
	if len(b.Pseudonym) > maxPseudonym {
		return dst, fmt.Errorf("a pseudonym has at most %d bytes", maxPseudonym)
	}
	return append(append(dst, b.Salt[:]...), b.Pseudonym...), nil
}

// MarshalBinary is AppendBinary to nothing.
func (b Beside) MarshalBinary() ([]byte, error) { return b.AppendBinary(nil) }

// UnmarshalBinary reads what AppendBinary wrote.
func (b *Beside) UnmarshalBinary(data []byte) error {
	if len(data) < SaltSize || len(data) > SaltSize+maxPseudonym {
		return errors.New("this is not what is kept beside a leaf")
	}
	*b = Beside{Salt: Salt(data[:SaltSize]), Pseudonym: string(data[SaltSize:])}
	return nil
}
