package main

import (
	"bytes"
	"crypto/ed25519"
	"encoding/base64"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/callgate/callgate/internal/signature"
	"github.com/callgate/callgate/internal/source"
)

// told are the texts of some names, which have to be the same names.
func told(what string, names []string, texts map[string]string) error {
	for _, n := range names {
		if texts[n] == "" {
			return fmt.Errorf("%s %q has no text in texts.go", what, n)
		}
	}
	for n := range texts {
		if !slices.Contains(names, n) {
			return fmt.Errorf("texts.go has a text for the %s %q, which there is not", what, n)
		}
	}
	return nil
}

func sorted[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

func listed(list []string) string {
	if len(list) == 0 {
		return ""
	}
	return "`" + strings.Join(list, "`, `") + "`"
}

// signatures writes the options of schemes, and a table of the schemes themselves.
func (g *generator) signatures(s *sheet) error {
	s.head(2, "verify")
	s.add("`verify <scheme> { … }` is a [policy line](policy.md#verify). A source with a preset has the scheme of its sender without it. An option that has no effect under a scheme is refused.")
	b := block{dir: "caddymodule/scheme", typ: "Options", from: "caddymodule/verifiers", function: "Scheme.UnmarshalCaddyfile", path: []string{"verify"}}
	if err := s.optionTable(g, b); err != nil {
		return err
	}
	s.add(find(g.caddyfiles, "policy", "verify"))
	s.head(2, "sign")
	s.add("`sign <scheme> <secret> [<form>] { … }` takes the same options. It stands in [policy lines](policy.md#sign), where it signs what is handed on, and in [destinations](destinations.md#sign).")
	s.add(find(g.caddyfiles, "policy", "sign"))

	s.head(2, "Schemes")
	s.add("A signature covers some parts of a request, and nobody vouches for the others: whoever has seen one request can send it again with anything there. \"Covers\" is what a request with a JSON body shows when it is signed and verified by the code. Where no time is covered, a request once seen can be sent again for ever, and only deduplication stops it; Callgate knows such an event by the hash of what was signed, or by an id that was.")
	var rows [][]string
	for _, i := range signature.Schemes() {
		c, err := covers(i)
		if err != nil {
			return fmt.Errorf("scheme %s: %w", i.Name, err)
		}
		key := "secret"
		switch {
		case i.NeedsSecret && i.NeedsPublicKey:
			key = "secret or public key"
		case i.NeedsPublicKey:
			key = "public key"
		case !i.NeedsSecret:
			key = "none"
		}
		var weak []string
		if i.Token {
			weak = append(weak, "shows the secret itself")
		}
		if i.Weak {
			weak = append(weak, "does not cover the body")
		}
		if i.Replayable {
			weak = append(weak, "no time")
		}
		tolerance := ""
		if i.TimestampTolerance > 0 {
			tolerance = duration(i.TimestampTolerance)
		}
		name := "`" + i.Name + "`"
		if len(i.Aliases) > 0 {
			name += " (" + listed(i.Aliases) + ")"
		}
		rows = append(rows, []string{name, i.Summary, listed(i.Headers), key, c, tolerance, strings.Join(weak, "; ")})
	}
	s.table([]string{"scheme", "how it signs", "headers", "key", "covers", "tolerance", "weakness"}, rows)
	return nil
}

// covers signs a request by a scheme, verifies it, and says what the code then holds to be covered.
func covers(i signature.Info) (string, error) {
	private := ed25519.NewKeyFromSeed(bytes.Repeat([]byte{1}, ed25519.SeedSize))
	public := base64.StdEncoding.EncodeToString(private.Public().(ed25519.PublicKey))
	sign := signature.Config{Scheme: i.Name, Secrets: []string{"whsec_" + base64.StdEncoding.EncodeToString(bytes.Repeat([]byte("secret"), 5))}}
	switch i.Name {
	case "hmac", "ed25519", "rsa":
		return "what `signed` says", nil
	case "client_certificate", "none": // with which nothing can be signed
		return "nothing", nil
	case "basic":
		sign.Secrets = []string{"name:" + sign.Secrets[0]}
	case "body_token":
		sign.Path = "key"
	case "jwt":
		sign.HashClaim = "body_hash"
	}
	verify := sign
	if i.NeedsPublicKey && !i.NeedsSecret {
		sign.Secrets = []string{base64.StdEncoding.EncodeToString(private)}
		verify = signature.Config{Scheme: i.Name, PublicKeys: []string{public}}
	}
	signer, err := signature.NewSigner(sign)
	if err != nil {
		return "", err
	}
	verifier, err := signature.New(verify)
	if err != nil {
		return "", err
	}
	now := time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)
	kind, body := "application/json", `{"call":{"call_id":"c-1"}}`
	if i.Name == "plivo" { // which signs forms alone
		kind, body = "application/x-www-form-urlencoded", "CallUUID=c-1"
	}
	m := signature.Message{
		Method: http.MethodPost, URL: "https://hooks.example.com/in", Header: http.Header{"Content-Type": {kind}},
		Body: []byte(body),
	}
	if err := signer.Sign(&m, "msg-1", now); err != nil {
		return "", err
	}
	r, err := verifier.Verify(&m, now)
	if err != nil {
		return "", err
	}
	return r.Covers.String(), nil
}

// duration is a time as a Caddyfile has it.
func duration(d time.Duration) string {
	text := d.String()
	for _, zero := range []string{"m0s", "h0m"} {
		if t, ok := strings.CutSuffix(text, zero); ok {
			text = t + zero[:1]
		}
	}
	return text
}

// senders writes the table of the presets, and who waits for what the answer says.
func (g *generator) senders(s *sheet) error {
	s.head(2, "Presets")
	s.add("A preset is what Callgate knows of a sender. It is used by its name on a route (`callgate /hooks/* retell { … }`), or by `preset` in a source of another name. \"Again after 5xx\" and \"after 4xx\" are whether the sender is known to send again with its default settings; no means that it is not known to, and a refused event must be taken for lost. Where it is known to send again after a 4xx, an event over the rate is answered with 429, and elsewhere with 503.")
	var rows, waits [][]string
	yes := map[bool]string{true: "yes", false: "no"}
	for _, p := range source.Presets() {
		scheme, timeout, id := "", "", "in the body, or its hash"
		if p.Scheme != "" {
			scheme = "[`" + p.Scheme + "`](signatures.md#schemes)"
		}
		if p.Timeout > 0 {
			timeout = duration(p.Timeout)
		}
		if p.EventIDHeader != "" {
			id = "header `" + p.EventIDHeader + "`"
		}
		rows = append(rows, []string{"`" + p.Name + "`", p.Summary, scheme, strings.Join(p.Methods(), ", "), id, yes[p.Retries], yes[p.RetriesClientErrors], timeout})
		if len(p.Synchronous) > 0 {
			waits = append(waits, []string{"`" + p.Name + "`", listed(p.Synchronous)})
		}
	}
	s.table([]string{"preset", "whose", "scheme", "methods", "event id", "again after 5xx", "after 4xx", "waits for"}, rows)
	s.head(2, "Who waits for an answer")
	s.add("The senders of these event types wait for what the answer says, not only for its status: what to tell the caller, which assistant to use. A route that delivers hands them on to the next handler, which has to answer; everything else it answers itself.")
	s.table([]string{"preset", "event types"}, waits)
	return nil
}
