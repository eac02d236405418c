package caddymodule

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/callgate/callgate/internal/call"
	"github.com/callgate/callgate/internal/destination"
	"github.com/callgate/callgate/internal/manage"
)

// TestSecretsGoToTheirHostsOnly: a listed secret does not leave for another host, nor where a redirect leads.
func TestSecretsGoToTheirHostsOnly(t *testing.T) {
	all, evil := newCRM(t), newCRM(t)
	runGateway(t, fmt.Sprintf(managing, all.URL))
	docs := someDispatcher(t).documents
	if _, err := docs.Save(t.Context(), "ann", "destination", "later", manage.Draft{Body: []byte(httpTo(evil.URL+"/x", `,"headers":{"X-Note":"{secret.ELSEWHERE}"}`)), Publish: true}); err != nil {
		t.Fatal(err)
	}
	config := someDispatcher(t).live().config("later")
	results := config.Destination.Deliver(t.Context(), []destination.Item{{DeliveryID: "d", Call: new(call.Call)}})
	if len(results) != 1 || !strings.Contains(results[0].Reason, "a secret that the destination uses is not for this host") {
		t.Errorf("results %+v", results)
	}
	evil.nothingMore(t)

	// Nor does a preview show it.
	requests, err := someDispatcher(t).live().render("later", destination.Item{DeliveryID: "d", Call: new(call.Call)})
	if err != nil || len(requests) != 1 || strings.Contains(fmt.Sprint(requests), "the-other-secret") {
		t.Errorf("shown: %+v, %v", requests, err)
	}
}

// TestSecretsAreTakenOutWhole: also one that begins as another does, in all forms, and out of errors.
func TestSecretsAreTakenOutWhole(t *testing.T) {
	s := &documentSecrets{used: []string{"tok", "tok-of-prod", `a"b<c&d`}}
	for _, text := range []string{
		"tok-of-prod", "tok", "x=tok-of-prod&y=tok", `a"b<c&d`, `a\"b<c&d`, `a\"b\u003cc\u0026d`, "a%22b%3Cc%26d", "a&#34;b&lt;c&amp;d", "YSJiPGMmZA==", "YSJiPGMmZA",
	} {
		requests := []destination.Request{{URL: text, Body: text, Header: map[string][]string{"X-A": {text}}}}
		err := s.scrub(requests, errors.New("no request: "+text))
		want := map[string]string{"x=tok-of-prod&y=tok": "x=…&y=…"}[text]
		if want == "" {
			want = "…"
		}
		r := requests[0]
		// What follows a secret in base64 may stay.
		for _, got := range []string{r.URL, r.Body, r.Header["X-A"][0], strings.TrimPrefix(err.Error(), "no request: ")} {
			if strings.TrimRight(got, "=") != strings.TrimRight(want, "=") {
				t.Errorf("%s: shown as %s", text, got)
			}
		}
	}
	if err := s.scrub(nil, nil); err != nil {
		t.Error(err)
	}
}
