package main

import (
	"bytes"
	"fmt"
	"strings"
	"time"
)

// attack is what strangers do.
type attack struct {
	name string
	does string
	// requests are what they send, in turns.
	requests []request
}

// request is a request of a stranger, all of whom sign it, wrongly.
type request struct {
	body []byte
	// announced is the Content-Length; 0: that of the body. Where less is sent the connection is held.
	announced int
	// pause is how long it waits before each further byte of a body that is announced; 0: nothing more comes.
	pause time.Duration
}

// most is the default max_body, which attacks go up to.
const most = 1 << 20

// attacks are all of them: of one kind each, and the last of the four that the target names.
func attacks() []attack {
	subnormal := request{body: filled("[", "5e-324,", "1]")}
	deep := request{body: filled("[", strings.Repeat("[", 500)+"0.5"+strings.Repeat("]", 500)+",", "1]")}
	rewritten := request{body: filled("[", `{"\u006e":0.10,"2":-0,"1":1E2},`, "1]")}
	noise := request{body: bytes.Repeat([]byte("x"), most)}
	announced := request{announced: most}
	trickle := request{body: []byte("["), announced: most, pause: 20 * time.Second}
	withheld := request{body: subnormal.body[:most-1<<10], announced: most}
	small := request{body: []byte(`{"event":"call.completed"}`)}
	return []attack{
		{"subnormal", "a JSON array of subnormal numbers", []request{subnormal}},
		{"deep", "JSON that nests as deep as it may", []request{deep}},
		{"rewritten", "JSON of which each token has to be written anew", []request{rewritten}},
		{"noise", "1 MiB that is no JSON", []request{noise}},
		{"announced", "Content-Length and nothing else", []request{announced}},
		{"trickle", "one byte in 20 s", []request{trickle}},
		{"withheld", "all of a body but its end", []request{withheld}},
		{"small", "26 bytes, as fast as they are refused", []request{small}},
		{"mixed", "subnormal, deep, announced and trickle, a quarter of the strangers each", []request{subnormal, deep, announced, trickle}},
	}
}

func attackNames() (names []string) {
	for _, a := range attacks() {
		names = append(names, a.name)
	}
	return names
}

// filled repeats a part until the body is as large as it may be, with white space for the rest.
func filled(open, part, end string) []byte {
	n := (most - len(open) - len(end)) / len(part)
	b := make([]byte, 0, most)
	b = append(append(append(b, open...), strings.Repeat(part, n)...), end...)
	return append(b, bytes.Repeat([]byte(" "), most-len(b))...)
}

// bytes is the request as it is sent. The signature is well-formed, and that of nothing.
func (r request) bytes(host, path string) []byte {
	length := r.announced
	if length == 0 {
		length = len(r.body)
	}
	head := fmt.Appendf(nil, "POST %s HTTP/1.1\r\nHost: %s\r\nUser-Agent: stranger\r\nContent-Type: application/json\r\n"+
		"X-NextPhone-Signature: %s\r\nContent-Length: %d\r\n\r\n", path, host, strings.Repeat("0", 64), length)
	return append(head, r.body...)
}

// left is how many bytes of the body are announced and not there.
func (r request) left() int { return max(0, r.announced-len(r.body)) }
