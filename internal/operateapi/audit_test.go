package operateapi

import (
	"bytes"
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"
)

// TestAnExportThatBreaksOffIsSeenToBeCut: an error behind the first byte must not look like the end.
func TestAnExportThatBreaksOffIsSeenToBeCut(t *testing.T) {
	broken := errors.New("the disk")
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		out := &begun{w: w, kind: lines}
		if err := out.end(broken); !errors.Is(err, broken) {
			t.Errorf("before the first byte it says %v", err)
		}
		_, _ = out.Write(bytes.Repeat([]byte("x"), 100_000))
		_ = out.end(broken)
	}))
	defer server.Close()
	res, err := http.Get(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	var got bytes.Buffer
	if _, err := got.ReadFrom(res.Body); err == nil {
		t.Errorf("%d bytes were taken for all", got.Len())
	}
}
