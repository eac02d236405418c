package auditor

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"os"

	"github.com/callgate/callgate/internal/audit/publish"
)

// File is a file that checkpoints are appended to, which is compared with the store when the gateway starts.
type File struct {
	*publish.File
	path string
}

// NewFile needs a path; the file is made when the first checkpoint is written.
func NewFile(path string) *File { return &File{publish.NewFile(path), path} }

// lastBytes is how much of the end of a file is looked at; a checkpoint takes some hundred bytes.
const lastBytes = 64 << 10

// Last implements Remembers. A line that was cut off by a crash is passed over.
func (f *File) Last() (signed []byte, err error) {
	file, err := os.Open(f.path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil || !info.Mode().IsRegular() {
		return nil, err // a pipe or a device remembers nothing
	}
	tail := make([]byte, min(info.Size(), lastBytes))
	if _, err := file.ReadAt(tail, info.Size()-int64(len(tail))); err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	for line := range bytes.Lines(tail) {
		var l struct {
			Checkpoint string `json:"checkpoint"`
		}
		if json.Unmarshal(line, &l) == nil && l.Checkpoint != "" {
			signed = []byte(l.Checkpoint)
		}
	}
	return signed, nil
}

// Interface guard
var _ Remembers = (*File)(nil)
