package commands

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func TestReady(t *testing.T) {
	g := runGateway(t)
	if out := g.must(fillReady); out != "ready\n" {
		t.Errorf("%q", out)
	}
	if out := g.must(fillReady, "--json", "--max-queue-age", "1h"); !strings.Contains(out, `"ready": true`) {
		t.Errorf("%q", out)
	}
	full := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.RequestURI != "/callgate/ready?max_queue_age=1h0m0s" {
			t.Error(r.RequestURI)
		}
		w.WriteHeader(http.StatusServiceUnavailable)
		_, _ = w.Write([]byte(`{"ready":false,"error":"the disk is full"}`))
	}))
	defer full.Close()
	if out, err := run(t, fillReady, "", "--max-queue-age", "1h", "--address", full.Listener.Addr().String()); err == nil || err.Error() != "the disk is full" || out != "" {
		t.Errorf("%v, %q", err, out)
	}
}
