package postgres

import (
	"bytes"
	"testing"

	"github.com/jackc/pgx/v5/pgtype"
)

// TestArraysAreWrittenAsPgxWritesThem compares the binary form with pgx's own, for every kind, empty, nil, and with NULL in it.
func TestArraysAreWrittenAsPgxWritesThem(t *testing.T) {
	m := pgtype.NewMap()
	for _, c := range []struct {
		oid uint32
		arg any
	}{
		{pgtype.UUIDArrayOID, [][16]byte{{1, 2, 3}, {15: 0xff}}},
		{pgtype.UUIDArrayOID, [][16]byte{}},
		{pgtype.UUIDArrayOID, [][16]byte(nil)},
		{pgtype.Int8ArrayOID, []int64{0, -1, 1 << 62}},
		{pgtype.Int8ArrayOID, []int64{}},
		{pgtype.Int4ArrayOID, []int32{0, -1, 1 << 30}},
		{pgtype.Int4ArrayOID, []int32(nil)},
		{pgtype.Int2ArrayOID, []int16{0, -1, 1 << 14}},
		{pgtype.TextArrayOID, []string{"", "crm", "Zoë \x01\x02"}},
		{pgtype.TextArrayOID, []string{}},
		{pgtype.ByteaArrayOID, [][]byte{{}, nil, {0, 1, 0xff}, bytes.Repeat([]byte{7}, 5000)}},
		{pgtype.ByteaArrayOID, [][]byte{{1}, {2}}},
		{pgtype.ByteaArrayOID, [][]byte{nil}},
		{pgtype.ByteaArrayOID, [][]byte{}},
		{pgtype.ByteaArrayOID, [][]byte(nil)},
	} {
		before := []byte("before")
		want, err := m.Encode(c.oid, pgtype.BinaryFormatCode, c.arg, bytes.Clone(before))
		if err != nil {
			t.Fatal(err)
		}
		got, ok := appendArray(bytes.Clone(before), c.oid, c.arg)
		if !ok || !bytes.Equal(got, want) || (got == nil) != (want == nil) {
			t.Errorf("%T %v is written as\n%x, where pgx writes\n%x", c.arg, c.arg, got, want)
		}
	}
	for _, c := range []struct {
		oid uint32
		arg any
	}{{pgtype.Int8ArrayOID, []int32{1}}, {pgtype.JSONBArrayOID, []string{"{}"}}, {pgtype.Int4OID, int32(1)}, {pgtype.TextArrayOID, []*string{nil}}} {
		if _, ok := appendArray(nil, c.oid, c.arg); ok {
			t.Errorf("%T is written for the type %d, which is pgx's", c.arg, c.oid)
		}
	}
}
