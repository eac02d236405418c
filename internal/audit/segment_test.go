package audit

import (
	"bytes"
	"errors"
	"testing"
	"time"

	"github.com/oklog/ulid/v2"
)

// someLines are the records of calls, each accepted and sent to a receiver.
func someLines(calls int) []byte {
	var lines []byte
	at := time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC)
	for i := range calls {
		event := ulid.Make().String()
		salt := NewSalt()
		for _, l := range []Leaf{
			{Kind: EventAccepted, Tenant: "clinic-north", Route: "nextphone", Source: "nextphone", To: []Recipient{{Name: "ehr"}}, Bytes: int64(2000 + i%700),
				Subject: Commit(salt, []byte("pseudonym"))},
			{Kind: Attempt, Tenant: "clinic-north", Delivery: event + ".0", Attempt: 1, To: []Recipient{{Name: "ehr", Kind: "fhir", Host: "ehr.example"}},
				Fields: []string{"caller_number", "patient_id", "summary", "started_at"}, Bytes: int64(1500 + i%300), Sent: Commit(salt, []byte(event)),
				Outcome: OutcomeOK, Status: 201, TookMS: int64(40 + i%90), Policy: PolicySent},
		} {
			l.Seq, l.Event, l.Boot, l.At = int64(bytes.Count(lines, []byte("\n"))), event, "01JC0Q4Z6W5P9G2N8S3T7V1X0Y", at.Add(time.Duration(i)*time.Second)
			lines = append(AppendLine(lines, &l), '\n')
		}
	}
	return lines
}

func TestSegmentsUnpackToTheirLines(t *testing.T) {
	for _, calls := range []int{1, 10, 400} {
		lines := someLines(calls)
		packed, err := Pack(lines)
		if err != nil || !Packed(packed) {
			t.Fatal(calls, err)
		}
		if again, err := Unpack(packed); err != nil || !bytes.Equal(again, lines) {
			t.Errorf("%d calls: %v", calls, err)
		}
		if calls == 400 && len(packed)*2 > len(lines) {
			t.Errorf("%d bytes were made of %d", len(packed), len(lines))
		}
		t.Logf("%d calls: %d bytes, packed %d", calls, len(lines), len(packed))
	}
	lines := someLines(1)
	if same, err := Unpack(lines); err != nil || !bytes.Equal(same, lines) || Packed(lines) {
		t.Errorf("lines that were not packed: %v", err)
	}
}

// TestDamagedSegmentsAreFound: whatever bit was turned, and wherever one was cut, it gives an error or the lines. Without its
// beginning it is no segment, and is taken for lines, which are verified.
func TestDamagedSegmentsAreFound(t *testing.T) {
	lines := someLines(20)
	packed, err := Pack(lines)
	if err != nil {
		t.Fatal(err)
	}
	for i := len(segmentMagic); i < len(packed); i++ {
		for what, bad := range map[string][]byte{"turned": bytes.Clone(packed), "cut": packed[:i]} {
			if what == "turned" {
				bad[i] ^= 0x10
			}
			if got, err := Unpack(bad); err == nil && !bytes.Equal(got, lines) || err != nil && !errors.Is(err, ErrSegment) {
				t.Errorf("%s at %d: %d bytes, %v", what, i, len(got), err)
			}
		}
	}
}

func FuzzUnpack(f *testing.F) {
	packed, err := Pack(someLines(3))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(packed)
	f.Add([]byte("{}\n"))
	f.Add(append(bytes.Clone(segmentMagic), 0))
	f.Fuzz(func(t *testing.T, stored []byte) {
		lines, err := Unpack(stored)
		if err == nil && len(lines) > MaxSegment {
			t.Errorf("%d bytes were unpacked", len(lines))
		}
	})
}
