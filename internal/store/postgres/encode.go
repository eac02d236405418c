package postgres

import (
	"encoding/binary"

	"github.com/jackc/pgx/v5/pgtype"
)

// appendArray appends an argument in its binary form, if it is an array of one of the kinds that accepting takes. pgx, which
// writes all others, finds out by reflection for each element how it is written, and allocates for most of them. written is nil
// for NULL, and ok is false for what pgx has to write.
func appendArray(buffer []byte, oid uint32, arg any) (written []byte, ok bool) {
	switch list := arg.(type) {
	case [][16]byte:
		return appendElements(buffer, oid == pgtype.UUIDArrayOID, pgtype.UUIDOID, list, func(b []byte, v [16]byte) []byte { return append(b, v[:]...) })
	case []int64:
		return appendElements(buffer, oid == pgtype.Int8ArrayOID, pgtype.Int8OID, list, func(b []byte, v int64) []byte { return binary.BigEndian.AppendUint64(b, uint64(v)) })
	case []int32:
		return appendElements(buffer, oid == pgtype.Int4ArrayOID, pgtype.Int4OID, list, func(b []byte, v int32) []byte { return binary.BigEndian.AppendUint32(b, uint32(v)) })
	case []int16:
		return appendElements(buffer, oid == pgtype.Int2ArrayOID, pgtype.Int2OID, list, func(b []byte, v int16) []byte { return binary.BigEndian.AppendUint16(b, uint16(v)) })
	case []string:
		return appendElements(buffer, oid == pgtype.TextArrayOID, pgtype.TextOID, list, func(b []byte, v string) []byte { return append(b, v...) })
	case [][]byte:
		return appendBytes(buffer, oid == pgtype.ByteaArrayOID, list)
	}
	return nil, false
}

// header begins an array of n elements: its dimensions, whether some are NULL, of what type they are, how many, and from which
// number on they are counted.
func header(buffer []byte, nulls bool, element uint32, n int) []byte {
	some := uint32(0)
	if nulls {
		some = 1
	}
	for _, v := range []uint32{1, some, element, uint32(n), 1} {
		buffer = binary.BigEndian.AppendUint32(buffer, v)
	}
	return buffer
}

func appendElements[T any](buffer []byte, fits bool, element uint32, list []T, one func([]byte, T) []byte) ([]byte, bool) {
	if !fits || list == nil {
		return nil, fits
	}
	buffer = header(buffer, false, element, len(list))
	for _, v := range list {
		buffer = append(buffer, 0, 0, 0, 0)
		began := len(buffer)
		buffer = one(buffer, v)
		binary.BigEndian.PutUint32(buffer[began-4:], uint32(len(buffer)-began))
	}
	return buffer, true
}

// appendBytes is appendElements for values of which some may be NULL.
func appendBytes(buffer []byte, fits bool, list [][]byte) ([]byte, bool) {
	if !fits || list == nil {
		return nil, fits
	}
	nulls := false
	for _, v := range list {
		nulls = nulls || v == nil
	}
	buffer = header(buffer, nulls, pgtype.ByteaOID, len(list))
	for _, v := range list {
		if v == nil {
			buffer = append(buffer, 0xff, 0xff, 0xff, 0xff)
			continue
		}
		buffer = append(binary.BigEndian.AppendUint32(buffer, uint32(len(v))), v...)
	}
	return buffer, true
}
