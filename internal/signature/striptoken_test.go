package signature

import (
	"maps"
	"net/http"
	"slices"
	"testing"
)

func TestStripToken(t *testing.T) {
	const secret = "s3cr3t-of-the-tests"
	with := func(names ...string) http.Header {
		h := http.Header{"Content-Type": {"application/json"}}
		for _, n := range names {
			h.Set(n, secret)
		}
		return h
	}
	for _, c := range []struct {
		config     Config
		sent, kept []string
	}{
		{Config{Scheme: "bearer"}, []string{"Authorization"}, nil},
		{Config{Scheme: "bearer", Header: "X-Mine"}, []string{"X-Mine", "Authorization"}, []string{"Authorization"}},
		{Config{Scheme: "api_key"}, []string{"X-Api-Key"}, nil},
		{Config{Scheme: "vapi-secret"}, []string{"X-Vapi-Secret", "Authorization"}, []string{"Authorization"}},
		{Config{Scheme: "vapi-bearer"}, []string{"Authorization"}, nil},
		{Config{Scheme: "vapi"}, []string{"Authorization"}, nil},
		{Config{Scheme: "vapi"}, []string{"X-Vapi-Secret", "Authorization"}, []string{"Authorization"}},
		{Config{Scheme: "vapi"}, []string{"X-Signature", "X-Vapi-Secret", "Authorization"}, []string{"Authorization", "X-Signature"}},
		{Config{Scheme: "github"}, []string{"X-Hub-Signature-256"}, []string{"X-Hub-Signature-256"}},
	} {
		c.config.Secrets = []string{secret}
		v := mustNew(t, c.config)
		if TakesToken(v) != (c.config.Scheme != "github") {
			t.Errorf("%s: TakesToken is %t", c.config.Scheme, TakesToken(v))
		}
		h := with(c.sent...)
		StripToken(v, h)
		if want := with(c.kept...); !slices.Equal(slices.Sorted(maps.Keys(h)), slices.Sorted(maps.Keys(want))) {
			t.Errorf("%s with %v: %v stayed, want %v", c.config.Scheme, c.sent, h, want)
		}
	}
	StripToken(nil, with("Authorization")) // of a Verifier of others
}
