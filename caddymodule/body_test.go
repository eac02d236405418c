package caddymodule

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"
)

// A compressed body that is passed on is of no use to a receiver that is not told how to expand it.
func TestACompressedBodyIsPassedOnAsOne(t *testing.T) {
	c := newCRM(t)
	g := runGateway(t, fmt.Sprintf(breakerConfig, "destination NAME http {\nurl "+c.URL+"\npass_through\n}", `
	callgate nextphone {
		name NAME
		tenant acme
		deliver NAME
	}`))
	var b bytes.Buffer
	zw := gzip.NewWriter(&b)
	fmt.Fprint(zw, leadBody)
	zw.Close()
	body := b.String()
	r, err := http.NewRequest(http.MethodPost, "http://gate.test/", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Content-Encoding", "gzip")
	signRequest(t, nextphone, r, body, time.Now())
	res, err := g.client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	got := c.next(t)
	if got.header.Get("Content-Encoding") != "gzip" {
		t.Fatalf("the receiver got the headers %v", got.header)
	}
	zr, err := gzip.NewReader(strings.NewReader(got.body))
	if err != nil {
		t.Fatal(err)
	}
	if text, err := io.ReadAll(zr); err != nil || string(text) != leadBody {
		t.Errorf("the receiver got %q, %v", text, err)
	}
}
