package audit

import (
	"bytes"
	"errors"
	"sync"

	"github.com/klauspost/compress/zstd"
)

// A segment is a run of bundles, one behind the other, that zstd has compressed. Lines say the same again and again, but for
// ids and commitments, of which nothing can be saved. The hashes of the leaves are those of the lines, so that nothing that
// was ever signed is concerned.

// MaxSegment bounds the bytes to which a segment may unpack: a damaged one must not fill the memory.
const MaxSegment = 256 << 20

// ErrSegment is a segment that cannot be unpacked.
var ErrSegment = errors.New("a compressed part of the audit log cannot be unpacked")

// segmentMagic begins a frame of zstd, and no line.
var segmentMagic = []byte{0x28, 0xb5, 0x2f, 0xfd}

var (
	packer = sync.OnceValue(func() *zstd.Encoder {
		e, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedBetterCompression), zstd.WithEncoderConcurrency(1), zstd.WithEncoderCRC(true))
		if err != nil {
			panic(err) // of constants
		}
		return e
	})
	unpacker = sync.OnceValue(func() *zstd.Decoder {
		d, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(0), zstd.WithDecoderMaxMemory(MaxSegment))
		if err != nil {
			panic(err) // of constants
		}
		return d
	})
)

// Pack makes a segment of the lines of bundles. It makes sure that it unpacks to the same.
func Pack(lines []byte) ([]byte, error) {
	packed := packer().EncodeAll(lines, nil)
	if again, err := Unpack(packed); err != nil || !bytes.Equal(again, lines) {
		return nil, ErrSegment
	}
	return packed, nil
}

// Packed reports whether stored is a segment.
func Packed(stored []byte) bool { return bytes.HasPrefix(stored, segmentMagic) }

// Unpack gives the lines of a segment. What is none is given back as it is.
func Unpack(stored []byte) ([]byte, error) {
	if !Packed(stored) {
		return stored, nil
	}
	lines, err := unpacker().DecodeAll(stored, nil)
	if err != nil {
		return nil, ErrSegment
	}
	return lines, nil
}
