package main

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"math"
	"strconv"
)

// errAnswer means that what came back is not an HTTP/1.1 answer that can be read here.
var errAnswer = errors.New("not an HTTP/1.1 answer with a readable header: check that the URL is that of an HTTP server")

// maxHeaderLines bounds the header of an answer; the reader's buffer bounds each line.
const maxHeaderLines = 200

// answer is what matters of an answer once it was read.
type answer struct {
	status int
	// last says that the connection cannot be used again.
	last bool
}

// readAnswer reads the answer to a POST, body included.
func readAnswer(r *bufio.Reader) (answer, error) {
	for {
		a, length, err := readHead(r)
		if err != nil {
			return a, err
		}
		if a.status < 200 { // informational: the answer is yet to come
			continue
		}
		switch {
		case a.status == 204 || a.status == 304:
		case length == chunked:
			err = skipChunks(r)
		case length == untilEnd:
			a.last = true
			_, err = io.Copy(io.Discard, r)
		default:
			_, err = r.Discard(length)
		}
		return a, err
	}
}

// Lengths of a body that are none.
const (
	untilEnd = -1
	chunked  = -2
)

// readHead reads the status line and the header.
func readHead(r *bufio.Reader) (a answer, length int, err error) {
	line, err := readLine(r)
	if err != nil {
		return a, 0, err
	}
	if len(line) < 12 || !bytes.HasPrefix(line, []byte("HTTP/1.")) || line[8] != ' ' {
		return a, 0, errAnswer
	}
	if a.status, err = strconv.Atoi(string(line[9:12])); err != nil || a.status < 100 {
		return a, 0, errAnswer
	}
	a.last = line[7] == '0'
	length = untilEnd
	for range maxHeaderLines {
		if line, err = readLine(r); err != nil {
			return a, 0, err
		}
		if len(line) == 0 {
			return a, length, nil
		}
		name, value, ok := bytes.Cut(line, []byte(":"))
		if !ok {
			return a, 0, errAnswer
		}
		value = bytes.TrimSpace(value)
		switch {
		case len(name) == 14 && bytes.EqualFold(name, []byte("content-length")):
			n, err := strconv.ParseUint(string(value), 10, 63)
			if err != nil || n > math.MaxInt32 {
				return a, 0, errAnswer
			}
			if length != chunked {
				length = int(n)
			}
		case len(name) == 17 && bytes.EqualFold(name, []byte("transfer-encoding")):
			if !bytes.EqualFold(value, []byte("chunked")) {
				return a, 0, errAnswer
			}
			length = chunked
		case len(name) == 10 && bytes.EqualFold(name, []byte("connection")):
			a.last = a.last || bytes.EqualFold(value, []byte("close"))
		}
	}
	return a, 0, errAnswer
}

// skipChunks reads a chunked body and its trailer.
func skipChunks(r *bufio.Reader) error {
	for {
		line, err := readLine(r)
		if err != nil {
			return err
		}
		size, _, _ := bytes.Cut(line, []byte(";"))
		n, err := strconv.ParseUint(string(bytes.TrimSpace(size)), 16, 31)
		if err != nil {
			return errAnswer
		}
		if n == 0 {
			break
		}
		if _, err := r.Discard(int(n)); err != nil {
			return err
		}
		if line, err = readLine(r); err != nil {
			return err
		} else if len(line) != 0 {
			return errAnswer
		}
	}
	for range maxHeaderLines {
		line, err := readLine(r)
		if err != nil || len(line) == 0 {
			return err
		}
	}
	return errAnswer
}

// readLine returns a line without its end. It is good until the next read.
func readLine(r *bufio.Reader) ([]byte, error) {
	line, err := r.ReadSlice('\n')
	if errors.Is(err, bufio.ErrBufferFull) {
		return nil, errAnswer
	}
	if err == io.EOF && len(line) > 0 {
		err = io.ErrUnexpectedEOF
	}
	if err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(line[:len(line)-1], []byte("\r")), nil
}
