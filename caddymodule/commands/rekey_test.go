package commands

import (
	"path/filepath"
	"strings"
	"testing"

	"go.uber.org/zap"

	"github.com/callgate/callgate/caddymodule"
	"github.com/callgate/callgate/caddymodule/gatewaytest"
	"github.com/callgate/callgate/internal/store"
)

const secondKey = "0000000000000000000000000000000000000000000000000000000000000002"

func TestRekeySealsWithTheFirstKeyWhileTheGatewayRests(t *testing.T) {
	g := runGateway(t)
	for n := range 3 {
		g.send(n)
	}
	g.settled(3, 0)
	configWith := func(keys ...string) string {
		config := "{\n\tcallgate {\n\t\tstore sqlite " + g.Store + "\n"
		for _, k := range keys {
			config += "\t\tencryption_key " + k + "\n"
		}
		return config + "\t}\n}\n"
	}
	both := write(t, "Caddyfile", configWith(secondKey+" "+firstKey))
	if _, err := run(t, fillRekey, "", "--config", both); err == nil || !strings.Contains(err.Error(), "stop it first") {
		t.Fatalf("while the gateway runs: %v", err)
	}
	g.Stop()
	for _, tt := range []struct{ name, config, says string }{
		{"without the old key", configWith(secondKey), "add the key it was sealed with"},
		{"without any", configWith(), "add the key it was sealed with"},
		{"no such store", "{\n\tcallgate {\n\t\tstore sqlite " + filepath.Join(t.TempDir(), "none") + "\n\t\tencryption_key " + firstKey + "\n\t}\n}\n", "there is no store at"},
		{"no such app", "http:// {\n\trespond hello\n}\n", "no callgate app"},
	} {
		if _, err := run(t, fillRekey, "", "--config", write(t, "Caddyfile", tt.config)); err == nil || !strings.Contains(err.Error(), tt.says) {
			t.Errorf("%s: %v", tt.name, err)
		}
	}
	out, err := run(t, fillRekey, "", "--config", both)
	if err != nil || out != "3 records sealed again; everything is sealed with the first key.\n" {
		t.Fatalf("%v: %s", err, out)
	}
	if out, err := run(t, fillRekey, "", "--config", both); err != nil || !strings.HasPrefix(out, "0 records") {
		t.Errorf("the second time: %v: %s", err, out)
	}
	// The new key alone opens everything.
	s, err := caddymodule.OpenStore(gatewaytest.Adapt(t, configWith(secondKey), ""), zap.NewNop())
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	events, err := s.Events(t.Context(), store.Filter{}, store.Page{})
	if err != nil || len(events) != 3 {
		t.Fatal(events, err)
	}
	for _, e := range events {
		if ev, err := s.Event(t.Context(), e.ID); err != nil || !strings.Contains(string(ev.Body), "private words") {
			t.Errorf("%v", err)
		}
	}
}
